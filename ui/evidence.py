"""What an answer stands on and what it cost, as HTML. All text from outside is escaped."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Iterable, Sequence
from html import escape

from assistant import Answer, Citation, Memory, Table, Usage
from ui import icons, markdown
from ui.chart import chart
from ui.drawing import figure

Cell = str | int | float | bool | None

ROWS_SHOWN = 50
"""Rows of a table that the page draws; the CSV file holds all that were fetched."""

CSV_BYTES = 1_000_000
"""The largest CSV file that an answer carries with it."""

GIVES_ORDERS = '<p class="quiet gives-orders">This passage addresses the assistant. That part was set aside and not followed.</p>'

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take text for a formula (OWASP, CSV injection)."""


def evidence(answer: Answer, *, rows_shown: int = ROWS_SHOWN, csv_bytes: int = CSV_BYTES) -> str:
    """The rows with their chart, the sources, the SQL, the tries before it and the memories of an answer."""
    return "".join(
        (
            table(answer.table, rows_shown=rows_shown, csv_bytes=csv_bytes) + drawn(answer.table) if answer.table else "",
            sources(answer.citations, answer.id),
            _folds(answer),
        )
    )


def cell_text(value: Cell) -> str:
    """A cell as a reader expects it: no binary noise in floats, lower-case truth values, nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(value, ".12g") if math.isfinite(value) else str(value)
    return str(value)


def table(data: Table, *, rows_shown: int = ROWS_SHOWN, csv_bytes: int = CSV_BYTES) -> str:
    """The rows as a table with what is left out said under it, and a link that holds them as CSV."""
    numeric = [_is_numeric(row[at] for row in data.rows) for at in range(len(data.columns))]
    head = "".join(
        f'<th scope="col"{_number_class(number)}>{escape(name)}</th>'
        for name, number in zip(data.columns, numeric, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(value, number) for value, number in zip(row, numeric, strict=True))}</tr>"
        for row in data.rows[:rows_shown]
    )
    if not data.rows:
        return '<p class="quiet rows-none">The query found no rows.</p>'
    return (
        '<div class="rows"><div class="table-scroll" tabindex="0" role="region" aria-label="Rows of the answer">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<div class="rows-foot"><span class="quiet">{row_note(data, rows_shown)}</span>{_csv_link(data, csv_bytes)}</div></div>'
    )


def drawn(data: Table) -> str:
    """The chart that the rows call for, where they call for one; of rows that are not all there none is drawn."""
    found = chart(data)
    if found is None:
        return ""
    if data.truncated:
        return '<p class="quiet chart-none">No chart: there are more rows than these.</p>'
    return figure(found)


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


def sources(citations: Sequence[Citation], answer_id: str) -> str:
    """The cited passages, numbered as in the text, each with its place and its own words."""
    if not citations:
        return ""
    entries = "".join(
        f'<li><details data-key="{escape(answer_id)}:c{number}" data-citation="{number}"><summary><span class="mark">{number}</span>'
        f'<span class="source-name">{escape(citation.document)}</span> <span class="quiet">{escape(citation.location)}</span></summary>'
        f"<blockquote>{escape(citation.quote)}</blockquote>{GIVES_ORDERS if citation.gives_orders else ''}</details></li>"
        for number, citation in enumerate(citations, 1)
    )
    return f'<section class="sources" aria-label="Sources"><h3>Sources</h3><ol>{entries}</ol></section>'


def cost(usage: Usage) -> str:
    """One line: seconds, tokens read, reused and written."""
    parts = [f"{usage.seconds:.1f} s"]
    if usage.prompt_tokens:
        reused = f" ({usage.cached_tokens:,} reused)" if usage.cached_tokens else ""
        parts.append(f"read {usage.prompt_tokens:,} tokens{reused}")
    if usage.completion_tokens:
        parts.append(f"wrote {usage.completion_tokens:,}")
    return " · ".join(parts)


def _folds(answer: Answer) -> str:
    failed = [attempt for attempt in answer.attempts if attempt.error]
    parts = [
        _fold(answer, "sql", "SQL", _sql(answer.sql) + _explained(answer.explanation)) if answer.sql else "",
        _fold(
            answer,
            "tries",
            _count(len(failed), "try before it", "tries before it"),
            "".join(_attempt(attempt.sql, attempt.error or "") for attempt in failed),
        )
        if failed
        else "",
        _fold(
            answer, "memories", _count(len(answer.memories), "memory used", "memories used"), _memories(answer.memories)
        )
        if answer.memories
        else "",
    ]
    return f'<div class="folds">{"".join(parts)}</div>' if any(parts) else ""


def _fold(answer: Answer, key: str, title: str, inner: str) -> str:
    return f'<details class="fold fold-{key}" data-key="{escape(answer.id)}:{key}"><summary>{title}</summary>{inner}</details>'


def _sql(sql: str) -> str:
    return (
        f'<div class="code"><button type="button" class="icon-button" data-copy aria-label="Copy the SQL" title="Copy">{icons.COPY}</button>'
        f"<pre><code>{escape(sql)}</code></pre></div>"
    )


def _explained(explanation: str | None) -> str:
    """What the query does, with its quoted pieces as code."""
    return f'<p class="explained">What this does: {markdown.inline(explanation)}</p>' if explanation else ""


def _attempt(sql: str, error: str) -> str:
    return f'<div class="attempt"><pre><code>{escape(sql)}</code></pre><p class="quiet">{escape(error)}</p></div>'


def _memories(memories: Sequence[Memory]) -> str:
    return (
        "<ul>"
        + "".join(
            f'<li>{escape(memory.text)} <span class="quiet">{memory.said_at:%Y-%m-%d}{f", until {memory.until:%Y-%m-%d}" if memory.until else ""}</span></li>'
            for memory in memories
        )
        + "</ul>"
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _is_numeric(values: Iterable[Cell]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present)


def _number_class(number: bool) -> str:
    return ' class="number"' if number else ""


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
