"""An approved query answers the question that it was approved for, and the same in other words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stores.values import Example, Table
from tests import test_graphs_turn as turns
from tests.test_graphs_turn import Bench

COUNT, WRITTEN = "SELECT count(*) FROM members", "SELECT count(name) FROM members"


class Approved:
    question, sql, score = "How many members are there in Porto?", COUNT, 0.9

    def search(self, question: str, *, fingerprint: str, user: str, k: int = 3) -> list[Example]:
        return [Example("e1", self.question, self.sql, fingerprint, user, datetime(2026, 1, 1, tzinfo=UTC), self.score)]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(turns, "NoExamples", Approved)
    made = Bench({COUNT: Table(("n",), ((2,),)), WRITTEN: Table(("n",), ((3,),))})
    made.model.pick("sql")
    return made


def test_a_repeat_is_answered_without_writing(bench: Bench) -> None:
    bench.model.say("There are 2.")
    state = bench.ask("how many members are there in porto")
    assert (state["sql"], [a.sql for a in state["attempts"]]) == (COUNT, [COUNT])
    assert len(bench.model.history) == 2  # the route, and the rows in words


def test_other_words_for_it_cost_one_token(bench: Bench) -> None:
    bench.model.pick("yes").say("There are 2.")
    assert bench.ask("What is the number of members from Porto?")["sql"] == COUNT


def test_where_the_model_says_no_the_query_is_written_under_the_example(bench: Bench) -> None:
    bench.model.pick("no").say(WRITTEN, "There are 3.")
    assert bench.ask("Which members are from Porto?")["sql"] == WRITTEN
    assert [str(m.content) for m in bench.model.history[2]][1] == Approved.question


@pytest.mark.parametrize(
    "question",
    [
        "What is the number of members from Lima?",  # a stored value less
        "What is the number of members from Porto over 30?",
        "What is the number of my members in Porto?",
        "What was the number of members from Porto last month?",
    ],
)
def test_what_names_other_things_is_not_the_same(bench: Bench, question: str) -> None:
    bench.model.say(WRITTEN, "There are 3.")
    assert bench.ask(question)["sql"] == WRITTEN


@pytest.mark.parametrize(
    ("approved", "question", "same"),
    [
        ("How many members joined in 2025?", "What is the number of members who joined in 2025?", True),
        ("How many members joined in May 2025?", "What is the number of members who joined in June 2025?", False),
        ("How many members joined this year?", "What is the number of members who joined this year?", False),  # the query knows one year
    ],
)
def test_a_date_that_stays_may_be_named(bench: Bench, monkeypatch: pytest.MonkeyPatch, approved: str, question: str, same: bool) -> None:
    monkeypatch.setattr(Approved, "question", approved)
    if same:
        bench.model.pick("yes").say("There are 2.")
    else:
        bench.model.say(WRITTEN, "There are 3.")
    assert bench.ask(question)["sql"] == (COUNT if same else WRITTEN)


def test_what_goes_on_from_a_question_is_written(bench: Bench) -> None:
    bench.history.messages = turns._answered(COUNT)
    bench.model.say(WRITTEN, "There are 3.")
    assert bench.ask("And of them, what is the number in Porto?")["sql"] == WRITTEN


def test_what_is_hardly_like_it_is_not_compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Approved, "score", 0.6)
    bench.model.say(WRITTEN, "There are 3.")
    assert bench.ask("What is the number of members from Porto?")["sql"] == WRITTEN


@pytest.mark.parametrize(
    ("score", "question", "sql", "shown"),
    [
        (0.6, "Which members are from Porto?", COUNT, True),
        (0.8, "Which members left?", COUNT, False),  # Porto is the example's own
        (0.8, "Which 12 members are from Porto?", COUNT, False),
        (0.8, "Which 12 members are from Porto?", f"{COUNT} LIMIT 12", True),  # meant, though not said, where it was approved
        (0.8, "Who is from Porto, a 'Plus' member?", f"{COUNT} WHERE tier = 'plus'", True),
        (0.8, "Who joined last, or is still there, in Porto?", COUNT, True),
        (0.9, "How many members are there in Ghent?", COUNT, True),  # the same question but for the place
    ],
)
def test_an_example_that_names_other_things_is_not_shown(bench: Bench, monkeypatch: pytest.MonkeyPatch, score: float, question: str, sql: str, shown: bool) -> None:
    monkeypatch.setattr(Approved, "score", score)
    monkeypatch.setattr(Approved, "sql", sql)
    bench.model.pick("no").say(WRITTEN, "There are 3.")
    bench.ask(question)
    written = next(messages for messages in bench.model.history if "CREATE TABLE" in str(messages[0].content))
    assert (str(written[1].content) == Approved.question) is shown
