"""The server in the local model's place, against a scripted server on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from assistant.errors import ModelBusy, ModelUnavailable
from assistant.models.load import load_chat
from assistant.models.server import ServerChat
from assistant.settings import Settings
from graphs.errors import QuestionTooLong, TurnCancelled
from tests.model_server import Script, served

MESSAGES = [SystemMessage("Be short."), HumanMessage("Hello?")]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def chat(script: Script) -> Iterator[ServerChat]:
    with served(script) as address:
        made = load_chat(Settings(model={"server_url": address, "server_model": "small", "server_timeout": 10}), None)
        assert isinstance(made, ServerChat)
        yield made
        made.close()


def test_streams_with_its_cost(chat: ServerChat, script: Script) -> None:
    chunks = list(chat.stream(MESSAGES, max_tokens=7, user="7"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert [chunk.content for chunk in chunks if chunk.content] == ["Hel", "lo."]
    assert whole.usage_metadata is not None
    assert (whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]) == (9, 2)
    assert whole.response_metadata["first_token_seconds"] > 0
    sent = script.requests[0]
    assert (sent["max_tokens"], sent["temperature"], sent["model"]) == (7, 0.0, "small")
    assert "user" not in sent  # the server learns nothing of who asks


def test_no_key_from_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch, chat: ServerChat, script: Script) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    other = ServerChat.connect(chat.address, model="small")
    assert other.invoke(MESSAGES).content == "Hello."
    other.close()
    assert script.requests[0]["_key"] == "Bearer none"


def test_a_grammar_is_passed_on(chat: ServerChat, script: Script) -> None:
    assert chat.invoke(MESSAGES, grammar='root ::= "x"', stop=[";"]).content == "Hello."
    assert (script.requests[0]["grammar"], script.requests[0]["stop"]) == ('root ::= "x"', [";"])


def test_drafts_are_asked_for_one_by_one_and_differ_by_their_seeds(chat: ServerChat, script: Script) -> None:
    message = chat.invoke(MESSAGES, drafts=3, stop=[";"])
    assert message.response_metadata["drafts"] == ["Hello."] * 3
    assert [sent["seed"] for sent in script.requests] == [0, 1, 2]
    assert all(sent["temperature"] > 0 and sent["stop"] == [";"] for sent in script.requests)
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 6


def test_choices_by_their_first_token(chat: ServerChat, script: Script) -> None:
    script.pieces, script.logprobs = ["yes"], [("yes", -0.1), ("no", -2.5), (" no", -4.0), ("If", -5.0)]
    message = chat.invoke(MESSAGES, choices=["no", "yes"])
    found = message.response_metadata["probabilities"]
    assert message.content == "yes"
    assert sum(found.values()) == pytest.approx(1)
    assert found["yes"] == pytest.approx(0.905 / (0.905 + 0.082 + 0.018), abs=0.01)
    assert (script.requests[0]["logprobs"], script.requests[0]["max_tokens"]) == (True, 1)


def test_choices_by_asking_where_a_server_gives_no_probabilities(chat: ServerChat, script: Script) -> None:
    script.pieces = ["Documents", "."]
    message = chat.invoke(MESSAGES, choices=["sql", "documents"])
    assert message.content == "documents"
    assert message.response_metadata["probabilities"] == {"sql": 0.0, "documents": 1.0}
    assert [request["max_tokens"] for request in script.requests] == [1, 32]


def test_choices_that_begin_alike_are_asked_for(chat: ServerChat, script: Script) -> None:
    script.pieces, script.logprobs = ["off_topic"], [("off", -0.1), ("sql", -3.0)]
    assert chat.invoke(MESSAGES, choices=["off_topic", "off_line", "sql"]).content == "off_topic"
    assert len(script.requests) == 2


def test_text_to_be_continued_is_not_said_twice(chat: ServerChat, script: Script) -> None:
    script.pieces = ["SEL", "ECT na", "me"]
    assert chat.invoke([*MESSAGES, AIMessage("SELECT")]).content == " name"
    script.pieces = [" na", "me"]
    assert chat.invoke([*MESSAGES, AIMessage("SELECT")]).content == " name"
    assert script.requests[0]["messages"][-1] == {"role": "assistant", "content": "SELECT"}
    assert script.requests[0]["continue_final_message"] is True


@pytest.mark.parametrize("said", ["```sql\nSELECT 1;\n```\nThat is all.", "You can use this:\n\n```sql\nSELECT 1;\n```", "SELECT 1;\n```\nOr:\n```sql\nSELECT 2", "SELECT 1;"])
def test_an_answer_does_not_stop_at_its_own_opening(chat: ServerChat, script: Script, said: str) -> None:
    """Whether a server continues an opened answer, or closes it and writes another, as llama-cpp-python's does."""
    asked, script.pieces = [*MESSAGES, AIMessage("```sql\n")], [said[at : at + 3] for at in range(0, len(said), 3)]
    answer = chat.invoke(asked, stop=["```", "--"])
    assert str(answer.content).strip() == "SELECT 1;"
    assert answer.usage_metadata is not None
    assert [text.strip() for text in chat.invoke(asked, drafts=1, stop=["```"]).response_metadata["drafts"]] == ["SELECT 1;"]
    assert (script.requests[0]["stop"], script.requests[0]["messages"][-1]["role"]) == (["--"], "assistant")
    assert chat.pool.servers[0].closes == (not said.startswith("SELECT"))


def test_an_opening_that_the_server_closed_is_not_sent_again(chat: ServerChat, script: Script) -> None:
    asked, script.pieces = [*MESSAGES, AIMessage("```sql\n")], ["```"]
    assert str(chat.invoke(asked, stop=["```"]).content) == ""
    assert [sent["messages"][-1]["role"] for sent in script.requests] == ["assistant", "user"]
    script.pieces = ["SELECT 1;"]
    assert str(chat.invoke(asked, stop=["```"]).content) == "SELECT 1;"
    assert script.requests[-1]["messages"][-1]["role"] == "user"


def test_cancelling_cuts_the_connection_while_the_server_reads(chat: ServerChat, script: Script) -> None:
    script.wait, cancelled = 30, threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(TurnCancelled):
        chat.invoke(MESSAGES, cancelled=cancelled)
    assert time.monotonic() - began < 1.3
    assert script.gone.wait(5)


def test_closing_the_stream_hangs_up(chat: ServerChat, script: Script) -> None:
    script.pieces, script.wait = ["word "] * 1000, 0.02
    stream = chat.stream(MESSAGES)
    assert next(stream).content == "word "
    stream.close()
    assert script.gone.wait(5)


def test_an_unreachable_server_is_named() -> None:
    chat = ServerChat.connect("http://127.0.0.1:9/v1", model="m")
    with pytest.raises(ModelUnavailable, match=r"http://127\.0\.0\.1:9/v1.*model\.server_url"):
        chat.invoke(MESSAGES)
    chat.close()


@pytest.mark.parametrize(
    ("status", "error", "expected", "words"),
    [
        (401, "bad key", ModelUnavailable, "server_api_key"),
        (404, "no model small", ModelUnavailable, "server_model"),
        (429, "slow down", ModelBusy, "busy"),
        (503, "loading model", ModelBusy, "busy"),
        (500, "boom", ModelUnavailable, "boom"),
        (400, "the request exceeds the available context size", QuestionTooLong, "Shorten"),
    ],
)
def test_errors_of_the_server(chat: ServerChat, script: Script, status: int, error: str, expected: type[Exception], words: str) -> None:
    script.status, script.error = status, error
    with pytest.raises(expected, match=words):
        chat.invoke(MESSAGES)


def test_tokens_are_counted_offline(chat: ServerChat, script: Script) -> None:
    assert 5 <= chat.count_tokens("How many orders were there?") == chat.get_num_tokens("How many orders were there?") <= 12
    assert chat.get_num_tokens_from_messages(MESSAGES) > 8
    chat.warm("Be short.")
    assert script.requests == []
