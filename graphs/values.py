"""What a turn gives: the answer, what it stands on, what it cost, and the events on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from stores.values import Memory, Table

Route = Literal["sql", "documents", "both", "memory", "chat", "off_topic"]
ROUTES: tuple[Route, ...] = ("sql", "documents", "both", "memory", "chat", "off_topic")


@dataclass(frozen=True)
class Citation:
    """Where a claim stands. `location`: page, heading or row; `quote`: the passage's own words.

    `gives_orders`: the passage addresses the assistant; that part was not read to the model. `passage` is the passage's id, see `documents.around`.
    """

    document: str
    location: str
    quote: str
    score: float = 0.0
    gives_orders: bool = False
    passage: str | None = None


@dataclass(frozen=True)
class Attempt:
    """One SQL query that was tried, with the error or doubt that ended it (None: it was used)."""

    sql: str
    error: str | None = None


@dataclass(frozen=True)
class Usage:
    """What a turn cost. `steps` is seconds by step name; `cached_tokens` is the part of the prompt not read anew."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    first_token_seconds: float | None = None
    seconds: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One turn's answer. `choices` is not empty when the assistant asks back: the next `ask` is taken as the choice.

    `grounded` says whether what is claimed stands on rows, passages or memories that were fetched;
    it is False for an answer that could not be checked against anything. `sql` is laid out for a reader; `explanation`
    says what it does in plain words, by program.
    """

    id: str
    text: str
    route: Route
    conversation: str
    sql: str | None = None
    table: Table | None = None
    citations: tuple[Citation, ...] = ()
    memories: tuple[Memory, ...] = ()
    grounded: bool = False
    attempts: tuple[Attempt, ...] = ()
    choices: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    explanation: str | None = None


@dataclass(frozen=True)
class StepStarted:
    """A step of the turn began: recall, relevance, sql, documents, "part 3 of 12" of them, memory, chat, off_topic, answer, remember.

    Where many ask at once, a step `waiting` comes first, told anew whenever its `detail` changes: how many are before.
    """

    step: str
    detail: str = ""


@dataclass(frozen=True)
class StepFinished:
    """A step ended. `detail` is one line for a reader: the route and its probability, the SQL, what was found."""

    step: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class Token:
    """A piece of the answer's text. The pieces joined are the text."""

    text: str


@dataclass(frozen=True)
class Done:
    """The turn is over."""

    answer: Answer


Event = StepStarted | StepFinished | Token | Done
