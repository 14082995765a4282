"""What the next question's prompts will begin with, read while the user reads the answer."""

from __future__ import annotations

from collections.abc import Iterator

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from graphs import prompts
from graphs.chat import conversation
from graphs.relevance import route_system
from graphs.sql import SCHEMA_TABLES, earlier_queries, fenced
from graphs.turn import Turn
from stores.values import Message


def read_ahead(turn: Turn) -> None:
    """Let the model read this conversation as the next turn's agents will be given it. Raises `TurnCancelled`."""
    if not hasattr(turn.services.model, "read_ahead"):
        return  # a server keeps its own prompts
    recent = turn.services.history.recent(turn.conversation, user=turn.user, turns=turn.bounds.recent_turns)
    for messages in beginnings(recent, turn):
        turn.speaker.read_ahead(messages)


def beginnings(recent: list[Message], turn: Turn) -> Iterator[list[BaseMessage]]:
    """How the prompts of the next turn begin, the likeliest to be needed first: the router's and the SQL agent's where it follows on, the chat's."""
    database = turn.services.database
    asked = next((message.text for message in reversed(recent) if message.role == "user"), None)
    if asked is None:
        return
    yield [SystemMessage(route_system(turn)), HumanMessage(prompts.route_before(asked))]
    schema = database.schema() if database else None
    earlier = earlier_queries(recent)
    # Of a large schema the question decides which tables are shown.
    if schema and earlier and earlier[-1][0] == asked and len(schema.tables) <= SCHEMA_TABLES:
        shown: list[BaseMessage] = [SystemMessage(prompts.sql_system(schema=schema, tables=schema.tables))]
        for question, query in earlier[-2:]:
            shown += [HumanMessage(question), AIMessage(fenced(query))]
        yield shown
    yield [SystemMessage(prompts.CHAT_SYSTEM), *conversation(recent)]
