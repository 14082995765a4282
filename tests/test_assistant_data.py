"""The database as a page shows it: notes, rows within scopes, and another database in its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant import Assistant, DatabaseUnavailable, NotFound, QueryRejected, Settings, StoreUnavailable
from graphs.prompts import create_table
from stores.notes import LONGEST


def shop(path: Path, rows: int = 3) -> str:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, state TEXT)")
        db.executemany("INSERT INTO orders VALUES (?, ?, 'S')", [(n, n % 2) for n in range(rows)])
        db.commit()
    return f"sqlite:///{path.as_posix()}"


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[Assistant]:
    settings = Settings(home=tmp_path / "home", sample=False, database={"url": shop(tmp_path / "shop.db")})
    with Assistant(settings) as made:
        yield made


def test_a_note_is_what_the_model_reads_and_stays(assistant: Assistant) -> None:
    before = assistant.data.schema()
    assistant.data.note("orders", "state", "S is shipped,\n  O is open")
    assistant.data.note("orders", None, "what was bought")
    schema = assistant.data.schema()
    assert schema.fingerprint == before.fingerprint  # examples learnt before hold on
    shown = create_table(schema.tables[0])
    assert "-- S is shipped, O is open" in shown
    assert shown.startswith("CREATE TABLE orders ( -- what was bought\n")
    assistant.data.note("orders", "state", " ")
    assert "shipped" not in create_table(assistant.data.schema().tables[0])
    with pytest.raises(NotFound, match="nothing"):
        assistant.data.note("orders", "nothing", "x")


def test_a_note_edited_by_hand_counts_at_once_and_a_broken_file_is_one_clear_error(assistant: Assistant) -> None:
    file = assistant.settings.home / "notes.toml"
    file.write_text('# mine\n[columns]\n"ORDERS.State" = "S = shipped"\n"orders.id" = 3\n', encoding="utf-8")
    assert [column.comment for column in assistant.data.schema().tables[0].columns] == [None, None, "S = shipped"]
    assistant.data.note("orders", "id", "x" * 1000)
    assert file.read_text(encoding="utf-8").startswith("# mine\n")
    assert assistant.data.schema().tables[0].columns[0].comment == "x" * LONGEST
    file.write_text("[columns", encoding="utf-8")
    with pytest.raises(StoreUnavailable, match="notes"):
        assistant.data.schema()


def test_another_database_takes_its_place_and_is_kept(assistant: Assistant, tmp_path: Path) -> None:
    other = shop(tmp_path / "other.db", rows=5)
    assert assistant.setup.test_connection(other) == 1
    assert len(assistant.data.rows("orders", user="local").rows) == 3
    assistant.setup.connect(other)
    assert len(assistant.data.rows("ORDERS", user="local").rows) == 5
    assert assistant.state().database == "other.db"
    assert Settings(home=assistant.settings.home).database.url == other


def test_a_database_that_cannot_be_opened_changes_nothing(assistant: Assistant, tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/none.db", "nonsense", "postgresql+psycopg://nobody@127.0.0.1:1/none"):
        with pytest.raises(DatabaseUnavailable):
            assistant.setup.connect(url)
    assert len(assistant.data.rows("orders", user="local").rows) == 3
    assert Settings(home=assistant.settings.home).database.url is None


def test_rows_and_queries_keep_to_the_scopes(tmp_path: Path) -> None:
    database = {"url": shop(tmp_path / "shop.db"), "scopes": {"orders": "customer = :user"}}
    with Assistant(Settings(home=tmp_path / "home", sample=False, database=database)) as assistant:
        assert [row[0] for row in assistant.data.rows("orders", user="1").rows] == [1]
        assert assistant.query("SELECT COUNT(*) FROM orders", user="0").rows == ((2,),)
        for sql in ("DELETE FROM orders", "SELECT 1; DROP TABLE orders"):
            with pytest.raises(QueryRejected):
                assistant.query(sql, user="1")
        with pytest.raises(NotFound):
            assistant.data.rows("orders; DROP TABLE orders", user="1")


def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    with Assistant(Settings(home=tmp_path / "home", sample=False)) as assistant, pytest.raises(DatabaseUnavailable, match="Connect one"):
        assistant.data.schema()
