"""The housekeeping that Open WebUI asks a model for in the shape of a question: a title, tags, follow-ups.

What a program can say needs no model, and must not become a conversation or a memory: the text quotes what the user said.
"""

from __future__ import annotations

import json
import re

from assistant.naming import name_of

_TASK = re.compile(r"\s*### Task:\s")
_WANTED = re.compile(r'\{\s*"(title|tags|follow_ups|queries)"\s*:')
_FIRST = re.compile(r"<chat_history>\s*USER:\s*(.+?)\s*(?:\n\s*ASSISTANT:|</chat_history>)", re.DOTALL | re.IGNORECASE)


def kind(question: str) -> str | None:
    """What is asked for: title, tags, follow_ups, queries, other; None for a question of a person's."""
    if not _TASK.match(question) or "<chat_history>" not in question:
        return None
    found = _WANTED.search(question)
    return found[1] if found else "other"


def ready(task: str | None, question: str) -> str | None:
    """What a program can say to it; None where the model has to be asked."""
    if task == "title":
        first = _FIRST.search(question)
        return json.dumps({"title": name_of(first[1]) if first else ""}, ensure_ascii=False)
    return json.dumps({task: []}) if task in ("tags", "follow_ups", "queries") else None
