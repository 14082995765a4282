"""Counts and times of turns for Prometheus. Nothing in them is of one user, conversation or question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from assistant.watching import TurnSeen
from graphs.values import ROUTES

if TYPE_CHECKING:
    from assistant.models.shared import Models

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counted since it was made. May be used from many threads."""

    def __init__(self, waiting: Callable[[], int], running: Callable[[], int], models: Models) -> None:
        self._registry = registry = CollectorRegistry()
        self._turns = Counter("assistant_turns", "Turns that are over.", ["route", "outcome"], registry=registry)
        self._seconds = Histogram("assistant_turn_seconds", "Seconds a turn took.", ["route"], buckets=_SECONDS, registry=registry)
        self._first = Histogram("assistant_first_token_seconds", "Seconds to the first word.", buckets=_SECONDS, registry=registry)
        self._steps = Histogram("assistant_step_seconds", "Seconds a step took.", ["step"], buckets=_SECONDS, registry=registry)
        self._waits = Histogram("assistant_queue_seconds", "Seconds a turn waited for the model.", buckets=_SECONDS, registry=registry)
        self._tokens = Counter("assistant_tokens", "Tokens read anew, read before and so reused, written.", ["kind"], registry=registry)
        self._calls = Counter("assistant_model_calls", "Calls of the language model.", registry=registry)
        self._repaired = Counter("assistant_repaired_turns", "Turns whose query took more than one try.", registry=registry)
        self._errors = Counter("assistant_errors", "Turns that failed.", ["kind"], registry=registry)
        self._thumbs = Counter("assistant_thumbs", "Answers that somebody judged.", ["thumb"], registry=registry)
        Gauge("assistant_queue_waiting", "Turns that wait for the model.", registry=registry).set_function(waiting)
        Gauge("assistant_turns_running", "Turns under way.", registry=registry).set_function(running)
        registry.register(_Servers(models))
        ProcessCollector(registry=registry)
        # What there is none of yet is 0, so that its first one is seen as a rise.
        for route in ROUTES:
            self._turns.labels(route, "answered")
        for thumb in ("up", "down"):
            self._thumbs.labels(thumb)

    def turn(self, seen: TurnSeen) -> None:
        """Count a turn."""
        answer = seen.answer
        route = answer.route if answer else "unknown"
        self._turns.labels(route, seen.outcome).inc()
        self._seconds.labels(route).observe(seen.seconds)
        self._waits.observe(seen.waited)
        for step in seen.steps:
            self._steps.labels(step.name.split(" ")[0]).observe(step.seconds)  # "part 3 of 12" is a part
        if seen.error and seen.outcome == "failed":
            self._errors.labels(seen.error).inc()
        if answer:
            usage = answer.usage
            if usage.first_token_seconds is not None:
                self._first.observe(usage.first_token_seconds)
            self._tokens.labels("read").inc(max(0, usage.prompt_tokens - usage.cached_tokens))
            self._tokens.labels("reused").inc(usage.cached_tokens)
            self._tokens.labels("written").inc(usage.completion_tokens)
            self._calls.inc(usage.model_calls)
            self._repaired.inc(len(answer.attempts) > 1)

    def thumb(self, score: int) -> None:
        """Count a thumb."""
        self._thumbs.labels("up" if score > 0 else "down").inc()

    def close(self) -> None:
        """Nothing: it holds nothing open."""

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Servers(Collector):
    """The model servers as they are known when somebody looks."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Whether each server is up, and its calls under way."""
        up = GaugeMetricFamily("assistant_model_server_up", "Whether a model server is up, as far as is known.", labels=["server"])
        busy = GaugeMetricFamily("assistant_model_server_calls", "Calls under way at a model server.", labels=["server"])
        for server in self._models.servers():
            up.add_metric([server.address], not server.down)
            busy.add_metric([server.address], server.busy)
        yield from (up, busy)
