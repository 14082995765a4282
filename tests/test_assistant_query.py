"""A query of the user's own, and where what is remembered came from, over real stores and a scripted model."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assistant import Assistant, DatabaseUnavailable, NotFound, QueryRejected, Settings
from tests.scripted_models import RuleModels
from tests.test_assistant_kept import home, one

__all__ = ["home", "one"]  # fixtures


def test_a_users_own_query_goes_the_models_way(one: Assistant) -> None:
    assert one.query("SELECT code FROM notes", user="7").rows == (("zqrow7q",),)  # their scope
    assert one.query("SELECT code FROM notes WHERE owner = '8'", user="7").rows == ()
    for refused in ("DELETE FROM notes", "SELECT 1; SELECT 2", "SELECT * FROM sqlite_master", "SELECT nothing FROM notes"):
        with pytest.raises(QueryRejected):
            one.query(refused, user="7")


def test_a_users_own_query_is_capped_and_needs_a_database(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "n.db")) as db:
        db.execute("CREATE TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9) SELECT i FROM n")
        db.commit()
    url = f"sqlite:///{(tmp_path / 'n.db').as_posix()}"
    with Assistant(Settings(home=tmp_path / "a", sample=False, database={"url": url, "max_rows": 4}), models=RuleModels()) as limited:  # type: ignore[arg-type]
        found = limited.query("SELECT i FROM n")
        assert (len(found.rows), found.truncated) == (4, True)
    with Assistant(Settings(home=tmp_path / "b", sample=False), models=RuleModels()) as without, pytest.raises(DatabaseUnavailable):  # type: ignore[arg-type]
        without.query("SELECT 1")


def test_a_correction_is_an_example_and_one_that_does_not_run_is_refused(one: Assistant) -> None:
    answer = one.ask("TABLE of notes", user="7")
    with pytest.raises(QueryRejected):
        one.feedback(answer.id, user="7", score=-1, corrected_sql="SELECT missing FROM notes")
    assert one.examples.all(user="7") == []
    kept = one.feedback(answer.id, user="7", score=-1, comment="wrong rows", corrected_sql="SELECT title FROM notes")
    assert kept is not None
    assert [(example.question, example.sql) for example in one.examples.all(user="7")] == [("TABLE of notes", "SELECT title FROM notes")]


def test_a_memory_names_the_message_it_came_from(one: Assistant) -> None:
    answer = one.ask("Please remember that my bicycle is red", user="7")
    (memory,) = one.memories.all(user="7")
    assert memory.source is not None
    message = one.conversations.message(memory.source, user="7")
    assert (message.conversation, message.role) == (answer.conversation, "user")
    with pytest.raises(NotFound):
        one.conversations.message(memory.source, user="8")
    one.conversations.delete(answer.conversation, user="7")
    with pytest.raises(NotFound, match="conversation was deleted"):
        one.conversations.message(memory.source, user="7")
