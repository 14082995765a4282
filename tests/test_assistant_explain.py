"""An answer's query, laid out and explained on the way out, over real stores and a scripted model."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from assistant import Assistant, DatabaseUnavailable, QueryRejected, Settings
from assistant.models.shared import Models
from tests import hashed
from tests.scripted import ScriptedChat

LONG = "select city, count(*) as n from members where city <> 'a  b' group by city having count(*) > 0 order by n desc limit 5"
SAID = (
    "Looks at members. Keeps the rows where city is not 'a  b'. Groups them by city and keeps the groups where the number of rows is "
    "more than 0. For each city, counts the rows. Sorts by the number of rows, highest first, and takes the first 5 rows."
)


class ScriptedModels(Models):
    """The models of an assistant, scripted."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, None)
        self.scripted = ScriptedChat()

    def chat(self) -> Any:
        return self.scripted

    def embed(self, texts: Any) -> Any:
        return hashed.embed(texts)

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        return [0.0] * len(texts)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Assistant, ScriptedChat]]:
    with closing(sqlite3.connect(tmp_path / "club.db")) as connection, connection:
        connection.execute("CREATE TABLE members (id INTEGER PRIMARY KEY, city TEXT)")
        connection.executemany("INSERT INTO members (city) VALUES (?)", [("Porto",), ("Porto",), ("Ghent",)])
    settings = Settings(home=tmp_path / "home", sample=False, database={"url": f"sqlite:///{(tmp_path / 'club.db').as_posix()}"})
    models = ScriptedModels(settings)
    with Assistant(settings, models=models) as assistant:
        yield assistant, models.scripted


def test_an_answer_shows_its_query_in_lines_and_says_what_it_does(opened: tuple[Assistant, ScriptedChat]) -> None:
    assistant, model = opened
    model.pick("sql").say(LONG)
    answer = assistant.ask("How many members are in each city?", conversation="c", words=False)
    assert answer.sql is not None
    assert answer.sql.startswith("SELECT\n  city,\n  COUNT(*) AS n\nFROM members\n")
    assert answer.explanation == SAID
    assert answer.explanation == assistant.explain(answer.sql) == assistant.explain(LONG)
    assert answer.table is not None
    assert answer.table.rows == (("Porto", 2), ("Ghent", 1))
    assert [attempt.sql for attempt in answer.attempts] == [LONG], "what ran is what was written"
    assert answer.sql in assistant.conversations.export("c")
    # And the next question about it needs no model.
    calls = len(model.history)
    assert assistant.ask("Explain that query, please.", conversation="c").text == f"What that query does: {SAID}"
    assert len(model.history) == calls


def test_a_short_query_stays_on_one_line(opened: tuple[Assistant, ScriptedChat]) -> None:
    assistant, model = opened
    model.pick("sql").say("select count(*)\nfrom members")
    assert assistant.ask("How many members?", words=False).sql == "SELECT COUNT(*) FROM members"


def test_what_cannot_be_explained_is_an_error_of_its_own(opened: tuple[Assistant, ScriptedChat], tmp_path: Path) -> None:
    with pytest.raises(QueryRejected):
        opened[0].explain("DELETE FROM members")
    with Assistant(Settings(home=tmp_path / "other", sample=False)) as other, pytest.raises(DatabaseUnavailable):
        other.explain("SELECT 1")
