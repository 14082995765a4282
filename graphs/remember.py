"""After the answer: what is worth keeping about this user."""

from __future__ import annotations

import re

from langgraph.runtime import Runtime

from graphs.grounding import split
from graphs.state import State
from graphs.turn import Turn

# Plain statements about oneself. A rule, not a model: it costs nothing and keeps no junk from small talk.
_FACT = re.compile(
    r"^(my\s+[\w' -]{2,40}\s+(is|are|was|were|has|have)\s+\S+"
    r"|i\s*(am|'m)\s+(a|an|the|responsible for|in charge of|based in|from|allergic to)\s+\S+"
    r"|i\s+(live|work|study|teach|prefer|always|never|usually|own|manage|run)\s+\S+"
    r"|(please\s+)?call me\s+\S+|we\s+(are|have|use|prefer|live)\s+\S+)",
    re.IGNORECASE,
)
LONGEST = 200
"""A longer sentence is a story, not a fact to keep."""


def remember(state: State, runtime: Runtime[Turn]) -> dict[str, object]:
    """Keep the facts that the user stated in passing; "remember that …" was already done by the memory agent."""
    turn = runtime.context
    if state["route"] == "memory" or turn.private:
        return {}
    facts = stated(state["question"])
    if not facts:
        return {}
    with turn.step("remember") as detail:
        for fact in facts:
            turn.services.memories.add(fact, user=turn.user, source=turn.question_id)
        detail.append(f"kept {len(facts)}")
    return {}


def stated(text: str) -> list[str]:
    """The sentences in which a user states a fact about themselves."""
    return [s for s in split(text) if len(s) <= LONGEST and not s.rstrip().endswith("?") and _FACT.search(s)]
