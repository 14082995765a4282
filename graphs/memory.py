"""The memory agent: remember, recall, forget."""

from __future__ import annotations

import re
from typing import Literal

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graphs import prompts, when
from graphs.earlier import recalled
from graphs.grounding import words
from graphs.recall import remembered
from graphs.remember import keep
from graphs.state import State
from graphs.tellers import of_those_named, told_of_others
from graphs.turn import Turn
from stores.values import Memory, Message

Intent = Literal["remember", "recall", "forget", "other"]

_FORGET = re.compile(r"^\W*(please\s+|can you\s+|could you\s+)*(forget|delete|erase|remove|drop)\b", re.IGNORECASE)
_REMEMBER = re.compile(
    r"^\W*((please|kindly|can you|could you|i want you to|i'd like you to|always)\s+)*"
    r"(remember|keep in mind|bear in mind|note|make a note|take note|memori[sz]e|save|store|don't forget|do not forget)"
    r"(\s+(this|for (me|later|next time)))?(\s+(that|of the fact that|:))?[\s:,]*",
    re.IGNORECASE,
)
# What can be meant in no other way: the model need not be asked whose it is.
_COMMANDS = re.compile(
    r"^\W*((please|kindly|can you|could you|always)\s+)*((remember|keep in mind|bear in mind|memori[sz]e|don't forget|do not forget)(,|:|\s+(that|this:|i|i'm|we|my|our)\b)"
    r"|forget\s+(that (i|we|my|our)|about my|what i (said|told)|everything|all (of it|you|about)|my)\b)",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^\W*(what|which|who|where|when|why|how|do|does|did|have|has|am|is|are|was|were|can|could|tell me|remind me|show)\b|\?\s*$",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"^\W*((please|can you|could you)\s+)*\w+\s+(that|about|what i (said|told you) about|the fact that|my memory of)?\s*",
    re.IGNORECASE,
)
_EVERYTHING = re.compile(r"\b(everything|all)\b", re.IGNORECASE)
_TALKS = re.compile(r"\b(talk(ed)?|discuss(ed)?|spoke|conversations?|chat(ted)?|ask(ed)?|decide[d]?)\b", re.IGNORECASE)

# "What do you know about me?" names nothing that is to be looked for.
_KNOWING = words("know remember told tell keep kept save saved store stored memory memories everything thing things learned noted")
ENOUGH = 0.35
"""Probability from which what was told is taken to hold the answer. The default model gave 0.31 to 0.89 where the answer was
told (8 LoCoMo questions), and 0.63 and 0.72 where it was not: this is no sharp line."""
ENOUGH_OF_ONE = 0.25
"""The same where one of several speakers is named, and whom the list tells of was looked at before: of 115 LoCoMo questions outside the
sample that name one, both together decline 0.81 of those never answered and 0.09 of the others; with 0.35 it was 0.85 and 0.15."""
SAID = 6
"""Messages of the time that is asked about, at most."""
FORGET_ALL, KEEP_ALL, NONE_OF_THESE = "Yes, forget everything", "No, keep it", "None of these"


def memory(state: State, runtime: Runtime[Turn]) -> dict[str, object]:
    """Keep, tell or delete what the user told."""
    turn = runtime.context
    with turn.step("memory") as detail:
        intent = intended(state["question"]) or _chosen(state, turn)
        detail.append(intent)
        if intent == "remember":
            return _remember(state, turn)
        if intent == "forget":
            return _forget(state, turn)
        return _recall(state, turn)


def commanded(question: str) -> bool:
    """Whether a message says outright that something of the user's is to be kept or dropped."""
    return bool(_COMMANDS.search(question)) and not question.rstrip().endswith("?")


def intended(question: str) -> Intent | None:
    """The intent where the wording alone tells it."""
    if _FORGET.search(question):
        return "forget"
    if _REMEMBER.search(question) and not question.rstrip().endswith("?"):
        return "remember"
    return "recall" if _ASKS.search(question) else None


def _chosen(state: State, turn: Turn) -> Intent:
    intents: list[Intent] = ["remember", "recall", "forget", "other"]
    found = turn.speaker.choose(
        [SystemMessage(prompts.MEMORY_INTENT_SYSTEM), HumanMessage(state["question"])], list(intents)
    )
    return max(intents, key=lambda intent: found[intent])


def statement(question: str) -> str:
    """What is to be kept: the user's own words without the request."""
    rest = _REMEMBER.sub("", question, count=1).strip()
    return (rest[:1].upper() + rest[1:]) if rest else question.strip()


def _remember(state: State, turn: Turn) -> dict[str, object]:
    if turn.private:
        turn.say("This conversation is private: I keep nothing of it. Tell me again in another one, and I will remember it.")
        return {"grounded": True}
    kept, over = keep(statement(state["question"]), turn)
    before = "".join(f' It takes the place of: "{old.text}"' for old in over)
    turn.say(f'I\'ll remember that: {kept.text.rstrip(".")}.{before} Say "forget that" if it should go again.')
    return {"used_memories": [kept], "grounded": True}


def _recall(state: State, turn: Turn) -> dict[str, object]:
    if turn.unreachable:  # nothing was found because nobody could look
        raise turn.unreachable
    question = state["question"]
    memories = turn.services.memories
    broad = not words(question) - _KNOWING
    nearest = holding(memories.all(user=turn.user))[:30] if broad else remembered(question, turn, k=2 * turn.bounds.memories)
    told = nearest if broad else of_those_named(question, nearest)
    said = _said_then(question, turn)
    talks: list[str] = []
    if not said and _TALKS.search(question):
        past = turn.services.history.all(user=turn.user)
        talks = [f"{c.updated:%d %B %Y}: {c.title}" for c in past if c.id != turn.conversation][:8]
    here = recalled(question, turn, state["recent"])
    if not nearest and not talks and not said and not here:
        turn.say('You have not told me anything about that yet. Say "remember that …" and I will keep it.')
        return {"grounded": False}
    human = HumanMessage(prompts.memory_question(question=question, memories=told, said=said, here=here, talks=talks))
    messages = [SystemMessage(prompts.MEMORY_SYSTEM), human]
    of_others = None if broad or said or here else told_of_others(question, nearest, turn.services.documents)
    enough = ENOUGH if of_others is None else ENOUGH_OF_ONE
    if not (broad or talks) and (of_others or turn.speaker.choose(messages, ["yes", "no"])["yes"] < enough):
        looked = f' The nearest that I remember: "{nearest[0].text}"' if nearest else ""
        turn.say(f"I don't know: you have not told me that.{looked}")
        return {"used_memories": nearest[:1], "grounded": False}
    for piece in turn.speaker.stream([*messages, AIMessage("yes\n")], max_tokens=160):
        turn.say(piece)
    return {"used_memories": list(told), "grounded": True}


def _said_then(question: str, turn: Turn) -> list[Message]:
    """What the user said in the time that a question names, what fits its words best; empty where it names none."""
    span = when.asked(question, turn.today)
    if span is None:
        return []
    wanted = words(question)
    said = [m for m in turn.services.history.said(span.start, span.end, user=turn.user) if m.id != turn.question_id]
    fitting = [m for m in said if words(m.text) & wanted and not _ASKS.search(m.text)] or [m for m in said if not _ASKS.search(m.text)]
    best = sorted(fitting, key=lambda m: len(words(m.text) & wanted), reverse=True)[:SAID]
    return sorted(best, key=lambda m: m.created)


def holding(memories: list[Memory]) -> list[Memory]:
    """Those that still hold."""
    return [memory for memory in memories if memory.until is None]


def _forget(state: State, turn: Turn) -> dict[str, object]:
    memories = turn.services.memories
    kept = memories.all(user=turn.user)
    about = _ABOUT.sub("", state["question"], count=1)
    if not kept:
        turn.say("There is nothing to forget: I keep nothing about you.")
        return {"grounded": True}
    if _EVERYTHING.search(state["question"]) and len(words(about)) <= 2:
        return _forget_everything(turn, kept)
    chosen = _which(about, kept, turn)
    if chosen is None:
        turn.say("Then I keep everything as it is.")
        return {"grounded": True}
    memories.forget(chosen.id, user=turn.user)
    turn.say(f'I have forgotten: "{chosen.text}". To undo that, say: remember that {chosen.text}')
    return {"used_memories": [chosen], "grounded": True}


def _which(about: str, kept: list[Memory], turn: Turn) -> Memory | None:
    """The memory that is meant; the user is asked unless exactly one fits the words."""
    wanted = words(about)
    if not wanted:
        return kept[0]  # "forget that": what was told last
    shared = {m.id: len(wanted & words(m.text)) for m in kept}
    most = max(shared.values())
    fitting = [m for m in kept if most and shared[m.id] == most]
    if len(fitting) == 1:
        return fitting[0]
    offered = (fitting or turn.services.memories.search(about, user=turn.user, k=3))[:5]
    reply = str(
        interrupt(
            {"question": "Which of these shall I forget?", "choices": [*(m.text for m in offered), NONE_OF_THESE]}
        )
    )
    return next((m for m in offered if m.text.casefold() == reply.strip().casefold()), None)


def _forget_everything(turn: Turn, kept: list[Memory]) -> dict[str, object]:
    question = f"Shall I forget all {len(kept)} things that you told me? This cannot be undone."
    if str(interrupt({"question": question, "choices": [FORGET_ALL, KEEP_ALL]})).strip() != FORGET_ALL:
        turn.say("Then I keep everything as it is.")
        return {"grounded": True}
    turn.services.memories.forget_all(user=turn.user)
    turn.say("I have forgotten everything that you told me.")
    return {"grounded": True}
