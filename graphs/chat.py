"""Talk, and the kind way back from what is off topic."""

from __future__ import annotations

import re
import zlib

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from graphs import prompts
from graphs.earlier import before, condensed, recalled
from graphs.sql import READ_ONLY, asks_to_write, query_of
from graphs.state import State
from graphs.turn import Turn
from stores.orders import ASIDE, aside
from stores.values import Message

# A joke by template: a small model's jokes are slow and seldom kind.
JOKES = (
    "I would look that up, but I have been offline so long that I still think the cloud is weather.",
    "My whole world is one laptop wide, so that one is beyond my horizon. On the bright side, nobody out there knows what we talk about.",
    "I asked the fan about it, and it only blew hot air.",
    "I would google it, but I have never met the internet. I hear it is full of cats.",
    "That one is above my pay grade, and I am paid in electricity.",
    "I searched both of my rooms, the database and the bookshelf, and found only a very surprised spider.",
    "If I knew that as well, I would have to ask for a bigger fan.",
    "I am like a librarian who never leaves the building: brilliant between these shelves, lost at the bus stop.",
)


CONVERSATION_CHARACTERS = 10_000
"""Most of the conversation that is read again: about 2,500 tokens of a context that also holds the question and the answer."""
_ABLE = re.compile(
    r"\b(what (all )?can you (do|help)|what do you do|how can you help|(what|which) (data|things|questions) can i ask)\b",
    re.IGNORECASE,
)


# "Explain that query", "what does this SQL do?": the words before, which query, and what may follow.
_QUERY = re.compile(r"\b(that|this|the|your)(\s+(last|first|previous|same|sql))*\s+(query|sql(\s+statement)?)\b", re.IGNORECASE)
_EXPLAIN = re.compile(r"\b(explain|describe|walk me through|put)(\s+to (me|us))?(\s+(what|how))?\s*$", re.IGNORECASE)
_WHAT = re.compile(r"\b(what|how)(\s+(does|did|do|is|was))?\s*$", re.IGNORECASE)
_DOES = re.compile(r"\s*(actually|really)?\s*(does|do|doing|did|means?|works?|says?)\b", re.IGNORECASE)
_NO_MORE = re.compile(
    r"(\s|[,.?!]|\b(does|do|doing|did|means?|works?|says?|please|for me|to me|again|actually|really|exactly"
    r"|in( (plain|simple|other|easy|normal))? (words?|english|terms|language))\b)*",
    re.IGNORECASE,
)


def query_meant(question: str, recent: list[Message]) -> str | None:
    """The query of this conversation that the user asks to have explained, or None where they ask something else."""
    found = _QUERY.search(question)
    if found is None:
        return None
    before, after = question[: found.start()], question[found.end() :]
    asked = _EXPLAIN.search(before) or (_WHAT.search(before) and _DOES.match(after))
    if not asked or not _NO_MORE.fullmatch(after):
        return None
    return next((query for message in reversed(recent) if (query := query_of(message))), None)


def chat(state: State, runtime: Runtime[Turn]) -> dict[str, object]:
    """Talk, or work on text that stands in the conversation."""
    turn = runtime.context
    with turn.step("chat"):
        if asks_to_write(state["question"]):
            turn.say(READ_ONLY)
            return {"grounded": True}
        query = query_meant(state["question"], state["recent"])
        if query and turn.services.database:
            turn.say(f"What that query does: {turn.services.database.explain(query)}")
            return {"grounded": True}
        if _ABLE.search(state["question"]):
            turn.say(f"I work on this computer alone; nothing leaves it. {way_back(turn)}")
            return {"grounded": True}
        said = recalled(state["question"], turn, state["recent"], window(state["recent"]))
        human = HumanMessage(prompts.chat_question(question=state["question"], memories=state["memories"], said=said))
        messages = [SystemMessage(prompts.CHAT_SYSTEM), *conversation(state["recent"], turn), human]
        for piece in turn.speaker.stream(messages, max_tokens=turn.bounds.max_tokens):
            turn.say(piece)
        return {"used_memories": state["memories"], "grounded": False}


def window(recent: list[Message]) -> list[Message]:
    """The last messages, as many as are read."""
    # By halves, so that what is left stays the same for the turns to come and need not be read anew.
    while sum(len(message.text) for message in recent) > CONVERSATION_CHARACTERS:
        recent = recent[max(2, len(recent) // 4 * 2) :]
    return recent


def conversation(recent: list[Message], turn: Turn) -> list[BaseMessage]:
    """The last messages as the model reads them; an answer carries the query it ran, so that it can be explained.

    What was said earlier stands before the first of them, condensed: it changes when they move on, and not before.
    """
    messages: list[BaseMessage] = []
    read = window(recent)
    for message in read:
        if message.role == "user":
            text = message.text if messages else prompts.chat_begin(text=message.text, earlier=condensed(before(turn, recent, read)))
            messages.append(HumanMessage(text))
        else:
            query = query_of(message)
            messages.append(AIMessage(message.text + (f"\n(The query was: {query})" if query else "")))
    return messages


def off_topic(state: State, runtime: Runtime[Turn]) -> dict[str, object]:
    """A light joke, then back to what the assistant can do."""
    turn = runtime.context
    with turn.step("off_topic"):
        joke = JOKES[zlib.crc32(state["question"].encode()) % len(JOKES)]
        turn.say(f"{joke} {way_back(turn)}")
        return {"grounded": False}


def way_back(turn: Turn) -> str:
    """What this workspace can be asked about."""
    offers = []
    if turn.services.database:
        names = [table.name.replace("_", " ") for table in turn.services.database.schema().tables[:4]]
        if names:
            offers.append(
                f"your database ({', '.join(names)} and so on)"
                if len(names) > 3
                else f"your database ({', '.join(names)})"
            )
    known = dict.fromkeys(aside(document.name) for document in turn.services.documents.all(user=turn.user))
    documents = [name for name in known if name != ASIDE][:2]
    if documents:
        offers.append(f"your documents (such as {' or '.join(documents)})")
    offers.append("what you asked me to remember")
    listed = offers[0] if len(offers) == 1 else f"{', '.join(offers[:-1])} and {offers[-1]}"
    return f"What I do know about is {listed}. What would you like to know?"
