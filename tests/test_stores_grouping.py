"""Aggregates stand where they may, and what is counted is counted for each of something."""

from __future__ import annotations

import pytest
import sqlglot

from stores.grouping import grouped


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("SELECT city FROM homes ORDER BY COUNT(*) DESC LIMIT 1", "SELECT city FROM homes GROUP BY city ORDER BY COUNT(*) DESC LIMIT 1"),
        ("SELECT city, COUNT(*) FROM homes", "SELECT city, COUNT(*) FROM homes GROUP BY city"),
        (
            "SELECT city FROM homes WHERE size > 3 AND COUNT(*) > 2 GROUP BY city",
            "SELECT city FROM homes WHERE size > 3 GROUP BY city HAVING COUNT(*) > 2",
        ),
        ("SELECT city FROM homes WHERE COUNT(*) > 2", "SELECT city FROM homes GROUP BY city HAVING COUNT(*) > 2"),
        (
            "SELECT name FROM t WHERE id IN (SELECT city FROM homes WHERE COUNT(*) > 2)",
            "SELECT name FROM t WHERE id IN (SELECT city FROM homes GROUP BY city HAVING COUNT(*) > 2)",
        ),
    ],
)
def test_an_aggregate_is_given_its_groups(written: str, meant: str) -> None:
    query = sqlglot.parse_one(written, dialect="sqlite")
    assert grouped(query)
    assert query.sql("sqlite") == meant


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COUNT(*) FROM homes",
        "SELECT city, MAX(size) FROM homes",  # SQLite gives the largest home's city
        "SELECT city, COUNT(*) FROM homes GROUP BY city",
        "SELECT city FROM homes WHERE size > (SELECT AVG(size) FROM homes)",
        "SELECT city FROM homes WHERE size > 3 OR COUNT(*) > 2",  # what is meant cannot be told
        "SELECT city, COUNT(*) OVER (PARTITION BY city) FROM homes",
        "SELECT * FROM homes ORDER BY size LIMIT 1",
    ],
)
def test_all_else_stays(query: str) -> None:
    tree = sqlglot.parse_one(query, dialect="sqlite")
    assert not grouped(tree)
    assert tree == sqlglot.parse_one(query, dialect="sqlite")
