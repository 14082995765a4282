"""Several model servers: scripted ones that fail, and llama-cpp-python's own with a real small model."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from assistant import Assistant, ModelUnavailable, Settings, SettingsError
from assistant.models import pool
from assistant.models.load import load_chat, load_embedder
from assistant.models.pool import Pool
from assistant.models.server import ServerChat
from assistant.models.server_embeddings import ServerEmbedder
from assistant.models.shared import Models
from graphs.errors import TurnCancelled
from tests.model_server import Script, served

MESSAGES = [SystemMessage("Be short."), HumanMessage("Hello?")]
Connect = Callable[..., ServerChat]


@pytest.fixture
def two() -> tuple[Script, Script]:
    return Script(pieces=["from ", "the first"]), Script(pieces=["from ", "the second"])


@pytest.fixture
def addresses(two: tuple[Script, Script]) -> Iterator[tuple[str, str]]:
    with served(two[0]) as first, served(two[1]) as second:
        yield first, second


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as opened:

        def make(*addresses: str, timeout: float = 120.0) -> ServerChat:
            made = load_chat(Settings(model={"server_url": ", ".join(addresses), "server_timeout": timeout}), None)
            assert isinstance(made, ServerChat)
            opened.callback(made.close)
            return made

        yield make


def of(chat: ServerChat, user: str = "local") -> str:
    return str(chat.invoke(MESSAGES, user=user).content)


def first_of(chat: ServerChat, addresses: tuple[str, str]) -> str:
    """A user whose own server is the first."""
    for name in map(str, range(100)):
        with chat.pool._taken([], name) as server:
            if server.address == addresses[0]:
                return name
    raise AssertionError


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def test_a_user_keeps_a_server_and_users_are_spread(connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    chat = connect(*addresses)
    for user in map(str, range(12)):
        assert of(chat, user) == of(chat, user)
    assert all(script.requests for script in two)


def test_the_least_busy_is_asked(connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    chat = connect(*addresses)
    user = first_of(chat, addresses)
    two[0].pieces, two[0].wait = ["word "] * 1000, 0.05
    stream = chat.stream(MESSAGES, user=user)
    assert next(stream).content
    assert of(chat, user) == "from the second"
    stream.close()
    assert [server.busy for server in chat.pool.servers] == [0, 0]
    assert len(chat.pool.servers) == 2


@pytest.mark.parametrize("how", ["error", "busy", "broken", "gone"])
def test_another_answers_where_one_fails_before_its_first_word(connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script], how: str) -> None:
    if how == "gone":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            addresses = (f"http://127.0.0.1:{free.getsockname()[1]}/v1", addresses[1])
    chat = connect(*addresses)
    user = first_of(chat, addresses)
    two[0].status = {"error": 500, "busy": 503}.get(how, 200)
    two[0].breaks_after = 0 if how == "broken" else None
    assert [chunk.content for chunk in chat.stream(MESSAGES, user=user) if chunk.content] == ["from ", "the second"]
    assert chat.pool.servers[0].down == (how != "busy")
    assert of(chat, user) == "from the second"
    assert len(two[0].requests) == {"gone": 0, "busy": 2}.get(how, 1), "one that is down is left alone while another is up"


def test_choices_and_drafts_go_over_too(connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    chat = connect(*addresses)
    user = first_of(chat, addresses)
    two[0].status, two[1].pieces = 500, ["sql"]
    assert chat.invoke(MESSAGES, choices=["sql", "documents"], user=user).content == "sql"
    two[1].status, two[0].status, two[0].pieces = 500, 200, ["SELECT 1"]
    assert chat.invoke(MESSAGES, drafts=2, user=user).response_metadata["drafts"] == ["SELECT 1"] * 2


def test_drafts_have_seeds_of_their_own_whatever_the_settings_say(addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    chat = load_chat(Settings(model={"server_url": addresses[0]}, sampling={"seed": 7, "greedy": False}), None)
    assert isinstance(chat, ServerChat)
    assert len(chat.invoke(MESSAGES, drafts=2).response_metadata["drafts"]) == 2
    assert [sent["seed"] for sent in two[0].requests] == [0, 1]
    chat.close()


@pytest.mark.parametrize("wrong", ["127.0.0.1:8080", ",", "http://a/v1, b:80", "http://a/v1 http://b/v1"])
def test_an_address_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="server_url"):
        Settings(model={"server_url": wrong})


def test_after_the_first_word_it_is_an_error(connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    chat = connect(*addresses)
    two[0].breaks_after = 1
    stream = chat.stream(MESSAGES, user=first_of(chat, addresses))
    assert next(stream).content == "from "
    with pytest.raises(ModelUnavailable, match="broke off"):
        list(stream)
    assert two[1].requests == []


def test_all_are_down_and_one_comes_back(connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    chat = connect(*addresses)
    two[0].status = two[1].status = 500
    with pytest.raises(ModelUnavailable, match="answered with an error"):
        of(chat)
    assert [server.down for server in chat.pool.servers] == [True, True]
    two[1].status = 200
    assert of(chat) == "from the second", "where none is up, all are tried"


def test_one_that_comes_back_is_asked_again_within_ten_seconds(connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    with ExitStack() as stack:
        third = stack.enter_context(served(Script(pieces=["at first"])))
        port = int(third.rsplit(":", 1)[1].split("/")[0])
        chat = connect(third, addresses[1])
        user = first_of(chat, (third, addresses[1]))
        assert of(chat, user) == "at first"
        stack.close()
        assert of(chat, user) == "from the second"
        assert chat.pool.servers[0].down
        with served(Script(pieces=["back"]), port):
            began = time.monotonic()
            assert until(lambda: not chat.pool.servers[0].down)
            assert time.monotonic() - began < 10
            assert of(chat, user) == "back"


def test_one_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch, connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr("assistant.models.wire._LOOK_SECONDS", 0.2)
    chat = connect(*addresses, timeout=60)
    user = first_of(chat, addresses)
    two[0].hangs = threading.Event()
    began = time.monotonic()
    assert of(chat, user) == "from the second"
    assert time.monotonic() - began < 20
    two[0].hangs.set()


def test_nothing_is_sent_before_the_first_call_nor_long_after_the_last(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]
) -> None:
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.3)
    chat = connect(*addresses)
    assert chat.pool.any_up()
    time.sleep(0.3)
    assert (two[0].looks, two[1].looks) == (0, 0)
    of(chat)
    assert until(lambda: two[0].looks > 0 < two[1].looks)
    assert until(lambda: chat.pool._watcher is None)
    looks = two[0].looks
    time.sleep(0.3)
    assert two[0].looks == looks
    of(chat)
    assert until(lambda: two[0].looks > looks)


def test_where_all_are_down_they_are_looked_at_when_somebody_asks_whether_they_are_up() -> None:
    there = [False]
    servers = [pool.Server("http://127.0.0.1:1/v1", None, down=True), pool.Server("http://127.0.0.1:2/v1", None, down=True)]
    looked = Pool(servers, lambda address: there[0] and ":2" in address)
    assert not looked.any_up()
    there[0] = True
    assert looked.any_up()
    assert [server.down for server in servers] == [True, False]


def test_a_server_that_refuses_what_openai_does_not_have_is_asked_without(
    caplog: pytest.LogCaptureFixture, connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]
) -> None:
    chat = connect(addresses[0])
    two[0].refuses = ("grammar",)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert chat.invoke(MESSAGES, grammar='root ::= "x"').content == "from the first"
    assert ["grammar" in sent for sent in two[0].requests] == [True, False, False], "refused once, then not sent"
    assert [record.message for record in caplog.records if "grammar" in record.message] == [
        f"The model server at {addresses[0]} knows no options beyond OpenAI's own (grammar, top_k): "
        "they are left out, and what was to follow a grammar is checked afterwards."
    ]


def test_a_server_that_refuses_to_give_probabilities_is_asked_in_words(connect: Connect, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    chat = connect(addresses[0])
    two[0].refuses, two[0].pieces = ("logprobs",), ["documents"]
    for _ in range(2):
        assert chat.invoke(MESSAGES, choices=["sql", "documents"]).content == "documents"
    assert ["logprobs" in sent for sent in two[0].requests] == [True, False, False]
    assert two[0].requests[-1]["grammar"] == 'root ::= "sql" | "documents"'


def test_a_password_in_an_address_is_not_shown(connect: Connect) -> None:
    chat = connect("http://me:secret@127.0.0.1:9/v1?key=secret")
    with pytest.raises(ModelUnavailable) as caught:
        of(chat)
    assert "http://127.0.0.1:9/v1" in str(caught.value)
    assert "secret" not in str(caught.value)


# Embeddings


@contextmanager
def embedding(*addresses: str, batch: int = 2) -> Iterator[ServerEmbedder]:
    made = load_embedder(Settings(embedding={"server_url": ",".join(addresses), "server_model": "small", "batch": batch}), None)
    assert isinstance(made, ServerEmbedder)
    yield made
    made.close()


def test_vectors_have_length_one_and_their_order(addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    with embedding(addresses[0]) as embed:
        vectors = embed(["a", "bbb", "cc", "", "dddd"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert [round(float(row[0] / row[1])) for row in vectors] == [1, 3, 2, 1, 4]
    assert [len(sent["input"]) for sent in two[0].requests] == [2, 2, 1]
    assert vectors.dtype == np.float32


def test_another_server_embeds_and_what_is_too_long_is_cut(addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    two[0].status, two[1].longest = 500, 500
    with embedding(*addresses) as embed:
        assert embed(["x" * 5000]).shape == (1, 2)
        assert [len(sent["input"][0]) for sent in two[1].requests][-1] == 450
        two[1].longest = 10
        with pytest.raises(Exception, match="too large"):
            embed(["x" * 5000])


def test_a_question_is_embedded_once_for_all_stores_that_are_searched(addresses: tuple[str, str], two: tuple[Script, Script], tmp_path: Path) -> None:
    models = Models(Settings(home=tmp_path, embedding={"server_url": addresses[0]}), None)
    first, again = models.embed(["Where?"]), models.embed(["Where?"])
    first[:] = 0
    assert np.linalg.norm(again) == pytest.approx(1)
    models.embed(["Where?", "When?"])
    assert [request["input"] for request in two[0].requests] == [["Where?"], ["Where?", "When?"]]
    models.forget("7")
    models.embed(["Where?"])
    assert len(two[0].requests) == 3
    models.close()


def test_an_embedding_server_that_is_gone_is_named() -> None:
    with embedding("http://127.0.0.1:9/v1") as embed, pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1:9.*embedding\.server_url"):
        embed(["a"])


# A turn


def test_a_turn_that_breaks_off_is_reported_and_can_be_asked_again(tmp_path: Path, addresses: tuple[str, str], two: tuple[Script, Script]) -> None:
    model, vectors = {"server_url": addresses[0]}, {"server_url": addresses[1]}
    two[0].logprobs, two[0].pieces, two[0].breaks_after = [("chat", -0.01)], ["A ", "word ", "more. "], 2
    with Assistant(Settings(home=tmp_path / "home", sample=False, model=model, embedding=vectors)) as assistant:
        assert assistant.state().ready, "no model file is needed"
        with pytest.raises(ModelUnavailable, match="broke off"):
            assistant.ask("Say hello to everybody who reads this", conversation="c")
        [asked] = assistant.conversations.messages("c", user="local")
        two[0].breaks_after = None
        again = assistant.ask("Say hello to everybody who reads this", conversation="c", instead_of=asked.id)
        assert "more" in again.text
        assert [message.role for message in assistant.conversations.messages("c", user="local")] == ["user", "assistant"]


# llama-cpp-python's own server


@contextmanager
def llama_server(model: Path, *options: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--port", str(port), "--n_ctx", "512", "--n_threads", "1", "--verbose", "false", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        assert process.poll() is None, "the server ended"
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5) as reply:
            return bool(reply.status == 200)
        return False

    try:
        assert until(answers, 120)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def llama(fetched: Callable[[str], Path]) -> Iterator[str]:
    """A server of the smallest model, which also embeds."""
    with llama_server(fetched("smollm2-135m"), "--embedding", "true") as address:
        yield address


@pytest.mark.model
def test_llama_server_writes_follows_a_grammar_and_chooses(connect: Connect, llama: str, caplog: pytest.LogCaptureFixture) -> None:
    chat = connect(llama)
    assert len(str(chat.invoke(MESSAGES, max_tokens=8).content)) > 2
    assert chat.invoke(MESSAGES, grammar='root ::= "blue" | "green"').content in ("blue", "green")
    with caplog.at_level(logging.WARNING):
        found = chat.invoke(MESSAGES, choices=["Hello", "documents"]).response_metadata["probabilities"]
    assert sum(found.values()) == pytest.approx(1)
    assert not caplog.text, "it knows all that is used"
    assert len(chat.invoke(MESSAGES, drafts=2, max_tokens=4).response_metadata["drafts"]) == 2
    opened = [*MESSAGES, AIMessage("```sql\n")]
    assert str(chat.invoke(opened, stop=["```"], max_tokens=8).content).strip(), "it did not stop at what was opened for it"


@pytest.mark.model
def test_llama_server_stops_when_nobody_reads(connect: Connect, llama: str) -> None:
    chat, cancelled = connect(llama), threading.Event()
    stream = chat.stream([HumanMessage("Count from one to a thousand.")], max_tokens=400, cancelled=cancelled)
    assert next(stream) is not None
    cancelled.set()
    with pytest.raises(TurnCancelled):
        list(stream)
    assert chat.invoke(MESSAGES, max_tokens=2).content, "it is free again"


@pytest.mark.model
def test_llama_server_embeds_and_a_killed_one_is_stood_in_for(
    connect: Connect, llama: str, fetched: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    with llama_server(fetched("smollm2-135m"), "--logits_all", "false") as other:
        chat = connect(other, llama)
        user = first_of(chat, (other, llama))
        with caplog.at_level(logging.WARNING):
            found = chat.invoke(MESSAGES, choices=["documents", "sql"], user=user).response_metadata["probabilities"]
        assert sorted(found.values()) == [0.0, 1.0]
        assert "knows no probabilities" in caplog.text, "as it does not without logits_all"
        assert not chat.pool.servers[0].down
    assert chat.invoke(MESSAGES, max_tokens=4, user=user).content
    assert [server.down for server in chat.pool.servers] == [True, False]
    with embedding(llama) as embed:
        near, far, again = embed(["The cat sleeps.", "Invoices are due within thirty days.", "The cat sleeps."])
    assert float(near @ again) == pytest.approx(1, abs=1e-3)
    assert float(near @ far) < 0.999
