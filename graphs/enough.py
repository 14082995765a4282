"""Do the passages hold the answer? What the model knows of that without saying it, how surprised it was at the question, and its "yes".

A small model says "yes" too readily of a question in the passages' own words. In its middle layers it mostly knows better: a linear
probe asks there. Where one word of a question was put in place of another ("the Unique Model" for the Standard Model), that word
surprises it. A model into which nobody can look is asked for its "yes", which is weighed with how the question stands to the nearest sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import log

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from graphs import prompts
from graphs.grounding import split, words
from graphs.speaking import Sensed
from graphs.turn import Documents, Turn
from stores.values import Passage

PROBE = "enough"
"""The probe's name; `scripts/fit_enough.py` fits it on the questions of scripts/enough."""
SURPRISE = -0.18
"""What a nat of surprise at a word of the question adds to the probe's log-odds that it can be answered."""
YES = 0.24
"""What a unit of the log-odds of the model's "yes" adds."""
ENOUGH = -0.38
"""Least sum; below it the assistant says that it did not find the answer.

Fitted on 2,919 questions of scripts/enough and, what the probe is weighed with, on 166 of SQuAD outside the sample, of which at most 0.10 of
the answerable were to be declined. Without the text that was judged it declines 0.88 of the unanswerable and 0.07 of the answerable of the
workspaces, 0.77 and 0.17 of the texts, which were made to be hard; 0.59 and 0.10 of SQuAD (AUC 0.85, of the "yes" alone 0.75). Their
passages were found before neighbours counted."""

# For a model without a probe:
NEAR = 5.7
"""What a cosine of 1 between the question and the nearest sentence adds to the log-odds of the model's "yes"."""
OWN_WORDS = -1.9
"""What it adds that all words of the question stand in that sentence or beside it."""
POLAR = 2.9
"""What it adds that the question can itself be answered with no, which draws some of the probability to that word."""
ENOUGH_UNPROBED = 3.3
"""Least sum of these."""
SENTENCES = 40
"""At most so many sentences are compared with the question."""

_POLAR = re.compile(
    r"(is|are|was|were|do|does|did|has|have|had|can|could|may|must|shall|should|will|would|am)\b", re.IGNORECASE
)


def reading(question: str, passages: Sequence[Passage], earlier: str | None = None) -> list[BaseMessage]:
    """The prompt in which passages are read for a question. It is what the probe knows: another one needs another probe."""
    human = HumanMessage(prompts.documents_question(question=question, passages=passages, earlier=earlier))
    return [SystemMessage(prompts.DOCUMENTS_SYSTEM), human]


def enough(messages: Sequence[BaseMessage], question: str, passages: Sequence[Passage], turn: Turn) -> bool:
    """Whether to answer `question`, with which `messages` end, from the passages that they show to the model; one token."""
    said = turn.speaker.sense(messages, ["yes", "no"], probe=PROBE, closely=question)
    yes = log_odds(said.probabilities["yes"])
    if said.log_odds is not None:
        return weighed(said.log_odds, surprise(said), yes) >= ENOUGH
    least = ENOUGH_UNPROBED - yes - POLAR * is_polar(question)
    if least > NEAR or least <= OWN_WORDS:  # no sentence can change that
        return least <= OWN_WORDS
    near, own = nearest(question, passages, turn.services.documents)
    return NEAR * near + OWN_WORDS * own >= least


def weighed(probed: float, surprised: float, yes: float) -> float:
    """What the probe found, how surprising the question was, and the log-odds of "yes", in one."""
    return probed + SURPRISE * surprised + YES * yes


def surprise(said: Sensed) -> float:
    """How surprising the most surprising word of a question was, in nats, after the two that it begins with, which may be any."""
    return max((0.0, *said.surprises[2:]))


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
