"""The first node: what bears on the question, before anything is decided."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile

from langgraph.runtime import Runtime

from graphs import when
from graphs.state import State, fresh
from graphs.turn import Database, Mode, Turn
from stores.orders import aside, read
from stores.values import Memory, Message, Passage, ValueMatch
from stores.within import Within

# Words by which a question leans on the one before it.
_LEANING = re.compile(
    r"^\s*(and|but|so|or|then|also|what about|how about|which of|only)\b|\b(it|its|that(?!\s+(i|you|he|she|we|they|my|our|your|the|a)\b)|this(?!\s+(year|month|week|quarter|morning|afternoon|evening))|those|these|them|they|their|he|she|his|her|ones?|there|same|instead|previous|above)\b",
    re.IGNORECASE,
)

# "How many orders were there in May?" points to nothing; "how many were there?" does.
_THERE_IS = re.compile(r"(?<!many )(?<!much )\b(is|are|was|were) there\b|\bthere (is|are|was|were)\b", re.IGNORECASE)
_JOINT = re.compile(r"[,;.?!]\s|\s(?:and|but)\s")

# "And in 2025?": no verb and no question word of its own, so it asks the same of something else.
_ELLIPTIC = re.compile(
    r"^\W*(and|or|but|then|only|just|(the )?same|(what|how) about(?= (in|for|by|from|on|at|last|this|next|only|since|before|after|\d)))\b(?!.*\b(who|whose|what|which|when|where|why|how|do|does|did|is|are|was|were|has|have|had"
    r"|can|could|should|must|may|will|would|tell|show|list|give|find|explain|says?|make|write|translate)\b)(\W+\w+){1,6}\W*$",
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
        said = turn.recent if bounds.recent_turns else []
        # A turn that is brought back reads what was said before its question, not what was answered to it.
        new["recent"] = list(takewhile(lambda message: message.id != turn.question_id, said))
        new["memories"] = turn.reached(lambda: remembered(question, turn))
        if services.database:
            new["values"] = named_values(services.database, question, user=turn.user)
        # With the question before it, a follow-up of any kind would look like one about the same passage.
        new["nearest"] = turn.reached(lambda: search(turn, question, mode="hybrid"))
        detail.append(f"{len(new['memories'])} memories, {len(new['recent'])} earlier messages")
        if turn.unreachable:
            detail.append("the index cannot be reached")
    return new


def named_values(database: Database, question: str, *, user: str) -> list[ValueMatch]:
    """The stored values that a question names; a word out of a long value ("long" of "Gear cable, extra long") names it by chance."""
    return [v for v in database.find_values(question, user=user) if 2 * len(v.words) >= len(v.value)]


def remembered(question: str, turn: Turn, *, k: int | None = None) -> list[Memory]:
    """The memories that bear on a question: of the time that it names first, and what no longer holds where it asks for the past."""
    memories, k = turn.services.memories, turn.bounds.memories if k is None else k
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
    """Whether a question seems to need the one before it to be understood.

    What stands for something in a second part ("Which invoices are late, and who owes them?") stands for what the first part names.
    """
    if len(question.split()) <= 4:
        return True
    text = _THERE_IS.sub(" ", question)
    found = _LEANING.search(text)
    first = _JOINT.split(text, maxsplit=1)[0]
    return found is not None and (found.start() < len(first) or len(first.split()) < 3)


def is_elliptic(question: str) -> bool:
    """Whether a question asks no more than the same as the one before, of something else ("And in 2025?")."""
    return bool(_ELLIPTIC.search(question))


def previous_question(recent: list[Message]) -> str | None:
    """The last thing the user asked in this conversation."""
    return next((m.text for m in reversed(recent) if m.role == "user"), None)


def standalone(question: str, recent: list[Message]) -> str:
    """The question as a search query that can be understood alone: a follow-up carries the question before it.

    No model is asked: joining the two costs nothing, and a search does not mind two questions.
    """
    before = previous_question(recent)
    return f"{before} {question}" if before and leans(question) else question
