"""Speaking with the language model: plain text, one of several choices, and what it cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from graphs.values import Usage


@dataclass
class Meter:
    """Adds up what a turn costs. Two branches of the graph may run at once, hence the lock."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    started: float = field(default_factory=time.perf_counter)
    first: float | None = None
    steps: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, message: BaseMessage) -> None:
        """Count one model call from the usage that its last message carries."""
        usage = getattr(message, "usage_metadata", None)
        if not usage:
            return
        with self.lock:
            self.model_calls += 1
            self.prompt_tokens += usage["input_tokens"]
            self.completion_tokens += usage["output_tokens"]
            self.cached_tokens += usage.get("input_token_details", {}).get("cache_read", 0)

    def first_token(self) -> None:
        """Note when the first word of the answer was shown."""
        if self.first is None:
            self.first = time.perf_counter() - self.started

    def usage(self) -> Usage:
        """The turn's cost so far."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
            model_calls=self.model_calls,
            first_token_seconds=self.first,
            seconds=time.perf_counter() - self.started,
            steps=dict(self.steps),
        )


@dataclass(frozen=True)
class Sensed:
    """The probability of each choice, and what the model shows without saying: the log-odds of a probe, and how surprising each
    token was of what it read closely. None and nothing where a model does not let that be seen."""

    probabilities: dict[str, float]
    log_odds: float | None = None
    surprises: tuple[float, ...] = ()


@dataclass(frozen=True)
class Speaker:
    """One user's voice to the model within one turn."""

    model: BaseChatModel
    meter: Meter
    user: str
    cancelled: threading.Event

    def stream(self, messages: Sequence[BaseMessage], **options: Any) -> Iterator[str]:
        """The model's words as they come. Options: max_tokens, stop, grammar, greedy."""
        for chunk in self.model.stream(list(messages), user=self.user, cancelled=self.cancelled, **options):
            self.meter.add(chunk)
            if chunk.text:
                yield str(chunk.text)

    def write(self, messages: Sequence[BaseMessage], **options: Any) -> str:
        """The model's whole text."""
        return "".join(self.stream(messages, **options))

    def drafts(self, messages: Sequence[BaseMessage], count: int, **options: Any) -> list[str]:
        """Several texts drawn independently, which costs little more than one."""
        message = self.model.invoke(list(messages), drafts=count, user=self.user, cancelled=self.cancelled, **options)
        assert isinstance(message, AIMessage)
        self.meter.add(message)
        found: list[str] = message.response_metadata["drafts"]
        return found

    def choose(self, messages: Sequence[BaseMessage], choices: Sequence[str]) -> dict[str, float]:
        """The probability of each choice, in one constrained step; they sum to 1."""
        return self.sense(messages, choices).probabilities

    def sense(self, messages: Sequence[BaseMessage], choices: Sequence[str], **options: Any) -> Sensed:
        """As `choose`, with what can be seen in the model on the way. Options: the name of a `probe`, and the text at the end of
        the prompt that is read `closely`."""
        message = self.model.invoke(list(messages), choices=list(choices), user=self.user, cancelled=self.cancelled, **options)
        assert isinstance(message, AIMessage)
        self.meter.add(message)
        seen = message.response_metadata
        return Sensed(seen["probabilities"], seen.get("log_odds"), tuple(seen.get("surprises", ())))
