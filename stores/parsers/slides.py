"""Presentations (PPTX), slide by slide: title, texts from top to bottom, tables, notes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from stores.errors import DocumentUnreadable
from stores.parsers.archive import MALFORMED, damaged
from stores.parsers.rows import row_line
from stores.parsers.section import Section

_DEEPEST_GROUP = 20
_FURNITURE = ("SLIDE_NUMBER", "FOOTER", "DATE")  # said again on every slide


def parse_pptx(data: bytes, name: str, *, max_pages: int) -> list[Section]:
    """A section a slide, under its title; a table is a section of its own. The archive has been looked at before."""
    # Imported here: only who reads such files waits for it.
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    try:
        slides = Presentation(io.BytesIO(data)).slides
        if len(slides) > max_pages:
            raise DocumentUnreadable(f"{name} has {len(slides)} slides, more than the {max_pages} allowed; split it, or raise documents.max_pages")
        return [section for number, slide in enumerate(slides, start=1) for section in _slide(slide, f"slide {number}")]
    except (PythonPptxError, *MALFORMED) as error:
        raise damaged(name, "presentation", error) from error


def _slide(slide: Any, place: str) -> Iterator[Section]:
    shape = slide.shapes.title
    title = " ".join(shape.text_frame.text.split()) if shape is not None and shape.has_text_frame else ""
    headings = (title[:200],) if title else ()
    texts, tables = [], []
    for other in _shapes(slide.shapes):
        if shape is not None and other.shape_id == shape.shape_id:
            continue
        if other.has_text_frame and not (other.is_placeholder and other.placeholder_format.type.name in _FURNITURE):
            texts.append(other.text_frame.text.replace("\v", "\n").strip())
        elif other.has_table:
            tables.append([line for row in other.table.rows if (line := row_line([cell.text for cell in row.cells]))])
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None and notes.text.strip():
        texts.append(f"Notes: {notes.text.strip()}")
    if text := "\n\n".join(filter(None, texts)):
        yield Section(headings, place, text)
    for header, *rows in filter(None, tables):
        yield Section(headings, place, "\n".join(rows), header) if rows else Section(headings, place, header)
    if title and not text and not any(tables):
        yield Section((), place, title)


def _shapes(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """The shapes as they are read, from top to bottom, those in groups too."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            if depth < _DEEPEST_GROUP:
                yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape
