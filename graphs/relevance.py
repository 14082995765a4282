"""Who answers: one constrained token with a probability, weighed with what the stores hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, cast

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from graphs import prompts
from graphs.chat import query_meant
from graphs.documents import found as passages_for
from graphs.enough import enough, reading
from graphs.evidence import gather, weigh
from graphs.memory import commanded
from graphs.recall import is_elliptic, leans, previous_question
from graphs.state import State
from graphs.tellers import names_a_teller
from graphs.turn import Turn
from graphs.values import ROUTES, Route
from graphs.whole import request_of
from stores.values import Message

OUTLINE = 40
"""Documents that the relevance agent is told of."""
NEARBY = 0.38
"""Least cosine of the nearest passage at which what seems off topic is looked up all the same: of 700 SQuAD questions 0.92 are as near to one.
Of the built-in embedding model; where another one finds everything near, more is looked up in vain, and where nothing, nothing."""
CLARIFY = "Where should I look for that?"
CHOICES: dict[str, Route] = {"In the database": "sql", "In the documents": "documents", "In both": "both"}


def relevance(state: State, runtime: Runtime[Turn]) -> State:
    """Sort the question onto a route; routes that a workspace cannot serve are not offered."""
    turn = runtime.context
    with turn.step("relevance") as detail:
        if query_meant(state["question"], state["recent"]):
            detail.append("chat (about the query)")
            return {"question": state["question"], "route": "chat", "doubt": []}
        if commanded(state["question"]):
            detail.append("memory (told to)")
            return {"question": state["question"], "route": "memory", "doubt": []}
        if request := request_of(state["question"], state["recent"], turn):
            detail.append(f"documents ({request.kind} of the whole)")
            return {"question": state["question"], "route": "documents", "doubt": [], "whole": True}
        routes = possible(state, turn)
        said = turn.speaker.choose(messages(state, turn), routes)
        schema = turn.services.database.schema() if turn.services.database else None
        evidence = gather(state["question"], schema=schema, values=state["values"], nearest=state["nearest"], memories=state["memories"])
        following = previous_route(state["recent"]) if leans(state["question"]) else None
        found = weigh(said, evidence, following, same=is_elliptic(state["question"]) and not evidence["talk"])
        ranked = sorted(found, key=lambda r: found[r], reverse=True)
        best, second = cast(Route, ranked[0]), cast(Route, ranked[1])
        if best in ("chat", "off_topic") and names_a_teller(state["question"], state["memories"]):
            detail.append("memory (names who told)")
            return {"question": state["question"], "route": "memory", "doubt": []}
        if best == "off_topic" and _told_by_passages(state, turn):
            detail.append("documents (they tell it)")
            return {"question": state["question"], "route": "documents", "doubt": []}
        detail.append(f"{best} ({found[best]:.0%})")
        close = found[best] - found[second] < turn.bounds.clarify
        doubt: list[Route] = [best, second] if close and {best, second} == {"sql", "documents"} else []
        return {"question": state["question"], "route": best, "doubt": doubt}


def _told_by_passages(state: State, turn: Turn) -> bool:
    """Whether passages hold the answer to what does not seem to belong here; they are read only where one is near, and not for what
    leans on the question before: to what was off topic its follow-up is too."""
    question = state["question"]
    follows = leans(question) and previous_question(state["recent"])
    if follows or max((passage.similarity for passage in state["nearest"]), default=0.0) < NEARBY:
        return False
    passages = [passage for passage in passages_for(state, turn)[0] if passage.text]
    return bool(passages) and enough(reading(question, passages), question, passages, turn)


def previous_route(recent: list[Message]) -> str | None:
    """The route of the last answer in this conversation."""
    answers = [m.answer for m in recent if m.answer]
    return str(json.loads(answers[-1])["route"]) if answers else None


def possible(state: State, turn: Turn) -> list[Route]:
    """The routes this workspace can serve. Where a passage was found there are documents."""
    missing: set[Route] = set()
    if turn.services.database is None:
        missing |= {"sql", "both"}
    if not state["nearest"] and not turn.services.documents.outline(user=turn.user, limit=1):
        missing |= {"documents", "both"}
    return [route for route in ROUTES if route not in missing]


def messages(state: State, turn: Turn) -> list[SystemMessage | HumanMessage]:
    """The relevance agent's prompt."""
    database = turn.services.database
    # The outline in the shared prefix holds what everybody may see; a user's own documents count as evidence.
    outline = turn.services.documents.outline(user="", limit=OUTLINE)
    system = prompts.route_system(schema=database.schema() if database else None, outline=outline)
    before = previous_question(state["recent"]) if leans(state["question"]) else None
    return [SystemMessage(system), HumanMessage(prompts.route_question(question=state["question"], before=before))]


def clarify(state: State, runtime: Runtime[Turn]) -> Command[Literal["recall", "sql", "documents"]]:
    """Ask the user where to look; an answer that is none of the choices is taken as a new question."""
    reply = str(interrupt({"question": CLARIFY, "choices": list(CHOICES)}))
    route = next((r for label, r in CHOICES.items() if label.casefold() == reply.strip().casefold()), None)
    if route is None:
        return Command(goto="recall", update={"question": reply})
    goto = ["sql", "documents"] if route == "both" else [route]
    return Command(goto=cast("Sequence[Literal['sql', 'documents']]", goto), update={"route": route, "doubt": []})
