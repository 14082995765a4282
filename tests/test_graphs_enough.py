"""Whether passages hold the answer: the model's word, and how the question stands to their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from graphs.enough import SENTENCES, is_polar, log_odds, nearest, surprise
from graphs.speaking import Sensed
from tests.test_graphs_turn import WARRANTY, Bench, FakeDocuments


@dataclass
class Near(FakeDocuments):
    """Documents whose sentences are as near to every question as is said."""

    near: float = 0.6

    def alike(self, query: str, texts: Sequence[str]) -> list[float]:
        return [self.near - 0.1 * at for at in range(len(texts))]


@pytest.mark.parametrize(("near", "answered"), [(0.7, True), (0.1, False)])
def test_a_yes_counts_for_more_where_a_sentence_is_near_the_question(near: float, answered: bool) -> None:
    bench = Bench()
    bench.documents = Near([WARRANTY], near=near)
    bench.model.pick("documents", {"yes": 0.8, "no": 0.2}).say("The warranty is 24 months.")
    bench.ask("How long does the guarantee run?")
    assert bench.text.startswith("I don't know") != answered


def test_a_question_for_yes_or_no_needs_less() -> None:
    bench = Bench()
    bench.documents = Near([WARRANTY], near=0.1)
    bench.model.pick("documents", {"yes": 0.8, "no": 0.2}).say("Every repair carries a warranty of 24 months.")
    bench.ask("Does the guarantee run for two years?")
    assert not bench.text.startswith("I don't know")
    assert is_polar("Can I come on Monday?")
    assert not is_polar("When can I come?")


def test_the_nearest_sentence_and_its_neighbours_hold_words_of_the_question() -> None:
    passage = replace(WARRANTY, text="The frame is covered. Every repair carries a warranty. Bells are loud. Ships sail.")
    near, own = nearest("How long is the warranty of a frame on ships?", [passage], Near([], near=0.8))
    assert (near, round(own, 2)) == (0.8, 0.5)  # of long, warranty, frame, ships
    assert nearest("How long?", [], Near([])) == (0.0, 0.0)
    assert nearest("How long?", [replace(WARRANTY, text="A word. " * 1000)], Near([]))[0] == 0.6
    assert SENTENCES <= 100


@pytest.mark.parametrize(
    ("log_odds", "surprises", "answered"),
    [
        (2.0, (9.0, 9.0, 1.0), True),  # the first two words may be any
        (-2.0, (), False),
        (0.5, (0.0, 0.0, 1.0, 1.0), True),
        (0.5, (0.0, 0.0, 1.0, 14.0), False),
    ],
)
def test_where_one_can_look_into_the_model_its_yes_counts_little(log_odds: float, surprises: tuple[float, ...], answered: bool) -> None:
    for yes in (0.1, 0.9):
        bench = Bench()
        bench.documents = Near([WARRANTY], near=0.1)
        bench.model.show(log_odds=log_odds, surprises=surprises)
        bench.model.pick("documents", {"yes": yes, "no": 1 - yes}).say("The warranty is 24 months.")
        bench.ask("How long does the guarantee run?")
        assert bench.text.startswith("I don't know") != answered


def test_without_a_surprise_there_is_none() -> None:
    assert surprise(Sensed({"yes": 1.0})) == 0.0
    assert surprise(Sensed({"yes": 1.0}, 0.0, (8.0, 7.0))) == 0.0
    assert surprise(Sensed({"yes": 1.0}, 0.0, (8.0, 7.0, -1.0, 3.0, 2.0))) == 3.0


def test_certainty_is_bounded() -> None:
    assert log_odds(0.5) == 0
    assert -10 < log_odds(0.0) < log_odds(1.0) < 10
