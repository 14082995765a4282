"""Comma- and tab-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from stores.errors import DocumentUnreadable
from stores.parsers.section import Section

_ROWS_PER_SECTION = 20


def parse_rows(text: str, name: str, *, max_rows: int = 200_000) -> list[Section]:
    """Rows under their header, twenty to a section. Row 1 is the first after the header."""
    delimiter = "\t" if name.lower().endswith(".tsv") else _delimiter(text)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    header = ""
    rows: list[tuple[int, str]] = []
    try:
        for cells in reader:
            line = row_line(cells)
            if not line:
                continue
            if not header:
                header = line
                continue
            rows.append((len(rows) + 1, line))
            if len(rows) > max_rows:
                raise too_many_rows(name, max_rows)
    except csv.Error as error:
        raise DocumentUnreadable(f"{name} is not a table: line {reader.line_num}: {error}") from error
    if header and not rows:
        return [Section((), "header", header)]
    return row_sections(header, rows)


def too_many_rows(name: str, max_rows: int) -> DocumentUnreadable:
    """The refusal of a table that is too long to be read as text."""
    return DocumentUnreadable(f"{name} has more than {max_rows} rows; ask a database about it instead")


def row_line(cells: Sequence[str]) -> str:
    """One row as "a | b", or nothing where all cells are empty."""
    clean = [" ".join(cell.split()) for cell in cells]
    return " | ".join(clean) if any(clean) else ""


def row_sections(header: str, rows: Sequence[tuple[int, str]], *, headings: tuple[str, ...] = (), place: str = "") -> list[Section]:
    """Numbered rows that follow each other, twenty to a section; `place` stands before their numbers."""
    sections: list[Section] = []
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or end - start == _ROWS_PER_SECTION or rows[end][0] != rows[end - 1][0] + 1:
            first, last = rows[start][0], rows[end - 1][0]
            where = f"{place}rows {first}–{last}" if last > first else f"{place}row {last}"
            sections.append(Section(headings, where, "\n".join(line for _, line in rows[start:end]), header))
            start = end
    return sections


def _delimiter(text: str) -> str:
    """The separator that stands most often in the first line: spreadsheets of many countries write semicolons."""
    first = text.lstrip().split("\n", 1)[0][:10_000]
    return max(",;\t|", key=lambda mark: (first.count(mark), mark == ","))
