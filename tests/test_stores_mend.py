"""Columns that a model put in the wrong table."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from stores.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    path = tmp_path / "shop.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE members (member_id INTEGER PRIMARY KEY, first_name TEXT, city TEXT);
        CREATE TABLE mechanics (mechanic_id INTEGER PRIMARY KEY, first_name TEXT, "full speciality" TEXT);
        CREATE TABLE repairs (repair_id INTEGER PRIMARY KEY, member_id INTEGER REFERENCES members (member_id),
            mechanic_id INTEGER REFERENCES mechanics (mechanic_id), price REAL, status TEXT, last_paid_on TEXT);
        INSERT INTO members VALUES (1, 'Ada', 'Porto'), (2, 'Bo', 'Ghent');
        INSERT INTO mechanics VALUES (1, 'Cy', 'wheels');
        INSERT INTO repairs VALUES (1, 2, 1, 10.5, 'done', '2025-01-02');
        """
    )
    connection.close()
    return Database(f"sqlite:///{path.as_posix()}")


@pytest.mark.parametrize(
    ("wrong", "rows"),
    [
        # the column belongs to the other table of the query
        ("SELECT T1.first_name FROM repairs AS T1 JOIN mechanics AS T2 ON T1.mechanic_id = T2.mechanic_id", (("Cy",),)),
        # the join is missing
        ("SELECT r.city FROM repairs AS r", (("Ghent",),)),
        ("SELECT city, count(*) FROM repairs GROUP BY city", (("Ghent", 1),)),
        ("SELECT \"full speciality\" AS s, T1.status FROM repairs AS T1 JOIN mechanics ON mechanics.mechanic_id = T1.mechanic_id WHERE T1.city = 'Ghent'", (("wheels", "done"),)),
        # two joins are missing, or one in what a subquery gives
        ("SELECT m.first_name FROM members AS m WHERE m.\"full speciality\" = 'wheels'", (("Bo",),)),
        ("SELECT repair_id FROM repairs WHERE mechanic_id IN (SELECT mechanic_id FROM members)", ((1,),)),
        # the subquery asks the wrong table
        ("SELECT status FROM repairs WHERE price = (SELECT max(price) FROM members)", (("done",),)),
        # an odd name without its quotes
        ("SELECT first_name FROM mechanics ORDER BY full speciality DESC LIMIT 1", (("Cy",),)),
        # the key of the table that it is named after
        ("SELECT mechanic_id FROM repairs WHERE id = 1", ((1,),)),
        ("SELECT m.city FROM members AS m WHERE m.id = 2", (("Ghent",),)),
        # a part of the name
        ("SELECT status FROM repairs ORDER BY paid_on DESC LIMIT 1", (("done",),)),
        # nearly the right name
        ("SELECT r.prices FROM repairs AS r WHERE r.statuss = 'done'", ((10.5,),)),
        # in both of the tables that are joined on it
        ("SELECT member_id, status FROM repairs JOIN members ON repairs.member_id = members.member_id WHERE member_id = 2", ((2, "done"),)),
        # tied by a column that one of the two has not: by way of the table between them
        ("SELECT T1.city FROM members AS T1 JOIN mechanics AS T2 ON T1.member_id = T2.member_id", (("Ghent",),)),
        ("SELECT T1.city FROM members AS T1 JOIN mechanics AS T2 ON T2.member_id = T1.member_id AND T2.first_name = 'Cy'", (("Ghent",),)),
        ("SELECT T2.city, T1.first_name FROM members AS T2 LEFT JOIN mechanics AS T1 ON T1.mechanic_id = T2.mechanic_id", (("Porto", None), ("Ghent", "Cy"))),
        ("SELECT T1.city FROM members AS T1 JOIN mechanics AS T2 ON T1.member_id = T1.member_id", (("Ghent",),)),
        # within a subquery
        ("SELECT count(*) FROM members WHERE member_id IN (SELECT r.member_id FROM repairs AS r WHERE r.city = 'Ghent')", ((1,),)),
    ],
)
def test_misplaced_columns_are_mended(database: Database, wrong: str, rows: tuple[tuple[object, ...], ...]) -> None:
    mended = database.mend(wrong)
    assert mended is not None
    assert database.run(mended).rows == rows


@pytest.mark.parametrize(
    "query",
    [
        "SELECT first_name FROM repairs",  # two tables would do
        "SELECT city FROM members",  # nothing is wrong
        # in both tables, but not the same in both
        "SELECT first_name FROM repairs AS r JOIN members AS m ON m.member_id = r.member_id JOIN mechanics AS k ON k.mechanic_id = r.mechanic_id",
        "SELECT r.nonsense FROM repairs AS r",
        "DELETE FROM members",
        "SELECT (",
        "SELECT (SELECT m.city) FROM members AS m",  # an outer column
        "WITH t AS (SELECT 1 AS x) SELECT t.y FROM t",
    ],
)
def test_what_is_not_certain_is_left_alone(database: Database, query: str) -> None:
    assert database.mend(query) is None
