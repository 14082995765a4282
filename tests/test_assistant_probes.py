"""Linear probes: the values that attention keeps, read out of llama.cpp's state, and what is weighed from them."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from assistant.models import probes
from assistant.models.chat import LlamaChat
from assistant.models.engine import Call, Engine, EngineSettings
from assistant.models.probes import TOKENS, Probe, values_in
from assistant.models.queue import FairQueue
from assistant.models.reading import Cost
from assistant.models.scoring import surprise
from assistant.models.template import Prompt, Turn
from graphs import prompts
from graphs.enough import PROBE
from graphs.speaking import Meter, Speaker
from stores.values import Passage

WHAT = np.arange(2 * 3 * 4, dtype=np.float16).reshape(2, 3, 4)


def state(values: np.ndarray, *, kind: int = 1, row: int | None = None) -> bytes:
    """A sequence's state as llama.cpp writes it: what comes before, then each layer's values."""
    layers = [struct.pack("<iQ", kind, row or values.shape[2] * 2) + layer.tobytes() for layer in values]
    return b"positions and keys" + b"".join(layers)


def test_values_are_the_end_of_a_state() -> None:
    found = values_in(state(WHAT), layers=2, tokens=3, width=4)
    assert found is not None
    assert (found == WHAT).all()


@pytest.mark.parametrize(
    "written", [state(WHAT, kind=8), state(WHAT, row=10), state(WHAT)[:20], state(WHAT) + b"\0\0", b""], ids=["quantized", "wider", "short", "more", "empty"]
)
def test_a_state_that_is_laid_out_otherwise_gives_none(written: bytes) -> None:
    assert values_in(written, layers=2, tokens=3, width=4) is None
    assert values_in(state(WHAT), layers=2, tokens=0, width=4) is None


def test_a_probe_weighs_the_first_and_the_last_token_in_its_layers() -> None:
    weights = np.zeros((1, 2, 4), np.float32)
    weights[0, 0, 0], weights[0, 1, 3] = 2.0, 10.0
    assert Probe(1, weights, -1.0).log_odds(WHAT) == 2.0 * float(WHAT[1, 0, 0]) + 10.0 * float(WHAT[1, 2, 3]) - 1.0


def test_a_probe_is_of_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "FOLDER", tmp_path)
    Probe(1, np.full((1, 2, 4), 0.5, np.float32), -1.0).save("sense", "a" * 64)
    loaded = Probe.load("sense", "a" * 64)
    assert loaded is not None
    assert loaded.log_odds(WHAT) == 0.5 * float(WHAT[1, [0, 2]].sum()) - 1.0
    assert Probe.load("sense", "b" * 64) is None
    assert Probe.load("other", "a" * 64) is None


@pytest.fixture(scope="module")
def qwen(fetched: Callable[[str], Path]) -> Iterator[Engine]:
    made = Engine(fetched("qwen2.5-coder-0.5b"), EngineSettings(context=1024, parallel=2))
    yield made
    made.close()


def prompt(engine: Engine, question: str) -> Prompt:
    return engine.template.prompt([Turn("system", "You answer questions about a shop in one short sentence."), Turn("user", question)])


@pytest.mark.model
def test_what_a_model_keeps_of_a_prompt_depends_on_the_prompt_alone(qwen: Engine) -> None:
    first, other = (qwen.values(Call(prompt(qwen, text))) for text in ("Is the shop open on Monday?", "Do ships sail in the night?"))
    again = qwen.values(Call(prompt(qwen, "Is the shop open on Monday?")))
    assert first is not None
    assert other is not None
    assert again is not None
    assert first.shape == (qwen.weights.layers, TOKENS, qwen.weights.value_width)
    assert np.isfinite(first).all()
    assert np.abs(first.astype(np.float32) - again).max() < 0.2
    # The very first layer sees each token by itself, and the last tokens are the template's; later layers see the question.
    assert np.abs(first[0, -1].astype(np.float32) - other[0, -1]).max() < 0.01
    assert np.abs(first[10, -1].astype(np.float32) - other[10, -1]).max() > 0.1


@pytest.mark.model
def test_a_choice_comes_with_what_the_probe_finds(qwen: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe fitted on four questions tells two of them from the other two."""
    monkeypatch.setattr(probes, "FOLDER", tmp_path)
    asked = {"Is the shop open on Monday?": 1.0, "Is the shop open on Friday?": 1.0, "Do ships sail at night?": -1.0, "Do whales sing at night?": -1.0}
    rows = []
    for question in asked:
        values = qwen.values(Call(prompt(qwen, question)))
        assert values is not None
        rows.append(values[10:12, [0, -1]].astype(np.float32).reshape(-1))
    weights = np.linalg.lstsq(np.stack(rows), np.array(list(asked.values()), np.float32), rcond=None)[0]
    width = qwen.weights.value_width
    Probe(10, weights.reshape(2, 2, width), 0.0).save("shop", qwen.weights.fingerprint())
    for question, wanted in asked.items():
        found = qwen.choose(Call(prompt(qwen, question), probe="shop"), ["yes", "no"], Cost())
        assert sum(found.probabilities) == pytest.approx(1)
        assert found.log_odds == pytest.approx(wanted, abs=0.3)
    unknown = qwen.choose(Call(prompt(qwen, "Is the shop open on Monday?"), probe="nobody fitted it", closely=12), ["yes", "no"], Cost())
    assert unknown.log_odds is None
    assert unknown.surprises == ()
    chat = LlamaChat(engine=qwen, queue=FairQueue(4))
    message = chat.invoke([SystemMessage("You answer questions about a shop in one short sentence."), HumanMessage("Do ships sail at night?")], choices=["yes", "no"], probe="shop")
    assert message.response_metadata["log_odds"] == pytest.approx(-1.0, abs=0.3)


@pytest.mark.model
def test_looking_leaves_the_model_as_it_was(qwen: Engine) -> None:
    """What is written after a look is what is written without one."""
    call = Call(prompt(qwen, "Is the shop open on Monday?"), max_tokens=12)
    before = "".join(qwen.stream(call, Cost()))
    for _ in range(3):
        assert qwen.values(call) is not None
    assert "".join(qwen.stream(call, Cost())) == before


@pytest.mark.model
def test_a_word_that_was_not_to_be_expected_is_surprising(qwen: Engine) -> None:
    chat = LlamaChat(engine=qwen, queue=FairQueue(4))
    most = {}
    for question in ("What is the capital of France?", "What is the capital of umbrella?"):
        asked = [SystemMessage("You answer questions about countries."), HumanMessage(f"Countries have capitals.\n\nQuestion: {question}")]
        for _ in range(2):  # the second time all of it was read before
            message = chat.invoke(asked, choices=["yes", "no"], closely=question)
            surprises = message.response_metadata["surprises"]
            assert len(surprises) == chat.count_tokens(question)
            most.setdefault(question, []).append(max(surprises))
        plain = chat.invoke(asked, choices=["yes", "no"])
        assert plain.response_metadata["surprises"] == ()
        assert plain.response_metadata["probabilities"] == pytest.approx(message.response_metadata["probabilities"], abs=0.05)
    ordinary, odd = most.values()
    assert max(ordinary) + 3 < min(odd)
    assert ordinary[0] == pytest.approx(ordinary[1], abs=0.2)


def test_surprise_is_what_a_token_lacks_to_the_mean() -> None:
    even = np.zeros(8, np.float32)
    assert surprise(even, 3) == pytest.approx(0.0)
    sure = np.array([10.0, 0.0, 0.0, 0.0], np.float32)
    assert surprise(sure, 1) == pytest.approx(10.0, abs=0.01)
    assert -0.01 < surprise(sure, 0) <= 0.0


TEXT = (
    "The rowing club of Lower Marsh was founded in 1921 by the miller Edgar Tull. Members pay 14 euros a month, students half of that. Boats may be "
    "taken out from April to October; in winter the hall is open on Tuesdays. In 1987 a fire destroyed nine boats, and the town lent the club its barn."
)
TWINS = [
    ("Who founded the rowing club?", "Who dissolved the rowing club?"),
    ("How much do students pay a month?", "How much do pensioners pay a month?"),
    ("What did the fire destroy in 1987?", "What did the flood destroy in 1987?"),
    ("On which day is the hall open in winter?", "On which day is the hall open in summer?"),
    ("What did the town lend to the club?", "What did the club pay for the barn?"),
]


@pytest.mark.model
def test_the_probe_tells_what_a_text_answers_from_what_it_nearly_answers(default_chat: LlamaChat) -> None:
    """It holds for the prompt that it was fitted with: where that is changed, scripts/fit_enough.py has to fit it anew."""
    speaker = Speaker(default_chat, Meter(), "probed", threading.Event())
    passage = Passage(id="1", document="club.md", document_id="1", location="page 1", text=TEXT, score=1.0)
    margins = []
    for answered, unanswered in TWINS:
        found = []
        for question in (answered, unanswered):
            human = HumanMessage(prompts.documents_question(question=question, passages=[passage]))
            said = speaker.sense([SystemMessage(prompts.DOCUMENTS_SYSTEM), human], ["yes", "no"], probe=PROBE, closely=question)
            assert said.log_odds is not None
            assert len(said.surprises) == default_chat.count_tokens(question)
            found.append(said.log_odds)
        margins.append(found[0] - found[1])
    assert sum(margin > 0 for margin in margins) >= 4, margins
    assert sum(margins) / len(margins) > 1, margins
