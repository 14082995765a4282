"""A large schema is narrowed to what the question needs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from graphs.linking import AT_LEAST, SCHEMA_TABLES, SHOWN, linked
from stores.database import Database
from stores.values import ColumnInfo, Schema, TableInfo, ValueMatch
from tests.test_graphs_turn import Bench


def table(name: str, *columns: str, **references: str) -> TableInfo:
    return TableInfo(name, tuple(ColumnInfo(c, "TEXT", references=references.get(c)) for c in (*columns, *references)))


WANTED = (
    table("zoo_animals", "id", "species"),
    table("zoo_keepers", "id", "family_name"),
    table("zoo_feedings", keeper="zoo_keepers.id", animal="zoo_animals.id"),
)
LARGE = Schema("sqlite", (*(table(f"mod{n}_stock", "id", "name", "status") for n in range(200)), *WANTED), "f")


def names(question: str, *values: ValueMatch, schema: Schema = LARGE) -> list[str]:
    return [found.name for found in linked(schema, question, values)]


def test_a_small_schema_is_shown_whole_and_in_its_order() -> None:
    small = Schema("sqlite", LARGE.tables[:SCHEMA_TABLES], "f")
    assert names("Which species are there?", schema=small) == [found.name for found in small.tables]


def test_rare_words_and_keys_decide_which_tables_are_shown() -> None:
    shown = names("Which keepers look after which species?")
    assert {found.name for found in WANTED} <= set(shown)  # the feedings are not named: keys lead to them
    assert len(shown) == AT_LEAST  # all others have little to do with it
    assert shown == [found.name for found in LARGE.tables if found.name in shown]


def test_where_many_fit_alike_no_more_are_shown_than_a_model_can_read() -> None:
    assert len(names("What is the status of the stock?")) == SHOWN


def test_a_stored_value_brings_its_table() -> None:
    named = ValueMatch("Lima", "mod150_stock", "name", "Lima")
    assert "mod150_stock" in names("How many are in Lima?", named)
    assert "mod150_stock" not in names("How many are in Lima?")


def test_the_model_reads_and_writes_short_names_and_the_database_runs_whole_ones(tmp_path: Path) -> None:
    file = tmp_path / "zoo.db"
    with closing(sqlite3.connect(file)) as db, db:
        for number in range(SCHEMA_TABLES):
            db.execute(f"CREATE TABLE mod{number}_stock (id INTEGER, status TEXT)")
        db.executescript("CREATE TABLE zoo_animals (species TEXT); CREATE TABLE zoo_keepers (name TEXT); CREATE TABLE zoo_tours (day TEXT)")
        db.execute("INSERT INTO zoo_animals VALUES ('okapi')")
    bench = Bench()
    with closing(Database(f"sqlite:///{file.as_posix()}")) as database:
        bench.database = database  # type: ignore[assignment]
        bench.model.pick("sql").say("SELECT animals.species FROM animals", "It is the okapi.")
        state = bench.ask("Which species of animals are there?")
    assert (state["sql"], state["table"].rows) == ("SELECT animals.species FROM zoo_animals AS animals", (("okapi",),))
    read = next(str(messages[0].content) for messages in bench.model.history if "CREATE TABLE" in str(messages[0].content))
    assert "CREATE TABLE animals ( -- zoo_animals" in read
