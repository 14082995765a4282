"""Word documents (DOCX): headings, paragraphs and tables in their order."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING

from stores.errors import DocumentUnreadable
from stores.parsers.rows import row_line
from stores.parsers.section import Builder, Section

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table

_STYLE = re.compile(r"Heading (\d)$|Title$")
_MALFORMED = (
    ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, NotImplementedError, OSError, EOFError,
    zlib.error, zipfile.BadZipFile, SyntaxError,  # the last is what the XML parser raises
)  # fmt: skip


def parse_docx(data: bytes, name: str, *, max_unpacked_megabytes: float = 100.0) -> list[Section]:
    """Sections by heading; a table is a section of its own."""
    # Imported here: only who reads such files waits for it.
    import docx
    from docx.exceptions import PythonDocxError
    from docx.opc.exceptions import OpcError

    try:
        _refuse_bomb(data, name, max_unpacked_megabytes)
        return _sections(docx.Document(io.BytesIO(data)))
    except (OpcError, PythonDocxError, *_MALFORMED) as error:
        raise DocumentUnreadable(f"{name} is damaged, or not a Word document: {str(error)[:200] or type(error).__name__}") from error


def _refuse_bomb(data: bytes, name: str, max_megabytes: float) -> None:
    """Looks at what the archive says it unpacks to, before unpacking any of it (zipfile stops a member that lies)."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if any(member.flag_bits & 1 for member in members):
            raise DocumentUnreadable(f"{name} is locked with a password; save it without one")
        # Pictures and the like are never unpacked.
        unpacked = sum(member.file_size for member in members if member.filename.lower().endswith((".xml", ".rels")))
        if unpacked > max_megabytes * 1e6 or len(members) > 20_000:
            raise DocumentUnreadable(f"{name} unpacks to {unpacked / 1e6:.0f} MB, more than the {max_megabytes:.0f} MB allowed")


def _sections(document: Document) -> list[Section]:
    from docx.text.paragraph import Paragraph

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
