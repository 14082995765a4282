"""Prompts already read: which sequence holds which tokens, who may use them, and which one goes when room is short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]
Cells = npt.NDArray[np.int64]


class SequenceMemory(Protocol):
    """What keeps the keys and values of sequences."""

    def copy(self, source: int, target: int, end: int) -> None:
        """Let `target` share the first `end` tokens of `source`."""

    def drop(self, sequence: int) -> None:
        """Forget a sequence."""


@dataclass(eq=False)
class Prefix:
    """Tokens that a sequence holds. `user` is None for what everybody may share; `cells` names each token's cell."""

    sequence: int
    user: str | None
    tokens: Tokens = field(default_factory=lambda: np.empty(0, np.int32))
    cells: Cells = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.tokens)

    def common(self, tokens: Tokens) -> int:
        """How many leading tokens are the same."""
        length = min(len(tokens), len(self.tokens))
        differs = np.flatnonzero(self.tokens[:length] != tokens[:length])
        return int(differs[0]) if differs.size else length


class Prefixes:
    """An LRU of kept prefixes in `memory`: shared ones for all users, tails for the user who made them.

    `cells` bounds all that memory holds, `kept_cells` what stays between calls; tails take at most half of that, so that
    one long conversation does not push out what every conversation begins with.
    """

    def __init__(self, memory: SequenceMemory, *, cells: int, kept_cells: int, sequences: int) -> None:
        self._memory = memory
        self._cells = cells
        self._kept_cells = kept_cells
        self._free = list(range(sequences - 1, -1, -1))
        self._kept: list[Prefix] = []  # least recently used first
        self._working: list[Prefix] = []
        self._next_cell = 0

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, tokens: Sequence[int], *, user: str | None) -> Prefix:
        """A working sequence that already holds the longest kept beginning of `tokens` that `user` may use.

        At least the last token is left to read: its logits are what a call is made for.
        """
        wanted = np.asarray(tokens, np.int32)
        best, length = self._longest(wanted[:-1], user)
        working = Prefix(self._take_sequence(protect=best), user)
        self._working.append(working)
        for kept in [kept for kept in self._kept if kept is best or kept.common(wanted) == len(kept)]:
            self._kept.remove(kept)
            self._kept.append(kept)  # used just now: the last to go
        if best is not None:
            self._memory.copy(best.sequence, working.sequence, length)
            working.tokens, working.cells = best.tokens[:length], best.cells[:length]
        return working

    def blank(self) -> Prefix:
        """A working sequence that holds nothing."""
        working = Prefix(self._take_sequence(), None)
        self._working.append(working)
        return working

    def keeps(self, prefix: Prefix) -> bool:
        """Whether a prefix is still kept."""
        return prefix in self._kept

    def held(self, tokens: Sequence[int]) -> bool:
        """Whether a shared prefix begins with all of `tokens`."""
        wanted = np.asarray(tokens, np.int32)
        return any(prefix.user is None and prefix.common(wanted) == len(wanted) for prefix in self._kept)

    def fork(self, prefix: Prefix, *, end: int | None = None) -> Prefix:
        """A second working sequence with the first `end` tokens of `prefix` (all of them when None)."""
        end = len(prefix) if end is None else end
        copy = Prefix(self._take_sequence(), prefix.user, prefix.tokens[:end], prefix.cells[:end])
        self._memory.copy(prefix.sequence, copy.sequence, end)
        self._working.append(copy)
        return copy

    def extend(self, prefix: Prefix, tokens: Sequence[int]) -> None:
        """Note that `tokens` were read into a working sequence."""
        prefix.tokens = np.concatenate([prefix.tokens, np.asarray(tokens, np.int32)])
        prefix.cells = np.concatenate([prefix.cells, np.arange(self._next_cell, self._next_cell + len(tokens))])
        self._next_cell += len(tokens)

    def keep(self, prefix: Prefix, *, user: str | None) -> None:
        """Keep a working sequence for `user`'s next call (None: for everybody's). What it continues is not kept twice."""
        self._working.remove(prefix)
        prefix.user = user
        for other in [kept for kept in self._kept if kept.user == user and prefix.common(kept.tokens) == len(kept)]:
            self._evict(other)
        if not len(prefix):
            self._release(prefix)
            return
        self._kept.append(prefix)
        while self._kept_tails() and self._held([p for p in self._kept if p.user is not None]) > self._kept_cells // 2:
            self._evict(self._kept_tails()[0])
        while self._kept and self._held(self._kept) > self._kept_cells:
            self._evict(self._kept[0])

    def drop(self, prefix: Prefix) -> None:
        """Give up a working sequence."""
        self._working.remove(prefix)
        self._release(prefix)

    def make_room(self, tokens: int) -> None:
        """Evict the least recently used until `tokens` more fit, or nothing is left to evict."""
        while self._kept and self._held(self._kept + self._working) + tokens > self._cells:
            self._evict(self._kept[0])

    def evict_one(self) -> bool:
        """Evict the least recently used; False when nothing is kept."""
        if self._kept:
            self._evict(self._kept[0])
            return True
        return False

    def forget(self, user: str) -> None:
        """Drop every tail of a user."""
        for prefix in [kept for kept in self._kept if kept.user == user]:
            self._evict(prefix)

    @property
    def held_cells(self) -> int:
        """Cells that kept and working sequences take together, shared ones counted once."""
        return self._held(self._kept + self._working)

    def _longest(self, wanted: Tokens, user: str | None) -> tuple[Prefix | None, int]:
        allowed = [kept for kept in self._kept if kept.user is None or kept.user == user]
        best = max(allowed, key=lambda kept: kept.common(wanted), default=None)
        length = best.common(wanted) if best is not None else 0
        return (best, length) if length else (None, 0)

    def _take_sequence(self, protect: Prefix | None = None) -> int:
        if not self._free:
            self._evict(next(kept for kept in self._kept if kept is not protect))
        return self._free.pop()

    def _evict(self, prefix: Prefix) -> None:
        self._kept.remove(prefix)
        self._release(prefix)

    def _release(self, prefix: Prefix) -> None:
        self._memory.drop(prefix.sequence)
        self._free.append(prefix.sequence)

    def _kept_tails(self) -> list[Prefix]:
        return [kept for kept in self._kept if kept.user is not None]

    @staticmethod
    def _held(prefixes: list[Prefix]) -> int:
        return int(np.unique(np.concatenate([p.cells for p in prefixes])).size) if prefixes else 0
