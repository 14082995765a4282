"""Foreign keys that a database does not declare."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from stores.database import Database


def references(path: Path, script: str) -> dict[str, str]:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    tables = Database(f"sqlite:///{path.as_posix()}").schema().tables
    return {f"{t.name}.{c.name}": c.references for t in tables for c in t.columns if c.references}


def test_a_name_and_its_values_tell_a_key(tmp_path: Path) -> None:
    found = references(
        tmp_path / "a.sqlite",
        """
        CREATE TABLE airlines (uid INTEGER PRIMARY KEY, airline TEXT);
        CREATE TABLE airport (airport_code TEXT, city TEXT);
        CREATE TABLE flights (airline INTEGER, from_airport TEXT, to_airport TEXT, number INTEGER);
        CREATE TABLE persons (pid INTEGER, name TEXT);
        CREATE TABLE crew (pid INTEGER, flight INTEGER);
        INSERT INTO airlines VALUES (1, 'A'), (2, 'B');
        INSERT INTO airport VALUES ('X', 'x'), ('Y', 'y');
        INSERT INTO flights VALUES (1, 'X', 'Y', 7), (1, 'X', 'Z', 8);
        INSERT INTO persons VALUES (5, 'Ada'), (6, 'Bo');
        INSERT INTO crew VALUES (5, 7), (5, 8), (6, 7);
        """,
    )
    # "Z" is no airport, so to_airport is not sure to refer to one
    assert found == {"flights.airline": "airlines.uid", "flights.from_airport": "airport.airport_code", "crew.pid": "persons.pid"}


def test_a_name_that_says_nothing_is_no_key(tmp_path: Path) -> None:
    found = references(
        tmp_path / "b.sqlite",
        """
        CREATE TABLE cats (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE dogs (id INTEGER PRIMARY KEY, name TEXT, cat_id TEXT);
        INSERT INTO cats VALUES (1, 'a'), (2, 'b');
        INSERT INTO dogs VALUES (1, 'a', 'none'), (2, 'b', 'none');
        """,
    )
    assert found == {}


def test_a_declared_key_stays(tmp_path: Path) -> None:
    found = references(
        tmp_path / "c.sqlite",
        """
        CREATE TABLE towns (town_id INTEGER PRIMARY KEY);
        CREATE TABLE homes (town_id INTEGER PRIMARY KEY);
        CREATE TABLE people (town_id INTEGER REFERENCES homes (town_id));
        INSERT INTO towns VALUES (1); INSERT INTO people VALUES (1);
        """,
    )
    assert found == {"people.town_id": "homes.town_id"}


def test_tables_of_one_prefix_are_told_apart_by_the_rest(tmp_path: Path) -> None:
    found = references(
        tmp_path / "d.sqlite",
        """
        CREATE TABLE crm_airlines (uid INTEGER PRIMARY KEY, label TEXT);
        CREATE TABLE crm_flights (airline INTEGER, number INTEGER);
        CREATE TABLE hr_flights (airline INTEGER, number INTEGER);
        INSERT INTO crm_airlines VALUES (1, 'A'), (2, 'B');
        INSERT INTO crm_flights VALUES (1, 7), (2, 8);
        INSERT INTO hr_flights VALUES (1, 7), (2, 8);
        """,
    )
    assert found == {"crm_flights.airline": "crm_airlines.uid"}
