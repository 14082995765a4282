"""The first node: what bears on the question, before anything is decided."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile

from langgraph.runtime import Runtime

from graphs import when
from graphs.state import State, fresh
from graphs.turn import Mode, Turn
from stores.orders import aside, read
from stores.values import Memory, Message, Passage
from stores.within import Within

# Words by which a question leans on the one before it.
_LEANING = re.compile(
    r"^\s*(and|but|so|or|then|also|what about|how about|which of|only)\b|\b(it|its|that(?!\s+(i|you|he|she|we|they|my|our|your|the|a)\b)|this(?!\s+(year|month|week|quarter|morning|afternoon|evening))|those|these|them|they|their|he|she|his|her|ones?|there|same|instead|previous|above)\b",
    re.IGNORECASE,
)

# A question for what was so before.
_BEFORE = re.compile(
    r"\b(before|used to|previous(ly)?|former(ly)?|earlier|original(ly)?|at first|in the past|back then|once|old|ever|until when|was my|were my|were i|was i|did (i|we|my))\b",
    re.IGNORECASE,
)


def recall(state: State, runtime: Runtime[Turn]) -> State:
    """Fetch memories, the conversation so far, stored values and the nearest passages."""
    turn = runtime.context
    services, bounds = turn.services, turn.bounds
    new = fresh(state["question"])
    question = new["question"]
    with turn.step("recall") as detail:
        said = services.history.recent(turn.conversation, user=turn.user, turns=bounds.recent_turns)
        # A turn that is brought back reads what was said before its question, not what was answered to it.
        new["recent"] = list(takewhile(lambda message: message.id != turn.question_id, said))
        new["memories"] = turn.reached(lambda: remembered(question, turn))
        if services.database:
            # A word out of a long value ("long" of "Gear cable, extra long") names it by chance.
            found = services.database.find_values(question, user=turn.user)
            new["values"] = [v for v in found if 2 * len(v.words) >= len(v.value)]
        # With the question before it, a follow-up of any kind would look like one about the same passage.
        new["nearest"] = turn.reached(lambda: search(turn, question, mode="hybrid"))
        detail.append(f"{len(new['memories'])} memories, {len(new['recent'])} earlier messages")
        if turn.unreachable:
            detail.append("the index cannot be reached")
    return new


def remembered(question: str, turn: Turn) -> list[Memory]:
    """The memories that bear on a question: of the time that it names first, and what no longer holds where it asks for the past."""
    memories, k = turn.services.memories, turn.bounds.memories
    span = when.asked(question, turn.today)
    past = span is not None or bool(_BEFORE.search(question))
    then = memories.search(f"{question} {span}", user=turn.user, k=k, past=True, during=(span.start, span.end)) if span else []
    found = {memory.id: memory for memory in [*then[: max(0, k - 2)], *memories.search(question, user=turn.user, k=k, past=past)]}
    return list(found.values())[:k]


def search(turn: Turn, query: str, *, mode: Mode = "reranked", within: Within | None = None) -> list[Passage]:
    """The nearest passages that this user may see; "reranked" takes a moment longer and is for those that are answered from."""
    found = turn.services.documents.search(query, user=turn.user, k=turn.bounds.passages, mode=mode, within=within)
    return [safe(passage) for passage in found]


def safe(passage: Passage) -> Passage:
    """A passage without what addresses the assistant in it, which is kept apart."""
    reading = read(passage.text)
    return replace(passage, document=aside(passage.document), location=aside(passage.location), text=reading.text, orders=reading.orders)


def leans(question: str) -> bool:
    """Whether a question seems to need the one before it to be understood."""
    return len(question.split()) <= 4 or bool(_LEANING.search(question))


def previous_question(recent: list[Message]) -> str | None:
    """The last thing the user asked in this conversation."""
    return next((m.text for m in reversed(recent) if m.role == "user"), None)


def standalone(question: str, recent: list[Message]) -> str:
    """The question as a search query that can be understood alone: a follow-up carries the question before it.

    No model is asked: joining the two costs nothing, and a search does not mind two questions.
    """
    before = previous_question(recent)
    return f"{before} {question}" if before and leans(question) else question
