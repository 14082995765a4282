"""A conversation as text that other programs read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from stores.values import Conversation, Message

VERSION = 1


def as_json(conversation: Conversation, messages: Sequence[Message], replaced: Sequence[Message] = ()) -> str:
    """One object: `version`, `conversation`, `messages`; an answer is nested as JSON, not as text. `replaced` holds, where there
    are any, the messages of earlier versions."""
    return json.dumps(
        {
            "version": VERSION,
            "conversation": {
                "id": conversation.id,
                "user": conversation.user,
                "title": conversation.title,
                "created": conversation.created.isoformat(),
                "updated": conversation.updated.isoformat(),
            },
            "messages": [_message(message) for message in messages],
            **({"replaced": [_message(message) for message in replaced]} if replaced else {}),
        },
        ensure_ascii=False,
        indent=2,
    )


def as_markdown(conversation: Conversation, messages: Sequence[Message]) -> str:
    """Title, then each message under who said it and when, with the SQL and the sources that an answer stands on."""
    parts = [f"# {conversation.title}"]
    for message in messages:
        who = "You" if message.role == "user" else "Assistant"
        parts += [f"## {who}, {message.created:%Y-%m-%d %H:%M} UTC", message.text.strip(), *_sources(_answer(message))]
    return "\n\n".join(parts) + "\n"


def _message(message: Message) -> dict[str, Any]:
    return {"id": message.id, "role": message.role, "text": message.text, "created": message.created.isoformat(), "answer": _answer(message)}


def _answer(message: Message) -> Any:
    if message.answer is None:
        return None
    try:
        return json.loads(message.answer)
    except ValueError:  # an older program's own words
        return message.answer


def _sources(answer: Any) -> list[str]:
    if not isinstance(answer, dict):
        return []
    found = []
    if sql := answer.get("sql"):
        found.append(f"```sql\n{sql}\n```")
    lines = [f"- {c.get('document')}, {c.get('location')}: {c.get('quote')}" for c in answer.get("citations") or () if isinstance(c, dict)]
    return [*found, "\n".join(lines)] if lines else found
