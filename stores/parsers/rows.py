"""Comma- and tab-separated values."""

from __future__ import annotations

import csv
import io

from stores.errors import DocumentUnreadable
from stores.parsers.section import Section

_ROWS_PER_SECTION = 20


def parse_rows(text: str, name: str, *, max_rows: int = 200_000) -> list[Section]:
    """Rows under their header, twenty to a section. Row 1 is the first after the header."""
    delimiter = "\t" if name.lower().endswith(".tsv") else _delimiter(text)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    header = ""
    sections: list[Section] = []
    held: list[str] = []
    number = 0
    try:
        for cells in reader:
            line = row_line(cells)
            if not line:
                continue
            if not header:
                header = line
                continue
            number += 1
            if number > max_rows:
                raise DocumentUnreadable(f"{name} has more than {max_rows} rows; ask a database about it instead")
            held.append(line)
            if len(held) == _ROWS_PER_SECTION:
                sections.append(_section(header, held, number))
                held = []
    except csv.Error as error:
        raise DocumentUnreadable(f"{name} is not a table: line {reader.line_num}: {error}") from error
    if held or (header and not sections):
        sections.append(_section(header, held, number))
    return sections


def row_line(cells: list[str]) -> str:
    """One row as "a | b", or nothing where all cells are empty."""
    clean = [" ".join(cell.split()) for cell in cells]
    return " | ".join(clean) if any(clean) else ""


def _section(header: str, rows: list[str], last: int) -> Section:
    first = last - len(rows) + 1
    if not rows:
        return Section((), "header", header)
    return Section((), f"rows {first}–{last}" if last > first else f"row {last}", "\n".join(rows), header)


def _delimiter(text: str) -> str:
    """The separator that stands most often in the first line: spreadsheets of many countries write semicolons."""
    first = text.lstrip().split("\n", 1)[0][:10_000]
    return max(",;\t|", key=lambda mark: (first.count(mark), mark == ","))
