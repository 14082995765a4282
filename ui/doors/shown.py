"""An answer for programs that show Markdown: what stands below its words, its sources as annotations, its cost."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from assistant import Answer, Citation, Table

ROWS = 30
"""Rows that are shown below the words."""


def below(answer: Answer) -> str:
    """What the words do not say: the choices where the assistant asks back, the rows and the query that found them."""
    parts = []
    if answer.choices:
        parts.append("\n".join(f"- {_cell(choice)}" for choice in answer.choices))
    if answer.table and answer.table.rows:
        parts.append(_table(answer.table))
    if answer.sql:
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", answer.sql)), 3)
        parts.append(f"{fence}sql\n{answer.sql}\n{fence}")
    return "".join(f"\n\n{part}" for part in parts)


def sources(answer: Answer, base: str) -> list[dict[str, Any]]:
    """Sources in the shape of a chat completion's `url_citation`; the address is the passage's at the REST API. The quotation is `content`."""
    return [{"type": "url_citation", "url_citation": _cited(answer.text, at, citation, base)} for at, citation in enumerate(answer.citations, 1)]


def usage(answer: Answer) -> dict[str, Any]:
    """What a turn cost, in all its calls of the model."""
    used = answer.usage
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
    }


def _cited(text: str, number: int, citation: Citation, base: str) -> dict[str, Any]:
    mark = re.search(rf"\[{number}\]", text)
    start, end = mark.span() if mark else (len(text), len(text))
    path = f"passages/{quote(citation.passage, safe='')}" if citation.passage else "documents"
    title = f"{citation.document}, {citation.location}" if citation.location else citation.document
    return {"start_index": start, "end_index": end, "title": title, "url": f"{base}api/v1/{path}", "content": citation.quote}


def _table(table: Table) -> str:
    def line(cells: tuple[object, ...]) -> str:
        return f"| {' | '.join(_cell(cell) for cell in cells)} |"

    lines = [line(table.columns), f"|{' --- |' * len(table.columns)}", *(line(row) for row in table.rows[:ROWS])]
    more = "\n\nThere are more rows." if table.truncated or len(table.rows) > ROWS else ""
    return "\n".join(lines) + more


def _cell(value: object) -> str:
    """A value as text: no markup of a cell's own is read as any."""
    text = "" if value is None else " ".join(str(value).split())
    return re.sub(r"([\\|`*_\[\]<>!])", r"\\\1", text)
