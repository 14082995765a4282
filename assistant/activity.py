"""What turns cost and how they went, read from the history that is kept anyway."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from assistant.serialise import answer_from_json
from graphs.values import Route, Usage

if TYPE_CHECKING:
    from stores.history import History
    from stores.values import Message


@dataclass(frozen=True)
class TurnRecord:
    """One turn as it went. `route` and `usage` are None where it failed or was stopped before its answer was whole."""

    conversation: str
    question: str
    asked: datetime
    route: Route | None = None
    usage: Usage | None = None
    score: Literal[-1, 1] | None = None


def activity(history: History, *, user: str, turns: int) -> list[TurnRecord]:
    """The user's last turns, the newest first."""
    # The latest first, so that an answer comes before its question: turns of one conversation never run at once.
    answers: dict[str, Message] = {}
    # A branch holds copies of turns, with the moment of the first: those are counted once, where they were asked.
    records: dict[datetime, TurnRecord] = {}
    for message in history.search("", user=user, limit=2 * turns):
        if message.role == "assistant":
            answers[message.conversation] = message
        else:
            records[message.created] = _record(message, answers.pop(message.conversation, None))
    return sorted(records.values(), key=lambda record: record.asked, reverse=True)[:turns]


def _record(asked: Message, answered: Message | None) -> TurnRecord:
    record = TurnRecord(asked.conversation, asked.text, asked.created)
    if answered is None or answered.answer is None:
        return record
    answer = answer_from_json(answered.answer)
    return replace(record, route=answer.route, usage=answer.usage, score=answered.score)
