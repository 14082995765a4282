"""Do the passages hold the answer? What the model says of them, weighed with how near the nearest of their sentences is to the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import log

from langchain_core.messages import BaseMessage

from graphs.grounding import split
from graphs.turn import Documents, Turn
from stores.values import Passage

NEAR = 6.0
"""What a cosine of 1 between question and sentence adds to the log-odds of the model's "yes"."""
ENOUGH = 4.5
"""Least sum of the two; below it the assistant says that it did not find the answer."""
POLAR = 1.0
"""So much less for what can itself be answered with no, which draws some of the probability to that word."""
SENTENCES = 40
"""At most so many sentences are compared with the question."""

_POLAR = re.compile(
    r"(is|are|was|were|do|does|did|has|have|had|can|could|may|must|shall|should|will|would|am)\b", re.IGNORECASE
)


def enough(messages: Sequence[BaseMessage], question: str, passages: Sequence[Passage], turn: Turn) -> bool:
    """Whether to answer `question` from the passages that `messages` show to the model; one token, and one look at the sentences."""
    said = log_odds(turn.speaker.choose(messages, ["yes", "no"])["yes"])
    least = ENOUGH - (POLAR if is_polar(question) else 0.0)
    if said < least - NEAR or said >= least:  # no sentence can change that
        return said >= least
    return said + NEAR * nearness(question, passages, turn.services.documents) >= least


def log_odds(yes: float) -> float:
    """Of a probability, which may be 0 or 1."""
    yes = min(max(yes, 1e-4), 1 - 1e-4)
    return log(yes / (1 - yes))


def is_polar(question: str) -> bool:
    """Whether a question can be answered with yes or no."""
    return bool(_POLAR.match(question))


def nearness(question: str, passages: Sequence[Passage], documents: Documents) -> float:
    """The cosine between a question and the sentence nearest to it."""
    texts = [" ".join(sentence.split()) for passage in passages for sentence in split(passage.text)]
    return max(documents.alike(question, texts[:SENTENCES]), default=0.0)
