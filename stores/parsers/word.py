"""Word documents (DOCX): headings, paragraphs and tables in their order."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from stores.parsers.archive import MALFORMED, damaged
from stores.parsers.rows import row_line
from stores.parsers.section import Builder, Section

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table

_STYLE = re.compile(r"Heading (\d)$|Title$")


def parse_docx(data: bytes, name: str) -> list[Section]:
    """Sections by heading; a table is a section of its own. The archive has been looked at before."""
    # Imported here: only who reads such files waits for it.
    import docx
    from docx.exceptions import PythonDocxError
    from docx.opc.exceptions import OpcError

    try:
        return _sections(docx.Document(io.BytesIO(data)))
    except (OpcError, PythonDocxError, *MALFORMED) as error:
        raise damaged(name, "Word document", error) from error


def _sections(document: Document) -> list[Section]:
    from docx.oxml.ns import qn
    from docx.text.paragraph import Paragraph

    for mark in list(document.element.body.iter(qn("w:vanish"))):  # hidden text
        run = mark.getparent().getparent()
        if run is not None and run.tag == qn("w:r") and run.getparent() is not None and mark.get(qn("w:val")) not in ("0", "false"):
            run.getparent().remove(run)
    builder = Builder()
    held: list[str] = []

    def flush() -> None:
        builder.add("\n\n".join(held))
        held.clear()

    for item in document.iter_inner_content():
        if isinstance(item, Paragraph):
            text = item.text.strip()
            style = _STYLE.match(item.style.name or "") if item.style else None
            if style and text:
                flush()
                builder.heading(int(style.group(1) or 0), " ".join(text.split()))
            elif text:
                held.append(text)
        elif rows := _rows(item):
            flush()
            if len(rows) > 1:
                builder.add("\n".join(rows[1:]), header=rows[0])
            else:
                builder.add(rows[0])
    flush()
    return builder.finish()


def _rows(table: Table) -> list[str]:
    lines = []
    for row in table.rows:
        cells: list[str] = []
        previous = None
        for cell in row.cells:
            if cell._tc is not previous:  # a merged cell is given once for each column it spans
                cells.append(cell.text)
            previous = cell._tc
        if line := row_line(cells):
            lines.append(line)
    return lines
