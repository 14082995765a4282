"""The figures: SQuAD's text measures, the ranking measures of information retrieval, and averages."""

from __future__ import annotations

import math
import re
import statistics
import string
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from assistant.evaluation.rows import Verdict, judge, run_query, same_rows

__all__ = [
    "Verdict",
    "contains_answer",
    "judge",
    "mean",
    "median",
    "ndcg",
    "normalise",
    "percentile",
    "recall",
    "reciprocal_rank",
    "run_query",
    "same_rows",
    "says_unknown",
    "share",
    "token_f1",
]

# A small model declines in words of its own.
_UNKNOWN = re.compile(
    r"\b(have not|haven['’]t|has not|hasn['’]t|did not|didn['’]t|never|not) "
    r"(told|tell|mention(ed)?|said|say|shared?|specif(y|ied)|stated?)\b"
    r"|\b(do not|don['’]t|does not|doesn['’]t) (know|hold|contain|mention|say|have (any )?information)\b|\bno (information|mention)\b",
    re.IGNORECASE,
)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """A text as the SQuAD evaluation compares it: lower case, no punctuation, no articles, single blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def contains_answer(text: str, answers: Iterable[str]) -> bool:
    """Whether a gold answer stands in the text, both normalised, as whole words."""
    words = f" {normalise(text)} "
    return any(f" {gold} " in words for gold in map(normalise, answers) if gold)


def token_f1(predicted: str, gold: str) -> float:
    """SQuAD's F1 of two texts: the harmonic mean of precision and recall over their normalised words."""
    ours, theirs = normalise(predicted).split(), normalise(gold).split()
    if not ours or not theirs:
        return float(ours == theirs)
    common = (Counter(ours) & Counter(theirs)).total()
    return 2 * common / (len(ours) + len(theirs))


def says_unknown(text: str) -> bool:
    """Whether a text says that what was asked is not known."""
    return bool(_UNKNOWN.search(text))


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """The share of the relevant that stands among the first k."""
    return len(set(ranked[:k]) & set(relevant)) / len(relevant)


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """1 / rank of the first relevant among the first k, 0 where there is none."""
    return next((1 / rank for rank, name in enumerate(ranked[:k], 1) if name in relevant), 0.0)


def ndcg(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Normalised discounted cumulative gain at k: gain is the grade, discount log2(rank + 1) (Järvelin, Kekäläinen 2002)."""
    gained = _discounted([grades.get(name, 0.0) for name in ranked[:k]])
    ideal = _discounted(sorted(grades.values(), reverse=True)[:k])
    return gained / ideal if ideal else 0.0


def mean(values: Iterable[float]) -> float | None:
    """The mean; None of nothing."""
    listed = list(values)
    return statistics.fmean(listed) if listed else None


def median(values: Iterable[float]) -> float | None:
    """The median; None of nothing."""
    listed = list(values)
    return float(statistics.median(listed)) if listed else None


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The smallest value that at least `percent` of all do not exceed (nearest rank); None of nothing."""
    listed = sorted(values)
    return listed[max(0, math.ceil(percent / 100 * len(listed)) - 1)] if listed else None


def share(verdicts: Iterable[bool]) -> float | None:
    """How many of all are true; None of nothing."""
    return mean(float(verdict) for verdict in verdicts)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
