"""Reading documents: a file's bytes to sections of text. Nothing in a file is run or fetched."""

from __future__ import annotations

import re
from pathlib import Path

from stores.errors import DocumentUnreadable
from stores.orders import visible
from stores.parsers.archive import kind_inside
from stores.parsers.book import parse_epub
from stores.parsers.decoding import decode, shown
from stores.parsers.mail import parse_mail
from stores.parsers.markdown import parse_markdown, parse_text
from stores.parsers.pages import parse_pdf
from stores.parsers.pictures import parse_picture
from stores.parsers.rows import parse_rows
from stores.parsers.section import Section
from stores.parsers.sheets import parse_xlsx
from stores.parsers.slides import parse_pptx
from stores.parsers.web import parse_html
from stores.parsers.word import parse_docx

__all__ = ["EXTENSIONS", "Section", "is_plain", "parse", "read", "read_bytes", "shown", "why_not_read"]

_KINDS = {
    ".md": "markdown", ".markdown": "markdown", ".txt": "text", ".text": "text", ".rst": "text", ".log": "text", ".pdf": "pdf",
    ".docx": "docx", ".pptx": "pptx", ".xlsx": "xlsx", ".epub": "epub", ".eml": "mail", ".html": "html", ".htm": "html", ".xhtml": "html",
    ".csv": "rows", ".tsv": "rows", ".png": "picture", ".jpg": "picture", ".jpeg": "picture", ".tif": "picture", ".tiff": "picture",
    ".webp": "picture", ".bmp": "picture",
}  # fmt: skip
EXTENSIONS = frozenset(_KINDS)
"""The file names that can be read end in one of these."""

_PLAIN = ("markdown", "text", "rows")
_ZIPPED = {"docx": "Word document", "pptx": "presentation", "xlsx": "workbook", "epub": "book"}
_SIGNATURES = (
    (b"%PDF-", "a PDF"), (b"PK\x03\x04", "a zip file"), (b"PK\x05\x06", "a zip file"), (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"), (b"II*\0", "a picture"), (b"MM\0*", "a picture"), (b"RIFF", "a picture or film"),
    (b"GIF8", "a moving picture"), (b"\x7fELF", "a program"), (b"MZ\x90", "a program"), (b"\x1f\x8b", "an archive"), (b"7z\xbc\xaf", "an archive"),
    (b"Rar!", "an archive"), (b"SQLite format 3", "a database"), (b"{\\rtf", "an RTF document"),
)  # fmt: skip
_ADVICE = {
    **dict.fromkeys((".doc", ".dot", ".odt", ".rtf", ".pages"), "save it as DOCX"),
    **dict.fromkeys((".xls", ".ods", ".numbers", ".xlsb"), "save it as XLSX"),
    **dict.fromkeys((".ppt", ".odp", ".key"), "save it as PPTX"),
    **dict.fromkeys((".docm", ".xlsm", ".pptm"), "save it without macros"),
    **dict.fromkeys((".zip", ".7z", ".rar", ".tar", ".gz", ".tgz"), "unpack it into the folder"),
    **dict.fromkeys((".msg", ".mbox"), "save each e-mail as EML"),
    **dict.fromkeys((".mobi", ".azw", ".azw3"), "convert it to EPUB"),
    **dict.fromkeys((".heic", ".gif"), "save it as PNG or JPEG"),
}


def why_not_read(suffix: str) -> str:
    """Why a file with another ending than those in EXTENSIONS is not read, and what to do where something can be done."""
    advice = _ADVICE.get(suffix.lower())
    return f"a type that is not read: {shown(suffix) or 'no ending'}" + (f"; {advice}" if advice else "")


def read(path: Path, *, max_megabytes: float = 50.0, max_pages: int = 2000) -> list[Section]:
    """The sections of a document, in order. Raises DocumentUnreadable with the reason."""
    return parse(read_bytes(path, max_megabytes=max_megabytes), path.name, max_pages=max_pages)


def read_bytes(path: Path, *, max_megabytes: float = 50.0) -> bytes:
    """A file's bytes, where it is not too large, not empty, and readable."""
    name = shown(path.name)
    if path.suffix.lower() not in EXTENSIONS:
        raise DocumentUnreadable(f"{name} is of {why_not_read(path.suffix)}")
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


def is_plain(data: bytes, name: str) -> bool:
    """Whether a file is text that this package reads itself, in time that grows with its size and no library between."""
    return _KINDS.get(Path(name).suffix.lower(), "") in _PLAIN and _signature(data) is None


def parse(data: bytes, name: str, *, max_pages: int = 2000, ocr: bool = True) -> list[Section]:
    """The sections of a document that has been read. `name` gives its type, its first bytes may contradict."""
    kind = _KINDS.get(Path(name).suffix.lower(), "")
    name = shown(name)
    signature = _signature(data)
    if signature == "a PDF" or kind == "pdf":
        if b"%PDF-" not in data[:1024]:
            raise DocumentUnreadable(f"{name} is damaged: it does not begin as a PDF does")
        sections = parse_pdf(data, name, max_pages=max_pages, ocr=ocr)
    elif signature == "an old Office document" and kind in _ZIPPED:
        raise DocumentUnreadable(f"{name} is locked with a password, or in an old Office format; save it anew, as {kind.upper()} without a password")
    elif signature == "a zip file" or kind in _ZIPPED:
        sections = _parse_zipped(kind, data, name, max_pages)
    elif kind == "picture" and signature in ("a picture", "a picture or film", None):
        if not ocr:
            raise DocumentUnreadable(f"{name} is a picture, and documents.ocr is off")
        sections = parse_picture(data, name, max_pages=max_pages)
    elif signature and kind != "mail":
        raise DocumentUnreadable(f"{name} is not what its name says but {signature}: rename it to what it is, or leave it out")
    elif kind == "mail":
        sections = parse_mail(data, name)
    else:
        sections = _parse_text_kind(kind, decode(data, name), name)
    if not any(re.search(r"\w", section.text) for section in sections):
        raise DocumentUnreadable(f"{name} has no text")
    return [Section(tuple(map(visible, s.headings)), s.location, visible(s.text), visible(s.header)) for s in sections]


def _signature(data: bytes) -> str | None:
    return next((what for mark, what in _SIGNATURES if data.startswith(mark)), None)


def _parse_zipped(kind: str, data: bytes, name: str, max_pages: int) -> list[Section]:
    """An archive is read as what lies inside, whichever document its name says it is."""
    inside = kind_inside(data, name, _ZIPPED.get(kind, "zip file"))
    if not inside:
        raise DocumentUnreadable(f"{name} is not a {_ZIPPED[kind]} but some other zip file" if kind in _ZIPPED else f"{name} is a zip file: unpack it into the folder")
    if inside == "docx":
        return parse_docx(data, name)
    if inside == "pptx":
        return parse_pptx(data, name, max_pages=max_pages)
    return parse_xlsx(data, name) if inside == "xlsx" else parse_epub(data, name)


def _parse_text_kind(kind: str, text: str, name: str) -> list[Section]:
    if kind == "markdown":
        return parse_markdown(text)
    if kind == "html":
        return parse_html(text, name)
    if kind == "rows":
        return parse_rows(text, name)
    return parse_text(text)
