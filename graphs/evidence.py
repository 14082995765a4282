"""What the stores and the wording say about the route, beside the model's own word.

A small model leans: it seldom says "off_topic" and often says "sql", whatever it is asked. The weights below
straighten that (contextual calibration, Zhao et al. 2021, "Calibrate Before Use") and add what the model cannot
know: how near the nearest passage is, and how many of the question's words are names in the schema.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from stores.values import Passage, Schema, ValueMatch

TEMPERATURE = 0.8
"""How far the model's own log-probability counts."""

# Log-odds by route for each kind of evidence: fitted (logistic, L2 0.02) on 162 messages over two workspaces, then rounded.
WEIGHTS: dict[str, dict[str, float]] = {
    "always": {"sql": -1.0, "documents": 1.0, "both": -0.5, "off_topic": 1.0},
    "near": {"documents": 1.2, "both": 0.6, "memory": -0.3, "chat": -0.3, "off_topic": -1.1},
    "known": {"sql": 0.6, "both": 0.4, "documents": -0.3, "memory": -0.3, "off_topic": -0.3},
    "lost": {"sql": -0.5, "documents": -0.4, "off_topic": 0.6},
    "twofold": {"both": 1.0, "sql": -0.5, "documents": -0.3},
    "told": {"memory": 1.0, "chat": -0.3},
    "talk": {"chat": 1.5, "off_topic": -0.6, "sql": -0.4},
}

_TWOFOLD = re.compile(
    r"\w+\W+\w+\W+\w+.*(?P<joint>,|;|\band\b)\s*(and\s+)?(also\s+)?(?P<rest>what|how|which|who|when|where|until|does|do|is|are|can|must)\b.*\?",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\b(remember|forget|memori[sz]e|keep in mind|bear in mind|note (that|down)|from now on|call me|(do|did) you (\w+ )?(know|remember)"
    r"|know about me|(i|we) (\w+ )?(tell|told|say|said|mention(ed)?|talk(ed)?|discuss(ed)?|decided?|agreed?|spoke)|(talk|spok)\w* (about|with)"
    r"|remind me|last time)\b",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"\b(rewrite|rephrase|reword|translate|shorten|shorter|summari[sz]e|proofread|turn this|make (this|that|it|your|the)"
    r"|sound (more|less|friend)|say that again|explain (that|what|your)|you (just )?(said|did|mean)|(last|previous|your) (answer|reply)"
    r"|thanks?|thank you|hello|hi|hey|bye|goodbye|good (morning|evening|afternoon|night)|(who|what) are you|can you (do|help)|how are you|ask you)\b",
    re.IGNORECASE,
)
_PLAIN = frozenset("the a of is are in on for to and or by id name date code type key value number".split())


FOLLOWING = 1.2
"""Log-odds by which a follow-up stays on the route of the turn before it."""


def weigh(
    probabilities: Mapping[str, float], evidence: Mapping[str, float], following: str | None = None
) -> dict[str, float]:
    """The model's probabilities with the evidence added as log-odds; they sum to 1.

    `following` is the route of the turn before, where the question leans on it.
    """
    odds = {
        route: TEMPERATURE * math.log(max(p, 1e-4))
        + sum(strength * WEIGHTS[kind].get(route, 0.0) for kind, strength in evidence.items())
        for route, p in probabilities.items()
    }
    if following in odds:
        odds[following] += FOLLOWING
    highest = max(odds.values())
    raised = {route: math.exp(value - highest) for route, value in odds.items()}
    total = sum(raised.values())
    return {route: value / total for route, value in raised.items()}


def gather(
    question: str, *, schema: Schema | None, values: list[ValueMatch], nearest: list[Passage]
) -> dict[str, float]:
    """How strong each kind of evidence is for a question."""
    similarity = nearest[0].similarity if nearest else 0.0
    known = min(len(_stems(question) & schema_words(schema)), 3) if schema else 0
    named = any(v.words.casefold() == v.value.casefold() for v in values)
    return {
        "always": 1.0,
        # Without documents their distance says nothing.
        "near": max(-1.5, min(2.0, (similarity - 0.4) * 8)) if nearest else 0.0,
        "known": float(known),
        "lost": float(similarity < 0.3 and not known and not named),
        "twofold": float(bool(_TWOFOLD.search(question))),
        "told": float(bool(_TOLD.search(question))),
        "talk": float(bool(_TALK.search(question))),
    }


def parts(question: str, schema: Schema) -> tuple[str, str]:
    """The part of a twofold question that the schema's words point to, and the other; twice the whole where it is one."""
    match = _TWOFOLD.search(question)
    if match is None:
        return question, question
    first, second = question[: match.start("joint")].strip(" ,;") + "?", question[match.start("rest") :]
    names = schema_words(schema)
    # A tie goes to the first: people ask for their own rows before they ask what is said about them.
    return (second, first) if len(_stems(second) & names) > len(_stems(first) & names) + 1 else (first, second)


def schema_words(schema: Schema) -> set[str]:
    """The words that name tables and columns, without those that stand everywhere."""
    names = [name for table in schema.tables for name in (table.name, *(column.name for column in table.columns))]
    parts = (part for name in names for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name.replace("_", " ")))
    return {stem(part.lower()) for part in parts} - _PLAIN


def _stems(text: str) -> set[str]:
    return {stem(word) for word in re.findall(r"[a-z]+", text.lower())}


def stem(word: str) -> str:
    """A word without the s of its plural."""
    return word[:-1] if word.endswith("s") and len(word) > 3 else word
