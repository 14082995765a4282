"""What flows through the graph. Everything but the question is scratch, reset by the first node of a turn."""

from __future__ import annotations

from typing import TypedDict

from graphs.values import Attempt, Citation, Route
from stores.values import Memory, Message, Passage, Table, ValueMatch


class Input(TypedDict):
    """What a turn starts from."""

    question: str


class State(Input, total=False):
    """The whole state. Under a checkpointer it lives on into the next turn, so `recall` resets it."""

    memories: list[Memory]
    """What this user told us before that bears on the question, nearest first."""
    recent: list[Message]
    """The last messages of this conversation, oldest first, without the question."""
    values: list[ValueMatch]
    """Words of the question that stand in the database."""
    nearest: list[Passage]
    """The passages nearest to the question alone, for the relevance check; `documents` searches again."""
    route: Route
    """Who answers."""
    doubt: list[Route]
    """The routes that are about as likely as each other, when the user should be asked."""
    whole: bool
    """Whether the request is about whole documents: to be summed up, compared, translated, made a table of."""
    sql: str | None
    """The query whose rows are used."""
    table: Table | None
    """Its rows."""
    attempts: list[Attempt]
    """Every query that was tried."""
    passages: list[Passage]
    """What the documents agent found, best first."""
    notice: str | None
    """Something the answer must say as it stands: an error in plain words, or a refusal."""
    text: str
    """The answer's text."""
    citations: list[Citation]
    """What the text stands on."""
    used_memories: list[Memory]
    """The memories that the answer used, kept or removed."""
    grounded: bool
    """Whether the text was checked against what was fetched."""


def fresh(question: str) -> State:
    """A state with nothing of an earlier turn left in it."""
    return State(
        question=question,
        memories=[],
        recent=[],
        values=[],
        nearest=[],
        route="chat",
        doubt=[],
        whole=False,
        sql=None,
        table=None,
        attempts=[],
        passages=[],
        notice=None,
        text="",
        citations=[],
        used_memories=[],
        grounded=False,
    )
