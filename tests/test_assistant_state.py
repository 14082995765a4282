"""Conversations, checkpoints and accounts on a PostgreSQL server: two replicas work on one state, and one may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest

from assistant import Assistant, AssistantError, NotFound, Settings, StoreUnavailable
from assistant.doctor import checks
from stores.history import History
from stores.schema import NEWEST
from stores.server import Server, translated
from tests.postgres import Cluster, admin
from tests.scripted_models import RuleModels
from tests.test_assistant_kept import home
from ui.chat import Chat
from ui.session import Session
from ui.sidebar import Side

__all__ = ["home"]  # the fixture
pytestmark = pytest.mark.postgres


def replica(home: Path, url: str, name: str, **state: Any) -> Assistant:
    """One replica: a home of its own, the state on the server."""
    database = {"url": f"sqlite:///{(home.parent / 'notes.db').as_posix()}", "scopes": {"notes": "owner = :user"}}
    settings = Settings(home=home.parent / name, sample=False, database=database, model={"queue": 100}, conversation={"clarify": 1.0}, state={"url": url, **state})
    return Assistant(settings, models=RuleModels())  # type: ignore[arg-type]


@pytest.fixture
def two(home: Path, state_url: str) -> Iterator[tuple[Assistant, Assistant]]:
    with replica(home, state_url, "one") as one, replica(home, state_url, "other") as other:
        yield one, other


def said(assistant: Assistant, conversation: str = "c", user: str = "7") -> list[str]:
    return [m.text for m in assistant.conversations.messages(conversation, user=user) if m.role == "user"]


def plan(assistant: Assistant, home: Path) -> None:
    """A document, without which nothing is asked back about the database or the documents."""
    file = home.parent / "plan.md"
    file.write_text("# Plans\n\nThe plan is to travel to Graz by train.\n" * 20, encoding="utf-8")
    assistant.documents.add(file)


def tables(url: str) -> dict[str, str]:
    """Everything in the server's tables, as text."""
    with psycopg.connect(url) as db:
        names = [n for (n,) in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {name: "\n".join(str(row) for row in db.execute(f'SELECT t::text FROM "{name}" AS t')) for name in names}  # type: ignore[call-overload]


def test_a_conversation_goes_on_at_the_other_replica(two: tuple[Assistant, Assistant], home: Path) -> None:
    one, other = two
    plan(one, home)
    one.ask("I like red\0 best", user="7", conversation="c")
    waiting = one.ask("CHOOSE about the plan", user="7", conversation="c")
    assert waiting.choices
    answer = other.ask(waiting.choices[0], user="7", conversation="c")
    assert answer.route in ("sql", "documents")
    assert said(one) == said(other) == ["I like red best", "CHOOSE about the plan", waiting.choices[0]]
    other.feedback(answer.id, user="7", score=-1, comment="no")
    assert one.conversations.messages("c", user="7")[-1].score == -1
    assert [record.score for record in one.activity(user="7")] == [-1, None, None]
    one.conversations.rename("c", "Plans", user="7")
    assert [c.title for c in other.conversations.all(user="7", query="RED")] == ["Plans"]
    assert one.conversations.all(user="8") == []
    with pytest.raises(NotFound):
        other.conversations.messages("c", user="8")
    for name in ("one", "other"):
        assert not list((home.parent / name).glob("*.sqlite*")), "files of a laptop"


def test_a_private_conversation_leaves_nothing_on_the_server(two: tuple[Assistant, Assistant], state_url: str) -> None:
    one, _ = two
    one.ask("zqprivate is my name", user="7", conversation="p", private=True)
    one.ask("CHOOSE zqprivate", user="7", conversation="p")
    assert not [name for name, held in tables(state_url).items() if "zqprivate" in held]


def test_what_is_deleted_is_gone_from_the_tables_and_after_a_full_vacuum_from_the_files(two: tuple[Assistant, Assistant], home: Path, state_url: str) -> None:
    one, other = two
    plan(one, home)
    for user in ("7", "8"):
        one.ask(f"I live in zqtown{user}", user=user, conversation="c")
        rows = one.ask(f"TABLE of zqtown{user}", user=user, conversation="c")
        one.feedback(rows.id, user=user, score=-1, comment=f"zqtown{user}")
        one.ask(f"CHOOSE zqtown{user}", user=user, conversation="c")
        one.ask(f"Another zqtown{user}", user=user, conversation="d")
    assert {name for name, held in tables(state_url).items() if "zqtown7" in held} >= {"conversations", "messages", "feedback", "checkpoints"}
    other.conversations.delete("c", user="7")
    other.forget_all(user="7")
    held = tables(state_url)
    assert not [name for name, text in held.items() if "zqtown7" in text]
    assert not [name for name, text in held.items() if '["7"' in text], "a checkpoint's name"
    assert "zqtown8" in held["messages"]
    assert one.conversations.all(user="7") == []
    with psycopg.connect(state_url, autocommit=True) as db:
        for table in held:
            db.execute(f'VACUUM FULL "{table}"')  # type: ignore[call-overload]
        db.execute("CHECKPOINT")
        folder, number = db.execute("SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()").fetchone() or ("", "")
    files = list(Path(folder, "base", str(number)).iterdir())
    assert any(b"zqtown8" in file.read_bytes() for file in files)
    assert not [file.name for file in files if b"zqtown7" in file.read_bytes()]


def test_fifty_conversations_over_two_replicas_are_each_kept_once_and_in_order(two: tuple[Assistant, Assistant], state_url: str) -> None:
    asked = [f"turn {n}" for n in range(4)]

    def talk(number: int) -> None:
        for n, question in enumerate(asked):
            two[(number + n) % 2].ask(f"{question} of zq{number}q", user=str(number % 10), conversation=f"c{number}")

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(talk, range(50)))
    for number in range(50):
        messages = two[0].conversations.messages(f"c{number}", user=str(number % 10))
        assert [m.text for m in messages if m.role == "user"] == [f"{question} of zq{number}q" for question in asked]
        assert all(f"zq{number}q" in m.text for m in messages)
        assert len(messages) == 8
    assert admin(state_url.rsplit("/", 1)[0], state_url.rsplit("/", 1)[1], "SELECT count(*) FROM turns") == [(0,)]


def test_turns_of_one_conversation_wait_for_each_other_across_replicas(two: tuple[Assistant, Assistant], monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.turns import Turns

    running, most = [0], [0]
    real = Turns._answer

    def slow(self: Turns, question: str, *rest: Any) -> Any:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.05)
        try:
            return real(self, question, *rest)
        finally:
            running[0] -= 1

    monkeypatch.setattr(Turns, "_answer", slow)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: two[n % 2].ask(f"number {n}", user="7", conversation="c"), range(6)))
    assert most == [1]
    messages = two[0].conversations.messages("c", user="7")
    assert [m.role for m in messages] == ["user", "assistant"] * 6
    assert all(q.text in a.text for q, a in zip(messages[::2], messages[1::2], strict=True))


_DYING = """
import sys, time
from pathlib import Path
import assistant.turns, stores.leases
from tests.test_assistant_state import replica

def slow(self, question, turn, place, real=assistant.turns.Turns._answer):
    if "under way" in question:
        print("begun", flush=True)
        time.sleep(60)
    return real(self, question, turn, place)

assistant.turns.Turns._answer = slow
stores.leases.LEASE, stores.leases.BEAT = 2.0, 0.5
with replica(Path(sys.argv[1]), sys.argv[2], "dying") as dying:
    dying.ask("I like red", user="7", conversation="c")
    dying.ask("What was under way?", user="7", conversation="c")
"""


def test_a_turn_whose_replica_was_killed_is_found_unfinished_and_asked_again_elsewhere(home: Path, state_url: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen([sys.executable, "-c", _DYING, str(home), state_url], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    with replica(home, state_url, "other") as other:
        time.sleep(2.5)  # longer than the lease: signs of life renew it
        assert said(other) == ["I like red", "What was under way?"]
        assert other.conversations.unfinished("c", user="7") is None, "it is being answered"
        process.kill()
        process.wait()
        process.stdout.close()
        began = time.monotonic()
        while (left := other.conversations.unfinished("c", user="7")) is None:
            assert time.monotonic() - began < 4
            time.sleep(0.1)
        other.ask(left.text, user="7", conversation="c", instead_of=left.id)
        assert said(other) == ["I like red", "What was under way?"]
        assert other.conversations.unfinished("c", user="7") is None


def test_a_server_that_is_gone_is_said_once_and_used_again_when_it_is_back(home: Path, cluster: Cluster) -> None:
    url = f"{cluster.url}/postgres"
    with replica(home, url, "one", timeout=4) as one:
        one.ask("I like red", user="7", conversation="c")
        cluster.stop(signal.SIGQUIT)
        seconds = []
        for attempt in (
            lambda: one.ask("I like green", user="7", conversation="c"),
            lambda: one.conversations.all(user="7"),
            lambda: one.accounts.check("ada", "some password"),
        ):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1.*(does not answer|went away).*Try again"):
                attempt()
            seconds.append(time.monotonic() - began)
        assert min(seconds[1:]) < seconds[0], "who asks after somebody was told is told sooner"
        assert "does not answer" in Side(one, Chat(one)).conversations(Session("7")), "the page says it"
        assert one.query("SELECT count(*) FROM notes", user="7").rows == ((1,),), "what works without it goes on"
        cluster.start()
        began = time.monotonic()
        while True:
            try:
                one.ask("I like blue", user="7", conversation="c")
                break
            except StoreUnavailable:
                assert time.monotonic() - began < 10
        assert said(one) == ["I like red", "I like blue"]
        cluster.stop()
        cluster.start()
        one.ask("I like white", user="7", conversation="c")  # nobody notices a server that was started anew in between
        assert said(one)[-1] == "I like white"
    cluster.stop()
    with pytest.raises(StoreUnavailable, match=r"of state\.url cannot be reached.*refused.*Check the URL"):
        replica(home, url, "late")


def test_connections_just_used_are_not_looked_at_and_where_one_broke_none_is_used_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stores.server.FRESH_SECONDS", 60.0)
    server = Server(f"{cluster.url}/postgres")
    history = History(server)
    with ThreadPoolExecutor(6) as pool:
        together = Barrier(6)

        def hold(_: int) -> None:
            with server.reading():
                together.wait(20)

        list(pool.map(hold, range(6)))
    looked: list[object] = []
    real = server.pool.check_connection
    monkeypatch.setattr(server.pool, "check_connection", lambda connection: (looked.append(connection), real(connection)))
    assert not history.holds("c", user="7")
    assert looked == []
    cluster.stop(signal.SIGQUIT)
    cluster.start()
    began = time.monotonic()
    assert not history.holds("c", user="7"), "the first connection breaks, and the others go with it"
    assert time.monotonic() - began < 5
    server.close()


def test_who_waits_for_a_server_is_served_as_soon_as_it_is_back(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stores.server.AGAIN_SECONDS", 1.0)
    server = Server(f"{cluster.url}/postgres", connections=2, seconds=25)
    history = History(server)
    assert not history.holds("c", user="7")
    cluster.stop(signal.SIGQUIT)
    cluster.start_in(4.0)
    began = time.monotonic()
    assert not history.holds("c", user="7"), "the pool had given up trying, and nobody else asked"
    assert time.monotonic() - began < 15
    server.close()


def test_an_answer_is_kept_although_the_server_went_away_while_it_was_made(home: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.turns import Turns

    real = Turns._answer

    def meanwhile(self: Turns, *given: Any) -> Any:
        answer = real(self, *given)
        cluster.stop(signal.SIGQUIT)
        cluster.start_in(1.0)
        return answer

    with replica(home, f"{cluster.url}/postgres", "one") as one:
        monkeypatch.setattr(Turns, "_answer", meanwhile)
        answer = one.ask("I like red", user="7", conversation="c")
        monkeypatch.undo()
        assert [m.id for m in one.conversations.messages("c", user="7")][1:] == [answer.id]


def test_no_turn_is_lost_unsaid_when_the_server_is_killed_under_fifty_conversations(home: Path, cluster: Cluster) -> None:
    url = f"{cluster.url}/postgres"
    told: list[str] = []

    def talk(number: int) -> None:
        for n in range(4):
            question = f"turn {n} of zq{number}q"
            for _ in range(20):
                try:
                    two[(number + n) % 2].ask(question, user="7", conversation=f"c{number}")
                    break
                except StoreUnavailable:
                    told.append(question)

    with replica(home, url, "one", timeout=3) as one, replica(home, url, "other", timeout=3) as other:
        two = one, other
        with ThreadPoolExecutor(50) as pool:
            talks = [pool.submit(talk, number) for number in range(50)]
            time.sleep(0.5)
            cluster.stop(signal.SIGQUIT)
            time.sleep(2)
            cluster.start()
            back = time.monotonic()
            for each in talks:
                each.result()
        assert time.monotonic() - back < 30
        for number in range(50):
            messages = one.conversations.messages(f"c{number}", user="7")
            asked = [m.text for m in messages if m.role == "user"]
            assert list(dict.fromkeys(asked)) == [f"turn {n} of zq{number}q" for n in range(4)], "in order, none missing"
            answered = [m.text for m in messages if m.role == "assistant"]
            assert all(any(text.endswith(question) for text in answered) for question in asked)
            for question in set(asked):
                assert asked.count(question) == 1 or question in told, "twice only where its user was told, and asked again"
                assert asked.count(question) <= 1 + told.count(question)


def test_accounts_lie_on_the_server_too(two: tuple[Assistant, Assistant], state_url: str, tmp_path: Path) -> None:
    one, other = two
    assert one.accounts.add("Ada", "correct horse").admin
    assert not other.accounts.add("bob", "battery staple", user="7").admin
    with pytest.raises(AssistantError, match="already"):
        other.accounts.add("Ada", "another one!")
    found = other.accounts.check("Ada", "correct horse")
    assert found is not None
    assert (found.user, found.admin) == ("Ada", True)
    assert one.accounts.check("Ada", "wrong horse 12") is None
    assert run(["--home", str(tmp_path / "cli"), "users", "remove", "bob"], state_url) == 0
    assert [account.name for account in one.accounts.all()] == ["Ada"]
    assert one.accounts.find("bob") is None
    assert "correct horse" not in tables(state_url)["accounts"]


def run(arguments: list[str], url: str) -> int:
    """A command with the state on the server."""
    from ui import cli

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASSISTANT_STATE__URL", url)
        return cli.run(arguments)


def test_replicas_that_start_at_once_make_the_tables_once_and_newer_ones_are_refused(state_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        for server in pool.map(lambda _: Server(state_url), range(4)):
            server.close()
    name = state_url.rsplit("/", 1)
    assert admin(*name, "SELECT version_num FROM assistant_schema") == [(NEWEST,)]
    admin(*name, "UPDATE assistant_schema SET version_num = '9999'")
    with pytest.raises(StoreUnavailable, match="newer version"):
        Server(state_url)
    for url in ("postgresql://nobody:zqsecret@127.0.0.1:1/x", "not a url://zqsecret"):
        with pytest.raises(StoreUnavailable) as refused:
            Server(url)
        assert "zqsecret" not in str(refused.value)
        [line] = [check for check in checks(Settings(state={"url": url})) if check.name == "state"]
        assert not line.ok


@pytest.mark.parametrize(
    ("sql", "spoken"),
    [
        ("SELECT user FROM m WHERE m.user = ?2 AND role = 'user' AND x LIKE '50%'", """SELECT "user" FROM m WHERE m.user = %(p2)s AND role = 'user' AND x LIKE '50%%'"""),
        ("VALUES (?, ?, ?2, ?)", "VALUES (%(p1)s, %(p2)s, %(p2)s, %(p3)s)"),
        ("a.x IS b.y AND a.x IS NULL", "COALESCE(a.x, '') = COALESCE(b.y, '') AND a.x IS NULL"),
        ("LIMIT -1 OFFSET ?", "LIMIT ALL OFFSET %(p1)s"),
        ("group_concat(v.id, ' ') LIMIT 1 % 2", "string_agg(v.id, ' ') LIMIT 1 %% 2"),
    ],
)
def test_the_history_s_sql_in_the_server_s_words(sql: str, spoken: str) -> None:
    assert translated(sql) == spoken
