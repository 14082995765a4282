"""Do the passages hold the answer? What the model says of them, weighed with how the question stands to their nearest sentence.

A small model says "yes" too readily of a question in the passages' own words, and too seldom of one in the user's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import log

from langchain_core.messages import BaseMessage

from graphs.grounding import split, words
from graphs.turn import Documents, Turn
from stores.values import Passage

NEAR = 5.7
"""What a cosine of 1 between the question and the nearest sentence adds to the log-odds of the model's "yes"."""
OWN_WORDS = -1.9
"""What it adds that all words of the question stand in that sentence or beside it."""
POLAR = 2.9
"""What it adds that the question can itself be answered with no, which draws some of the probability to that word."""
ENOUGH = 3.3
"""Least sum; below it the assistant says that it did not find the answer.

Fitted by `scripts/fit_enough.py` on 94 SQuAD questions outside the sample and 60 of scripts/enough. Fitted without the article or workspace
that was judged, it declined 0.57 of the unanswerable and 0.08 of the answerable of SQuAD, 0.72 and 0.14 of ours (AUC 0.834, of the "yes" alone
0.792); as it stands 0.59 and 0.08, 0.80 and 0.11."""
SENTENCES = 40
"""At most so many sentences are compared with the question."""

_POLAR = re.compile(
    r"(is|are|was|were|do|does|did|has|have|had|can|could|may|must|shall|should|will|would|am)\b", re.IGNORECASE
)


def enough(messages: Sequence[BaseMessage], question: str, passages: Sequence[Passage], turn: Turn) -> bool:
    """Whether to answer `question` from the passages that `messages` show to the model; one token, and one look at the sentences."""
    said = log_odds(turn.speaker.choose(messages, ["yes", "no"])["yes"]) + POLAR * is_polar(question)
    if said < ENOUGH - NEAR or said >= ENOUGH - OWN_WORDS:  # no sentence can change that
        return said >= ENOUGH
    near, own = nearest(question, passages, turn.services.documents)
    return said + NEAR * near + OWN_WORDS * own >= ENOUGH


def log_odds(yes: float) -> float:
    """Of a probability, which may be 0 or 1."""
    yes = min(max(yes, 1e-4), 1 - 1e-4)
    return log(yes / (1 - yes))


def is_polar(question: str) -> bool:
    """Whether a question can be answered with yes or no."""
    return bool(_POLAR.match(question))


def nearest(question: str, passages: Sequence[Passage], documents: Documents) -> tuple[float, float]:
    """The cosine between a question and the sentence nearest to it, and the share of its words in that one and its neighbours."""
    texts = [" ".join(sentence.split()) for passage in passages for sentence in split(passage.text)][:SENTENCES]
    if not texts:
        return 0.0, 0.0
    found = documents.alike(question, texts)
    best = max(range(len(texts)), key=lambda at: found[at])
    asked = words(question)
    return found[best], len(asked & words(" ".join(texts[max(0, best - 1) : best + 2]))) / max(1, len(asked))
