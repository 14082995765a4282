"""A conversation over the sample workspace, and a note of everything that the models did in it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.api import Assistant
from assistant.errors import ModelUnavailable
from assistant.evaluation.run import Run
from assistant.machine import resident_bytes
from assistant.models.shared import Models
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.models.engine import Call
    from assistant.models.reading import Cost
    from graphs.values import Answer

CONVERSATION = (
    "Hello!",
    "How many members do we have?",
    "How many of them joined in 2025?",
    "How long is the warranty on a repair?",
    "And what do I have to bring along?",
    "Please remember that I like short answers.",
    "Make this friendlier: 'Your bike is done. Come and get it.'",
    "Now make it a bit shorter.",
    "Which parts are low in stock?",
    "Which of them is the most expensive?",
    "What does the Family membership include?",
    "What is the capital of Peru?",
    "How many repairs were finished in 2025?",
    "And in 2024?",
    "What did I tell you about my answers?",
    "How much is the deposit for a loan bike?",
    "How many invoices are unpaid, and what late fee do we charge with the second reminder?",
    "Translate this into German: 'Thank you for your order.'",
    "Which mechanic finished the most repairs?",
    "Thanks, that was all!",
)
"""One conversation over the sample workspace that takes every route, with follow-ups."""

# The block that changes with what was found: passages or rows, up to the question.
_CARRIED = re.compile(r"\[1\] [\s\S]*(?=\n\nQuestion: )|\n\nResult:\n[\s\S]*")


@dataclass(frozen=True)
class Seen:
    """A call to the model: what was asked, what it cost, the seconds it took, and of which turn it was.

    `carried`: prompt tokens read anew that are passages and rows.
    """

    call: Call
    cost: Cost
    seconds: float
    turn: int
    carried: int

    @property
    def writes(self) -> bool:
        """Whether text was written, not a decision made."""
        return self.cost.written_tokens > 1

    @property
    def waited(self) -> float:
        """Seconds until the first word, or until the decision."""
        return self.cost.first_token_seconds or self.seconds

    @property
    def read(self) -> int:
        """Prompt tokens read anew."""
        return self.cost.prompt_tokens - self.cost.cached_tokens


class Watched(Models):
    """The models, with a note of every call."""

    def __init__(self, settings: Settings, prefixes: Path | None) -> None:
        super().__init__(settings, prefixes)
        self.seen: list[Seen] = []
        self.embedding_seconds = 0.0
        self.turn = 0

    def chat(self) -> Any:
        """The chat model, watched."""
        chat = super().chat()
        if not hasattr(chat, "engine"):
            raise ModelUnavailable("A model server cannot be measured here: unset model.server_url.")
        chat.watch = self._note
        return chat

    def _note(self, call: Call, cost: Cost, seconds: float) -> None:
        weights = super().chat().engine.weights
        text = b"".join(map(weights.piece, call.prompt.tokens)).decode(errors="replace")
        found = _CARRIED.search(text)
        read = cost.prompt_tokens - cost.cached_tokens
        carried = min(read, len(weights.tokenize(found[0]))) if found else 0
        self.seen.append(Seen(call, replace(cost), seconds, self.turn, carried))

    def embed(self, texts: Any) -> Any:
        """Vectors, and how long they took."""
        with self._timed():
            return super().embed(texts)

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Scores, and how long they took."""
        with self._timed():
            return super().rerank(query, texts)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.embedding_seconds += time.perf_counter() - started


class Measured(Assistant):
    """An assistant over the sample workspace whose models are watched."""

    def __init__(self, settings: Settings) -> None:
        # What is measured is looked at from inside, so the model runs here.
        model = settings.model.model_copy(update={"worker": False})
        settings = settings.model_copy(update={"sample": True, "model": model})
        self.watched = Watched(settings, settings.home / "prefixes")
        super().__init__(settings, models=self.watched)

    def close(self) -> None:
        """Close the stores and free the models."""
        super().close()
        self.watched.close()


@dataclass
class Told:
    """A conversation as it was measured, by turn: its answer, the seconds spent outside the models, the bytes held after it."""

    answers: list[Answer] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)


def converse(assistant: Measured, turns: int, run: Run) -> Told:
    """Hold the conversation for so many turns; it begins again, as another one, when it is through."""
    told, models = Told(), assistant.watched
    for number in range(turns):
        question = CONVERSATION[number % len(CONVERSATION)]
        run.progress(number, turns, question)
        models.turn = number
        before, embedding = len(models.seen), models.embedding_seconds
        answer = assistant.ask(question, conversation=f"bench-{number // len(CONVERSATION)}")
        inside = sum(call.seconds for call in models.seen[before:]) + models.embedding_seconds - embedding
        told.answers.append(answer)
        told.outside.append(answer.usage.seconds - inside)
        told.resident.append(resident_bytes())
    return told
