"""PDF, page by page."""

from __future__ import annotations

import io
import logging
import re
import struct
import time
import zlib

from stores.errors import DocumentUnreadable
from stores.parsers.section import Section

# What a PDF library raises on files that are not what they say; each is the file's fault, none the program's.
_MALFORMED = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, RecursionError, NotImplementedError,
    OSError, EOFError, MemoryError, zlib.error, struct.error,
)  # fmt: skip

# A line that ends within a sentence, and goes on in small letters on the next.
_WRAP = re.compile(r"(?<=[^\s.!?:;|–•*-])\n(?=[a-zß-ÿ])")


def _unwrapped(text: str) -> str:
    """The text without the line breaks that only the width of the page made: a sentence is quoted whole."""
    return _WRAP.sub(" ", text)


def parse_pdf(data: bytes, name: str, *, max_pages: int, max_characters: int = 20_000_000, seconds: float = 300.0) -> list[Section]:
    """A section a page. A file without text is refused: it is pictures of pages."""
    # Imported here: only who reads such files waits for it.
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.ERROR)
    deadline = time.monotonic() + seconds
    sections: list[Section] = []
    characters = 0
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentUnreadable(f"{name} is locked with a password; save it without one")
        pages = len(reader.pages)
        if pages > max_pages:
            raise DocumentUnreadable(f"{name} has {pages} pages, more than the {max_pages} allowed; split it, or raise documents.max_pages")
        for number, page in enumerate(reader.pages, start=1):
            text = _unwrapped(re.sub(r"[ \t]+\n", "\n", page.extract_text()).strip())
            characters += len(text)
            if characters > max_characters or time.monotonic() > deadline:
                raise DocumentUnreadable(f"{name} holds more text than can be read in {seconds:.0f} s; split it")
            if text:
                sections.append(Section((), f"page {number}", text))
    except (PyPdfError, *_MALFORMED) as error:
        raise DocumentUnreadable(f"{name} is damaged: {str(error)[:200] or type(error).__name__}") from error
    if not sections:
        raise DocumentUnreadable(f"{name} has no text: scanned? Run it through text recognition first")
    return sections
