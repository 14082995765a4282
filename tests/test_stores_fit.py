"""Queries that would run but look in the wrong place, or do what nobody asked."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from stores.database import Database

ROWS = """
CREATE TABLE genres (genre_id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE towns (town_id INTEGER PRIMARY KEY, town TEXT);
CREATE TABLE shops (shop_id INTEGER PRIMARY KEY, name TEXT, genre INTEGER REFERENCES genres (genre_id),
    town_id INTEGER REFERENCES towns (town_id), note TEXT);
CREATE TABLE sales (sale_id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shops (shop_id), year INTEGER, state TEXT);
INSERT INTO genres VALUES (1, 'Jazz'), (2, 'Folk');
INSERT INTO towns VALUES (1, 'Ghent'), (2, 'Porto');
INSERT INTO shops VALUES (1, 'Blue', 1, 1, 'closed on Monday'), (2, 'Red', 2, 2, 'open late'), (3, 'Ghost', 1, 2, ' kept ');
INSERT INTO sales VALUES (1, 1, 2014, 'paid'), (2, 1, 2015, 'open'), (3, 2, 2014, 'paid'), (4, 2, 2014, 'Paid off');
"""


@pytest.fixture
def database(tmp_path: Path) -> Database:
    path = tmp_path / "records.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(ROWS)
    connection.close()
    return Database(f"sqlite:///{path.as_posix()}")


@pytest.mark.parametrize(
    ("wrong", "rows"),
    [
        # the column refers to the table that holds the value
        ("SELECT name FROM shops WHERE genre = 'jazz'", {("Blue",), ("Ghost",)}),
        # the value stands in a table that a key leads to
        ("SELECT count(*) FROM shops WHERE note = 'Porto'", {(2,)}),
        ("SELECT * FROM sales WHERE state = 'Folk'", {(3, 2, 2014, "paid"), (4, 2, 2014, "Paid off")}),
        # another column of the same query's tables
        ("SELECT T1.name FROM shops AS T1 JOIN towns AS T2 ON T1.town_id = T2.town_id WHERE T1.note = 'Ghent'", {("Blue",)}),
        # spelt otherwise
        ("SELECT shop_id FROM shops WHERE name = 'BLUE'", {(1,)}),
        # part of a longer value
        ("SELECT name FROM shops WHERE note = 'Monday'", {("Blue",)}),
        # in a subquery
        ("SELECT year FROM sales WHERE shop_id IN (SELECT shop_id FROM shops WHERE town_id = 'ghent')", {(2014,), (2015,)}),
    ],
)
def test_a_value_is_looked_for_where_it_stands(database: Database, wrong: str, rows: set[tuple[object, ...]]) -> None:
    mended = database.mend(wrong, "")
    assert mended is not None
    assert set(database.run(mended).rows) == rows


@pytest.mark.parametrize(
    "query",
    [
        "SELECT name FROM shops WHERE note = 'open late'",  # it is there
        "SELECT name FROM shops WHERE note = 'nowhere at all'",  # nobody holds it
        "SELECT name FROM shops WHERE note = 'late r'",  # not as words
        "SELECT name FROM shops WHERE note = 'ate'",
        "SELECT name FROM shops WHERE note = 'kept'",  # but for blanks around it
        "SELECT name FROM shops WHERE note <> 'Ghent'",
        "SELECT count(*) FROM shops WHERE shop_id = 1999",
        "SELECT sales.sale_id FROM sales WHERE year IN (2014, 2015)",
        "SELECT name FROM shops JOIN (SELECT shop_id FROM sales) AS s ON s.shop_id = shops.shop_id",
    ],
)
def test_what_is_not_certain_is_left_alone(database: Database, query: str) -> None:
    assert database.mend(query, "Which shops?") is None


def test_nothing_is_learned_of_rows_that_the_user_may_not_see(tmp_path: Path) -> None:
    path = tmp_path / "scoped.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(ROWS)
    connection.close()
    database = Database(f"sqlite:///{path.as_posix()}", scopes={"shops": "shop_id = :user"})
    query = "SELECT sale_id FROM sales WHERE state = 'Red'"
    assert database.mend(query, "", user="1") is None
    mended = database.mend(query, "", user="2")
    assert mended is not None
    assert "shops" in mended


JOINED = "SELECT T1.name FROM shops AS T1 JOIN sales AS T2 ON T1.shop_id = T2.shop_id"


def test_a_join_that_nobody_asked_for_is_taken_out(database: Database) -> None:
    query = f"{JOINED} WHERE T1.note LIKE 'o%'"
    assert database.mend(query, "Shops whose note begins with o") == "SELECT T1.name FROM shops AS T1 WHERE T1.note LIKE 'o%'"
    assert database.mend(query, "Shops whose note begins with o and that have a sale") is None
    assert database.mend(query, "Läden, die etwas verkauft haben und deren Notiz mit o beginnt") is None
    assert database.mend(JOINED, "Which shops got rid of something?") is None
    assert database.mend(f"{JOINED} WHERE T2.year = 2014", "The names of all shops") is None
    assert database.mend(query.replace("T1.name", "count(*)"), "How many shops are there?") is None


def test_a_table_that_is_asked_for_is_joined(database: Database) -> None:
    query = "SELECT shop_id, count(*) FROM shops GROUP BY shop_id"
    mended = database.mend(query, "How many sales does each shop have?")
    assert mended is not None
    assert database.run(mended).rows == ((1, 2), (2, 2))
    distinct = database.mend("SELECT DISTINCT name FROM shops", "Which shops have a sale?")
    assert distinct is not None
    assert database.run(distinct).rows == (("Blue",), ("Red",))
    assert database.mend("SELECT DISTINCT name FROM shops", "Which shops have no sales?") is None
    assert database.mend("SELECT name FROM shops", "Which shops have a sale?") is None  # would name a shop for each
    assert database.mend("SELECT count(*) FROM sales", "How many sales are there in the towns?") is None  # not beside it


def test_both_of_two_values_are_found_in_rows_of_their_own(database: Database) -> None:
    mended = database.mend(f"{JOINED} WHERE T2.year IN (2014, 2015)", "Which shops sold in both 2014 and 2015?")
    assert mended is not None
    assert database.run(mended).rows == (("Blue",),)
    never = database.mend(f"{JOINED} WHERE T2.year = 2014 AND T2.year = 2015", "Which shops sold in 2014 and in 2015?")
    assert never is not None
    assert database.run(never).rows == (("Blue",),)
    assert database.mend(f"{JOINED} WHERE T2.year IN (2014, 2015)", "Which shops sold in 2014 or 2015?") is None
    assert database.mend(f"{JOINED} WHERE T2.year IN (2014, 2015)", "Both name and sales of shops in 2014 or 2015?") is None


def test_a_share_keeps_what_comes_after_the_point(database: Database) -> None:
    mended = database.mend("SELECT SUM(CASE WHEN state = 'paid' THEN 1 ELSE 0 END) / COUNT(*) FROM sales", "What share is paid?")
    assert mended is not None
    assert database.run(mended).rows == ((0.5,),)
    of_all = database.mend("SELECT COUNT(*) / (SELECT COUNT(*) * 2 FROM sales) AS share FROM sales", "What share of twice all?")
    assert of_all is not None
    assert database.run(of_all).rows == ((0.5,),)
    assert "CAST" in (database.mend("SELECT year / shop_id AS ratio FROM sales", "What is the ratio?") or "")
    assert database.mend("SELECT SUM(year) / 2.0 FROM sales", "Half?") is None
    assert database.mend("SELECT year / 10 * 10 FROM sales", "Which decades?") is None


def test_the_last_of_something_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("""
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer INTEGER, ordered_on DATE, sent_on DATE, price REAL);
INSERT INTO orders VALUES (1, 7, '2025-03-01', NULL, 3.0), (2, 7, '2026-01-05', '2026-01-09', 5.0), (3, 8, '2026-02-01', NULL, 9.0), (4, 7, NULL, NULL, 1.0);
""")
    connection.close()
    database = Database(f"sqlite:///{path.as_posix()}")
    query = "SELECT price FROM orders WHERE customer = 7"

    def found(question: str, query: str = query) -> object:
        mended = database.mend(query, question)
        return database.run(mended).rows if mended else None

    assert found("What did my last order cost?") == ((5.0,),)
    assert found("What was the price of my oldest order?") == ((3.0,),)
    assert found("What did my latest order cost?", query.replace("FROM orders", "FROM orders AS o")) == ((5.0,),)
    for untouched in ("What did my last orders cost?", "What did my orders cost last year?", "What is my last name?", "What did my orders cost?"):
        assert found(untouched) is None
    assert found("What did my last order cost?", f"{query} ORDER BY price DESC LIMIT 1") is None
    assert found("How many items had my last order?", "SELECT count(*) FROM orders WHERE customer = 7") is None
    database.close()
