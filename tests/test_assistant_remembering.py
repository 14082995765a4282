"""Remembering happens after the answer, gives way to whoever asks, and stops where what was said is deleted."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from assistant import Assistant, Settings
from assistant.remembering import Remembering
from graphs.errors import TurnCancelled
from graphs.turn import Services, Turn
from stores.values import Memory
from tests.scripted_models import RuleModels
from tests.test_graphs_turn import FakeMemories

VAN = "I drive a green van to the market."
"""A statement that the model is asked about."""


class Reader:
    """A model that thinks until it is let go, or until its reader goes away."""

    def __init__(self) -> None:
        self.reading, self.go_on, self.calls, self.stopped = threading.Event(), threading.Event(), 0, 0

    def invoke(self, messages: Any, *, choices: list[str], cancelled: threading.Event, **_: Any) -> Any:
        from langchain_core.messages import AIMessage

        self.calls += 1
        self.reading.set()
        while not self.go_on.wait(0.01):
            if cancelled.is_set():
                self.stopped += 1
                raise TurnCancelled("stopped")
        return AIMessage(choices[-1], response_metadata={"probabilities": {choice: float(choice == choices[-1]) for choice in choices}})


def turn(model: Any, conversation: str = "c", **options: Any) -> Turn:
    services: Any = Services(model, None, FakeMemories(), None, None)  # type: ignore[arg-type]
    return Turn(services, "7", conversation, "q", lambda event: None, threading.Event(), date(2026, 5, 20), **options)


def kept(given: Turn) -> list[str]:
    return [memory.text for memory in given.services.memories.all(user="7")]


def test_a_question_interrupts_it_and_it_goes_on_when_nobody_asks() -> None:
    model, remembering = Reader(), Remembering(quiet=0.05)
    given = turn(model)
    remembering.said(VAN, given)
    assert model.reading.wait(5)
    began = time.monotonic()
    with remembering.asking():
        assert time.monotonic() - began < 0.5, "who asks does not wait"
        while not model.stopped and time.monotonic() - began < 5:
            time.sleep(0.01)
        calls = model.calls
        time.sleep(0.2)
        assert model.calls == calls, "the model is theirs while they ask"
    model.go_on.set()
    assert remembering.settle(5)
    assert kept(given) == [VAN]
    remembering.close()


def test_what_needs_no_model_is_kept_while_somebody_asks() -> None:
    model, remembering = Reader(), Remembering()
    given = turn(model)
    with remembering.asking():
        remembering.said("Please call me Jo.", given)
        assert remembering.settle(5)
    assert kept(given) == ["Please call me Jo."]
    remembering.said("Call me Al.", replace(given, private=True))
    assert remembering.settle(5)
    assert model.calls == 0
    remembering.close()
    assert kept(given) == ["Please call me Jo."]


def test_what_is_deleted_is_not_remembered_afterwards() -> None:
    model, remembering = Reader(), Remembering(quiet=0.0)
    given = turn(model)
    remembering.said(VAN, given)
    remembering.said(VAN, turn(model, "other"))
    assert model.reading.wait(5)
    remembering.drop("7", ["c", "other"])
    model.go_on.set()
    assert remembering.settle(5)
    assert kept(given) == []
    remembering.close()


def test_what_waits_for_a_quiet_moment_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is always asked something would keep every doubtful message for ever."""
    monkeypatch.setattr("assistant.remembering.DOUBTFUL", 3)
    remembering = Remembering(quiet=0.0)
    with remembering.asking():
        for number in range(10):
            remembering.said(VAN, turn(Reader(), f"c{number}"))
        for _ in range(500):
            if not remembering._said and not remembering._busy:
                break
            time.sleep(0.01)
        remembering.drop("7", ["none of them"])
        assert [given.conversation for _, given in remembering._doubtful] == ["c7", "c8", "c9"]
        remembering.drop("7", ["c7", "c8", "c9"])
    remembering.close()


def test_closing_finishes_what_was_said() -> None:
    model, remembering = Reader(), Remembering(quiet=60.0)
    model.go_on.set()
    given = turn(model)
    with remembering.asking():
        remembering.said(VAN, given)
    remembering.close()
    assert kept(given) == [VAN]


def test_what_is_said_in_passing_is_known_in_the_next_conversation(tmp_path: Any) -> None:
    with Assistant(Settings(home=tmp_path, sample=False), models=RuleModels()) as assistant:  # type: ignore[arg-type]
        assistant.ask("I live in Porto.", user="7", conversation="a")
        deadline = time.monotonic() + 5
        found: list[Memory] = []
        while not found and time.monotonic() < deadline:
            found = assistant.memories.all(user="7")
            time.sleep(0.02)
        assert [memory.text for memory in found] == ["I live in Porto."]
        assert found[0].source == assistant.conversations.messages("a", user="7")[0].id
        assistant.ask("I live in Faro now.", user="7", conversation="b")
        while not any(memory.until for memory in found) and time.monotonic() < deadline:
            found = assistant.memories.all(user="7")
            time.sleep(0.02)
        assert [(memory.text, memory.until is None) for memory in found] == [("I live in Faro now.", True), ("I live in Porto.", False)]
