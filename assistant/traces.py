"""Turns as OpenTelemetry traces, a span for each step, sent to the collector that the settings name and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from assistant.watching import TurnSeen

_FLUSH_MILLISECONDS = 2000
Attributes = dict[str, str | int | float | bool]


class Traces:
    """Makes spans of turns that are over and sends them in the background; one that cannot be sent is dropped, and that is logged.

    The spans are made here and not by the SDK's tracer, which is switched off for the libraries (`assistant.silence`).
    """

    def __init__(self, url: str, *, content: bool) -> None:
        self._content = content
        exporter = OTLPSpanExporter(endpoint=url, insecure=url.startswith("http://"), timeout=_FLUSH_MILLISECONDS / 1000, meter_provider=NoOpMeterProvider())
        self._processor = BatchSpanProcessor(exporter, meter_provider=NoOpMeterProvider())
        self._resource = Resource({"service.name": "assistant"})
        self._scope = InstrumentationScope("assistant")
        self._ids = RandomIdGenerator()

    def turn(self, seen: TurnSeen) -> None:
        """A span for the turn, and under it one for each step."""
        trace = int(seen.id, 16)
        whole = self._context(trace)
        for step in seen.steps:
            detail: Attributes = {"detail": step.detail} if self._content and step.detail else {}
            self._send(f"step {step.name}", self._context(trace), whole, step.ended - step.seconds, step.ended, detail)
        status = Status(StatusCode.ERROR, seen.error) if seen.outcome == "failed" else Status(StatusCode.UNSET)
        self._send("turn", whole, None, seen.started, seen.started + seen.seconds, self._attributes(seen), status)

    def thumb(self, score: int) -> None:
        """Nothing: a thumb takes no time."""

    def close(self) -> None:
        """Send what is left, within seconds, and stop."""
        self._processor.force_flush(_FLUSH_MILLISECONDS)
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _attributes(self, seen: TurnSeen) -> Attributes:
        found: Attributes = {"outcome": seen.outcome, "waited": seen.waited}
        if seen.error:
            found["error.type"] = seen.error
        if answer := seen.answer:
            found |= {
                "route": answer.route,
                "grounded": answer.grounded,
                "attempts": len(answer.attempts),
                "model_calls": answer.usage.model_calls,
                "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
                "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
            }
        if self._content:
            found |= {"question": seen.question, "answer": seen.answer.text if seen.answer else ""}
        return found

    def _context(self, trace: int) -> SpanContext:
        return SpanContext(trace, self._ids.generate_span_id(), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    def _send(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        start: float,
        end: float,
        attributes: Attributes,
        status: Status = Status(StatusCode.UNSET),  # noqa: B008 - a value that nobody changes
    ) -> None:
        self._processor.on_end(
            ReadableSpan(
                name, context, parent, self._resource, attributes, kind=SpanKind.INTERNAL, status=status,
                start_time=int(start * 1e9), end_time=int(end * 1e9), instrumentation_scope=self._scope,
            )
        )  # fmt: skip
