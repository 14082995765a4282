"""One user's memories, held in memory to be searched: exactly, and without asking the index of everybody's."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from stores.fusion import ranked, scaled, weighted
from stores.keywords import WordIndex
from stores.links import Links
from stores.values import Embed, Memory

BESIDE = (0.2, 0.1)
"""The part that the scores of the next and of the next but one have in a memory's score. On the 864 LoCoMo questions outside the sample
evidence recall@10 was 0.752 with it, 0.698 without (with no more than 60 nearest looked at: 0.627)."""
SITTING, TOGETHER = timedelta(hours=1), 0.5
"""Memories with more time between them were not said in one sitting, and the part that the mean of a sitting's five best has: 0.767."""


class Shelf:
    """The memories, their vectors and their words. Thread-safe."""

    def __init__(self, memories: Sequence[Memory], vectors: Any) -> None:
        self._lock = threading.Lock()
        self._memories: dict[str, Memory] = {}
        self._vectors: dict[str, Any] = {}
        self._matrix: Any = None
        self._words, self._links = WordIndex({}), Links({})
        self.put(memories, vectors)

    def put(self, memories: Sequence[Memory], vectors: Any) -> None:
        """Adds memories with their unit vectors, replacing those under the same ids."""
        with self._lock:
            self._memories |= {memory.id: memory for memory in memories}
            self._vectors |= {memory.id: vector for memory, vector in zip(memories, vectors, strict=True)}
            self._matrix = None
        self._words.put({memory.id: memory.text for memory in memories})
        self._links.put({memory.id: "" if memory.until else memory.text for memory in memories})

    def search(self, query: str, embed: Embed) -> list[Memory]:
        """All of them, what fits the query best first; `score` is 0 to 1. What a name stands for is followed."""
        query = self._links.followed(query)
        vector = np.ascontiguousarray(embed([query])[0], dtype=np.float32)
        with self._lock:
            memories = dict(self._memories)
            if self._matrix is None and memories:
                self._matrix = np.stack([self._vectors[key] for key in memories])
            cosines = (self._matrix @ vector).tolist() if memories else []
        similarity = {key: max(0.0, cosine) for key, cosine in zip(memories, cosines, strict=True)}
        words = self._words.scores(query, limit=len(memories))
        scores = weighted([(scaled(similarity), 0.5), (scaled(words), 0.5)])
        scores = with_company({key: scores[key] for key in memories}, {key: memory.said_at for key, memory in memories.items()})
        return [dataclasses.replace(memories[key], score=scores[key]) for key in ranked(scores)]


def with_company(scores: Mapping[str, float], said_at: Mapping[str, datetime]) -> dict[str, float]:
    """Scores, 0 to 1, that count what was said just before and after, and in the same sitting: an answer often lacks the words of its question."""
    order = sorted((moment, key) for key, moment in said_at.items())
    sitting, last, sittings = 0, None, list[tuple[int, str]]()
    for moment, key in order:
        sitting += last is not None and moment - last > SITTING
        sittings.append((sitting, key))
        last = moment
    total = dict(scores)
    for apart, part in enumerate(BESIDE, 1):
        for (one, before), (other, after) in zip(sittings, sittings[apart:], strict=False):
            if one == other:
                total[before] += part * scores[after]
                total[after] += part * scores[before]
    found: dict[str, float] = {}
    for _, group in groupby(sittings, key=itemgetter(0)):
        keys = [key for _, key in group]
        best = sorted((total[key] for key in keys), reverse=True)[:5]
        found |= {key: total[key] + TOGETHER * sum(best) / len(best) for key in keys}
    return {key: score / (1 + 2 * sum(BESIDE)) / (1 + TOGETHER) for key, score in found.items()}
