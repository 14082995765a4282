"""PDF, page by page; a page without text is a picture of one, and its text is recognised."""

from __future__ import annotations

import io
import logging
import re

from stores.errors import DocumentUnreadable
from stores.parsers.archive import MALFORMED, damaged
from stores.parsers.lines import unwrapped
from stores.parsers.recognition import LONGEST_SIDE, recognise
from stores.parsers.section import Section

_DOTS_PER_INCH = 200.0


def parse_pdf(data: bytes, name: str, *, max_pages: int, ocr: bool = True, max_characters: int = 20_000_000) -> list[Section]:
    """A section a page. A file in which no page has text is refused."""
    # Imported here: only who reads such files waits for it.
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.ERROR)
    texts: list[str] = []
    characters = 0
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentUnreadable(f"{name} is locked with a password; save it without one")
        pages = len(reader.pages)
        if pages > max_pages:
            raise DocumentUnreadable(f"{name} has {pages} pages, more than the {max_pages} allowed; split it, or raise documents.max_pages")
        for page in reader.pages:
            texts.append(re.sub(r"[ \t]+\n", "\n", page.extract_text()).strip())
            characters += len(texts[-1])
            if characters > max_characters:
                raise DocumentUnreadable(f"{name} holds more than {max_characters / 1e6:.0f} million characters; split it")
    except (PyPdfError, *MALFORMED) as error:
        raise damaged(name, "PDF", error) from error
    if ocr and not all(texts):
        _recognise_missing(data, name, texts)
    sections = [Section((), f"page {number}", unwrapped(text)) for number, text in enumerate(texts, start=1) if text]
    if not sections:
        advice = "and none could be recognised: are its pages blank, or scanned too faintly?" if ocr else "it may be scanned, and documents.ocr is off"
        raise DocumentUnreadable(f"{name} has no text, {advice}")
    return sections


def _recognise_missing(data: bytes, name: str, texts: list[str]) -> None:
    """Fills in the text of pages that have none, from what they look like."""
    import pypdfium2  # type: ignore[import-untyped]

    try:
        with pypdfium2.PdfDocument(data) as document:
            for number in range(min(len(document), len(texts))):
                if not texts[number]:
                    page = document[number]
                    scale = min(_DOTS_PER_INCH / 72, LONGEST_SIDE / max(1.0, *page.get_size()))
                    texts[number] = recognise(page.render(scale=scale).to_pil())
                    page.close()
    except (pypdfium2.PdfiumError, *MALFORMED) as error:
        if not any(texts):
            raise DocumentUnreadable(f"{name} has no text, and its pages cannot be drawn to recognise any") from error
