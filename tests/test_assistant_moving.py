"""A laptop's home goes over to a server: nothing lost, nothing twice, the home unchanged, however often it is killed on the way."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assistant.accounts import FILE
from assistant.keys import Keys
from stores.history import History
from stores.values import Feedback
from tests.postgres import admin
from tests.scripted_models import RuleModels
from tests.test_assistant_kept import home, opened
from tests.test_assistant_state import plan, replica, run, said

__all__ = ["home"]  # the fixture
pytestmark = pytest.mark.postgres

TALKS, TURNS = 100, 10


@pytest.fixture
def laptop(home: Path) -> Path:
    """A home with 1,000 turns, one that waits for a reply, feedback and accounts."""
    with opened(home, RuleModels()) as assistant:
        plan(assistant, home)
        assistant.ask("I like red", user="7", conversation="c")
        assert assistant.ask("CHOOSE about the plan", user="7", conversation="c").choices
        assistant.accounts.add("Ada", "correct horse", user="7")
        Keys(assistant.accounts.place).add("notebook", user="7")
        fill(assistant._parts.kept.history)
    return home


def fill(history: History) -> None:
    history._tables._connection.execute("PRAGMA synchronous = OFF")  # type: ignore[union-attr]
    for talk in range(TALKS):
        name, user = f"talk {talk}", str(talk % 7)
        for turn in range(TURNS):
            asked = history.begin(name, user=user, question=f"Frage {turn}\0 von {talk} 😀", title=f"Von {talk} ü")
            answer = json.dumps({"id": f"{talk}-{turn}", "text": "x" * 300})
            history.finish(asked, user=user, answer_id=f"{talk}-{turn}", text=f"Antwort {turn}", answer_json=answer)
        history.add_feedback(Feedback(f"{talk}-0", user, 1, "gut", None, datetime.now(UTC)))


def hashes(home: Path) -> dict[str, str]:
    return {str(f.relative_to(home)): hashlib.sha256(f.read_bytes()).hexdigest() for f in home.rglob("*") if f.is_file() and f.name != "lock"}


_KILLED = """
import os, signal, sys
from pathlib import Path
from assistant.moving import home_to_server, move
from stores.server import Speaking

sent, real = [0], Speaking.execute

def execute(self, sql, values=()):
    sent[0] += sql.startswith("INSERT INTO") and "turns" not in sql
    if sent[0] == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, sql, values)

Speaking.execute = execute
with home_to_server(Path(sys.argv[1]), sys.argv[2]) as steps:
    list(move(steps, lambda done, total, what: None))
"""


def test_a_home_moves_whole_although_it_is_killed_three_times(laptop: Path, state_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = hashes(laptop)
    for moment in (60, 800, 2050):  # among conversations, messages, and where nearly all is there: each within a transaction
        cut = subprocess.run([sys.executable, "-c", _KILLED, str(laptop), state_url, str(moment)], cwd=Path(__file__).parent.parent, check=False)
        assert cut.returncode == -signal.SIGKILL
        if moment == 60:  # meanwhile the laptop is used
            with closing(History(laptop / "history.sqlite")) as history:
                history.begin("talk 3", user="3", question="Und dann?")
            before = hashes(laptop)
    assert run(["--home", str(laptop), "migrate", "--to", state_url, "--json"], "") == 0
    moved = {line["name"]: line for line in json.loads(capfd.readouterr().out)["moved"]}
    messages = 2 * TALKS * TURNS + 5
    assert {name: line["count"] for name, line in moved.items()} == {
        "conversations": TALKS + 1, "messages": messages, "feedback": TALKS, "checkpoints": 1, "accounts": 1, "keys": 1,
    }  # fmt: skip
    assert run(["--home", str(laptop), "migrate", "--to", state_url], "") == 0, "once more says the same"
    assert moved["messages"]["sha256"] in capfd.readouterr().out
    assert hashes(laptop) == before
    assert admin(*state_url.rsplit("/", 1), "SELECT count(*), count(DISTINCT id) FROM messages") == [(messages, messages)]
    with replica(laptop, state_url, "replica") as there:
        with opened(laptop, RuleModels()) as here:
            for user in map(str, range(8)):
                assert [c.id for c in there.conversations.all(user=user)] == [c.id for c in here.conversations.all(user=user)]
        assert said(there, "talk 3", "3") == [*(f"Frage {n} von 3 😀" for n in range(TURNS)), "Und dann?"]
        assert there.conversations.messages("talk 3", user="3")[1].score == 1
        assert there.accounts.check("Ada", "correct horse")
        assert [key.user for key in Keys(there.accounts.place).all()] == ["7"]
        waited = there.conversations.messages("c", user="7")[-1]
        choice = json.loads(waited.answer or "")["choices"][0]
        assert there.ask(choice, user="7", conversation="c").route in ("sql", "documents"), "the turn goes on where it asked"


def test_what_the_server_holds_otherwise_is_not_overwritten(home: Path, state_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with opened(home, RuleModels()) as here:
        here.ask("I like red", user="7", conversation="c")
    with replica(home, state_url, "replica") as there:
        there.ask("I like green", user="7", conversation="c")
        assert run(["--home", str(home), "migrate", "--to", state_url], "") == 1
        assert "conversations: the server holds something else than the home" in capfd.readouterr().err
        assert said(there) == ["I like green"]
        assert run(["--home", str(home / "nowhere"), "migrate", "--to", state_url], "") == 1
        assert "There is no home" in capfd.readouterr().err
        assert run(["--home", str(home), "migrate"], "") == 2
    (home / "history.sqlite").write_bytes(b"no history" * 1000)
    assert run(["--home", str(home), "migrate", "--to", state_url], "") == 1
    assert "history.sqlite cannot be read" in capfd.readouterr().err


def test_what_stands_in_the_log_alone_goes_over_too(home: Path, state_url: str) -> None:
    code = "import os, sys; from pathlib import Path; from stores.history import History; h = History(Path(sys.argv[1])); h.begin('c', user='7', question='q', title='last words'); os._exit(9)"
    home.mkdir()
    assert subprocess.run([sys.executable, "-c", code, str(home / "history.sqlite")], cwd=Path(__file__).parent.parent, check=False).returncode == 9
    (home / FILE).touch()
    log = home / "history.sqlite-wal"
    before = hashes(home)
    assert log.stat().st_size
    assert run(["--home", str(home), "migrate", "--to", state_url], "") == 0
    after = hashes(home)
    assert {name: after[name] for name in before if not name.endswith("-shm")} == {name: before[name] for name in before if not name.endswith("-shm")}
    assert admin(*state_url.rsplit("/", 1), "SELECT title FROM conversations") == [("last words",)]
