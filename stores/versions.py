"""Versions of a conversation: each question stands after another, and those that stand after the same one are versions of each other.

What is shown and read is the path from a conversation's `head`, its last question, back to its first. What was replaced
leaves the path and stays in the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from stores.errors import NotFound

if TYPE_CHECKING:
    from stores.history_file import Speaks

VERSIONS = (
    "CASE m.role WHEN 'user' THEN (SELECT group_concat(v.id, ' ') FROM (SELECT id FROM messages AS s WHERE s.user = m.user"
    " AND s.conversation = m.conversation AND s.role = 'user' AND s.parent IS m.parent ORDER BY s.number) AS v) END"
)
"""The ids of the questions that stand in one place, oldest first, for a message `m`."""

PATH = (
    "path (id, parent, back) AS (SELECT q.id, q.parent, 0 FROM conversations AS c JOIN messages AS q ON q.id = c.head"
    " WHERE c.user = ?1 AND c.id = ?2 UNION ALL SELECT q.id, q.parent, back + 1 FROM path JOIN messages AS q ON q.id = path.parent)"
)
"""The questions of a user's (?1) conversation (?2) from the last one back; needs WITH RECURSIVE."""

ON_PATH = f"m.id IN (WITH RECURSIVE {PATH}, l AS (SELECT id FROM path ORDER BY back LIMIT ?3) SELECT id FROM l UNION ALL SELECT a.id FROM l JOIN messages AS a ON a.question = l.id)"
"""Whether a message is in the last ?3 turns of the path (more than there are: in any)."""

RECENT = (
    f"m.id IN (WITH RECURSIVE {PATH}, answered AS (SELECT a.id, a.question, back FROM path JOIN messages AS a ON a.question = path.id),"
    " l AS (SELECT id, question FROM answered ORDER BY back LIMIT ?3 + (SELECT count(*) FROM answered) % ?3)"
    " SELECT id FROM l UNION ALL SELECT question FROM l)"
)
"""Whether a message is in the last answered turns of the path: at least ?3, fewer than twice as many."""


@dataclass(frozen=True)
class Asked:
    """A question with its place: the one it stands after (None: it is the first), and whether anything was answered to it."""

    id: str
    parent: str | None
    text: str
    answered: bool


def asked(db: Speaks, message: str, conversation: str, user: str) -> Asked:
    """The question that a message of the conversation is, or answers. Raises `NotFound`."""
    row = db.execute(
        "SELECT q.id, q.parent, q.text, EXISTS (SELECT 1 FROM messages AS a WHERE a.question = q.id) FROM messages AS m"
        " JOIN messages AS q ON q.id = COALESCE(m.question, m.id) WHERE m.id = ? AND m.conversation = ? AND m.user = ?",
        (message, conversation, user),
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no message {message!r} in the conversation {conversation!r}. Look at its messages for their ids.")
    return Asked(row[0], row[1], row[2], bool(row[3]))


def newest_end(db: Speaks, question: str, conversation: str, user: str) -> str:
    """The last question of the newest of the versions that go on from a question."""
    following = "SELECT id FROM messages WHERE user = ? AND conversation = ? AND parent = ? ORDER BY number DESC LIMIT 1"
    while found := db.execute(following, (user, conversation, question)).fetchone():
        question = found[0]
    return question


def copy(db: Speaks, last: str, conversation: str, user: str, *, to: str) -> None:
    """Copy what was said up to a question and its answer into another conversation of the user, under new ids."""
    path: list[str] = []
    at: str | None = last
    while at is not None:
        path.append(at)
        at = asked(db, at, conversation, user).parent
    before: str | None = None
    for question in reversed(path):
        new, answer = uuid4().hex, uuid4().hex
        db.execute(
            "INSERT INTO messages (id, user, conversation, role, text, created, parent) SELECT ?, user, ?, role, text, created, ? FROM messages WHERE id = ?",
            (new, to, before, question),
        )
        for text, created, said in db.execute("SELECT text, created, answer FROM messages WHERE question = ?", (question,)).fetchall():
            db.execute(
                "INSERT INTO messages (id, user, conversation, role, text, created, answer, question) VALUES (?, ?, ?, 'assistant', ?, ?, ?, ?)",
                (answer, user, to, text, created, _changed(said, id=answer, conversation=to), new),
            )
        before = new
    move_head(db, before, to, user)


def move_head(db: Speaks, question: str | None, conversation: str, user: str) -> None:
    """Let a conversation end with a question."""
    db.execute("UPDATE conversations SET head = ? WHERE user = ? AND id = ?", (question, user, conversation))


def without_memory(answer: str, memory: str) -> str | None:
    """An answer as JSON, with a memory taken out of those it used."""
    return _changed(answer, memories=[used for used in _held(answer).get("memories") or () if used.get("id") != memory])


def _changed(answer: str | None, **fields: Any) -> str | None:
    """An answer as JSON with other values for some fields; an older program's own words stay as they are."""
    held = _held(answer)
    return json.dumps({**held, **fields}, ensure_ascii=False) if held else answer


def _held(answer: str | None) -> dict[str, Any]:
    try:
        held = json.loads(answer or "")
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}
