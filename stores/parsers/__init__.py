"""Reading documents: a file's bytes to sections of text. Nothing in a file is run or fetched."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from stores.errors import DocumentUnreadable
from stores.parsers.markdown import parse_markdown, parse_text
from stores.parsers.pages import parse_pdf
from stores.parsers.rows import parse_rows
from stores.parsers.section import Section
from stores.parsers.web import parse_html
from stores.parsers.word import parse_docx

__all__ = ["EXTENSIONS", "Section", "parse", "read", "read_bytes", "shown"]

_KINDS = {
    ".md": "markdown", ".markdown": "markdown", ".txt": "text", ".text": "text", ".rst": "text", ".log": "text", ".pdf": "pdf",
    ".docx": "docx", ".html": "html", ".htm": "html", ".xhtml": "html", ".csv": "rows", ".tsv": "rows",
}  # fmt: skip
EXTENSIONS = frozenset(_KINDS)
"""The file names that can be read end in one of these."""

_SIGNATURES = (
    (b"%PDF-", "pdf"), (b"PK\x03\x04", "zip"), (b"\xd0\xcf\x11\xe0", "ole"), (b"\x89PNG", "picture"), (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"), (b"\x7fELF", "program"), (b"MZ\x90", "program"), (b"\x1f\x8b", "archive"), (b"SQLite format 3", "database"),
    (b"7z\xbc\xaf", "archive"), (b"Rar!", "archive"), (b"{\\rtf", "RTF document"),
)  # fmt: skip
_ENCODED = re.compile(r"[A-Za-z0-9+/=%_-]{1000,}")  # a picture in base 64, a key: nobody's words
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read(path: Path, *, max_megabytes: float = 50.0, max_pages: int = 2000) -> list[Section]:
    """The sections of a document, in order. Raises DocumentUnreadable with the reason."""
    return parse(read_bytes(path, max_megabytes=max_megabytes), path.name, max_pages=max_pages)


def read_bytes(path: Path, *, max_megabytes: float = 50.0) -> bytes:
    """A file's bytes, where it is not too large, not empty, and readable."""
    name = shown(path.name)
    if path.suffix.lower() not in EXTENSIONS:
        raise DocumentUnreadable(f"{name} is of a type that is not read ({', '.join(sorted(EXTENSIONS))} are)")
    limit = int(max_megabytes * 1e6)
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)  # not the size that stat gives: a file may grow meanwhile
    except OSError as error:
        raise DocumentUnreadable(f"{name} cannot be opened: {error.strerror or error}") from error
    if len(data) > limit:
        raise DocumentUnreadable(f"{name} is larger than {max_megabytes:g} MB; split it, or raise documents.max_megabytes")
    if not data.strip():
        raise DocumentUnreadable(f"{name} is empty")
    return data


def parse(data: bytes, name: str, *, max_pages: int = 2000) -> list[Section]:
    """The sections of a document that has been read. `name` gives its type, its first bytes may contradict."""
    kind = _KINDS.get(Path(name).suffix.lower(), "")
    name = shown(name)
    signature = next((what for mark, what in _SIGNATURES if data.startswith(mark)), None)
    if signature == "pdf" or kind == "pdf":
        if b"%PDF-" not in data[:1024]:
            raise DocumentUnreadable(f"{name} is damaged: it does not begin as a PDF does")
        sections = parse_pdf(data, name, max_pages=max_pages)
    elif kind == "docx":
        if signature == "ole":
            raise DocumentUnreadable(f"{name} is locked with a password, or in Word's old format; save it as DOCX without a password")
        sections = parse_docx(data, name)
    elif signature:
        raise DocumentUnreadable(f"{name} is not text but a {signature} file: rename it to what it is, or leave it out")
    else:
        sections = _parse_text_kind(kind, decode(data, name), name)
    if not any(re.search(r"\w", section.text) for section in sections):
        raise DocumentUnreadable(f"{name} has no text")
    return sections


def _parse_text_kind(kind: str, text: str, name: str) -> list[Section]:
    if kind == "markdown":
        return parse_markdown(text)
    if kind == "html":
        return parse_html(text, name)
    if kind == "rows":
        return parse_rows(text, name)
    return parse_text(text)


def decode(data: bytes, name: str) -> str:
    """Text from UTF-8, from UTF-16 or -32 with their mark, or else from cp1252, with plain line ends."""
    encoding = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:65536]:
        raise DocumentUnreadable(f"{name} is not text: it holds binary data")
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding:
            raise DocumentUnreadable(f"{name} is damaged: its text is not the {encoding} that its first bytes say") from error
        text = data.decode("cp1252", errors="replace")
    sample = text[:65536]
    odd = sum(1 for character in sample if (character < " " and character not in "\t\n\r\f\v") or character == "\ufffd")
    if odd > 0.05 * len(sample):
        raise DocumentUnreadable(f"{name} is not text: it holds binary data")
    text = _ENCODED.sub("…", text)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\0", "")


def shown(name: str) -> str:
    """A name without the control characters that would forge lines in a log or a page."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)
