"""Passages, memories and examples on Chroma's own server: shared by replicas, and gone for a while without harm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from stores.chroma_server import ChromaServer
from stores.errors import IndexUnreachable, StoreUnavailable
from stores.examples import Examples
from stores.memories import Memories
from stores.vectors import Collection
from tests import hashed
from tests.chroma import RunningChroma
from tests.test_stores_renewal import Counting


@pytest.fixture
def replica(chroma: RunningChroma) -> Iterator[Callable[[], ChromaServer]]:
    """Makes clients of that server, as replicas have."""
    made: list[ChromaServer] = []

    def make() -> ChromaServer:
        made.append(ChromaServer(chroma.url))
        return made[-1]

    yield make
    for server in made:
        server.close()


def test_two_replicas_see_each_others_memories(replica: Callable[[], ChromaServer]) -> None:
    one, two = Memories(replica(), hashed.embed, model="hashed"), Memories(replica(), hashed.embed, model="hashed")
    green = one.add("My favourite colour is green.", user="7")
    assert [m.text for m in two.search("favourite colour", user="7")] == ["My favourite colour is green."]
    two.add("I live in Ghent.", user="7")
    assert {m.text for m in one.search("Ghent colour", user="7")} == {"My favourite colour is green.", "I live in Ghent."}
    assert one.add("My favourite colour is green!", user="7").id == green.id
    two.edit(green.id, "My favourite colour is blue.", user="7")
    assert one.search("blue", user="7")[0].text == "My favourite colour is blue."
    one.forget(green.id, user="7")
    assert [m.text for m in two.search("favourite colour", user="7")] == ["I live in Ghent."]
    assert two.all(user="8") == two.search("Ghent", user="8") == []


def test_nobody_waits_for_the_memories_that_another_user_fetches(replica: Callable[[], ChromaServer], monkeypatch: pytest.MonkeyPatch) -> None:
    memories = Memories(replica(), hashed.embed, model="hashed")
    memories.add("I live in Ghent.", user="8")
    fetching, go_on = threading.Event(), threading.Event()
    real = Collection.with_vectors

    def slow(self: Collection, where: Any) -> Any:
        if "7" in str(where):
            fetching.set()
            go_on.wait(20)
        return real(self, where)

    monkeypatch.setattr(Collection, "with_vectors", slow)
    waiting = threading.Thread(target=memories.search, args=("Ghent",), kwargs={"user": "7"})
    waiting.start()
    assert fetching.wait(10)
    asked = threading.Thread(target=memories.search, args=("Ghent",), kwargs={"user": "8"}, daemon=True)
    asked.start()
    asked.join(10)
    kept_waiting = asked.is_alive()
    go_on.set()
    waiting.join()
    assert not kept_waiting


def test_two_replicas_see_each_others_examples(replica: Callable[[], ChromaServer]) -> None:
    one, two = Examples(replica(), hashed.embed, model="hashed"), Examples(replica(), hashed.embed, model="hashed")
    kept = one.add("How many orders?", "SELECT count(*) FROM orders", fingerprint="f", user="7")
    assert [e.sql for e in two.search("how many orders", fingerprint="f", user="7")] == ["SELECT count(*) FROM orders"]
    two.remove(kept.id, user="7")
    assert one.all() == []


def test_a_server_that_is_killed_under_use_is_missed_for_a_while_and_then_used_again(
    chroma: RunningChroma, replica: Callable[[], ChromaServer]
) -> None:
    memories = Memories(replica(), hashed.embed)
    kept = [memories.add(f"Fact number {n} is {n * 7}.", user="7").id for n in range(5)]
    chroma.kill()
    began = time.monotonic()
    with pytest.raises(IndexUnreachable, match=r"The index at 127\.0\.0\.1:\d+ cannot be reached"):
        memories.search("fact", user="7")
    first = time.monotonic() - began
    for _ in range(20):  # told at once from then on
        with pytest.raises(IndexUnreachable):
            memories.search("fact", user="7")
    assert first < 5
    assert time.monotonic() - began < first + 3
    chroma.start()
    back = time.monotonic()
    while True:
        try:
            found = memories.search("fact", user="7", k=9)
            break
        except IndexUnreachable:
            assert time.monotonic() - back < 10
            time.sleep(0.1)
    assert {memory.id for memory in found} == set(kept)


def test_a_restart_between_two_questions_is_not_noticed(chroma: RunningChroma, replica: Callable[[], ChromaServer]) -> None:
    memories = Memories(replica(), hashed.embed)
    memories.add("I live in Ghent.", user="7")
    for number in range(3):
        chroma.kill()
        chroma.start()
        memories.add(f"Fact number {number} is {number * 7}.", user="7")  # over a connection that is dead
    assert len(memories.all(user="7")) == 4


def test_a_server_that_is_down_at_the_start_is_found_later(chroma: RunningChroma, replica: Callable[[], ChromaServer]) -> None:
    chroma.kill()
    memories = Memories(replica(), hashed.embed, model="hashed")
    with pytest.raises(IndexUnreachable):
        memories.all(user="7")
    chroma.start()
    time.sleep(2.1)
    memories.add("I live in Ghent.", user="7")
    assert len(memories.all(user="7")) == 1


def test_another_embedding_model_makes_the_vectors_anew_once(replica: Callable[[], ChromaServer]) -> None:
    Memories(replica(), hashed.embed, model="old").add("I live in Ghent.", user="7")
    one, two = Counting(), Counting()
    assert [m.text for m in Memories(replica(), one, model="new").all(user="7")] == ["I live in Ghent."]
    assert [m.text for m in Memories(replica(), two, model="new").all(user="7")] == ["I live in Ghent."]
    assert (one.texts, two.texts) == (["I live in Ghent."], [])


def test_a_collection_that_another_replica_made_anew_is_found_again(replica: Callable[[], ChromaServer]) -> None:
    one, two = (Memories(replica(), hashed.embed) for _ in range(2))
    one.add("I live in Ghent.", user="7")
    assert len(two.all(user="7")) == 1
    one._collection.recreate()
    assert two.all(user="7") == []


# What stands between: a proxy that refuses, is overloaded, hangs


@contextmanager
def proxy(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[str | None]]]:
    """(URL, the credentials that came) of a server that gives one answer to all."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def _status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.mark.parametrize(
    ("code", "said", "times"), [(401, r"refuses the credentials \(401\). Look at index.token", 1), (503, "it answered 503", 3), (404, "answered 404", 1)]
)
def test_what_a_proxy_answers_is_said(code: int, said: str, times: int) -> None:
    with proxy(_status(code)) as (url, seen):
        server = ChromaServer(url, headers={"Authorization": "Bearer secret"})
        with pytest.raises(StoreUnavailable, match=said) as told:
            Memories(server, hashed.embed).all(user="7")
    assert seen == ["Bearer secret"] * times
    assert "secret" not in str(told.value)


def test_a_server_that_hangs_is_waited_for_once() -> None:
    with proxy(lambda handler: time.sleep(1.5)) as (url, seen):
        memories = Memories(ChromaServer(url, timeout=0.5), hashed.embed)
        began = time.monotonic()
        for _ in range(10):
            with pytest.raises(IndexUnreachable):
                memories.all(user="7")
        assert time.monotonic() - began < 2
        assert len(seen) == 1
