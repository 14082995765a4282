"""What the stores and the wording say about the route, beside the model's own word.

A small model leans: it seldom says "off_topic" and often says "sql", whatever it is asked. The weights below
straighten that (contextual calibration, Zhao et al. 2021, "Calibrate Before Use") and add what the model cannot
know: how near the nearest passage is, how many of the question's words stand in it or are names in the schema, and
whether the message carries a text, speaks to the assistant, or asks for an errand.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from graphs.grounding import words
from stores.values import Memory, Passage, Schema, ValueMatch

TEMPERATURE = 0.65
"""How far the model's own log-probability counts."""

# Log-odds by route for each kind of evidence: fitted (logistic, L2 0.003) on 444 messages over five workspaces made up for it (a clinic,
# a school, a roastery, energy data, the sample cooperative: scripts/fit_routes.py), then rounded; what is below 0.2 is left out, and
# "both" under "talk", which stood on one message. None of `eval routing` is among them.
WEIGHTS: dict[str, dict[str, float]] = {
    "always": {"sql": -0.7, "documents": 0.7, "both": -1.0, "memory": -0.4, "chat": 0.4, "off_topic": 0.9},
    # How near the nearest passage is, and how many of the question's words stand in it.
    "near": {"sql": 0.4, "documents": 1.2, "both": 0.7, "memory": -0.5, "off_topic": -1.9},
    "shared": {"sql": -0.6, "documents": 2.1, "memory": -0.6, "off_topic": -1.2},
    # Words that name tables and columns, and a value that is stored just so.
    "known": {"sql": 1.2, "documents": -0.3, "both": 1.1, "memory": -0.8, "chat": -0.5, "off_topic": -0.7},
    "named": {"sql": 1.5, "documents": -1.3, "both": 0.9, "off_topic": -1.0},
    "twofold": {"sql": -1.6, "documents": -0.6, "both": 2.3, "memory": -0.2},
    # The wording, see the patterns below.
    "told": {"sql": -0.3, "documents": -0.2, "memory": 2.7, "chat": -0.8, "off_topic": -1.2},
    "talk": {"sql": -0.9, "documents": -0.8, "chat": 2.6, "off_topic": -1.4},
    "you": {"documents": -0.5, "memory": -0.8, "chat": 2.4, "off_topic": -0.8},
    "mine": {"sql": -0.6, "both": -0.3, "memory": 1.2, "off_topic": -0.2},
    "carried": {"sql": -0.5, "documents": -0.3, "chat": 2.1, "off_topic": -0.9},
    # How many of the question's words stand in something that the user told: not fitted, since no message of the set had a memory.
    "held": {"sql": -0.5, "memory": 3.0, "off_topic": -1.5},
    # "Our policy", "do we": of the asker's own firm, whether or not it is written down. Not fitted either.
    "ours": {"documents": 0.3, "off_topic": -1.5},
    "errand": {"documents": -0.3, "memory": -0.2, "chat": -0.7, "off_topic": 1.4},
}

_TWOFOLD = re.compile(
    r"\w+\W+\w+\W+\w+.*(?P<joint>,|;|\band\b)\s*(and\s+)?(also\s+)?(?P<rest>what|how|which|who|when|where|until|does|do|is|are|can|must)\b.*\?",
    re.IGNORECASE,
)
# "… and what do they add up to?": the second part is about the rows of the first.
_SUMMED = re.compile(r"\b(they|them|these|those|it)\b.*\b(add(s|ed)? up|sum|total|come to|amount to|worth|average|altogether)\b", re.IGNORECASE)
# Something about the user is to be kept, found again or dropped.
_TOLD = re.compile(
    r"\b(remember|forget|memori[sz]e|(keep|bear) (this |that |it )?in mind|make a note|(note|write|jot) (that|down)|(save|store|keep|note) (this|that|it|for)"
    r"|please (save|store|keep|note)|for (next time|later|the future)|from (now|today) on|you should know|call me(?! an? | the )"
    r"|(do|did) you (\w+ )?(know|remember)|your memory|you (know|have (saved|stored|kept))|(know|remember|saved|stored|kept) (about|on) (me|us|my)"
    r"|(i|we) (\w+ )?(tell|told|say|said|mention(ed)?|talk(ed)?|discuss(ed)?|decided?|agreed?|speak|spoken?)|(talk|spok)\w* (about|with)|remind me|last time)\b",
    re.IGNORECASE,
)
# Courtesies, work on a text, what was said in this conversation; then what an answer is met with.
_TALK = re.compile(
    r"\b(thanks?|thx|thank you|cheers|hello|hi|hey|bye|goodbye|good (morning|evening|afternoon|night|day)|(who|what) are you|how are you"
    r"|can you (do|help)|ask you|re(write|phrase|word|peat|formulate)|translat\w+|summari[sz]e|sum up|proofread|correct|grammar|spelling|typos?|mistakes"
    r"|punctuation|bullet(ed)?|numbered|tone|formal(ly)?|polite(ly)?|shorten|(short|long|simpl)er(?! than)|sound\w* (more|less|better|friend\w*)|turn (this|that|it|these)"
    r"|(make|put|write|say|explain) (this|that|it|your|the|what)|i meant|what (i|you) (said|meant|wrote)|you (just )?(said|did|mean|meant|wrote|gave|named|showed|suggested)|earlier (on|(in|of) (this|our) (talk|chat|conversation))|at the (start|beginning)(?=\W*$| (of|in) (this|our) (talk|chat|conversation))"
    r"|(last|previous|first|same|your|our|this|that) (answer|repl(y|ies)|response|message|sentence|paragraph|point|conversation|chat|discussion)s?)\b"
    r"|^\W*(ok(ay)?|yes|no|yeah|sure|great|perfect|excellent|fine|cool|nice|wow|haha|hm+|oops|sorry|al(l |l)?right|got it|understood|well done|sounds"
    r"|never mind|go on|continue|try again|see you|have a|morning|let's)\b",
    re.IGNORECASE,
)
# A text that stands in the message: after a colon, on a line of its own, or in quotes.
_CARRIED = re.compile(r"\w\s*:\s*\w+\W+\w|\n\s*\S|[\"“”„«»]\s*\w+\W+\w.*?[\"“”«»]|(?<!\w)['‘’]\w+\W+\w.*['’](?!\w)", re.DOTALL)
# A deed in the world, or a thing made from nothing.
_ERRAND = re.compile(
    r"^\W*((please|can you|could you|would you|will you|help me)\W+)*(book|reserve|order|buy|call|phone|send|email|play|(turn|switch) (on|off)|set|open"
    r"|close|start|search|google|download|install|draw|paint|sing|compose|create|generate|invent|make up|recommend|suggest|solve|calculate|convert|read"
    r"|write( me)? (an?|some)|(find|get|tell|give|show) me (an?|some|any|your))\b",
    re.IGNORECASE,
)
_YOU = re.compile(r"\byou(r|rs|rself)?\b", re.IGNORECASE)
# The user's own affairs; what one has to do ("how do I …") is no such thing.
_MINE = re.compile(r"\b(my|mine|i am|i'm|(?<!how )(am|do|did|have) i)\b", re.IGNORECASE)
_OURS = re.compile(r"\b(our|ours|we)\b", re.IGNORECASE)
_POINTS = re.compile(r"\b(this|that|it|these|those|above|your)\b", re.IGNORECASE)
_PLAIN = frozenset("the a of is are in on for to and or by id name date code type key value number".split())


FOLLOWING, SAME = 1.0, 4.0
"""Log-odds by which a follow-up stays on the route of the turn before it, and by which one that asks the same of something else does."""


def weigh(
    probabilities: Mapping[str, float], evidence: Mapping[str, float], following: str | None = None, *, same: bool = False
) -> dict[str, float]:
    """The model's probabilities with the evidence added as log-odds; they sum to 1.

    `following` is the route of the turn before, where the question leans on it; `same` says that it asks no more than that one.
    """
    odds = {
        route: TEMPERATURE * math.log(max(p, 1e-4))
        + sum(strength * WEIGHTS[kind].get(route, 0.0) for kind, strength in evidence.items())
        for route, p in probabilities.items()
    }
    if following in odds:
        odds[following] += SAME if same else FOLLOWING
    highest = max(odds.values())
    raised = {route: math.exp(value - highest) for route, value in odds.items()}
    total = sum(raised.values())
    return {route: value / total for route, value in raised.items()}


def gather(
    question: str, *, schema: Schema | None, values: list[ValueMatch], nearest: list[Passage], memories: Sequence[Memory] = ()
) -> dict[str, float]:
    """How strong each kind of evidence is for a question."""
    similarity = nearest[0].similarity if nearest else 0.0
    names = schema_words(schema) if schema else set()
    known = min(len(_stems(question) & names), 3)
    named = any(v.words.casefold() == v.value.casefold() for v in values)
    told = bool(_TOLD.search(question))
    carried = not told and bool(_CARRIED.search(question))
    errand = bool(_ERRAND.search(question)) and not (known or named or told or carried or _POINTS.search(question))
    return {
        "always": 1.0,
        # Without documents their distance says nothing.
        "near": max(-1.5, min(2.0, (similarity - 0.4) * 8)) if nearest else 0.0,
        "shared": _shared(question, names, nearest[0]) if nearest else 0.0,
        "known": float(known),
        "named": float(named),
        "twofold": float(bool((two := _TWOFOLD.search(question)) and not _SUMMED.search(question, two.start("rest")))),
        "told": float(told),
        "talk": float(bool(_TALK.search(question))),
        "you": float(not told and bool(_YOU.search(question))),
        "mine": float(bool(_MINE.search(question))),
        "ours": float(bool(_OURS.search(question))),
        "carried": float(carried),
        "held": _held(question, memories),
        "errand": float(errand),
    }


def _held(question: str, memories: Sequence[Memory]) -> float:
    """The part of a question's content words that stand in one memory; nothing where that is less than half."""
    own = words(question)
    best = max((len(own & words(memory.text)) / len(own) for memory in memories), default=0.0) if own else 0.0
    return best if best >= 0.5 else 0.0


def _shared(question: str, names: set[str], passage: Passage) -> float:
    """The part of a question's content words, short ones and those of the schema left out, that stand in a passage."""
    own = {word for word in words(question) - words(" ".join(names)) if len(word) > 3}
    return len(own & words(passage.text)) / len(own) if own else 0.0


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
