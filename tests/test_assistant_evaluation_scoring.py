"""The figures by which the assistant is judged, on cases worked out by hand."""

from __future__ import annotations

import math
import sqlite3
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from assistant.evaluation.scoring import (
    contains_answer,
    judge,
    median,
    ndcg,
    normalise,
    percentile,
    recall,
    reciprocal_rank,
    run_query,
    same_rows,
    says_unknown,
    token_f1,
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "a shop.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL);"
            "INSERT INTO item VALUES (1, 'bell', 2.5), (2, 'lock', 10.0), (3, 'pump', 10.0);"
            "CREATE TABLE raw (word TEXT); INSERT INTO raw VALUES (CAST(x'63616fe9' AS TEXT));"
        )
    return path


def test_rows_are_a_multiset_unless_ordered() -> None:
    assert same_rows([(1,), (2,), (2,)], [(2,), (1,), (2,)], ordered=False)
    assert not same_rows([(1,), (2,), (2,)], [(1,), (1,), (2,)], ordered=False)
    assert not same_rows([(1,), (2,)], [(2,), (1,)], ordered=True)
    assert same_rows([("b", 2), ("a", 1)], [(2, "b"), (1, "a")], ordered=True)


def test_columns_may_stand_in_any_order_but_must_be_as_many() -> None:
    assert same_rows([("ann", 3), ("bob", 1)], [(1, "bob"), (3, "ann")], ordered=False)
    assert not same_rows([("ann", 3)], [("ann",)], ordered=False)
    assert not same_rows([("ann",)], [("ann", 3)], ordered=False)


def test_equal_columns_do_not_make_equal_rows() -> None:
    # Each column holds the same values, but they go together differently.
    assert not same_rows([(1, 1), (2, 2)], [(1, 2), (2, 1)], ordered=False)
    assert same_rows([(0, 1, 5), (1, 0, 6)], [(1, 0, 5), (0, 1, 6)], ordered=False)


@pytest.mark.parametrize(
    ("ours", "gold", "equal"),
    [
        (1, 1.0, True),
        (Decimal("2.50"), 2.5, True),
        (0.1 + 0.2, 0.3, True),
        (1.0000009, 1.0, True),
        (1.00001, 1.0, False),
        (1234567890.123457, 1234567890.1234568, True),
        (10_000_000_001, 10_000_000_002, False),
        (2**60, 2**60 + 1, False),
        ("1", 1, False),
        ("Bell", "bell", False),
        (None, None, True),
        (None, 0, False),
        (None, "None", False),
        (math.inf, math.inf, True),
        (b"x", "x", False),
    ],
)
def test_values(ours: object, gold: object, equal: bool) -> None:
    assert same_rows([(ours,)], [(gold,)], ordered=False) is equal


def test_numbers_on_both_sides_of_a_rounding_border_are_equal() -> None:
    assert same_rows([(0.0000005 - 1e-12,), (7,)], [(7,), (0.0000005 + 1e-12,)], ordered=False)


def test_many_alike_columns_are_compared_in_bounded_time() -> None:
    ours = [tuple((row * 7 + column * 3) % 2 for column in range(12)) for row in range(40)]
    gold = [tuple(reversed(row)) for row in ours]
    began = time.perf_counter()
    assert same_rows(ours, gold, ordered=False)
    same_rows(ours, [*gold[:-1], tuple(1 - value for value in gold[-1])], ordered=False)
    assert time.perf_counter() - began < 20


def test_a_prediction_is_right_with_the_rows_of_the_gold_or_an_alternative(shop: Path) -> None:
    golds = ["SELECT name FROM item WHERE price = 10", "SELECT id FROM item WHERE price = 10"]
    assert judge(shop, "SELECT name FROM item WHERE price > 5 ORDER BY name DESC", golds, ordered=False).right
    assert judge(shop, "SELECT id FROM item WHERE price > 5", golds, ordered=False).right
    wrong = judge(shop, "SELECT name FROM item", golds, ordered=False)
    assert (wrong.valid, wrong.right) == (True, False)


@pytest.mark.parametrize("sql", [None, " ", "SELECT nothing FROM item", "SELECT 1; SELECT 2", "DROP TABLE item", "ATTACH 'new.db' AS x"])
def test_what_does_not_run_is_wrong_even_where_the_gold_result_is_empty(shop: Path, sql: str | None) -> None:
    verdict = judge(shop, sql, ["SELECT id FROM item WHERE id = 99"], ordered=False)
    assert (verdict.valid, verdict.right) == (False, False)
    assert verdict.error
    assert len(run_query(shop, "SELECT * FROM item")) == 3


def test_two_empty_results_are_equal(shop: Path) -> None:
    assert judge(shop, "SELECT name FROM item WHERE id = 99", ["SELECT name FROM item WHERE 0"], ordered=False).right


def test_a_gold_query_that_fails_makes_nothing_right(shop: Path) -> None:
    assert not judge(shop, "SELECT 1 WHERE 0", ["SELECT * FROM gone"], ordered=False).right


def test_a_query_without_end_is_stopped_and_an_endless_result_is_not_read(shop: Path) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    began = time.perf_counter()
    endless = judge(shop, f"{numbers} SELECT i FROM n", ["SELECT 1"], ordered=False, timeout=20)
    stopped = judge(shop, f"{numbers} SELECT count(*) FROM n", ["SELECT 1"], ordered=False, timeout=0.2)
    assert (endless.valid, endless.right) == (True, False)
    assert not stopped.valid
    assert time.perf_counter() - began < 10


def test_bytes_that_are_not_utf8_and_double_quoted_strings_are_taken(shop: Path) -> None:
    assert run_query(shop, "SELECT word FROM raw") == [("cao\ufffd",)]
    assert run_query(shop, 'SELECT id FROM item WHERE name = "bell"') == [(1,)]


def test_squad_normalisation() -> None:
    assert normalise("The  Norse-men, a tale of\tAn age!") == "norsemen tale of age"
    assert contains_answer("They came in the 10th century.", ["the 10th century"])
    assert not contains_answer("They came in 1066.", ["10"])
    assert not contains_answer("Anything.", ["The"])


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("I don't know: I did not find that in your documents.", True),
        ("You have not told me anything about that yet.", True),
        ("You haven’t mentioned a cow.", True),
        ("The list does not mention it.", True),
        ("She adopted a dog named Rex.", False),
        ("You told me that Rex does not like rain.", False),
    ],
)
def test_saying_that_something_is_unknown(text: str, unknown: bool) -> None:
    assert says_unknown(text) is unknown


def test_token_f1() -> None:
    assert token_f1("The cat sat", "cat") == pytest.approx(2 / 3)
    assert token_f1("7 May 2023", "7 May 2023.") == 1
    assert token_f1("", "cat") == 0


def test_ranking_measures_by_hand() -> None:
    ranked = ["x", "a", "b"]
    grades = {"a": 1.0, "b": 3.0, "c": 2.0}
    assert recall(ranked, grades, 2) == pytest.approx(1 / 3)
    assert reciprocal_rank(ranked, grades, 10) == 0.5
    assert reciprocal_rank(["x"], grades, 10) == 0
    gained = 1 / math.log2(3) + 3 / math.log2(4)
    ideal = 3 + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(ranked, grades, 10) == pytest.approx(gained / ideal)
    assert ndcg(["b", "c", "a"], grades, 10) == 1


def test_averages() -> None:
    assert median([3, 1, 2]) == 2
    assert percentile(range(1, 11), 90) == 9
    assert median([]) is None
    assert percentile([], 90) is None
