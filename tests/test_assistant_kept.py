"""What is kept about a user: apart from every other user's, gone to the last byte when deleted, nowhere when private."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assistant import Assistant, AssistantError, NotFound, Settings
from tests.scripted_models import RuleModels


def opened(home: Path, models: RuleModels | None = None, **conversation: Any) -> Assistant:
    """An assistant on a database in which everybody has a note, and sees their own alone."""
    home.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{(home.parent / 'notes.db').as_posix()}"
    settings = Settings(
        home=home, sample=False, database={"url": url, "scopes": {"notes": "owner = :user"}}, conversation={"clarify": 1.0, **conversation}
    )
    return Assistant(settings, models=models or RuleModels())  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "notes.db")) as db:
        db.execute("CREATE TABLE notes (owner TEXT, title TEXT, code TEXT)")
        db.executemany("INSERT INTO notes VALUES (?, ?, ?)", [(user, "locker", f"zqrow{user}q") for user in map(str, range(30))])
        db.commit()
    return tmp_path / "home"


@pytest.fixture
def one(home: Path) -> Iterator[Assistant]:
    with opened(home) as assistant:
        yield assistant


def held(folder: Path, marker: str) -> list[str]:
    """The files under a folder whose bytes hold a marker, in any case and in each encoding that a store might use."""
    wanted = marker.lower()
    forms = [wanted.encode(), wanted.encode("utf-16-le"), wanted.encode("utf-16-be"), wanted[::-1].encode()]
    return [
        path.name for path in sorted(folder.rglob("*")) if path.is_file() and any(form in path.read_bytes().lower() for form in forms)
    ]


def live(assistant: Assistant, user: str, mark: str, tmp_path: Path) -> str:
    """Leave a trace in every store there is; gives the conversation."""
    said = f"I live in {mark}1ü."
    first = assistant.ask(said, user=user)
    talk = first.conversation
    assistant.ask(f"Please remember that my bicycle is {mark}2", user=user, conversation=talk)
    rows = assistant.ask(f"TABLE of notes about {mark}3", user=user, conversation=talk)
    assert rows.table is not None, rows
    assert [row[1] for row in rows.table.rows] == [f"zqrow{user}q"]
    assistant.feedback(rows.id, user=user, score=1, comment=f"good {mark}4")
    file = tmp_path / f"{mark}.md"
    file.write_text(f"# Plans {mark}5\n\nThe plan of {mark}6 is to travel to Graz by train.\n" * 20, encoding="utf-8")
    assistant.documents.add(file, user=user)
    waiting = assistant.ask(f"CHOOSE about the plan {mark}7", user=user, conversation=talk)
    assert waiting.choices, "its checkpoint is to hold the turn"
    assert assistant._turns.remembering.settle()
    return talk


def test_everything_about_a_user_is_deleted_to_the_last_byte(one: Assistant, home: Path, tmp_path: Path) -> None:
    live(one, "7", "zqseven", tmp_path)
    talk = live(one, "8", "zqeight", tmp_path)
    for store in ("history.sqlite", "checkpoints.sqlite", "chroma.sqlite3", "documents.sqlite"):
        for mark in ("zqseven", "zqeight"):
            assert {name.removesuffix("-wal") for name in held(home, mark)} >= {store}, f"{mark} is not in {store}: nothing is tried here"
    systems = one._models.rule.systems  # type: ignore[attr-defined]
    assert len(systems) >= 3
    assert not any("zq" in system for system in systems), "what is kept for everybody, on the disk too, holds nothing of anybody"
    upload = home / "uploads" / "seven" / "zqseven9.md"
    upload.parent.mkdir(parents=True)
    upload.write_text("# What zqseven uploaded\n\nA copy lies in the home.\n", encoding="utf-8")
    one.documents.add(upload, user="7")
    one.forget_all(user="7")
    assert not upload.exists()
    assert (tmp_path / "zqseven.md").exists(), "a file outside the home is its owner's"
    assert held(home, "zqseven") == held(home, "zqrow7q") == []
    assert len(one.conversations.messages(talk, user="8")) == 8
    assert any("zqeight2" in memory.text for memory in one.memories.search("bicycle", user="8"))
    assert one.documents.search("plan of zqeight6", user="8")[0].document == "zqeight.md"
    assert one.ask("In the database", user="8", conversation=talk).route == "sql"
    assert (one.memories.all(user="7"), one.conversations.all(user="7"), one.examples.all(user="7")) == ([], [], [])


def test_what_memory_held_before_does_not_stay_in_a_graph_file(one: Assistant, home: Path) -> None:
    one.memories.add("I like coffee", user="7")
    graphs = list(home.rglob("data_level0.bin"))
    assert graphs
    assert held(home, "zqused") == []
    for graph in graphs:  # Chroma makes room in the file from memory that it does not clear
        size = graph.stat().st_size
        graph.write_bytes((b"zqused before " * size)[:size])
    assert held(home, "zqused")
    one.memories.forget(one.memories.add("I like tea", user="7").id, user="7")
    assert held(home, "zqused") == []
    assert one.memories.add("I like tea", user="7") in one.memories.all(user="7")


def test_a_deleted_conversation_leaves_no_byte(one: Assistant, home: Path) -> None:
    kept = one.ask("zqstays is the word", user="7")
    for n in range(6):
        one.ask(f"zqgoes{n} is the word", user="7", conversation="going")
    one.ask("TABLE of zqgoes6", user="7", conversation="going")
    assert held(home, "zqgoes")
    one.conversations.delete("going", user="7")
    assert held(home, "zqgoes") == []
    assert held(home, "zqstays")
    assert [m.role for m in one.conversations.messages(kept.conversation, user="7")] == ["user", "assistant"]


def test_of_a_turn_that_ends_no_checkpoint_is_written(one: Assistant) -> None:
    saver = one._parts.kept.saver
    written = saver.conn.total_changes  # type: ignore[attr-defined]
    one.ask("zqends", user="7", conversation="c")
    assert saver.conn.total_changes == written  # type: ignore[attr-defined]


def test_what_a_kill_left_half_deleted_is_finished_at_the_next_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(home) as assistant:
        gone = assistant.memories.add("My code is zqgone1", user="7")
        assistant.documents.add(home.parent / "notes.db", user="7")
        with monkeypatch.context() as broken:
            broken.setattr("stores.vectors.Collection.erase", lambda _: None)
            assistant.memories.forget(gone.id, user="7")
        saver = assistant._parts.kept.saver
        with saver.cursor() as db:  # type: ignore[attr-defined]
            db.execute("INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('older', '1', 'zqgone2')")
        assert held(home, "zqgone1")
        assert held(home, "zqgone2")
    with opened(home):
        assert held(home, "zqgone") == []


def test_a_private_conversation_leaves_no_trace(one: Assistant, home: Path, tmp_path: Path) -> None:
    one.memories.add("My bicycle is red", user="7")
    first = one.ask("My locker code is zqsecret1", user="7", private=True)
    talk = first.conversation
    refused = one.ask("Please remember that my dog is zqsecret2", user="7", conversation=talk, private=True)
    assert "private" in refused.text
    rows = one.ask("TABLE of zqsecret3", user="7", conversation=talk, private=True)
    assert rows.table is not None
    (tmp_path / "plan.md").write_text("# Plans\n\nThe plan is to travel.\n", encoding="utf-8")
    one.documents.add(tmp_path / "plan.md")
    assert one.ask("CHOOSE plan zqsecret4", user="7", conversation=talk, private=True).choices
    assert one.ask("In the database", user="7", conversation=talk).route == "sql", "it goes on, and stays private, while it is open"
    one.ask("And once more, my bicycle?", user="7", conversation=talk, private=True)
    asked = one._models.rule.prompts[-1][1]  # type: ignore[attr-defined]
    assert "zqsecret1" in asked, "what was said before is remembered while it is open"
    assert "bicycle is red" in asked, "what is kept may be used"
    with pytest.raises(NotFound):
        one.feedback(rows.id, user="7", score=1)
    assert held(home, "zqsecret") == []
    assert one.conversations.all(user="7") == []
    assert len(one.conversations.messages(talk, user="7")) == 12
    with pytest.raises(NotFound):
        one.conversations.messages(talk, user="8")
    one.conversations.delete(talk, user="7")
    assert one._models.forgotten  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        one.conversations.messages(talk, user="7")
    assert [m.text for m in one.memories.all(user="7")] == ["My bicycle is red"]
    one.ask("Hello", user="7", conversation="kept")
    with pytest.raises(AssistantError, match="kept already"):
        one.ask("zqsecret5", user="7", conversation="kept", private=True)
    one.close()
    assert held(home, "zqsecret") == []


def test_a_forgotten_memory_goes_from_the_answers_that_used_it(one: Assistant, home: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text("# Plans\n\nThe plan is to travel.\n", encoding="utf-8")
    one.documents.add(tmp_path / "plan.md")
    gone = one.memories.add("My bicycle is zqgreen", user="7")
    kept = one.memories.add("My bell is zqloud", user="7")
    used = one.ask("What of my bicycle and my bell?", user="7", conversation="c")
    assert {memory.id for memory in used.memories} == {gone.id, kept.id}
    assert one.ask("CHOOSE the plan of my bicycle", user="7", conversation="waits").choices
    assert {name.removesuffix("-wal") for name in held(home, "zqgreen")} == {"history.sqlite", "checkpoints.sqlite", "chroma.sqlite3"}
    one.memories.edit(kept.id, "My bell is broken", user="7")
    one.memories.forget(gone.id, user="7")
    assert held(home, "zqgreen") == held(home, "zqloud") == []
    assert one._models.forgotten == ["7", "7"]  # type: ignore[attr-defined]
    (_, answer) = one.conversations.messages("c", user="7")
    assert json.loads(answer.answer or "")["memories"] == []
    one.memories.restore(gone)
    assert one.memories.search("bicycle", user="7")[0].id == gone.id


def test_forgetting_in_a_conversation_acts_at_once_and_leaves_the_memory_store(one: Assistant, home: Path) -> None:
    for colour in ("zqred", "zqblue"):
        told = one.ask(f"Please remember that my {colour} bicycle is old", user="7", conversation="c")
        assert "forget that" in told.text, "it says how to undo it"
    asked = one.ask("Please forget my bicycle", user="7", conversation="c")
    assert len(asked.choices) == 3
    done = one.ask(asked.choices[0], user="7", conversation="c")
    assert "remember that" in done.text, "it says how to undo it"
    (left,) = one.memories.all(user="7")
    gone = "zqred" if "zqblue" in left.text else "zqblue"
    assert "chroma.sqlite3" not in held(home, gone)
    assert one.ask("Hello again", user="7", conversation="c").route == "chat", "the turn that asked back is over"
    one.conversations.delete("c", user="7")
    assert held(home, gone) == []


def test_everything_can_be_taken_along(one: Assistant, tmp_path: Path) -> None:
    live(one, "7", "zqseven", tmp_path)
    live(one, "8", "zqeight", tmp_path)
    text = one.export_all(user="7")
    whole = json.loads(text)
    assert (whole["version"], whole["user"]) == (1, "7")
    assert {m["text"] for m in whole["memories"]} == {"My bicycle is zqseven2", "I live in zqseven1ü."}
    assert [d["name"] for d in whole["documents"]] == ["zqseven.md"]
    assert [e["sql"] for e in whole["examples"]] == ["SELECT title, code FROM notes ORDER BY code"]
    (talk,) = whole["conversations"]
    assert [m["role"] for m in talk["messages"]] == ["user", "assistant"] * 4
    assert talk["messages"][5]["answer"]["table"]["rows"] == [["locker", "zqrow7q"]]
    assert "zqeight" not in text


def test_what_is_old_goes_at_the_next_start(home: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=400)
    with opened(home) as assistant:
        assistant.memories.add("I had a cold zqold1", user="7", said_at=long_ago)
        assistant.memories.add("I have a bicycle", user="7")
        assistant.ask("zqold2 was said", user="7", conversation="old")
        assistant.ask("this is new", user="7", conversation="new")
    with closing(sqlite3.connect(home / "history.sqlite")) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("UPDATE conversations SET updated = ? WHERE id = 'old'", (long_ago.isoformat(),))
        db.commit()
    with opened(home) as assistant:
        assert {c.id for c in assistant.conversations.all(user="7")} == {"old", "new"}, "nothing goes where no limit is set"
    with opened(home, keep_days=365, keep_memories_days=30) as assistant:
        assert [c.id for c in assistant.conversations.all(user="7")] == ["new"]
        assert [m.text for m in assistant.memories.all(user="7")] == ["I have a bicycle"]
    assert held(home, "zqold") == []


def test_users_in_threads_meet_nothing_of_each_other(one: Assistant, home: Path) -> None:
    _interleaved(one, home, users=6, turns=90, threads=4, probes=180)


@pytest.mark.measure
def test_twenty_users_in_eight_threads_meet_nothing_of_each_other(one: Assistant, home: Path) -> None:
    _interleaved(one, home, users=20, turns=1000, threads=8, probes=2000)


def _interleaved(one: Assistant, home: Path, *, users: int, turns: int, threads: int, probes: int) -> None:
    """Users speak in turn, all in conversations of the same names; then everybody looks for everybody's things."""
    rounds = turns // users

    def speak(number: int) -> None:
        user, at = str(number % users), number // users
        mark = f"zq{user}x{at}q"
        said = (f"I always write {mark} on parcel {at}.", f"Please remember that box {at} opens with {mark}", f"TABLE of notes, {mark}")[at % 3]
        answer = one.ask(said, user=user, conversation=f"talk {at % 4}")
        if at % 3 == 2:
            assert answer.table is not None
            assert [row[1] for row in answer.table.rows] == [f"zqrow{user}q"]
            one.feedback(answer.id, user=user, score=1)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(speak, range(rounds * users)))
    assert one._turns.remembering.settle()
    assert not one._turns._locks, "conversations that nobody is in hold nothing in memory"

    def owner(text: str) -> set[str]:
        return {a or b for a, b in re.findall(r"zq(\d+)x\d+q|zqrow(\d+)q", text)}

    found = 0
    for number in range(probes):
        user, other, at = str(number % users), str(number * 7 % users), number // users % rounds
        mark = f"zq{other}x{at}q"
        met = [memory.text for memory in one.memories.search(mark, user=user, k=10)]
        met += [message.text for message in one._parts.kept.history.search(mark, user=user)]
        met += [example.question for example in one.examples.all(user=user)]
        met += [message.text + (message.answer or "") for message in one.conversations.messages(f"talk {at % 4}", user=user)]
        assert owner(" ".join(met)) <= {user}, f"user {user} met {owner(' '.join(met))}"
        found += user == other and any(mark in text for text in met)
    assert found == sum(number % users == number * 7 % users for number in range(probes)) > 0, "everybody finds their own"

    for user, prompt in one._models.rule.prompts:  # type: ignore[attr-defined]
        assert owner(prompt) <= {user}, f"the model read {owner(prompt)} for user {user}"
    with closing(sqlite3.connect(home / "history.sqlite")) as db:
        rows = db.execute("SELECT user, text || coalesce(answer, '') FROM messages").fetchall()
    with closing(sqlite3.connect(home / "index" / "chroma.sqlite3")) as db:
        records = "SELECT u.string_value, t.string_value FROM embedding_metadata AS u JOIN embedding_metadata AS t USING (id)"
        rows += db.execute(f"{records} WHERE u.key = 'user' AND t.key = 'chroma:document'").fetchall()
    assert len(rows) > 2 * rounds * users
    assert [(user, text) for user, text in rows if not owner(text) <= {user}] == []
    for user in map(str, range(users)):
        kept = " ".join(memory.text for memory in one.memories.all(user=user))
        assert [at for at in range(rounds) if at % 3 < 2 and f"zq{user}x{at}q" not in kept] == []
