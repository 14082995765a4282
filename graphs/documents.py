"""The documents agent: search, look again where that was not enough, hand on the passages."""

from __future__ import annotations

from langgraph.runtime import Runtime

from graphs.recall import search, standalone
from graphs.state import State
from graphs.turn import Turn


def documents(state: State, runtime: Runtime[Turn]) -> dict[str, object]:
    """The passages to answer from; `recall` has already searched for the same question."""
    turn = runtime.context
    with turn.step("documents") as detail:
        passages = state["nearest"] or search(turn, standalone(state["question"], state["recent"]))
        names = list(dict.fromkeys(p.document for p in passages))
        detail.append(f"{len(passages)} passages from {', '.join(names)}" if passages else "nothing found")
        return {"passages": passages}
