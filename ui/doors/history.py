"""Where a history that a program sends with each question goes on in what is kept.

The APIs of this kind know no conversations: each request brings all that was said. A conversation that came in this way bears
the hash of its first question in its id; among those, the one that begins as the history does is gone on with. Nothing
else is kept for it, so any process can answer any request.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant import Message

if TYPE_CHECKING:
    from assistant import Assistant

Turn = tuple[str, str]
"""A question, and what was answered; empty where nothing was."""
MARK = "chat-"
LOOKED_AT = 50
"""Conversations with the same first question that are compared with a history, the latest first."""


@dataclass(frozen=True)
class Place:
    """Where a question is asked: the conversation, and the message whose place it takes (None: at the end)."""

    conversation: str
    instead_of: str | None = None


def paired(said: Sequence[tuple[str, str]]) -> list[Turn]:
    """(role, text) of messages as turns; what an assistant says before any question is left out."""
    turns: list[Turn] = []
    for role, text in said:
        if role == "user":
            turns.append((text, ""))
        elif turns:
            question, before = turns[-1]
            turns[-1] = (question, f"{before}\n{text}" if before else text)
    return turns


def place(assistant: Assistant, turns: Sequence[Turn], question: str, *, user: str, private: bool = False) -> Place:
    """Where a question goes on after these turns. A history that is not known begins a new conversation with a copy of it."""
    first = turns[0][0] if turns else question
    key = MARK + hashlib.sha256(_plain(first).encode("utf-8", "replace")).hexdigest()[:24]
    if turns and not private:
        alike = [kept.id for kept in assistant.conversations.all(user=user) if kept.id.startswith(key)]
        for id_ in alike[:LOOKED_AT]:
            if found := _at(assistant.conversations.messages(id_, user=user), turns, id_):
                return found
    new = f"{key}-{secrets.token_hex(6)}"
    if turns:
        assistant.conversations.begin(new, turns, user=user, private=private)
    return Place(new)


def _at(shown: Sequence[Message], turns: Sequence[Turn], conversation: str) -> Place | None:
    """Where those turns end in a conversation, if it begins with them: what came after is replaced, as when an answer is asked for again."""
    questions = [message for message in shown if message.role == "user"]
    here = paired([(message.role, message.text) for message in shown])
    if len(here) < len(turns) or not all(_same(*both) for both in zip(here, turns, strict=False)):
        return None
    return Place(conversation, questions[len(turns)].id if len(questions) > len(turns) else None)


def _same(one: Turn, other: Turn) -> bool:
    """The same question, and an answer that begins as the other does: a stopped one is shorter, one that was shown has its rows below it."""
    (asked, said), (asked_too, said_too) = ((_plain(question), _plain(text)) for question, text in (one, other))
    return asked == asked_too and (said.startswith(said_too) or said_too.startswith(said))


def _plain(text: str) -> str:
    return " ".join(text.split())
