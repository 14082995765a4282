"""What those see who watch: counts, traces, logs, and whether all parts are there."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from assistant import Assistant, AssistantError, ModelUnavailable, Settings, TurnCancelled
from assistant.logs import ABOUT, JsonLines, as_json
from assistant.metrics import Metrics
from assistant.settings_sources import secrets
from assistant.watching import Watch, outcome
from graphs.values import Answer, Attempt, Citation, Done, StepFinished, Usage
from tests.model_server import Script, served
from tests.scripted_models import RuleModels

SECRET = "Penelope the third"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def opened(home: Path, **settings: Any) -> Assistant:
    return Assistant(Settings(home=home, sample=False, **settings), models=RuleModels())  # type: ignore[arg-type]


def value(text: str, name: str) -> float:
    return next((float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + " ")), 0.0)


def answer(**more: Any) -> Answer:
    return Answer(id="1", text=more.pop("text", "Yes."), route=more.pop("route", "chat"), conversation="c", **more)


# Counting


def test_turns_steps_tokens_and_thumbs_are_counted(home: Path) -> None:
    with opened(home) as assistant:
        assistant.watch.metrics()
        done = assistant.ask(f"Hello, what about {SECRET}?", user="7")
        assistant.feedback(done.id, user="7", score=-1)
        with pytest.raises(AssistantError):
            assistant.ask("   ")
        text = assistant.watch.metrics().decode()
    assert value(text, 'assistant_turns_total{outcome="answered",route="chat"}') == 1
    assert value(text, 'assistant_turns_total{outcome="failed",route="unknown"}') == 1
    assert value(text, 'assistant_errors_total{kind="AssistantError"}') == 1
    assert value(text, 'assistant_step_seconds_count{step="relevance"}') == 1
    assert value(text, 'assistant_thumbs_total{thumb="down"}') == 1
    assert "assistant_thumbs_total{thumb=\"up\"} 0.0" in text, "what there is none of yet is 0"
    assert "assistant_queue_waiting 0.0" in text
    assert SECRET not in text


def test_tokens_repairs_waits_and_parts_are_counted() -> None:
    metrics = Metrics(lambda: 3, lambda: 2, RuleModels())  # type: ignore[arg-type]
    usage = Usage(prompt_tokens=100, cached_tokens=70, completion_tokens=9, model_calls=3, first_token_seconds=0.2, seconds=4.0)

    def run(emit: Any, cancelled: threading.Event) -> None:
        for step in ("waiting", "part 1 of 12", "part 2 of 12"):
            emit(StepFinished(step, 1.5))
        emit(Done(answer(route="sql", attempts=(Attempt("a", "no"), Attempt("b")), usage=usage)))

    watch = watching(metrics)
    watch.watched(run, "?")(lambda event: None, threading.Event())
    text = metrics.text().decode()
    assert [value(text, f'assistant_tokens_total{{kind="{kind}"}}') for kind in ("read", "reused", "written")] == [30, 70, 9]
    assert value(text, 'assistant_step_seconds_count{step="part"}') == 2
    assert value(text, "assistant_queue_seconds_sum") == 1.5
    assert value(text, "assistant_queue_waiting") == 3
    assert value(text, "assistant_repaired_turns_total") == 1
    assert value(text, 'assistant_turn_seconds_count{route="sql"}') == 1


def watching(*observers: Any) -> Watch:
    watch = Watch(Settings().watching, None, None, lambda: 0)  # type: ignore[arg-type]
    watch._observers += observers
    return watch


@pytest.mark.parametrize(
    ("found", "error", "expected"),
    [
        (answer(), None, "answered"),
        (answer(choices=("a", "b")), None, "asked_back"),
        (answer(route="documents"), None, "declined"),
        (answer(route="documents", citations=(Citation("a", "1", "b"),)), None, "answered"),
        (answer(route="off_topic"), None, "declined"),
        (answer(text="I don't know that."), None, "declined"),
        (None, TurnCancelled("gone"), "stopped"),
        (None, ModelUnavailable("gone"), "failed"),
    ],
)
def test_how_a_turn_ended(found: Answer | None, error: Exception | None, expected: str) -> None:
    assert outcome(found, error) == expected


def test_with_nobody_watching_a_turn_runs_as_it_is_and_with_all_of_them_it_costs_under_a_millisecond() -> None:
    def run(emit: Any, cancelled: threading.Event) -> None:
        for step in ("recall", "relevance", "sql", "documents", "answer"):
            emit(StepFinished(step, 0.1, "detail"))
        emit(Done(answer(usage=Usage(steps={"recall": 0.1}))))

    assert watching().watched(run, "?") is run
    watched = watching(Metrics(lambda: 0, lambda: 0, RuleModels())).watched(run, "?")  # type: ignore[arg-type]
    took = []
    for _ in range(50):
        began = time.perf_counter()
        watched(lambda event: None, threading.Event())
        took.append(time.perf_counter() - began)
    assert min(took) < 0.001


def test_model_servers_are_shown(home: Path) -> None:
    with served(Script(pieces=["sql"])) as address:
        settings = Settings(home=home, sample=False, model={"server_url": address}, embedding={"server_url": "http://127.0.0.1:9/v1"})
        with Assistant(settings) as assistant:
            assert "assistant_model_server_up{" not in assistant.watch.metrics().decode(), "none was spoken with"
            assert assistant.watch.ready() == {"model": False, "state": True, "index": True}
            assistant.load()
            assert assistant.watch.ready()["model"]
            with pytest.raises(ModelUnavailable):
                assistant.documents.search("anything")
            text = assistant.watch.metrics().decode()
            assert value(text, f'assistant_model_server_up{{server="{address}"}}') == 1
            assert value(text, 'assistant_model_server_up{server="http://127.0.0.1:9/v1"}') == 0
            assert not assistant.watch.ready()["model"]


def test_a_state_that_cannot_be_read_is_not_ready(home: Path) -> None:
    with opened(home) as assistant:
        assert assistant.watch.ready() == {"model": True, "state": True, "index": True}
        with closing(sqlite3.connect(home / "history.sqlite")) as other:
            other.execute("ALTER TABLE conversations RENAME TO gone")
            other.commit()
            assert assistant.watch.ready() == {"model": True, "state": False, "index": True}
            other.execute("ALTER TABLE gone RENAME TO conversations")
            other.commit()


# Traces


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        for resource in request.resource_spans:
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    made = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.mark.parametrize("content", [False, True])
def test_a_turn_is_a_span_with_one_for_each_step(home: Path, collector: tuple[Collector, str], content: bool) -> None:
    kept, url = collector
    with opened(home, watching={"otlp_url": url, "content": content}) as assistant:
        done = assistant.ask(f"Hello, what about {SECRET}?")
        with pytest.raises(AssistantError):
            assistant.ask("")
    turns = [span for span in kept.spans if span.name == "turn"]
    assert len(turns) == 2
    whole, failed = turns
    assert failed.status.code == 2
    steps = [span for span in kept.spans if span.parent_span_id == whole.span_id]
    assert {span.name for span in steps} >= {"step recall", "step relevance", "step chat"}
    assert all(span.trace_id == whole.trace_id for span in steps)
    assert all(whole.start_time_unix_nano - 10**7 <= span.start_time_unix_nano <= span.end_time_unix_nano for span in steps)
    said = "".join(map(str, kept.spans))
    assert (SECRET in said) == content
    assert (done.text in said) == content


def test_a_collector_that_is_gone_holds_nobody_up(home: Path) -> None:
    with opened(home, watching={"otlp_url": "http://127.0.0.1:9"}) as assistant:
        began = time.monotonic()
        assert assistant.ask("Hello").text
        assert assistant.ask("Hello again").text
    assert time.monotonic() - began < 30


# Logs


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged as JSON since one last looked."""
    root, own = logging.getLogger(), logging.getLogger("assistant.turns")
    before, level = root.handlers[:], own.level
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    root.handlers[:] = before
    own.setLevel(level)


@pytest.mark.parametrize("content", [False, True])
def test_a_turn_is_a_line_of_json_without_content(home: Path, lines: Callable[[], list[dict[str, Any]]], content: bool) -> None:
    settings = {"watching": {"logs": "json", "content": content}}
    as_json(Settings(home=home, **settings))  # type: ignore[arg-type]
    with opened(home, **settings) as assistant:
        done = assistant.ask(f"Hello, what about {SECRET}?")
        assistant.feedback(done.id, user="local", score=1)
    found = lines()
    turn = next(line for line in found if line["event"] == "turn")
    assert (turn["outcome"], turn["route"], turn["level"]) == ("answered", "chat", "info")
    assert "relevance" in turn["steps"]
    assert uuid.UUID(turn["trace"])
    assert any(line.get("thumb") == "up" for line in found)
    assert (SECRET in json.dumps(found)) == content


def test_values_put_into_a_text_and_secrets_are_left_out(lines: Callable[[], list[dict[str, Any]]]) -> None:
    named = {"model": {"server_url": "http://a/v1", "server_api_key": 'sk"1234'}, "database": {"url": "postgresql://me:pass-word@h/db"}}
    settings = Settings(sample=False, **named)  # type: ignore[arg-type]
    assert set(secrets(settings)) == {'sk"1234', "pass-word"}
    as_json(settings)
    own, other = logging.getLogger("stores.x"), logging.getLogger("library")
    own.warning("A query was refused: %s", f"SELECT '{SECRET}'")
    own.warning("%s", ModelUnavailable(SECRET))
    own.error("The key is sk\"1234 and the address postgresql://me:pass-word@h/db", extra={ABOUT: {"server": 'http://sk"1234'}})
    other.error(f"f-string of {SECRET}")
    other.error("template of %s", SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        own.exception("It failed")
    found = lines()
    assert [line["event"] for line in found[:2]] == ["A query was refused: %s", "%s"]
    assert found[1]["error"] == "ModelUnavailable"
    assert found[2]["event"] == "The key is *** and the address postgresql://me:***@h/db"
    assert found[2]["server"] == "http://***"
    assert [line["event"] for line in found[3:5]] == ["(left out)", "template of %s"]
    assert found[5]["error"] == "ValueError"
    assert "test_values_put_into" in found[5]["where"][0]
    assert SECRET not in json.dumps(found)


def test_a_record_that_is_no_text_is_a_line_too() -> None:
    line = json.loads(JsonLines((), content=False).format(logging.LogRecord("x", logging.ERROR, "f", 1, ValueError("no"), None, None)))
    assert line["event"] == "(left out)"
