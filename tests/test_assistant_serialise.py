"""Answers survive the way to JSON and back."""

import json
from datetime import UTC, datetime

from assistant.serialise import answer_from_json, answer_to_json
from graphs.values import Answer, Attempt, Citation, Usage
from stores.values import Memory, Table


def test_round_trip() -> None:
    answer = Answer(
        "a1",
        "Grüße",
        "both",
        "c1",
        sql="SELECT 1",
        table=Table(("n", "t"), ((1, None), (2.5, "x")), True),
        citations=(Citation("d.md", "page 3", "words", 0.5),),
        memories=(Memory("m", "7", "My bike is red", datetime(2026, 1, 2, tzinfo=UTC)),),
        grounded=True,
        attempts=(Attempt("SELECT x", "no such column"), Attempt("SELECT 1")),
        choices=("a", "b"),
        usage=Usage(10, 4, 2, 1, 0.2, 1.5, {"sql": 1.0}),
        explanation="Works out 1.",
    )
    assert answer_from_json(answer_to_json(answer)) == answer
    assert '"version": 1' in answer_to_json(answer)


def test_an_answer_from_before_queries_were_explained_is_read() -> None:
    kept = json.loads(answer_to_json(Answer("a1", "x", "sql", "c1", sql="SELECT 1")))
    del kept["explanation"]
    assert answer_from_json(json.dumps(kept)).explanation is None
