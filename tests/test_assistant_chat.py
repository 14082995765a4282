"""The local model as a chat model: what LangChain sees of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from assistant.errors import ModelBusy, ModelUnavailable
from assistant.models.chat import LlamaChat
from assistant.models.load import load_chat
from assistant.settings import Settings
from graphs.errors import QuestionTooLong, TurnCancelled

pytestmark = pytest.mark.model
RULES = "You answer questions about a shop in one short sentence. Say only what is known. " * 3


@pytest.fixture(scope="module")
def chat(fetched: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaChat]:
    settings = Settings(model={"context": 2048, "prefix_cache_mb": 64, "queue": 1, "parallel": 1, "threads": 1}, sampling={"max_tokens": 32})
    made = load_chat(settings, fetched("smollm2-135m"), prefixes=tmp_path_factory.mktemp("prefixes"))
    assert isinstance(made, LlamaChat)
    yield made
    made.close()


def messages(question: str, *more: BaseMessage) -> list[BaseMessage]:
    return [SystemMessage(RULES), HumanMessage(question), *more]


def joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return reduce(add, chunks)


def test_the_pieces_joined_are_the_answer(chat: LlamaChat) -> None:
    chunks = [chunk for chunk in chat.stream(messages("Name three colours.")) if isinstance(chunk, AIMessageChunk)]
    whole, once = joined(chunks), chat.invoke(messages("Name three colours."))
    assert len([chunk for chunk in chunks if chunk.content]) > 3
    assert whole.content == once.content != ""
    assert isinstance(once, AIMessage)
    assert whole.usage_metadata is not None
    assert once.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == once.usage_metadata["output_tokens"] <= 32


def test_a_message_says_what_it_cost(chat: LlamaChat) -> None:
    chat.invoke(messages("Hi"), max_tokens=1)
    message = chat.invoke(messages("Is it open today?"), max_tokens=3, user="cost")
    assert isinstance(message, AIMessage)
    used = message.usage_metadata
    assert used is not None
    assert used["input_tokens"] == chat.get_num_tokens_from_messages(messages("Is it open today?"))
    assert (used["output_tokens"], used["total_tokens"]) == (3, used["input_tokens"] + 3)
    assert 40 < used["input_token_details"]["cache_read"] < used["input_tokens"]
    assert 0 < message.response_metadata["first_token_seconds"] < 60
    assert message.response_metadata["finish_reason"] == "length"


def test_choices_come_with_probabilities(chat: LlamaChat) -> None:
    asked = [SystemMessage("You know geography."), HumanMessage("Which city is the capital of France, Paris or Berlin? Say its name only.")]
    message = chat.invoke(asked, choices=["Berlin", "Paris"])
    found = message.response_metadata["probabilities"]
    assert message.content == "Paris"
    assert set(found) == {"Berlin", "Paris"}
    assert sum(found.values()) == pytest.approx(1)
    streamed = joined([chunk for chunk in chat.stream(asked, choices=["Berlin", "Paris"]) if isinstance(chunk, AIMessageChunk)])
    assert streamed.response_metadata["probabilities"] == pytest.approx(found, abs=0.02)


def test_a_last_ai_message_is_continued_under_a_grammar(chat: LlamaChat) -> None:
    message = chat.invoke(messages("Count the orders.", AIMessage("SELECT")), grammar='root ::= " " [a-z]+ ";"', greedy=True)
    assert str(message.content).startswith(" ")
    assert str(message.content).endswith(";")


def test_stop_strings_and_limits_reach_the_model(chat: LlamaChat) -> None:
    grammar = 'root ::= "one two three four"'
    assert chat.invoke(messages("Count."), stop=[" three"], grammar=grammar).content == "one two"
    assert chat.invoke(messages("Count."), max_tokens=1, grammar=grammar).content == "one"


def test_closing_the_stream_frees_the_model(chat: LlamaChat) -> None:
    stream = chat.stream(messages("Tell a long story."), max_tokens=500)
    next(stream)
    with pytest.raises(ModelBusy):
        held(chat)
    stream.close()  # type: ignore[attr-defined]
    assert chat.queue.waiting == 0
    assert chat.invoke(messages("Hi"), max_tokens=2).content


def held(chat: LlamaChat) -> None:
    """Two more calls while one is under way: one may wait, the other is turned away."""
    cancelled = threading.Event()

    def wait() -> None:
        with pytest.raises(TurnCancelled):
            chat.invoke(messages("Hi"), cancelled=cancelled)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not chat.queue.waiting:
        time.sleep(0.005)
    try:
        chat.invoke(messages("Hi"))
    finally:
        cancelled.set()
        waiting.join()


def test_a_cancelled_call_raises_and_the_next_one_is_the_same(chat: LlamaChat) -> None:
    before = chat.invoke(messages("Who are you?"), user="c", max_tokens=8).content
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    with pytest.raises(TurnCancelled):
        chat.invoke(messages("orders and letters " * 500), user="c", cancelled=cancelled)
    assert chat.invoke(messages("Who are you?"), user="c", max_tokens=8).content == before


def test_what_it_cannot_do_is_said(chat: LlamaChat) -> None:
    with pytest.raises(QuestionTooLong):
        chat.invoke(messages("word " * 4000))
    with pytest.raises(ValueError, match="tool message"):
        chat.invoke(messages("Hi", ToolMessage("1", tool_call_id="1")))
    with pytest.raises(TypeError, match="temperatur"):
        chat.invoke(messages("Hi"), temperatur=1)


def test_tokens_are_counted_by_the_models_own_vocabulary(chat: LlamaChat) -> None:
    assert chat.count_tokens("How many orders?") == chat.get_num_tokens("How many orders?") == len(chat.get_token_ids("How many orders?"))
    assert chat.count_tokens("<|im_end|>") > 1


def test_warming_reads_a_system_message_ahead(chat: LlamaChat) -> None:
    system = "You are a librarian who knows every shelf and every book by heart. " * 4
    chat.warm(system)
    message = chat.invoke([SystemMessage(system), HumanMessage("Hi")], max_tokens=1, user="warm")
    assert isinstance(message, AIMessage)
    assert message.usage_metadata is not None
    assert message.usage_metadata["input_token_details"]["cache_read"] >= chat.count_tokens(system)


def test_async_calls_and_graph_events_work(chat: LlamaChat) -> None:
    async def run() -> tuple[str, list[str]]:
        cancelled = threading.Event()
        pieces = [str(chunk.content) async for chunk in chat.astream(messages("Name three colours."), cancelled=cancelled)]
        events = [
            str(event["data"]["chunk"].content)
            async for event in chat.astream_events(messages("Name three colours."), version="v2", cancelled=cancelled)
            if event["event"] == "on_chat_model_stream"
        ]
        return "".join(pieces), events

    text, events = asyncio.run(run())
    assert text == "".join(events) == chat.invoke(messages("Name three colours.")).content


def test_a_graph_streams_its_words(chat: LlamaChat) -> None:
    from langgraph.graph import START, MessagesState, StateGraph

    cancelled = threading.Event()

    def speak(state: MessagesState) -> dict[str, Any]:
        return {"messages": [chat.invoke([SystemMessage(RULES), *state["messages"]], user="g", cancelled=cancelled)]}

    graph = StateGraph(MessagesState).add_node("speak", speak).add_edge(START, "speak").compile()
    pieces = [chunk.content for chunk, _ in graph.stream({"messages": [HumanMessage("Name three colours.")]}, stream_mode="messages")]
    assert "".join(pieces) == chat.invoke(messages("Name three colours.")).content
    assert len(pieces) > 3


def test_without_a_file_or_a_server_there_is_no_model() -> None:
    with pytest.raises(ModelUnavailable, match="assistant models pull"):
        load_chat(Settings(), None)
