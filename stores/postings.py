"""Keyword search over the passages: BM25 from lists of words in memory, filled from the registry and kept in step with it.

FTS5 scores every row that holds one of the words, some microseconds each, and joining them to who may see them reads a page a
row: over 100,000 passages a question took a second. Here it takes milliseconds, and wherever the registry lies, the order is the same.
"""

from __future__ import annotations

import ctypes
import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stores.keywords import query_terms
from stores.registry import EVERYBODY, Registry, chunk_id

if TYPE_CHECKING:
    import numpy.typing as npt

_K1, _B = 1.2, 0.75  # as in FTS5
_FEW = 2000
_VIEWS = 16
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@dataclass(frozen=True)
class _Lists:
    """Sorted words, and where each stands: `held[starts[i]:starts[i + 1]]` are word i's, each row << 8 | how often."""

    words: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    held: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, packed: npt.NDArray[np.uint64]) -> _Lists:
        """From word << 32 | row << 8 | how often, in any order; sorts it in place."""
        packed.sort()
        words = (packed >> 32).astype(np.uint32)
        starts = np.flatnonzero(np.concatenate(([True], words[1:] != words[:-1]))) if len(words) else np.empty(0, np.int64)
        return cls(words[starts], np.append(starts, len(words)), packed.astype(np.uint32))

    def packed(self) -> npt.NDArray[np.uint64]:
        """What it was made from."""
        return (np.repeat(self.words, np.diff(self.starts)).astype(np.uint64) << np.uint64(32)) | self.held

    def where(self, word: int) -> npt.NDArray[np.uint32]:
        """Where a word stands."""
        at = int(np.searchsorted(self.words, np.uint32(word)))
        return self.held[self.starts[at] : self.starts[at + 1]] if at < len(self.words) and self.words[at] == word else self.held[:0]


@dataclass(frozen=True)
class _View:
    """What one user may see: which rows, how many, and for each row the part of BM25 that comes from its length."""

    seen: npt.NDArray[np.bool_]
    count: int
    norms: npt.NDArray[np.float32]


class Postings:
    """The words of all ready passages. Serves many threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._at = -1
        self._rows: dict[str, tuple[int, int]] = {}  # document to its first row and the one after its last
        self._documents: list[str] = []  # in the order of their rows, those that are gone too
        self._firsts = np.empty(0, np.int64)
        self._owners = np.empty(0, np.int32)  # -1 once a document is gone
        self._lengths = np.empty(0, np.float32)
        self._codes = {EVERYBODY: 0}
        self._all = self._late = _Lists.of(np.empty(0, np.uint64))
        self._views: OrderedDict[str, _View] = OrderedDict()

    def scores(self, query: str, *, user: str, limit: int) -> dict[str, float]:
        """BM25 (Robertson and Zaragoza 2009) of the passages for everybody and the user's own, best first."""
        terms = query_terms(query)
        with self._lock:
            self._follow()
            view, lists, documents, firsts = self._view(user), (self._all, self._late), self._documents, self._firsts
        found = np.zeros(len(view.seen), np.float32)
        for word, times in terms.items():
            held = np.concatenate([some.where(word) for some in lists])
            rows, often = held >> 8, (held & 255).astype(np.float32)
            seen = view.seen[rows]
            rows, often = rows[seen], often[seen]
            weight = max(1e-6, float(np.log((view.count - len(rows) + 0.5) / (len(rows) + 0.5)))) * times * (_K1 + 1)
            found[rows] += weight * often / (often + view.norms[rows])
        held_any = np.flatnonzero(found)
        best = held_any[np.argsort(-found[held_any], kind="stable")[:limit]]
        of = np.searchsorted(firsts, best, side="right") - 1
        return {chunk_id(documents[at], int(row - firsts[at])): float(found[row]) for row, at in zip(best, of, strict=True)}

    def share(self, *, user: str) -> float:
        """The part of all passages that the user may see, 0 to 1."""
        with self._lock:
            self._follow()
            return self._view(user).count / max(1, int(np.count_nonzero(self._owners >= 0)))

    def _view(self, user: str) -> _View:
        if user not in self._views:
            seen = (self._owners == 0) | (self._owners == self._codes.get(user, 0))
            count = int(np.count_nonzero(seen))
            average = float(self._lengths[seen].mean()) if count else 1.0
            norms = (_K1 * (1 - _B + _B * self._lengths / max(average, 1.0))).astype(np.float32)
            self._views[user] = _View(seen, count, norms)
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(user)
        return self._views[user]

    # Staying in step

    def _follow(self) -> None:
        """Takes in what documents came and went since the last time."""
        at = self._registry.changes()
        if at == self._at:
            return
        ready = self._registry.ready()
        gone = [key for key in self._rows if key not in ready]
        if sum(self._rows[key][1] - self._rows[key][0] for key in gone) > len(self._owners) // 4:
            self._clear()
            gone = []
        for key in gone:
            first, end = self._rows.pop(key)
            self._owners[first:end] = -1
        self._take([key for key in ready if key not in self._rows], ready)
        self._views.clear()
        self._at = at

    def _take(self, documents: Sequence[str], owners: dict[str, str]) -> None:
        # Buffers that grow, as a list of small pieces would leave the memory in shreds; a search under way goes on with the lists that it has.
        words, sizes, codes = array("Q"), array("I"), array("i")
        taken: dict[str, tuple[int, int]] = {}
        row = len(self._owners)
        for document, chunks in self._registry.words(documents):
            taken[document] = (row, row + len(chunks))
            row += len(chunks)
            codes.extend([self._codes.setdefault(owners[document], len(self._codes))] * len(chunks))
            for blob in chunks:
                words.frombytes(blob)
                sizes.append(len(blob) // 8)
        if not sizes:
            return
        new = np.frombuffer(words, np.uint64)
        rows = np.repeat(np.arange(len(sizes), dtype=np.uint32), sizes)
        lengths = np.bincount(rows, (new & np.uint64(255)).astype(np.float32), len(sizes)).astype(np.float32)
        new |= (rows + np.uint32(len(self._owners))).astype(np.uint64) << np.uint64(8)
        late = np.concatenate((self._late.packed(), new))
        del words, new, rows
        self._rows |= taken
        self._documents = [*self._documents, *taken]
        self._firsts = np.concatenate((self._firsts, [first for first, _ in taken.values()]))
        self._owners = np.concatenate((self._owners, codes))
        self._lengths = np.concatenate((self._lengths, lengths))
        if len(sizes) > _FEW or len(late) > len(self._all.held) // 8:
            self._all, late = _Lists.of(np.concatenate((self._all.packed(), late))), late[:0]
        self._late = _Lists.of(late)
        if len(sizes) > _FEW:
            _give_back()


def _give_back() -> None:
    """What is freed goes back to the system, now and from now on.

    glibc keeps what lies below anything that is still used, half of what many passages take; and once it has seen a large piece freed it
    keeps such pieces for each thread: over 100,000 passages 40 threads held 160 MB that none of them used.
    """
    with suppress(OSError, AttributeError, TypeError):  # not glibc
        library = ctypes.CDLL(None)
        for bound in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            library.mallopt(bound, 1 << 17)  # what glibc begins with; set, it stays
        library.malloc_trim(0)
