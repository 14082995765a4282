"""A laptop's index goes over to the servers: nothing lost, nothing twice, the home unchanged, however often it is killed on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import prose
from tests.chroma import RunningChroma
from tests.postgres import admin
from tests.scripted_models import RuleModels
from tests.test_assistant_index_server import replica
from tests.test_assistant_kept import home, opened
from tests.test_assistant_moving import hashes
from tests.test_assistant_state import run

__all__ = ["home"]  # the fixture
pytestmark = pytest.mark.postgres

DOCUMENTS = int(os.environ.get("MOVING_DOCUMENTS", "30"))
"""Of some eight passages each."""
MEMORIES = 230

_KILLED = """
import os, signal, sys
from pathlib import Path
from assistant.moving import home_to_server, move
from stores.chroma_server import ChromaServer
from stores.server import Speaking
from stores.vectors import Collection

sent, real, upsert = {}, Speaking.execute, Collection._upsert

def count(what):
    sent[what] = sent.get(what, 0) + 1
    if (what, str(sent[what])) == (sys.argv[4], sys.argv[5]):
        os.kill(os.getpid(), signal.SIGKILL)

def execute(self, sql, values=()):
    count(" ".join(sql.split()[:3]))
    return real(self, sql, values)

def written(self, *given):
    upsert(self, *given)
    count(self._name)

Speaking.execute, Collection._upsert = execute, written
with home_to_server(Path(sys.argv[1]), sys.argv[2], ChromaServer(sys.argv[3])) as steps:
    list(move(steps, lambda done, total, what: None))
"""


def test_an_index_moves_whole_although_it_is_killed_three_times(
    home: Path, state_url: str, chroma: RunningChroma, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files = prose.write(home.parent / "files", DOCUMENTS)
    with opened(home, RuleModels()) as laptop:
        laptop.documents.add(files)
        laptop.documents.add(files / "00" / "note 00001.txt", user="7")
        laptop._parts.memories.add_many([(f"Fact number {n} is {n * 7}.", None, None) for n in range(MEMORIES)], user="7")
        laptop._parts.examples.add("How many notes?", "SELECT count(*) FROM notes", fingerprint="f", user="7")
        question = " ".join(prose.paragraphs(random.Random(3), 1)[0].split()[:9])
        found = laptop.documents.search(question, user="7", k=5)
        told = {(m.id, m.text, m.said_at) for m in laptop.memories.all(user="7")}
        passages = laptop._parts.documents.count("7")
    before = hashes(home)
    for what, moment in (("INSERT INTO chunks", "120"), ("passages", "1"), ("memories", "1")):
        cut = subprocess.run([sys.executable, "-c", _KILLED, str(home), state_url, chroma.url, what, moment], cwd=Path(__file__).parent.parent, check=False)
        assert cut.returncode == -signal.SIGKILL, what
    monkeypatch.setenv("ASSISTANT_INDEX__URL", chroma.url)
    assert run(["--home", str(home), "migrate", "--to", state_url, "--json"], "") == 0
    moved = {line["name"]: line["count"] for line in json.loads(capfd.readouterr().out)["moved"]}
    assert {name: moved[name] for name in ("documents", "chunks", "passages", "memories", "examples")} == {
        "documents": DOCUMENTS + 1, "chunks": passages, "passages": passages, "memories": MEMORIES, "examples": 1,
    }  # fmt: skip
    assert run(["--home", str(home), "migrate", "--to", state_url], "") == 0, "once more says the same"
    assert hashes(home) == before
    assert admin(*state_url.rsplit("/", 1), "SELECT count(*), count(DISTINCT id) FROM chunks") == [(passages, passages)]
    monkeypatch.delenv("ASSISTANT_INDEX__URL")
    with replica(home, "replica", state_url, chroma) as there:
        assert [(p.id, p.text) for p in there.documents.search(question, user="7", k=5)] == [(p.id, p.text) for p in found]
        assert {(m.id, m.text, m.said_at) for m in there.memories.all(user="7")} == told
        assert len(there.examples.all(user="7")) == 1
        assert len(there.documents.sync().unchanged) == DOCUMENTS + 1


def test_vectors_of_another_model_are_not_mixed(home: Path, state_url: str, chroma: RunningChroma, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    file = home.parent / "plan.md"
    file.write_text("# Plans\n\nThe plan is to travel to Graz by train.\n", encoding="utf-8")
    with opened(home, RuleModels()) as laptop:
        laptop.documents.add(file)
    with replica(home, "replica", state_url, chroma) as there:
        there.documents.add(file)
    admin(*state_url.rsplit("/", 1), "UPDATE model SET name = 'another'")
    monkeypatch.setenv("ASSISTANT_INDEX__URL", chroma.url)
    assert run(["--home", str(home), "migrate", "--to", state_url], "") == 1
    assert "of another embedding model (another)" in capfd.readouterr().err
