"""What turns were like, told to those who watch when each is over, from the events that its reader gets anyway."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from assistant.stream import Run
from graphs.errors import TurnCancelled
from graphs.values import Answer, Done, Event, StepFinished

if TYPE_CHECKING:
    from assistant.metrics import Metrics
    from assistant.models.shared import Models
    from assistant.settings import WatchingSettings
    from assistant.wiring import Parts

Outcome = Literal["answered", "declined", "asked_back", "stopped", "failed"]


@dataclass(frozen=True)
class StepSeen:
    """A step that ended at `ended` (seconds since 1970). `detail` is content."""

    name: str
    seconds: float
    ended: float
    detail: str


@dataclass(frozen=True)
class TurnSeen:
    """A turn that is over. `error` is the name of what it failed with; `answer` is None where it failed or was stopped.

    `question`, `answer` and the steps' details are content: who passes a turn on leaves them out unless told otherwise.
    """

    id: str
    started: float
    seconds: float
    outcome: Outcome
    error: str | None
    steps: tuple[StepSeen, ...]
    question: str
    answer: Answer | None

    @property
    def waited(self) -> float:
        """Seconds in the line for the model."""
        return sum(step.seconds for step in self.steps if step.name == "waiting")


class Observer(Protocol):
    """Who watches."""

    def turn(self, seen: TurnSeen) -> None: ...
    def thumb(self, score: int) -> None: ...
    def close(self) -> None: ...


class Watch:
    """Tells observers of turns and thumbs; where there are none, a turn runs as if nothing were here."""

    def __init__(self, settings: WatchingSettings, parts: Parts, models: Models, waiting: Callable[[], int]) -> None:
        self._parts, self._models, self._waiting = parts, models, waiting
        self._observers: list[Observer] = []
        self._metrics: Metrics | None = None
        self._lock = threading.Lock()
        self.running = 0
        if settings.otlp_url:
            from assistant.traces import Traces

            self._observers.append(Traces(settings.otlp_url, content=settings.content))
        if settings.logs == "json":
            from assistant.logs import TurnLog

            self._observers.append(TurnLog(content=settings.content))

    def watched(self, run: Run, question: str) -> Run:
        """The turn `run`, of which the observers are told when its answer is whole, or when it fails."""
        if not self._observers:
            return run

        def running(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
            started, clock = time.time(), time.perf_counter()
            steps: list[StepSeen] = []
            told = False

            def over(answer: Answer | None, error: BaseException | None) -> None:
                nonlocal told
                told = True
                seconds = time.perf_counter() - clock
                name = type(error).__name__ if error else None
                seen = TurnSeen(uuid.uuid4().hex, started, seconds, outcome(answer, error), name, tuple(steps), question, answer)
                for observer in tuple(self._observers):
                    observer.turn(seen)

            def tell(event: Event) -> None:
                if isinstance(event, StepFinished):
                    steps.append(StepSeen(event.step, event.seconds, time.time(), event.detail))
                elif isinstance(event, Done):
                    over(event.answer, None)
                emit(event)

            self._count(1)
            try:
                run(tell, cancelled)
            except BaseException as error:
                if not told:
                    over(None, error)
                raise
            finally:
                self._count(-1)

        return running

    def thumb(self, score: int) -> None:
        """Somebody judged an answer."""
        for observer in tuple(self._observers):
            observer.thumb(score)

    def metrics(self) -> bytes:
        """What was counted since the first call, as Prometheus reads it."""
        with self._lock:
            if self._metrics is None:
                from assistant.metrics import Metrics

                self._metrics = Metrics(self._waiting, lambda: self.running, self._models)
                self._observers.append(self._metrics)
            return self._metrics.text()

    def ready(self) -> dict[str, bool]:
        """Whether the model, the state and the index can be used just now; they are asked, within a few seconds each."""
        from assistant.readiness import readiness

        return readiness(self._parts, self._models)

    def close(self) -> None:
        """Tell the observers that it is over."""
        for observer in self._observers:
            observer.close()

    def _count(self, more: int) -> None:
        with self._lock:
            self.running += more


def outcome(answer: Answer | None, error: BaseException | None) -> Outcome:
    """How a turn ended. Declined is what cites and shows nothing that it was asked for."""
    if isinstance(error, TurnCancelled | GeneratorExit):
        return "stopped"
    if error is not None or answer is None:
        return "failed"
    if answer.choices:
        return "asked_back"
    found = answer.citations or answer.table is not None
    looked = answer.route in ("sql", "documents", "both")
    return "declined" if answer.route == "off_topic" or (looked and not found) or answer.text.startswith("I don't know") else "answered"
