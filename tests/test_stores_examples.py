"""Approved examples: like questions on the same schema, one's own and shared ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stores.chroma_folder import open_client
from stores.errors import NotFound
from stores.examples import Examples
from stores.values import Embed
from tests import hashed


@pytest.fixture
def examples(tmp_path: Path) -> Iterator[Examples]:
    client = open_client(tmp_path / "chroma")
    yield Examples(client, hashed.embed)
    client.close()


def test_a_like_question_finds_its_sql_on_the_same_schema_alone(examples: Examples) -> None:
    kept = examples.add("How many orders are there?", "SELECT count(*) FROM orders", fingerprint="f1", user="7")
    (found,) = examples.search("how many orders are there", fingerprint="f1", user="7")
    assert (found.id, found.sql, found.question) == (kept.id, "SELECT count(*) FROM orders", "How many orders are there?")
    assert found.score > 0.9
    assert found == kept  # the score aside
    assert examples.search("how many orders are there", fingerprint="f2", user="7") == []
    assert examples.search("something else entirely", fingerprint="f1", user="7") == []
    assert examples.search("", fingerprint="f1", user="7") == examples.search("orders", fingerprint="f1", user="7", k=0) == []


def test_an_example_is_its_users_unless_it_is_shared(examples: Examples) -> None:
    own = examples.add("How many orders?", "SELECT 1", fingerprint="f", user="7")
    examples.add("How many orders?", "SELECT 2", fingerprint="f", user="8", shared=True)
    assert {found.sql for found in examples.search("how many orders", fingerprint="f", user="7")} == {"SELECT 1", "SELECT 2"}
    assert {found.sql for found in examples.search("how many orders", fingerprint="f", user="9")} == {"SELECT 2"}
    assert [found.sql for found in examples.all(user="7")] == ["SELECT 1"]
    assert len(examples.all()) == 2
    with pytest.raises(NotFound):
        examples.remove(own.id, user="8")
    examples.remove(own.id)
    with pytest.raises(NotFound):
        examples.remove(own.id)
    assert [found.sql for found in examples.all()] == ["SELECT 2"]


def test_a_corrected_query_replaces_the_earlier_one(examples: Examples) -> None:
    first = examples.add("How many orders?", "SELECT 1", fingerprint="f", user="7")
    second = examples.add(" how many  orders ", "SELECT 2", fingerprint="f", user="7")
    assert first.id == second.id
    assert [example.sql for example in examples.all()] == ["SELECT 2"]


@pytest.mark.parametrize("missing", ["question", "sql", "fingerprint", "user"])
def test_all_parts_are_needed(examples: Examples, missing: str) -> None:
    parts = {"question": "q", "sql": "s", "fingerprint": "f", "user": "u"} | {missing: " " if missing == "user" else ""}
    with pytest.raises(ValueError, match="needs"):
        examples.add(parts["question"], parts["sql"], fingerprint=parts["fingerprint"], user=parts["user"])


def test_the_real_model_keeps_unlike_questions_apart(tmp_path: Path, embed: Embed) -> None:
    client = open_client(tmp_path / "chroma")
    examples = Examples(client, embed)
    examples.add("How many orders did each customer place last month?", "SELECT 1", fingerprint="f", user="7")
    assert examples.search("Number of orders per customer in the previous month", fingerprint="f", user="7")
    assert not examples.search("Which album has the longest track?", fingerprint="f", user="7")
    client.close()
