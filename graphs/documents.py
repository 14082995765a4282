"""The documents agent: the passages to answer from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from langgraph.runtime import Runtime

from graphs import limits
from graphs.evidence import parts
from graphs.recall import search, standalone
from graphs.state import State
from graphs.turn import Turn
from stores.values import Passage
from stores.within import Within

RELEVANT = 0.83
"""Least share of the best passage's score. Of 700 SQuAD questions it keeps the right passage for 0.966, as all four do, with 1.7 passages
on the average (simulated): less than half the reading, and less to be misled by."""


def documents(state: State, runtime: Runtime[Turn]) -> dict[str, object]:
    """The passages to answer from; `recall` has looked at the same question, but not word by word."""
    turn = runtime.context
    with turn.step("documents") as detail:
        passages, where = found(state, turn)
        if where:
            detail.append(where)
        names = list(dict.fromkeys(p.document for p in passages))
        orders = sum(len(p.orders) for p in passages)
        detail.append(f"{len(passages)} passages from {', '.join(names)}" if passages else "nothing found")
        if orders:
            detail.append(f"{orders} {'place' if orders == 1 else 'places'} in them that {'addresses' if orders == 1 else 'address'} the assistant set aside")
        return {"passages": passages}


def found(state: State, turn: Turn) -> tuple[list[Passage], str]:
    """The passages for a question, and a word on where was searched if the question limits that."""
    within = _within(state["question"], turn)
    passages = _found(state, turn, within)
    if within is None:
        return passages, ""
    return (passages, f"searched {within} only") if passages else (_found(state, turn, None), f"nothing in {within}, so all were searched")


def _within(question: str, turn: Turn) -> Within | None:
    """Where the question says that it is to be looked, if it does."""
    return limits.asked(question, turn.services.documents.all(user=turn.user), turn.today) if limits.named(question) else None


def _found(state: State, turn: Turn, within: Within | None) -> list[Passage]:
    """What is found for the question; for one with two parts, first what is found for the documents' own part."""
    nearest = search(turn, standalone(state["question"], state["recent"]), within=within)
    database = turn.services.database
    if state["route"] != "both" or database is None:
        return relevant(nearest)
    part = parts(state["question"], database.schema())[1]
    if part == state["question"]:
        return relevant(nearest)
    # The part alone may lack the word that the whole names ("… does it include?"), so both searches count.
    both = zip_longest(relevant(nearest), relevant(search(turn, part, within=within)))
    unique = {passage.id: passage for pair in both for passage in pair if passage}
    return list(unique.values())[: turn.bounds.passages]


def relevant(passages: Sequence[Passage]) -> list[Passage]:
    """The passages down to where relevance falls off, best first."""
    return [passage for passage in passages if passage.score >= RELEVANT * passages[0].score]
