"""A conversation of 500 turns answers as fast as one of five, and is shown as fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import pytest

from assistant import Answer, Assistant, Settings, answer_to_json
from graphs.earlier import before, called_back, condensed
from graphs.turn import Bounds
from stores.history import History
from stores.history_file import HistoryFile
from tests.scripted_models import RuleModels
from ui.chat import Chat
from ui.session import Session

MEASURED = 8
"""Turns timed in each conversation; at 500 and more the window of earlier turns moves on within them, at 5 it does not."""
BAR = 1.3
SAID = "The brake of the tandem squeaks when it is wet, so the pads are to be changed before the ride on Sunday, and the left pedal is loose. "


def said(history: History, user: str, turns: int, conversation: str = "c") -> None:
    """A conversation of so many turns, as the assistant would have kept it."""
    assert isinstance(history._tables, HistoryFile)
    history._tables._connection.execute("PRAGMA synchronous = OFF")  # nothing here has to survive a kill
    for number in range(turns):
        asked = history.begin(conversation, user=user, question=f"What about bicycle {number}, say it in a sentence or two?", title="A talk")
        answer = Answer(f"{user}{conversation}{number}", f"Bicycle {number}: {SAID}", "chat", conversation)
        history.finish(asked, user=user, answer_id=answer.id, text=answer.text, answer_json=answer_to_json(answer))


@pytest.mark.measure
@pytest.mark.model
def test_turn_500_begins_to_answer_as_soon_as_turn_5(tmp_path: Path, fetched: Callable[[str], Path]) -> None:
    models = fetched("qwen2.5-coder-1.5b").parent
    fetched("all-minilm-l6-v2")
    settings = Settings(home=tmp_path / "home", sample=False, model={"directory": models}, sampling={"max_tokens": 32})
    took: dict[str, list[float]] = {"short": [], "long": []}
    with Assistant(settings) as assistant:
        assistant.load()
        for user, turns in (("short", 3), ("long", 498)):
            said(assistant._parts.kept.history, user, turns)
            assistant.ask("Rewrite your last message as one short sentence.", user=user, conversation="c")  # reads what stands before
        for number in range(MEASURED):
            for user, times in took.items():  # in turn, so that whatever else runs slows both
                answer = assistant.ask(f"Rewrite your last message in other words, {number + 2} lines long.", user=user, conversation="c")
                if answer.route == "chat" and answer.usage.first_token_seconds:
                    times.append(answer.usage.first_token_seconds)
    assert min(map(len, took.values())) > MEASURED // 2, "too few of the turns were talk"
    short, long = median(took["short"]), median(took["long"])
    for user, times in took.items():
        print(f"{user}: {' '.join(f'{seconds:.2f}' for seconds in times)} s to the first word, median {median(times):.2f}")  # noqa: T201
    print(f"turn 500 against turn 5: {long / short:.2f} times")  # noqa: T201
    assert long <= BAR * short


def test_what_is_around_the_model_does_not_grow_with_the_conversation(tmp_path: Path) -> None:
    """Reading the window and drawing the page, in milliseconds at 500 turns: beside a first word after a second, nothing."""
    with Assistant(Settings(home=tmp_path / "home", sample=False), models=RuleModels()) as assistant:  # type: ignore[arg-type]
        history = assistant._parts.kept.history
        said(history, "local", 500)
        page = Chat(assistant)

        def timed(what: Callable[[], object]) -> float:
            def once() -> float:
                started = time.perf_counter()
                what()
                return time.perf_counter() - started

            return min(once() for _ in range(5))

        window = timed(lambda: history.recent("c", user="local", turns=6))
        recent = history.recent("c", user="local", turns=6)
        turns: Any = SimpleNamespace(services=SimpleNamespace(history=history), conversation="c", user="local", bounds=Bounds(), recent=recent)
        earlier = before(turns, [])
        condensing = timed(lambda: condensed(before(turns, [])))
        calling = timed(lambda: called_back("What did you say about bicycle 17?", earlier))
        drawn = timed(lambda: page.conversation(Session(conversation="c")))
        html = page.conversation(Session(conversation="c"))
        print(f"window {window * 1000:.1f} ms, condensing {condensing * 1000:.1f} ms, calling back {calling * 1000:.1f} ms, page {drawn * 1000:.1f} ms, {len(html) / 1000:.0f} KB")  # noqa: T201
        assert [m.text for m in history.recent("c", user="local", turns=6)[-2:]] == [m.text for m in history.messages("c", user="local")[-2:]]
        assert window < 0.05
        assert len(earlier) > 480
        assert condensing + calling < 0.3
        assert drawn < 0.1
        assert html.count('class="question"') == 30
        assert len(html) < 150_000
