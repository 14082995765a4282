"""After the answer: what is worth keeping about this user, and what of the older that ends."""

from __future__ import annotations

from langchain_core.messages import HumanMessage, SystemMessage

from graphs.changes import verdict
from graphs.grounding import words
from graphs.remember_prompts import LASTING_SYSTEM, OVER_SYSTEM
from graphs.secrets import holds_secret
from graphs.statements import stated, sure
from graphs.turn import Turn
from graphs.when import dated
from stores.values import Memory

LASTING = 0.6
"""Probability from which a statement is kept."""
OVER = 0.5
"""Probability from which an older statement is taken to be over."""
DOUBTED = 3
"""Older statements that the model is asked about, the nearest first; at most one of them is closed by its word."""


def remember(question: str, turn: Turn, *, ask: bool) -> bool:
    """Keep what a message states about its user that will matter later; the answer, rows and passages are not looked at.

    False where the model would have to be asked and `ask` forbids it: then nothing was kept, and it is to be tried again.
    """
    found = [statement for statement in stated(question) if not holds_secret(statement)]
    if not ask and not all(sure(statement) and not _doubted(statement, turn)[1] for statement in found):
        return False
    for statement in found:
        confidence = 1.0 if sure(statement) else _lasting(statement, turn)
        if confidence >= LASTING:
            keep(statement, turn, confidence=confidence)
    return True


def keep(statement: str, turn: Turn, *, confidence: float = 1.0) -> tuple[Memory, list[Memory]]:
    """Keep a statement, its time words resolved; gives it and the older ones that it closed."""
    over, doubted = _doubted(statement, turn)
    for old in doubted:
        if _is_over(old, statement, turn):
            over.append(old)
            break
    memories = turn.services.memories
    text = dated(statement, turn.today)
    refined = None if over else next((old for old in memories.near(text, user=turn.user, k=3) if _refines(text, old.text)), None)
    ended = [old.id for old in over]
    kept = memories.add(text, user=turn.user, source=turn.question_id, confidence=confidence, closing=ended, instead=refined.id if refined else None)
    return kept, [old for old in over if old.id != kept.id]


def _doubted(statement: str, turn: Turn) -> tuple[list[Memory], list[Memory]]:
    """The older statements that a new one ends by its wording, and those where the wording does not tell."""
    near = turn.services.memories.near(statement, user=turn.user)
    found = [(verdict(old.text, statement, old.score), old) for old in near]
    return [old for how, old in found if how == "over"], [old for how, old in found if how == "doubt"][:DOUBTED]


def _lasting(statement: str, turn: Turn) -> float:
    messages = [SystemMessage(LASTING_SYSTEM), HumanMessage(f"{statement} =>")]
    return turn.speaker.choose(messages, ["passing", "lasting"])["lasting"]


def _is_over(old: Memory, statement: str, turn: Turn) -> bool:
    messages = [SystemMessage(OVER_SYSTEM), HumanMessage(f"{old.text} / {statement} =>")]
    return turn.speaker.choose(messages, ["both", "over"])["over"] >= OVER


def _refines(new: str, old: str) -> bool:
    """Whether a statement says all that an older one said, and more."""
    return words(old) < words(new) and new.lower().split()[:2] == old.lower().split()[:2] and len(words(old)) >= 2
