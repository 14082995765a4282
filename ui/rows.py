"""Rows as HTML: a table to sort and search, the charts they allow, and a CSV file. All text from outside is escaped.

Sorting, searching and the choice of a chart happen in evidence.js, on what stands here.
"""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Iterable, Sequence
from html import escape

from assistant import Table
from ui import icons
from ui.chart import Chart, charts
from ui.drawing import figure

Cell = str | int | float | bool | None

ROWS_SHOWN = 200
"""Rows of a table that the page draws, as many as a query gives unless `database.max_rows` says more; the CSV file holds all that were fetched."""

SEARCHED = 10
"""Rows above which there is a box to search them."""

CSV_BYTES = 1_000_000
"""The largest CSV file that an answer carries with it."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take text for a formula (OWASP, CSV injection)."""

KINDS = {"line": "Line", "bars": "Bars", "scatter": "Points", "none": "No chart"}


def rows(data: Table, key: str, *, rows_shown: int = ROWS_SHOWN, csv_bytes: int = CSV_BYTES) -> str:
    """The table and the charts. What the reader does with them is kept under `key` while the page is open."""
    return table(data, key, rows_shown=rows_shown, csv_bytes=csv_bytes) + drawn(data, key)


def cell_text(value: object) -> str:
    """A cell as a reader expects it: no binary noise in floats, lower-case truth values, nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(value, ".12g") if math.isfinite(value) else str(value)
    return str(value)


def table(data: Table, key: str = "", *, rows_shown: int = ROWS_SHOWN, csv_bytes: int = CSV_BYTES) -> str:
    """The rows as a table with what is left out said under it, and a link that holds them as CSV."""
    if not data.rows:
        return '<p class="quiet rows-none">The query found no rows.</p>'
    numeric = [_is_numeric(row[at] for row in data.rows) for at in range(len(data.columns))]
    sortable = len(data.rows) > 1
    head = "".join(_head(name, number, sortable) for name, number in zip(data.columns, numeric, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell(value, number) for value, number in zip(row, numeric, strict=True))}</tr>"
        for row in data.rows[:rows_shown]
    )
    find = ""
    if len(data.rows) > SEARCHED:
        find = '<input type="search" class="rows-find" placeholder="Search the rows" aria-label="Search the rows" autocomplete="off">'
    return (
        f'<div class="rows" data-rows="{escape(key)}">{find}<div class="table-scroll" tabindex="0" role="region" aria-label="Rows of the answer">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<div class="rows-foot"><span class="quiet rows-note" role="status">{row_note(data, rows_shown)}</span>{_csv_link(data, csv_bytes)}</div></div>'
    )


def drawn(data: Table, key: str = "") -> str:
    """The charts that the rows allow, the one they call for in sight; of rows that are not all there none is drawn."""
    found = charts(data)
    if not found:
        return ""
    if data.truncated:
        return '<p class="quiet chart-none">No chart: there are more rows than these.</p>'
    figures = "".join(
        f'<div class="chart-kind" data-kind="{chart.kind}"{" hidden" if at else ""}>{figure(chart)}</div>'
        for at, chart in enumerate(found)
    )
    return f'<div class="charts" data-charts="{escape(key)}">{figures}{_kinds(found, key)}</div>'


def _kinds(found: Sequence[Chart], key: str) -> str:
    """The kinds to choose from, as radio buttons, which every keyboard and screen reader knows."""
    choices = "".join(
        f'<label><input type="radio" name="{escape(key)}:chart" value="{kind}"{"" if at else " checked"}>{KINDS[kind]}</label>'
        for at, kind in enumerate((*(chart.kind for chart in found), "none"))
    )
    return f'<fieldset class="kinds"><legend class="unseen">Kind of chart</legend>{choices}</fieldset>'


def row_note(data: Table, rows_shown: int = ROWS_SHOWN) -> str:
    """How many rows are shown, of how many."""
    fetched = len(data.rows)
    if data.truncated and fetched <= rows_shown:
        return f"First {fetched:,} rows shown; there are more."
    if data.truncated:
        return f"First {rows_shown:,} rows shown of {fetched:,} fetched; there are more."
    if fetched > rows_shown:
        return f"First {rows_shown:,} rows shown of {fetched:,}."
    return "1 row" if fetched == 1 else f"{fetched:,} rows"


def to_csv(data: Table, *, max_bytes: int = CSV_BYTES) -> tuple[str, int]:
    """The table as CSV text and how many rows are in it: as many as `max_bytes` hold."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_csv_cell(name) for name in data.columns])
    end, written = out.tell(), 0
    size = len(out.getvalue().encode())
    for row in data.rows:
        writer.writerow([_csv_cell(value) for value in row])
        size += len(out.getvalue()[end:].encode())
        if size > max_bytes:
            break
        end, written = out.tell(), written + 1
    return out.getvalue()[:end], written


def _is_numeric(values: Iterable[Cell]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present)


def _number_class(number: bool) -> str:
    return ' class="number"' if number else ""


def _head(name: str, number: bool, sortable: bool) -> str:
    inner = f'<button type="button" class="sort" data-sort>{escape(name)}</button>' if sortable else escape(name)
    return f'<th scope="col"{_number_class(number)}>{inner}</th>'


def _cell(value: Cell, number: bool) -> str:
    if value is None:
        return f'<td{_number_class(number)}><span class="null" title="no value">–</span></td>'
    return f"<td{_number_class(number)}>{escape(cell_text(value))}</td>"


def _csv_cell(value: Cell) -> str:
    text = cell_text(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text


def _csv_link(data: Table, max_bytes: int) -> str:
    text, written = to_csv(data, max_bytes=max_bytes)
    # A spreadsheet takes a CSV file for UTF-8 only with the byte order mark.
    encoded = base64.b64encode(text.encode("utf-8-sig")).decode("ascii")
    label = "CSV" if written == len(data.rows) else f"CSV (first {written:,} rows)"
    return f'<a class="text-button" download="rows.csv" href="data:text/csv;charset=utf-8;base64,{encoded}" aria-label="Download the rows as CSV">{icons.SAVE}{label}</a>'
