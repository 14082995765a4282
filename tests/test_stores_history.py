"""The history keeps what it said it kept, for its user alone."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stores.errors import NotFound, StoreUnavailable
from stores.history import History
from stores.migrations import MIGRATIONS, migrate
from stores.values import Feedback


@pytest.fixture
def file(tmp_path: Path) -> Iterator[History]:
    opened = History(tmp_path / "history.sqlite")
    yield opened
    opened.close()


@pytest.fixture(params=["file", "server"])
def history(request: pytest.FixtureRequest) -> Iterator[History]:
    """What holds of a history in a file holds of one on a server."""
    if request.param == "file":
        yield request.getfixturevalue("file")
        return
    from stores.server import Server

    with closing(Server(request.getfixturevalue("state_url"))) as server:
        yield History(server)


def turn(history: History, conversation: str, question: str, answer: str, *, user: str = "ada") -> str:
    asked = history.begin(conversation, user=user, question=question, title=question)
    number = len(history.messages(conversation, user=user)) - 1
    answer_id = f"{conversation}-{number}"
    history.finish(asked, user=user, answer_id=answer_id, text=answer, answer_json=json.dumps({"sql": "SELECT 1", "citations": []}))
    return answer_id


def test_a_turn_is_kept_in_order_and_read_back_after_reopening(tmp_path: Path) -> None:
    history = History(tmp_path / "h.sqlite")
    turn(history, "monday", "How many\n  singers? ", "Three.")
    turn(history, "monday", "And bands?", "Two.")
    history.close()
    again = History(tmp_path / "h.sqlite")
    assert [(m.role, m.text) for m in again.messages("monday", user="ada")] == [
        ("user", "How many\n  singers? "),
        ("assistant", "Three."),
        ("user", "And bands?"),
        ("assistant", "Two."),
    ]
    [line] = again.all(user="ada")
    assert (line.title, line.messages, line.user) == ("How many singers?", 4, "ada")
    assert line.created.tzinfo is not None
    assert line.updated > line.created
    assert json.loads(again.answer("monday-0", user="ada").answer or "")["sql"] == "SELECT 1"
    again.close()


def test_recent_gives_whole_turns_and_leaves_broken_ones_out(history: History) -> None:
    for n in range(4):
        turn(history, "c", f"q{n}", f"a{n}")
    broken = history.begin("c", user="ada", question="q4")
    assert [m.text for m in history.recent("c", user="ada", turns=2)] == ["q2", "a2", "q3", "a3"]
    assert history.recent("c", user="ada", turns=0) == []
    assert history.recent("new", user="ada", turns=2) == []
    left = history.unfinished("c", user="ada")
    assert left is not None
    assert left.id == broken


def test_recent_begins_at_the_same_turn_until_it_moves_on_by_a_whole_window(history: History) -> None:
    begins = []
    for n in range(10):
        turn(history, "c", f"q{n}", f"a{n}")
        recent = history.recent("c", user="ada", turns=3)
        assert recent[-1].text == f"a{n}"
        begins.append(recent[0].text)
        whole = [*history.earlier("c", user="ada", turns=3), *recent]
        assert [m.text for m in whole] == [m.text for m in history.messages("c", user="ada")], "what comes before it is the rest"
    assert begins == ["q0"] * 5 + ["q3"] * 3 + ["q6"] * 2


def test_versions_are_nested_and_each_keeps_what_followed(history: History) -> None:
    for text in ("one", "two", "three"):
        turn(history, "c", text, f"to {text}")
    asked = [m.id for m in history.messages("c", user="ada") if m.role == "user"]

    def path() -> list[str]:
        return [m.text for m in history.messages("c", user="ada") if m.role == "user"]

    other = history.begin("c", user="ada", question="2b", instead_of=asked[1])
    history.finish(other, user="ada", answer_id="to-2b", text="to 2b", answer_json=None)
    first = history.begin("c", user="ada", question="1b", instead_of="c-0")
    assert path() == ["1b"]
    assert history.recent("c", user="ada", turns=3) == []
    history.restore("c", asked[0], user="ada")
    assert path() == ["one", "2b"], "as it went on last"
    history.restore("c", "c-4", user="ada")
    assert path() == ["one", "two", "three"]
    assert [m.text for m in history.recent("c", user="ada", turns=1)] == ["three", "to three"]
    assert [m.text for m in history.messages("c", user="ada", turns=1)] == ["three", "to three"]
    (one, _, two, *_) = history.messages("c", user="ada")
    assert (one.versions, two.versions) == ((asked[0], first), (asked[1], other))
    assert history.question("to-2b", "c", user="ada").text == "2b"
    assert [m.text for m in history.search("2b", user="ada")] == ["to 2b", "2b"]


def test_answers_stand_after_their_questions_when_two_turns_overlap(history: History) -> None:
    first = history.begin("c", user="ada", question="first", title="t")
    second = history.begin("c", user="ada", question="second")
    history.finish(second, user="ada", answer_id="2", text="to second", answer_json=None)
    history.finish(first, user="ada", answer_id="1", text="to first", answer_json=None)
    assert [m.text for m in history.messages("c", user="ada")] == ["first", "to first", "second", "to second"]


def test_finishing_twice_keeps_the_first_answer(history: History) -> None:
    asked = history.begin("c", user="ada", question="q", title="t")
    history.finish(asked, user="ada", answer_id="1", text="one", answer_json=None)
    history.finish(asked, user="ada", answer_id="2", text="two", answer_json=None)
    assert [m.text for m in history.messages("c", user="ada")] == ["q", "one"]
    with pytest.raises(NotFound):
        history.finish("nothing", user="ada", answer_id="3", text="", answer_json=None)


def test_another_user_finds_nothing(history: History) -> None:
    answer = turn(history, "secret", "my salary?", "a lot")
    said = Feedback(answer, "bob", 1, None, None, datetime.now(UTC))
    open_question = history.begin("secret", user="ada", question="and yours?")
    for attempt in (
        lambda: history.begin("secret", user="bob", question="?"),
        lambda: history.messages("secret", user="bob"),
        lambda: history.rename("secret", "x", user="bob"),
        lambda: history.delete("secret", user="bob"),
        lambda: history.export("secret", user="bob"),
        lambda: history.answer(answer, user="bob"),
        lambda: history.feedback(answer, user="bob"),
        lambda: history.add_feedback(said),
        lambda: history.finish(open_question, user="bob", answer_id="x", text="x", answer_json=None),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert history.all(user="bob") == []
    assert history.search("salary", user="bob") == history.recent("secret", user="bob", turns=3) == []
    assert len(history.messages("secret", user="ada")) == 3
    assert history.all(user="ada")[0].title == "my salary?"


def test_two_users_may_each_have_a_conversation_of_one_name(history: History) -> None:
    for user in ("ada", "bob"):
        asked = history.begin("monday", user=user, question=f"{user} asks", title=f"of {user}")
        history.finish(asked, user=user, answer_id=f"to-{user}", text=f"said to {user}", answer_json=None)
    for user in ("ada", "bob"):
        assert [m.text for m in history.messages("monday", user=user)] == [f"{user} asks", f"said to {user}"]
        assert [m.text for m in history.recent("monday", user=user, turns=3)] == [f"{user} asks", f"said to {user}"]
        assert [(c.title, c.messages) for c in history.all(user=user)] == [(f"of {user}", 2)]
    history.delete("monday", user="ada")
    assert history.all(user="ada") == []
    assert len(history.messages("monday", user="bob")) == 2


def test_everything_of_one_user_and_everything_old_is_removed(history: History) -> None:
    turn(history, "a", "q", "a")
    turn(history, "b", "q", "a")
    turn(history, "c", "q", "a", user="bob")
    assert sorted(history.delete_all(user="ada")) == ["a", "b"]
    assert history.all(user="ada") == []
    cut = datetime.now(UTC)
    turn(history, "d", "q", "a", user="bob")
    assert history.delete_older(cut) == [("bob", "c")]
    assert [c.id for c in history.all(user="bob")] == ["d"]


def test_a_history_in_memory_is_gone_when_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    history = History(None)
    turn(history, "c", "q", "a")
    assert [m.text for m in history.recent("c", user="ada", turns=1)] == ["q", "a"]
    history.close()
    assert list(tmp_path.iterdir()) == []


def test_search_ignores_case_and_takes_signs_as_they_are(history: History) -> None:
    turn(history, "a", "Wo wohnt Frau Köhler?", "In Ulm")
    turn(history, "b", "100% of_it", "x")
    assert [m.text for m in history.search("KÖHLER", user="ada")] == ["Wo wohnt Frau Köhler?"]
    assert [c.id for c in history.all(user="ada", query="0% of_")] == ["b"]
    assert history.all(user="ada", query="%")
    assert [c.id for c in history.all(user="ada", query="in ulm")] == ["a"]
    assert [c.id for c in history.all(user="ada")] == ["b", "a"]
    assert history.search("_t W", user="ada") == []


def test_rename_and_export(history: History) -> None:
    turn(history, "c", "Wie viele?", "Drei.")
    assert history.rename("c", "  Zählung ", user="ada").title == "Zählung"
    text = history.export("c", user="ada")
    assert text.startswith("# Zählung\n")
    assert "Wie viele?" in text
    assert "```sql\nSELECT 1\n```" in text
    exported = json.loads(history.export("c", user="ada", format="json"))
    assert exported["version"] == 1
    assert [m["text"] for m in exported["messages"]] == ["Wie viele?", "Drei."]
    assert exported["messages"][1]["answer"]["sql"] == "SELECT 1"


def test_feedback_is_kept_and_replaced(history: History) -> None:
    answer = turn(history, "c", "q", "a")
    assert history.feedback(answer, user="ada") is None
    first = Feedback(answer, "ada", -1, "wrong", "SELECT 2", datetime.now(UTC))
    history.add_feedback(first)
    assert history.feedback(answer, user="ada") == first
    history.add_feedback(Feedback(answer, "ada", -1, None, "SELECT 3", datetime.now(UTC)))
    corrected = history.feedback(answer, user="ada")
    assert corrected is not None
    assert (corrected.comment, corrected.corrected_sql) == ("wrong", "SELECT 3")  # a later correction keeps the reason
    history.add_feedback(Feedback(answer, "ada", 1, None, None, datetime.now(UTC)))
    found = history.feedback(answer, user="ada")
    assert found is not None
    assert (found.score, found.comment) == (1, None)  # another judgement does not
    assert [message.score for message in history.messages("c", user="ada")] == [None, 1]


def test_what_is_deleted_is_gone_from_the_files(tmp_path: Path) -> None:
    history = History(tmp_path / "h.sqlite")
    secret = "xyzzy-the-password-is-plugh"
    answer = turn(history, "c", secret, secret * 500)
    history.add_feedback(Feedback(answer, "ada", 1, secret, None, datetime.now(UTC)))
    turn(history, "kept", "stay", "here")
    assert any(secret.encode() in f.read_bytes() for f in tmp_path.iterdir())
    history.delete("c", user="ada")
    assert not [f.name for f in tmp_path.iterdir() if secret.encode() in f.read_bytes()]
    assert [c.id for c in history.all(user="ada")] == ["kept"]
    with pytest.raises(NotFound):
        history.answer(answer, user="ada")
    history.close()


_WRITER = """
import sys
from pathlib import Path
from stores.history import History
history = History(Path(sys.argv[1]))
for n in range(100000):
    asked = history.begin("c", user="ada", question=f"q{n}", title="t")
    print("q", n, flush=True)
    history.finish(asked, user="ada", answer_id=f"a{n}", text=f"a{n}", answer_json='{}')
    print("a", n, flush=True)
"""


def test_what_was_said_to_be_saved_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert writer.stdout is not None
    said = [writer.stdout.readline().split() for _ in range(41)]  # ends with a question
    writer.kill()
    said += [line.split() for line in writer.stdout.read().splitlines()]
    writer.wait()
    writer.stdout.close()
    history = History(path)
    kept = {m.text for m in history.messages("c", user="ada")}
    assert {kind + number for kind, number in (s for s in said if len(s) == 2)} <= kept
    left = history.unfinished("c", user="ada")
    assert left is None or left.id == history.messages("c", user="ada")[-1].id
    history.finish(history.begin("c", user="ada", question="after"), user="ada", answer_id="after", text="works", answer_json=None)
    history.close()


def test_threads_and_a_second_process_write_at_once(file: History) -> None:
    def write(name: str) -> None:
        for n in range(10):
            turn(file, f"{name}-{n}", "q", "a")

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(4)]
    other = History(file.path)  # another connection, as another process has
    for thread in threads:
        thread.start()
    for n in range(10):
        turn(other, f"other-{n}", "q", "a")
    for thread in threads:
        thread.join()
    assert len(file.all(user="ada")) == 50
    other.close()


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreUnavailable, match=r"damaged.*move it away"):
        History(path)


def test_a_page_that_is_damaged_later_is_no_bare_error(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    written = History(path)
    turn(written, "c", "q", "a" * 100_000)
    written.close()
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreUnavailable, match="damaged"):
        _read_all(path)


def _read_all(path: Path) -> None:
    with closing(History(path)) as history:
        history.messages("c", user="ada")


def test_a_full_disk_says_so_and_loses_nothing(file: History) -> None:
    turn(file, "c", "q", "a")
    pages = file._tables._connection.execute("PRAGMA page_count").fetchone()[0]
    file._tables._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="disk is full"):
        file.begin("c", user="ada", question="x" * 1_000_000)
    file._tables._connection.execute("PRAGMA max_page_count = 1000000")
    assert [m.text for m in file.messages("c", user="ada")] == ["q", "a"]
    turn(file, "c", "again", "works")


def test_a_folder_that_is_a_file_and_a_closed_history(tmp_path: Path, file: History) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        History(tmp_path / "file" / "h.sqlite")
    file.close()
    with pytest.raises(StoreUnavailable):
        file.all(user="ada")


def test_one_who_holds_the_file_is_named(tmp_path: Path) -> None:
    history = History(tmp_path / "h.sqlite", busy_seconds=0.1)
    other = sqlite3.connect(tmp_path / "h.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="Another program holds it"):
        history.begin("c", user="ada", question="q", title="t")
    other.close()
    history.close()


def test_an_older_file_is_brought_forward_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    with closing(sqlite3.connect(path)) as db:
        migrate(db, "an old one", MIGRATIONS[:1])
        db.execute("INSERT INTO conversations VALUES ('c', 'ada', 'old', '2025-01-01T00:00:00+00:00', '2025-01-01T00:00:00+00:00')")
        message = "INSERT INTO messages (id, conversation, role, text, created, question) VALUES (?, 'c', ?, ?, '2025-01-01T00:00:00+00:00', ?)"
        db.executemany(message, [("m1", "user", "q", None), ("m2", "assistant", "a", "m1"), ("m3", "user", "q2", None)])
        db.execute("INSERT INTO feedback VALUES ('m2', 'ada', 1, NULL, NULL, '2025-01-01T00:00:00+00:00')")
        db.commit()
    history = History(path)
    assert [(m.text, m.score) for m in history.messages("c", user="ada")] == [("q", None), ("a", 1), ("q2", None)]
    turn(history, "c", "q", "newer")
    assert [m.text for m in history.messages("c", user="ada")] == ["q", "a", "q2", "q", "newer"]
    history.begin("c", user="ada", question="other", instead_of="m3")
    assert [m.text for m in history.messages("c", user="ada")] == ["q", "a", "other"]
    history.delete("c", user="ada")
    history.close()
    with closing(sqlite3.connect(path)) as db:
        for table in ("conversations", "messages", "feedback"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_files_move_forward_only(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    history = History(path)
    turn(history, "c", "q", "a")
    history.close()
    db = sqlite3.connect(path)
    more = "ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0; CREATE TABLE more (x)"
    migrate(db, "h", (*MIGRATIONS, more))
    db.commit()
    assert db.execute("SELECT pinned, title FROM conversations").fetchall() == [(0, "q")]
    assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    db.close()
    with pytest.raises(StoreUnavailable, match="newer version"):
        History(path)
