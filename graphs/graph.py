"""The edges of a turn, and nothing else."""

from __future__ import annotations

from typing import Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from graphs.answer import answer
from graphs.chat import chat, off_topic
from graphs.documents import documents
from graphs.memory import memory
from graphs.recall import recall
from graphs.relevance import clarify, relevance
from graphs.sql import says_nothing, sql
from graphs.state import Input, State
from graphs.turn import Turn
from graphs.whole import whole

AFTER_RELEVANCE = ["sql", "documents", "memory", "chat", "off_topic", "clarify", "whole", END]
Graph = CompiledStateGraph[State, Turn, Input, State]


def by_route(state: State, runtime: Runtime[Turn]) -> list[str]:
    """Who answers; `both` runs the two agents side by side."""
    if not runtime.context.words and state["route"] not in ("sql", "documents", "both"):
        return [END]  # there is nothing to look up
    if state["doubt"]:
        return ["clarify", END]
    if state["whole"] and runtime.context.words:
        return ["whole"]
    if state["route"] == "both":
        return ["sql", "documents"]
    return [state["route"]]


def worded(state: State, runtime: Runtime[Turn]) -> Literal["answer", "__end__"]:
    """Whether what was found is to be put into words."""
    return "answer" if runtime.context.words else "__end__"


def after_rows(state: State, runtime: Runtime[Turn]) -> Literal["documents", "answer", "__end__"]:
    """Where the database has nothing, the documents are looked at before the user is told so."""
    table = state["table"]
    if runtime.context.words and state["route"] == "sql" and state["nearest"] and table is not None and says_nothing(table):
        return "documents"
    return worded(state, runtime)


def build(checkpointer: BaseCheckpointSaver[str] | None = None) -> Graph:
    """The compiled graph of a turn."""
    graph = StateGraph(State, context_schema=Turn, input_schema=Input)
    graph.add_node("recall", recall)
    graph.add_node("relevance", relevance)
    graph.add_node("clarify", clarify)
    graph.add_node("sql", sql)
    graph.add_node("documents", documents)
    graph.add_node("whole", whole)
    graph.add_node("memory", memory)
    graph.add_node("chat", chat)
    graph.add_node("off_topic", off_topic)
    graph.add_node("answer", answer)
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "relevance")
    graph.add_conditional_edges("relevance", by_route, AFTER_RELEVANCE)
    graph.add_conditional_edges("sql", after_rows)
    graph.add_conditional_edges("documents", worded)
    graph.add_edge("memory", END)
    graph.add_edge("chat", END)
    graph.add_edge("off_topic", END)
    graph.add_edge("answer", END)
    return graph.compile(checkpointer=checkpointer)
