"""Memories: kept once, found again, and never another user's."""

from __future__ import annotations

import dataclasses
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chromadb.api import ClientAPI

from stores.agreement import says_the_same
from stores.chroma_folder import open_client
from stores.errors import NotFound, StoreUnavailable
from stores.links import links
from stores.memories import Memories
from stores.values import Embed
from tests import hashed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[ClientAPI]:
    opened = open_client(tmp_path / "chroma")
    yield opened
    opened.close()


@pytest.fixture
def memories(client: ClientAPI) -> Memories:
    return Memories(client, hashed.embed)


def test_what_was_said_is_found_with_its_source_and_date(memories: Memories) -> None:
    kept = memories.add("My dentist is Dr. Ngo.", user="7", source="message-1", said_at=NOON)
    memories.add("I drive a red car.", user="7", said_at=NOON + timedelta(hours=1))
    (best, *_) = memories.search("who is my dentist", user="7")
    assert (best.id, best.text, best.source, best.said_at, best.user) == (kept.id, "My dentist is Dr. Ngo.", "message-1", NOON, "7")
    assert 0 < best.score <= 1
    assert [memory.text for memory in memories.all(user="7")] == ["I drive a red car.", "My dentist is Dr. Ngo."]
    assert len(memories.search("my car and my dentist", user="7", k=1)) == 1


def test_saying_it_again_refreshes_it(memories: Memories) -> None:
    first = memories.add("I am allergic to nuts.", user="7", source="a", said_at=NOON)
    again = memories.add("  i am ALLERGIC to nuts ", user="7", source="b", said_at=NOON + timedelta(days=1))
    assert again.id == first.id
    (only,) = memories.all(user="7")
    assert (only.said_at, only.source) == (NOON + timedelta(days=1), "b")
    assert memories.add("I am allergic to nuts.", user="8").id != first.id


def test_close_vectors_that_say_different_things_are_both_kept(client: ClientAPI) -> None:
    memories = Memories(client, lambda texts: hashed.embed(["the same"] * len(texts)))
    for text in ("I have two cats.", "I have 3 cats.", "I have no cats.", "My friend Ann has cats.", "My friend Bob has cats."):
        memories.add(text, user="7")
    assert len(memories.all(user="7")) == 5
    memories.add("I have got two cats", user="7")
    assert len(memories.all(user="7")) == 5
    assert says_the_same("I like tea", "I'm fond of tea")
    assert not says_the_same("I like tea", "I don’t like tea")
    assert not says_the_same("Room 2 is on floor 3.", "Room 3 is on floor 2.")


def test_many_are_kept_in_one_go_each_once(memories: Memories) -> None:
    items = [(f"Fact number {n % 50} is {n % 50 * 7}.", f"m{n}", NOON + timedelta(minutes=n)) for n in range(100)]
    kept = memories.add_many(items, user="7")
    assert len(kept) == 100
    assert len({memory.id for memory in kept}) == 50
    stored = memories.all(user="7")
    assert len(stored) == 50
    assert {memory.source for memory in stored} == {f"m{n}" for n in range(50, 100)}
    assert memories.add_many([], user="7") == []


def test_no_user_reaches_anothers(memories: Memories) -> None:
    hers = memories.add("My salary is secret.", user="7")
    for user in ("8", "7 ", "$ne", "' OR 1=1"):
        assert memories.search("my salary is secret", user=user) == []
        assert memories.all(user=user) == []
        with pytest.raises(NotFound):
            memories.forget(hers.id, user=user)
        assert memories.forget_all(user=user) == 0
    assert [memory.id for memory in memories.all(user="7")] == [hers.id]


@pytest.mark.parametrize("user", ["", "  "])
def test_an_empty_user_is_refused_everywhere(memories: Memories, user: str) -> None:
    calls: list[Any] = [
        lambda: memories.add("x", user=user), lambda: memories.add_many([], user=user), lambda: memories.search("x", user=user),
        lambda: memories.all(user=user), lambda: memories.forget("x", user=user), lambda: memories.forget_all(user=user),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="user"):
            call()
    with pytest.raises(ValueError, match="empty"):
        memories.add(" \n", user="7")


def test_forget_restore_and_forget_all(memories: Memories) -> None:
    kept = memories.add("I play the cello.", user="7", source="m", said_at=NOON)
    memories.add("I live in Graz.", user="7")
    memories.search("cello", user="7")  # fills the word index
    gone = memories.forget(kept.id, user="7")
    assert gone == kept
    assert all("cello" not in memory.text for memory in memories.search("cello", user="7"))
    with pytest.raises(NotFound):
        memories.forget(kept.id, user="7")
    memories.restore(gone)
    assert memories.search("cello", user="7")[0].id == kept.id
    assert memories.forget_all(user="7") == 2
    assert memories.search("cello", user="7") == memories.all(user="7") == []


@pytest.mark.parametrize("query", ["", "  ", "?!", '"', "a OR b NEAR(c)", "x" * 100_000, "the of and"])
def test_absurd_queries_are_harmless(memories: Memories, query: str) -> None:
    memories.add("I live in Graz.", user="7")
    assert len(memories.search(query, user="7")) <= 1


def test_a_search_among_many_is_fast(memories: Memories) -> None:
    for user in ("7", "8"):
        memories.add_many([(f"Note {n}: we spoke of topic {n % 37} and place {n % 11}.", None, None) for n in range(600)], user=user)
    memories.search("warm", user="7")
    began = time.process_time()
    for n in range(20):
        memories.search(f"what about topic {n}?", user="7")
    assert (time.process_time() - began) / 20 < 0.05


KEEP = """
import sys
from pathlib import Path
from stores.memories import Memories
from stores.chroma_folder import open_client
from tests import hashed
memories = Memories(open_client(Path(sys.argv[1])), hashed.embed)
for n in range(10_000):
    memories.add(f"Fact {n} is kept by process {sys.argv[2]}.", user="7")
    print(n, flush=True)
"""


def test_what_was_said_to_be_kept_outlives_a_kill(tmp_path: Path) -> None:
    told: set[str] = set()
    for turn in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KEEP, str(tmp_path / "chroma"), str(turn)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
        )
        assert process.stdout is not None
        for line in process.stdout:
            told.add(f"Fact {int(line)} is kept by process {turn}.")
            if int(line) == 20 + turn * 10:
                process.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        process.wait()
        process.stdout.close()
    client = open_client(tmp_path / "chroma")
    memories = Memories(client, hashed.embed)
    kept = [memory.text for memory in memories.all(user="7")]
    assert told <= set(kept)
    assert len(kept) == len(set(kept)) <= len(told) + 3
    assert memories.search("Fact 39 process 2", user="7")[0].text == "Fact 39 is kept by process 2."
    client.close()


def test_the_real_model_finds_by_meaning(client: ClientAPI, embed: Embed) -> None:
    memories = Memories(client, embed)
    first = memories.add("I'm allergic to peanuts.", user="7")
    memories.add("My sister Ana lives in Lisbon.", user="7")
    memories.add("I work as a nurse on night shifts.", user="7")
    assert memories.search("What food should I avoid?", user="7")[0].id == first.id
    assert memories.search("What is my job?", user="7")[0].text.startswith("I work as a nurse")
    assert memories.add("I am allergic to peanuts", user="7").id == first.id
    assert memories.add("I am not allergic to peanuts", user="7").id != first.id


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_is_forgotten_or_edited_away_leaves_the_bytes(client: ClientAPI, memories: Memories, tmp_path: Path) -> None:
    kept = [memories.add(f"Plain note {n} about the quokka", user="8") for n in range(3)]
    first = memories.add("The vault opens with zanzibar-one.", user="7")
    memories.add("The vault opens with  ZANZIBAR-ONE", user="7")  # the same, so the older text is replaced
    second = memories.add("The attic opens with zanzibar-two.", user="7")
    memories.search("vault", user="7")
    memories.edit(second.id, "The attic has no lock.", user="7")
    assert b"zanzibar-two" not in everything_under(tmp_path)
    assert [m.text for m in memories.search("attic", user="7", k=1)] == ["The attic has no lock."]
    memories.forget(first.id, user="7")
    memories.forget_all(user="7")
    assert b"zanzibar" not in everything_under(tmp_path).lower()
    with closing(sqlite3.connect(tmp_path / "chroma" / "chroma.sqlite3")) as db:  # the word index holds pieces of three letters
        db.execute("CREATE VIRTUAL TABLE temp.pieces USING fts5vocab (main, embedding_fulltext_search, row)")
        pieces = {term for (term,) in db.execute("SELECT term FROM temp.pieces")}
    assert "quo" in pieces
    assert "zan" not in pieces
    again = memories.add("I like pears.", user="7")
    client.close()
    reopened = open_client(tmp_path / "chroma")
    found = Memories(reopened, hashed.embed)
    assert [m.id for m in found.search("pears", user="7")] == [again.id]
    assert {m.id for m in found.search("quokka note", user="8")} == {m.id for m in kept}
    reopened.close()


def test_a_forgetting_that_fails_halfway_is_finished_at_the_next_start(
    client: ClientAPI, memories: Memories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = memories.add("The vault opens with zanzibar.", user="7")
    kept = memories.add("I like pears.", user="7")
    with monkeypatch.context() as broken:
        broken.setattr("stores.vectors.erasure.__file__", str(tmp_path / "missing.py"))
        with pytest.raises(StoreUnavailable, match="not yet erased"):
            memories.forget(gone.id, user="7")
    assert memories.all(user="7") == [kept]
    assert b"zanzibar" in everything_under(tmp_path)
    client.close()
    reopened = open_client(tmp_path / "chroma")
    assert b"zanzibar" not in everything_under(tmp_path)
    assert [memory.id for memory in Memories(reopened, hashed.embed).search("pears", user="7")] == [kept.id]
    reopened.close()


def test_threads_may_write_and_search_while_others_forget(memories: Memories) -> None:
    def live(user: str) -> None:
        for n in range(12):
            memories.add(f"{user} keeps fact {n} of {n * 7}", user=user)
            gone = memories.add(f"{user} drops matter {n} of {n * 3}", user=user)
            assert memories.search(f"fact {n}", user=user)
            if n % 4 == 0:
                memories.forget(gone.id, user=user)

    users = [f"u{n}" for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(live, users))
    for user in users:
        texts = {memory.text for memory in memories.all(user=user)}
        assert {f"{user} keeps fact {n} of {n * 7}" for n in range(12)} <= texts
        assert len(texts) == 12 + 9
        assert len(memories.search(f"{user} keeps fact", user=user, k=50)) == 21


def test_an_id_of_another_user_is_not_taken_over(memories: Memories) -> None:
    hers = memories.add("My salary is secret.", user="7")
    with pytest.raises(NotFound):
        memories.edit(hers.id, "mine now", user="8")
    with pytest.raises(NotFound):
        memories.restore(dataclasses.replace(hers, user="8", text="mine now"))
    assert [memory.text for memory in memories.all(user="7")] == ["My salary is secret."]


def test_what_is_old_is_forgotten(memories: Memories) -> None:
    memories.add("I had a cold.", user="7", said_at=NOON - timedelta(days=400))
    memories.add("I have a bicycle.", user="7", said_at=NOON)
    memories.add("I had a dog.", user="8", said_at=NOON - timedelta(days=366))
    assert memories.forget_older(NOON - timedelta(days=365)) == 2
    assert [m.text for user in "78" for m in memories.all(user=user)] == ["I have a bicycle."]


def test_what_no_longer_holds_is_closed_found_as_the_past_and_opened_again(memories: Memories) -> None:
    old = memories.add("I live in Lisbon.", user="7", said_at=NOON)
    new = memories.add("I moved to Porto.", user="7", said_at=NOON + timedelta(days=90), confidence=0.8, closing=[old.id])
    assert [memory.text for memory in memories.search("where do I live, Lisbon?", user="7")] == ["I moved to Porto."]
    (closed,) = [memory for memory in memories.search("Lisbon", user="7", past=True) if memory.until]
    assert (closed.id, closed.text, closed.until, closed.by, closed.said_at) == (old.id, old.text, new.said_at, new.id, NOON)
    assert [memory.confidence for memory in memories.all(user="7")] == [0.8, 1.0]
    assert [memory.text for memory in memories.near("I moved", user="7")] == ["I moved to Porto."]
    memories.forget(new.id, user="7")
    assert [(memory.text, memory.until) for memory in memories.search("Lisbon", user="7")] == [("I live in Lisbon.", None)]
    memories.restore(new)
    assert [memory.text for memory in memories.search("Lisbon", user="7")] == ["I moved to Porto."]
    assert memories.add("I live in Lisbon.", user="7").until is None, "said again, it holds again"
    with pytest.raises(NotFound):
        memories.add("I live in Graz.", user="8", closing=[new.id])


def test_a_fuller_statement_takes_the_place_of_the_shorter(memories: Memories) -> None:
    short = memories.add("My cat is old.", user="7")
    full = memories.add("My cat is old and blind.", user="7", instead=short.id)
    assert [memory.id for memory in memories.all(user="7")] == [full.id]


def test_names_are_followed_over_two_statements(memories: Memories) -> None:
    for text in ("My sister is Ana.", "Ana's husband is called Tom Reyes.", "Tom Reyes mends clocks.", "Ben mends nets.", "Our cottage is in Altea."):
        memories.add(text, user="7")
    memories.add("My sister is Zoe.", user="8")
    assert "Tom Reyes mends clocks." in [memory.text for memory in memories.search("what is my sister's husband's trade?", user="7", k=3)]
    assert links("Our cottage is in Altea.") == [(frozenset({"cottage"}), "Altea")]
    assert links("My sister is ill.") == []


def test_what_was_said_within_some_days_is_found(memories: Memories) -> None:
    memories.add("We chose the blue paint.", user="7", said_at=NOON)
    memories.add("We chose the oak floor.", user="7", said_at=NOON + timedelta(days=60))
    (found,) = memories.search("what did we choose?", user="7", during=(NOON.date(), NOON.date()))
    assert found.text == "We chose the blue paint."
