"""Work on whole documents: a summary, a comparison, a table, a translation. Reached where a request names what it is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from graphs.comparing import compare
from graphs.evidence import schema_words
from graphs.extracting import extract
from graphs.grounding import words
from graphs.library import Library, Target
from graphs.requests import Request, may_be, understood
from graphs.state import State
from graphs.summing import summarise
from graphs.translating import translate
from graphs.turn import Turn
from stores.errors import NotFound
from stores.values import Document, Message

OFFERED = 8
"""Documents that are named where none or several are meant."""


def request_of(question: str, recent: Sequence[Message], turn: Turn) -> Request | None:
    """What is asked to be done with whole documents, or None; "that document" is the one that the last answer cites."""
    if not may_be(question):
        return None
    documents = turn.services.documents.all(user=turn.user)
    database = turn.services.database
    common = frozenset(words(" ".join(schema_words(database.schema())))) if database else frozenset()
    request = understood(question, Library(documents, common))
    if request and len(request.named) == 1 and len(request.named[0]) > 1:
        cited = [target for target in request.named[0] if _is(target, _cited(recent))]
        if len(cited) == 1 and _leans(question):
            return replace(request, named=((cited[0],),))
    return request


def whole(state: State, runtime: Runtime[Turn]) -> Command[Literal["recall", "__end__"]]:
    """Do what is asked; which document is meant is asked back where several may be."""
    turn = runtime.context
    request = request_of(state["question"], state["recent"], turn)
    named: list[Target] = []
    for choices in request.named if request else ():
        if len(choices) > 1:
            labels = [target.label for target in choices[:OFFERED]]
            reply = str(interrupt({"question": "Which one do you mean?", "choices": labels}))
            meant = next((t for t in choices if t.label.casefold() == reply.strip().casefold()), None)
            if meant is None:
                return Command(goto="recall", update={"question": reply})
            choices = (meant,)
        named += choices
    with turn.step("documents") as detail:
        detail.append(", ".join(target.label for target in named) or "none of that name")
    if request is None or len(named) < len(request.named):
        turn.say(_none_named(turn.services.documents.all(user=turn.user)))
        return Command(goto="__end__", update={"grounded": False})
    try:
        return Command(goto="__end__", update=_done(request, named, turn))
    except NotFound as gone:
        turn.say(f"{' ' if turn.text else ''}{gone}")
        return Command(goto="__end__", update={"grounded": False})


def _done(request: Request, named: Sequence[Target], turn: Turn) -> dict[str, object]:
    documents = [document for target in named for document in target.documents]
    match request.kind:
        case "summary":
            return summarise(turn, documents, topic=request.topic, sentences=request.sentences)
        case "translation":
            return translate(turn, documents, topic=request.topic, language=request.language)
        case "table":
            return extract(turn, documents, thing=request.thing, columns=request.columns)
        case "comparison":
            return compare(turn, *named)


def _none_named(documents: Sequence[Document]) -> str:
    if not documents:
        return "There are no documents yet. Add some, and ask again."
    names = list(dict.fromkeys(document.name for document in documents))
    listed = ", ".join(names[:OFFERED]) + (f" and {len(names) - OFFERED} more" if len(names) > OFFERED else "")
    return f"I have no document of that name. There {'is' if len(names) == 1 else 'are'}: {listed}."


def _cited(recent: Sequence[Message]) -> set[str]:
    """The documents that the last answer cites."""
    answers = [message.answer for message in recent if message.answer]
    return {str(citation["document"]) for citation in json.loads(answers[-1]).get("citations", [])} if answers else set()


def _is(target: Target, names: set[str]) -> bool:
    return {document.name for document in target.documents} == names


def _leans(question: str) -> bool:
    return any(f"{word} " in f"{question.casefold()} " for word in ("this", "that", "the same", "the document", "the file"))

