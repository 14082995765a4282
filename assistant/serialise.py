"""Answers as JSON and back: what `--json` prints and the history keeps."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from typing import Any

from graphs.values import Answer, Attempt, Citation, Usage
from stores.values import Memory, Table

VERSION = 1
"""Raised when a field changes its meaning."""


def answer_to_json(answer: Answer, *, indent: int | None = None) -> str:
    """The answer as JSON text, with a `version` field."""
    return json.dumps(
        {"version": VERSION, **dataclasses.asdict(answer)}, default=_plain, ensure_ascii=False, indent=indent
    )


def answer_from_json(text: str) -> Answer:
    """The answer that `answer_to_json` wrote."""
    data: dict[str, Any] = json.loads(text)
    data.pop("version", None)
    table = data.get("table")
    return Answer(
        **{
            **data,
            "table": Table(tuple(table["columns"]), tuple(tuple(row) for row in table["rows"]), table["truncated"])
            if table
            else None,
            "citations": tuple(Citation(**c) for c in data["citations"]),
            "memories": tuple(_memory(m) for m in data["memories"]),
            "attempts": tuple(Attempt(**a) for a in data["attempts"]),
            "choices": tuple(data["choices"]),
            "usage": Usage(**data["usage"]),
        }
    )


def _memory(data: dict[str, Any]) -> Memory:
    until = data.get("until")
    moments = {"said_at": datetime.fromisoformat(data["said_at"]), "until": datetime.fromisoformat(until) if until else None}
    return Memory(**{**data, **moments})


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
