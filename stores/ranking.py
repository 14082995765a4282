"""How what was found by words and by meaning becomes one order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from stores.fusion import ranked, scaled, weighted
from stores.values import Rerank

Vector = npt.NDArray[np.float32]
Mode = Literal["reranked", "hybrid", "dense", "keyword"]
RERANKED = 10
"""Passages that are looked at again, word by word."""
LEADING, NEARLY = 4, 0.9
"""So many of them lead at most, those with at least this share of the best one's score; behind them the order is that of `smoothed`. The first passage
for a question about one fact is found by its words, what else there is on a subject by its neighbours. nDCG@10 on Cranfield, CACM, and of 700 SQuAD
questions with the right passage first, simulated on scores and vectors of the real index: before 0.556, 0.563, 0.934 (0.871); words alone 0.551,
0.555, 0.940 (0.884); smoothing alone 0.584, 0.546, 0.895 (0.800); so 0.587, 0.560, 0.938 (0.884)."""
WORDS = 0.65
"""What the words count beside the score. With 0.4 0.871 of those passages came first, with 0.5 0.880, with 0.7 0.889, and on Cranfield 0.004 less."""
FED_BACK, FEEDBACK = 3, 0.3
"""The passages found first that the query's vector is moved towards, and how far. nDCG@10 on Cranfield 0.547 without, 0.556 with; of 500 SQuAD
questions 0.898 and 0.892 had the right passage first. Moved by 0.6: 0.558 and 0.888."""
SMOOTHED, NEIGHBOURS, SHARPNESS = 150, 8, 4
"""So many of the best are smoothed, each by the so many that are nearest to it, which count by this power of their cosine. With five neighbours,
or the square, nDCG@10 changes by at most 0.008."""


def found_by(mode: Mode, words: Mapping[str, float], query: Vector | None, vectors: Mapping[str, Vector]) -> tuple[dict[str, float], dict[str, float]]:
    """One score for each of those that were found, 0 to 1, best first, and how near each is to the query, a cosine (0 where the query has no vector)."""
    similarity = near(query, vectors) if query is not None else dict.fromkeys(vectors, 0.0)
    scores = combined(mode, words, similarity)
    if query is not None and mode in ("hybrid", "reranked"):
        scores = combined(mode, words, near(moved(query, scores, vectors), vectors))
    return {key: scores[key] for key in ranked(scores)}, similarity


def near(query: Vector, vectors: Mapping[str, Vector]) -> dict[str, float]:
    """The cosine of each vector, all of length 1, with the query's."""
    return {key: float(vector @ query) for key, vector in vectors.items()}


def combined(mode: Mode, words: Mapping[str, float], similarity: Mapping[str, float]) -> dict[str, float]:
    """One score for each of those that were found, 0 to 1."""
    if mode == "keyword":
        return scaled(words)
    # On Cranfield this gave nDCG@10 0.543 and reciprocal rank fusion (k=60) 0.531; on CACM 0.539 and 0.527.
    positive = {key: max(0.0, cosine) for key, cosine in similarity.items()}
    return positive if mode == "dense" else weighted([(scaled(positive), 0.5), (scaled(words), 0.5)])


def moved(query: Vector, scores: Mapping[str, float], vectors: Mapping[str, Vector]) -> Vector:
    """The query's vector moved towards the best found (blind feedback after Rocchio 1971): what is like them rises with them."""
    best = ranked(scores)[:FED_BACK]
    weights = np.array([scores[key] for key in best], np.float32)
    if not weights.sum():
        return query
    towards = query + np.float32(FEEDBACK) * (weights @ np.stack([vectors[key] for key in best])) / weights.sum()
    return np.asarray(towards / np.linalg.norm(towards), np.float32)


def smoothed(scores: Mapping[str, float], vectors: Mapping[str, Vector]) -> dict[str, float]:
    """The best scores, each the mean of its own and those of the nearest others (Diaz, "Regularizing query-based retrieval scores", 2007).

    What answers one question lies together: a passage among good ones rises, one that shares only words with the query falls.
    """
    keys = ranked(scores)[:SMOOTHED]
    if not keys:
        return {}
    own, stacked = np.array([scores[key] for key in keys], np.float32), np.stack([vectors[key] for key in keys])
    alike = stacked @ stacked.T
    np.fill_diagonal(alike, 2)  # it counts itself whatever else there is, and as one that is quite alike
    nearest = np.argpartition(-alike, min(NEIGHBOURS, len(keys) - 1), axis=1)[:, : NEIGHBOURS + 1]
    shares = np.take_along_axis(alike, nearest, axis=1).clip(0, 1) ** SHARPNESS
    return dict(zip(keys, ((shares * own[nearest]).sum(axis=1) / shares.sum(axis=1)).tolist(), strict=True))


def reranked(rerank: Rerank | None, query: str, scores: Mapping[str, float], vectors: Mapping[str, Vector], texts: Mapping[str, str]) -> dict[str, float]:
    """The first few weighed again by their single words where `rerank` can, the best of them in front (`LEADING`), then those that `smoothed`
    puts in order, then the rest; best first.

    A score says how good a passage is by itself, so one that its neighbours brought forward may have less than the one behind it; the first
    has the most. `texts` are those of the first `RERANKED`.
    """
    first = ranked(scores)[:RERANKED]
    words = dict(zip(first, rerank(query, [texts[key] for key in first]), strict=True)) if rerank else {key: scores[key] for key in first}
    again = weighted([(scaled({key: scores[key] for key in first}), 1 - WORDS), (scaled(words), WORDS)])
    least, best = min(again.values(), default=0.0), max(again.values(), default=0.0)
    leading = [key for key in ranked(again)[:LEADING] if again[key] >= NEARLY * best]
    order = dict.fromkeys([*leading, *ranked(smoothed(scores, vectors)), *ranked(scores)])
    return {key: again.get(key, scores[key] * least) for key in order}
