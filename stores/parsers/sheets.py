"""Workbooks (XLSX): the rows of each sheet under their header. Formulas give the values that were last saved; nothing is computed."""

from __future__ import annotations

import datetime
import io
import warnings
from collections.abc import Iterable
from typing import Any

from stores.errors import DocumentUnreadable
from stores.parsers.archive import MALFORMED, damaged
from stores.parsers.rows import row_line, row_sections, too_many_rows
from stores.parsers.section import Section

_ROWS_TO_JUDGE_BY = 20


def parse_xlsx(data: bytes, name: str, *, max_rows: int = 200_000, max_cells: int = 10_000_000) -> list[Section]:
    """Rows with the numbers that the spreadsheet shows, twenty to a section. The archive has been looked at before."""
    # Imported here: only who reads such files waits for it.
    import openpyxl  # type: ignore[import-untyped]
    from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]

    sheets: dict[str, list[tuple[int, list[str]]]] = {}
    rows = cells = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of features that are not read
            for sheet in openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True).worksheets:
                sheet.reset_dimensions()  # what the file says of its size is often wrong
                held = sheets.setdefault(str(sheet.title), [])
                for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
                    cells += len(values) + 1
                    if cells > max_cells:
                        raise DocumentUnreadable(f"{name} has more than {max_cells} cells; ask a database about it instead")
                    if any(value is not None for value in values):
                        held.append((number, _texts(values)))
                        rows += 1
                        if rows > max_rows:
                            raise too_many_rows(name, max_rows)
    except (InvalidFileException, *MALFORMED) as error:
        raise damaged(name, "workbook", error) from error
    filled = {title: held for title, held in sheets.items() if held}
    return [
        section
        for title, held in filled.items()
        for section in _sheet(held, place=f"sheet {title}, ", headings=(title,) if len(filled) > 1 else ())
    ]


def _sheet(rows: list[tuple[int, list[str]]], *, place: str, headings: tuple[str, ...]) -> list[Section]:
    """The header is the first row that is filled over most of the table's width; what stands above it is a title."""
    filled = [sum(bool(cell) for cell in cells) for _, cells in rows[:_ROWS_TO_JUDGE_BY]]
    at = next((at for at, count in enumerate(filled) if 2 * count > max(filled)), 0)
    lines = [(number, line) for number, cells in rows if (line := row_line(cells))]
    above = [Section(headings, f"{place}row {number}", line) for number, line in lines[:at]]
    if lines[at + 1 :]:
        return above + row_sections(lines[at][1], lines[at + 1 :], headings=headings, place=place)
    return above + [Section(headings, f"{place}row {number}", line) for number, line in lines[at:]]


def _texts(values: Iterable[Any]) -> list[str]:
    texts = [_text(value) for value in values]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _text(value: Any) -> str:
    """A cell as a person writes it."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "minutes")
    return str(value)
