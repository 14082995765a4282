"""A team's assistant: passages, memories and examples on Chroma's server, which may go away and come back."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant import Assistant, IndexUnreachable, Settings
from assistant.doctor import checks
from tests.chroma import RunningChroma, once_back
from tests.scripted_models import RuleModels
from tests.test_assistant_kept import home

__all__ = ["home"]  # the fixture
pytestmark = pytest.mark.postgres


def replica(home: Path, name: str, state: str, chroma: RunningChroma) -> Assistant:
    database = {"url": f"sqlite:///{(home.parent / 'notes.db').as_posix()}"}
    settings = Settings(home=home.parent / name, sample=False, database=database, state={"url": state}, index={"url": chroma.url, "timeout": 5})
    return Assistant(settings, models=RuleModels())  # type: ignore[arg-type]


@pytest.fixture
def two(home: Path, state_url: str, chroma: RunningChroma) -> Iterator[tuple[Assistant, Assistant]]:
    with replica(home, "one", state_url, chroma) as one, replica(home, "other", state_url, chroma) as other:
        yield one, other


def plan(assistant: Assistant, home: Path) -> None:
    file = home.parent / "plan.md"
    file.write_text("# Plans\n\nThe plan is to travel to Graz by train.\n", encoding="utf-8")
    assistant.documents.add(file)


def test_replicas_share_documents_memories_and_examples(two: tuple[Assistant, Assistant], home: Path) -> None:
    one, other = two
    plan(one, home)
    assert [p.document for p in other.documents.search("travel to Graz")] == ["plan.md"]
    one.ask("Remember that I live in Linz.", user="7", conversation="c")
    assert [m.text for m in other.memories.search("Where do I live?", user="7")] == ["I live in Linz."]
    rows = one.ask("TABLE of all", user="7", conversation="c")
    one.feedback(rows.id, user="7", score=1)
    assert [e.sql for e in other.examples.all(user="7")] == [rows.sql]
    other.forget_all(user="7")
    assert one.memories.all(user="7") == one.examples.all(user="7") == []
    for name in ("one", "other"):
        assert not list((home.parent / name / "index").glob("*")), "nothing of the index lies in a replica's home"


def test_the_doctor_says_whether_the_index_answers(home: Path, chroma: RunningChroma) -> None:
    def said(url: str) -> tuple[bool, str]:
        found = next(check for check in checks(Settings(home=home, sample=False, index={"url": url, "timeout": 2})) if check.name == "index server")
        return found.ok, found.detail

    assert said(chroma.url)[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ok, detail = said(f"http://127.0.0.1:{free.getsockname()[1]}")
    assert not ok
    assert "cannot be reached" in detail
    assert not [check for check in checks(Settings(home=home, sample=False)) if check.name == "index server"]


def test_with_the_index_on_a_server_and_the_state_in_the_home_passages_stay_in_the_home(home: Path, chroma: RunningChroma) -> None:
    settings = Settings(home=home, sample=False, index={"url": chroma.url})
    with Assistant(settings, models=RuleModels()) as one:  # type: ignore[arg-type]
        plan(one, home)
        one.memories.add("I live in Linz.", user="7")
        assert one.documents.search("travel to Graz")[0].document == "plan.md"
        names = one._parts.index.call(lambda client: [found.name for found in client.list_collections()])  # type: ignore[union-attr]
        assert names == ["memories"]
        assert (home / "index" / "documents.sqlite").exists()


def test_while_the_index_is_away_what_needs_none_is_answered(two: tuple[Assistant, Assistant], home: Path, chroma: RunningChroma) -> None:
    one, other = two
    plan(one, home)
    one.ask("Remember that I live in Linz.", user="7", conversation="c")
    chroma.kill()
    began = time.monotonic()
    assert one.ask("TABLE of all", user="7", conversation="c").table
    assert one.ask("Hello there", user="7", conversation="c").text
    with pytest.raises(IndexUnreachable, match=r"cannot be reached.*index\.url"):
        one.ask("Remember that I like red.", user="7", conversation="c")
    with pytest.raises(IndexUnreachable):
        other.memories.all(user="7")
    assert one.documents.search("travel to Graz")[0].document == "plan.md"
    assert time.monotonic() - began < 60
    chroma.start()
    once_back(lambda: one.ask("Remember that I like red.", user="7", conversation="c"))
    assert {m.text for m in once_back(lambda: other.memories.all(user="7"))} == {"I live in Linz.", "I like red."}


def test_what_was_said_in_passing_while_the_index_was_away_is_kept_when_it_is_back(two: tuple[Assistant, Assistant], chroma: RunningChroma) -> None:
    one, other = two
    one.memories.add("I like red.", user="7")
    chroma.kill()
    one.ask("I live in Linz.", user="7", conversation="c")
    chroma.start()
    back = time.monotonic()
    while not any("Linz" in m.text for m in _all(other)):
        assert time.monotonic() - back < 20
        time.sleep(0.2)


def _all(assistant: Assistant) -> list[object]:
    try:
        return list(assistant.memories.all(user="7"))
    except IndexUnreachable:
        return []
