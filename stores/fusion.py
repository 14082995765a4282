"""Making one ranking of several."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def reciprocal_rank(rankings: Sequence[Sequence[str]], *, k: int = 60) -> dict[str, float]:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), scaled so that first in every ranking is 1."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + (k + 1) / (k + rank) / len(rankings)
    return scores


def weighted(scores: Sequence[tuple[Mapping[str, float], float]]) -> dict[str, float]:
    """The weighted sum of scores (each 0 to 1), missing ones as 0; the weights are scaled to add up to 1."""
    whole = sum(weight for _, weight in scores)
    total: dict[str, float] = {}
    for part, weight in scores:
        for key, score in part.items():
            total[key] = total.get(key, 0.0) + score * weight / whole
    return total


def scaled(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores divided by the best, so that they lie in 0 to 1."""
    best = max(scores.values(), default=0.0)
    return {key: max(0.0, score) / best for key, score in scores.items()} if best > 0 else dict.fromkeys(scores, 0.0)


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Ids, best first; equal scores by id, so that the order is the same each time."""
    return sorted(scores, key=lambda key: (-scores[key], key))


def without_repeats(items: Iterable[T], text: Callable[[T], str]) -> list[T]:
    """The items whose text, case and white space aside, has not been seen before."""
    seen: set[str] = set()
    kept = []
    for item in items:
        key = normalised(text(item))
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept


def normalised(text: str) -> str:
    """Text to compare by: lower case, single spaces, no punctuation at the ends."""
    return re.sub(r"\s+", " ", text).strip(" .!?,;:").casefold()
