"""Documents of several replicas: the registry on PostgreSQL, the vectors on Chroma's server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stores.chroma_server import ChromaServer
from stores.documents import Documents
from stores.errors import IndexUnreachable, StoreUnavailable
from stores.retry import twice
from stores.server import Server
from tests import hashed, prose
from tests.chroma import RunningChroma, once_back
from tests.postgres import admin
from tests.test_stores_documents import MODES
from tests.test_stores_renewal import Counting

pytestmark = pytest.mark.postgres


class Replica:
    """What one replica has of the index."""

    def __init__(self, folder: Path, state_url: str, chroma: RunningChroma, embed: Any = hashed.embed, **options: Any) -> None:
        self.server, self.client = Server(state_url), ChromaServer(chroma.url)
        self.documents = Documents(folder, self.client, embed, server=self.server, **options)

    def close(self) -> None:
        self.documents.close()
        self.client.close()
        self.server.close()

    @twice  # a connection that was just cut may be given out once more
    def check_whole(self) -> None:
        """Registry and vectors hold the same chunks, each once, all of ready documents."""
        with self.server.reading() as db:
            chunks = [key for (key,) in db.execute("SELECT id FROM chunks").fetchall()]
            assert db.execute("SELECT count(*) FROM documents WHERE state <> 'ready'").fetchone() == (0,)
        copies = self.client.call(lambda client: client.get_collection("passages", embedding_function=None).get(include=[]))
        assert sorted(copies["ids"]) == sorted(chunks)


@pytest.fixture
def replica(tmp_path: Path, state_url: str, chroma: RunningChroma) -> Iterator[Callable[..., Replica]]:
    """Makes replicas that stand on the same two servers."""
    made: list[Replica] = []

    def make(*given: Any, **options: Any) -> Replica:
        made.append(Replica(tmp_path / str(len(made)), state_url, chroma, *given, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "repairs.md").write_text("# Repairs\n\nThe frame is covered for ten years.\n", "utf-8")
    (folder / "hours.txt").write_text("The shop opens at nine.", "utf-8")
    return folder


def test_what_one_replica_takes_in_all_find_and_what_one_removes_none_does(replica: Callable[..., Replica], folder: Path) -> None:
    one, two = replica(), replica()
    assert two.documents.search("When does the shop open?") == []
    assert len(one.documents.add(folder).new) == 2
    for mode in MODES:
        assert [p.document for p in two.documents.search("When does the shop open?", k=1, mode=mode)] == ["hours.txt"]
        assert one.documents.search("covered frame", mode=mode) == two.documents.search("covered frame", mode=mode)
    two.documents.add(folder / "hours.txt", user="7")
    (folder / "repairs.md").write_text("# Repairs\n\nThe frame is covered for twelve years.\n", "utf-8")
    assert two.documents.sync().changed == ("repairs.md",)
    for each in (one, two):
        assert "twelve" in each.documents.search("covered frame", k=1)[0].text
        assert [d.user for d in each.documents.all(user="7")] == [None, "7", None]
        assert [d.user for d in each.documents.all(user="8")] == [None, None]
        assert {p.document_id for p in each.documents.search("shop opens", user="8", k=9)} <= {d.id for d in each.documents.all(user="8")}
    one.documents.remove(next(d.id for d in two.documents.all() if d.name == "hours.txt"))
    assert len(two.documents.forget_all(user="7")) == 1
    for each in (one, two):
        assert [d.name for d in each.documents.all(user="7")] == ["repairs.md"]
        assert {p.document for p in each.documents.search("When does the shop open?", user="7", k=9)} <= {"repairs.md"}
    one.check_whole()


def test_however_many_ask_it_is_read_once(replica: Callable[..., Replica], tmp_path: Path) -> None:
    files = prose.write(tmp_path / "many", 30)
    embeds = [Counting() for _ in range(3)]
    replicas = [replica(embed) for embed in embeds]
    reports: list[Any] = []
    threads = [threading.Thread(target=lambda r=r: reports.append(r.documents.add(files))) for r in replicas]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(report.new) for report in reports) == [0, 0, 30]
    assert sorted(len(report.unchanged) for report in reports) == [0, 30, 30]
    assert sum(bool(embed.texts) for embed in embeds) == 1
    replicas[0].check_whole()


def test_who_waits_may_stop_waiting(replica: Callable[..., Replica], folder: Path) -> None:
    one, two = replica(), replica()
    with one.documents._registry.alone(lambda: False), pytest.raises(StoreUnavailable, match="Another replica is taking documents in"):
        two.documents.add(folder, cancelled=lambda: True)
    assert two.documents.add(folder).new


def test_what_a_replica_that_died_left_is_cleared_by_the_next_and_not_while_it_works(replica: Callable[..., Replica], folder: Path, server: str, state_url: str) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def slow(texts: Sequence[str]) -> Any:
        reached.set()
        go_on.wait(30)
        return hashed.embed(texts)

    one = replica(slow)
    failed: list[BaseException] = []

    def add() -> None:
        try:
            one.documents.add(folder)
        except StoreUnavailable as error:
            failed.append(error)

    working = threading.Thread(target=add)
    working.start()
    assert reached.wait(30)
    two = replica()  # opened meanwhile: it clears nothing, and waits for its turn
    database = state_url.rsplit("/", 1)[1]
    admin(server, "postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%chunks%' OR query LIKE '%pg_try_advisory_lock%' AND datname = '{database}'")
    report = two.documents.add(folder)
    go_on.set()
    working.join()
    assert len(report.new) == 2
    assert failed, "who lost the lock writes no more"
    two.check_whole()
    assert len(two.documents.all()) == 2


def test_while_chroma_is_down_words_are_found_and_the_rest_is_said(chroma: RunningChroma, replica: Callable[..., Replica], folder: Path) -> None:
    one = replica()
    one.documents.add(folder)
    chroma.kill()
    assert one.documents.search("When does the shop open?", k=1)[0].document == "hours.txt"
    assert one.documents.all()
    with pytest.raises(IndexUnreachable, match="cannot be reached"):
        one.documents.search("zebra")
    (folder / "new.txt").write_text("Helmets are lent for a deposit.", "utf-8")
    with pytest.raises(IndexUnreachable):
        one.documents.sync()
    late = replica()  # one may even begin
    assert late.documents.search("When does the shop open?", k=1)[0].document == "hours.txt"
    chroma.start()
    assert once_back(one.documents.sync).new == ("new.txt",)
    assert once_back(lambda: late.documents.search("deposit for helmets", k=1, mode="dense"))[0].document == "new.txt"
    one.check_whole()


def test_a_server_that_lost_its_vectors_is_filled_again_without_embedding(chroma: RunningChroma, replica: Callable[..., Replica], folder: Path) -> None:
    replica().documents.add(folder)
    chroma.empty()
    embed = Counting()
    again = replica(embed)
    assert embed.texts == []
    again.check_whole()


def test_another_embedding_model_is_changed_to_by_one_and_followed_by_all(replica: Callable[..., Replica], folder: Path) -> None:
    old = replica(model="old", earlier=lambda name: hashed.embed)
    old.documents.add(folder)
    assert old.documents.search("shop open", mode="dense")
    new = Counting()
    changed = replica(new, model="new", earlier=lambda name: hashed.embed)
    assert changed.documents.outdated()
    assert changed.documents.renew()
    assert len(new.texts) >= 2
    for each in (changed, old):
        assert each.documents.search("When does the shop open?", k=1, mode="dense")[0].document == "hours.txt"
    changed.check_whole()
