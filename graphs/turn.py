"""What one turn runs with: the services it may use, who asks, its bounds, and how it tells what it is doing.

Travels as LangGraph's run context (`Runtime[Turn]`), never in the state.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Literal, Protocol, TypeVar

from langchain_core.language_models import BaseChatModel

from graphs.errors import TurnCancelled
from graphs.speaking import Meter, Speaker
from graphs.values import Event, StepFinished, StepStarted, Token
from stores.errors import IndexUnreachable
from stores.values import Conversation, Document, Example, Memory, Message, Passage, Schema, Table, ValueMatch
from stores.within import Within

Mode = Literal["reranked", "hybrid"]
T = TypeVar("T")


class Database(Protocol):
    """The user's database, which can only be read."""

    def schema(self) -> Schema: ...
    def run(self, sql: str, *, user: str | None = None) -> Table: ...
    def mend(self, sql: str, question: str = "", *, user: str | None = None) -> str | None: ...
    def explain(self, sql: str) -> str: ...
    def find_values(self, question: str, *, user: str | None = None) -> list[ValueMatch]: ...


class Documents(Protocol):
    """The passages that a user may see."""

    def search(
        self, query: str, *, user: str = "local", k: int = 5, mode: Mode = "reranked", within: Within | None = None
    ) -> list[Passage]: ...
    def alike(self, query: str, texts: Sequence[str]) -> list[float]: ...
    def all(self, *, user: str = "local") -> list[Document]: ...
    def outline(self, *, user: str = "local", limit: int = 40) -> list[str]: ...
    def contents(self, id: str, *, user: str = "local") -> list[Passage]: ...  # noqa: A002
    def condensed(self, id: str, key: str) -> str | None: ...  # noqa: A002
    def condense(self, id: str, key: str, text: str) -> None: ...  # noqa: A002


class Memories(Protocol):
    """What users said about themselves, each user's apart."""

    def add(
        self,
        text: str,
        *,
        user: str,
        source: str | None = None,
        said_at: datetime | None = None,
        confidence: float = 1.0,
        closing: Sequence[str] = (),
        instead: str | None = None,
    ) -> Memory: ...
    def near(self, text: str, *, user: str, k: int = 8) -> list[Memory]: ...
    def search(
        self, query: str, *, user: str, k: int = 5, past: bool = False, during: tuple[date, date] | None = None
    ) -> list[Memory]: ...
    def all(self, *, user: str) -> list[Memory]: ...
    def forget(self, id: str, *, user: str) -> Memory: ...  # noqa: A002 - the name of the public API
    def forget_all(self, *, user: str) -> int: ...


class Examples(Protocol):
    """Approved questions with their SQL."""

    def search(self, question: str, *, fingerprint: str, user: str, k: int = 3) -> list[Example]: ...


class History(Protocol):
    """Conversations and their messages, each user's apart."""

    def recent(self, id: str, *, user: str, turns: int) -> list[Message]: ...  # noqa: A002
    def earlier(self, id: str, *, user: str, turns: int) -> list[Message]: ...  # noqa: A002
    def all(self, *, user: str, query: str | None = None) -> list[Conversation]: ...
    def said(self, start: date, end: date, *, user: str) -> list[Message]: ...


@dataclass(frozen=True)
class Services:
    """Everything a turn may reach. `user_column` ("table.column") finds the asking user's own row."""

    model: BaseChatModel
    documents: Documents
    memories: Memories
    history: History
    examples: Examples
    database: Database | None = None
    user_column: str | None = None


@dataclass(frozen=True)
class Bounds:
    """The limits of a turn; each is a setting."""

    recent_turns: int = 6
    memories: int = 5
    passages: int = 4
    repairs: int = 3
    clarify: float = 0.1
    max_tokens: int = 512
    parts: int = 40
    part_tokens: int = 800
    summary_sentences: int = 12


@dataclass
class Turn:
    """One turn's run context. `words=False` stops once the rows or passages are there; of a `private` turn nothing is kept."""

    services: Services
    user: str
    conversation: str
    question_id: str
    emit: Callable[[Event], None]
    cancelled: threading.Event
    today: date
    bounds: Bounds = field(default_factory=Bounds)
    words: bool = True
    private: bool = False
    meter: Meter = field(default_factory=Meter)
    text: list[str] = field(default_factory=list)
    unreachable: IndexUnreachable | None = None

    @cached_property
    def recent(self) -> list[Message]:
        """The last turns of the conversation, read once; at least one, also where the model is to read none."""
        return self.services.history.recent(self.conversation, user=self.user, turns=max(1, self.bounds.recent_turns))

    def reached(self, look: Callable[[], list[T]]) -> list[T]:
        """What is found in a store that the turn can do without, or nothing (see `unreachable`) where its server is down."""
        try:
            return look()
        except IndexUnreachable as error:
            self.unreachable = error
            return []

    @property
    def speaker(self) -> Speaker:
        """The model, as this turn speaks with it: metered, cancellable, in this user's place of the queue."""
        return Speaker(self.services.model, self.meter, self.user, self.cancelled)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Tell that a step runs, and how long it took; what is appended to the list given becomes its detail."""
        if self.cancelled.is_set():
            raise TurnCancelled("The turn was stopped because its reader went away.")
        detail: list[str] = []
        self.emit(StepStarted(name))
        started = time.perf_counter()
        try:
            yield detail
        finally:
            seconds = time.perf_counter() - started
            self.meter.steps[name] = self.meter.steps.get(name, 0.0) + seconds
            self.emit(StepFinished(name, seconds, "; ".join(detail)))

    def say(self, piece: str) -> None:
        """Show a piece of the answer; what was shown is never taken back."""
        if not piece:
            return
        self.meter.first_token()
        self.text.append(piece)
        self.emit(Token(piece))
