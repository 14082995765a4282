"""Prompts already read: their tokens, their keys and values, who may use them, and which one goes when room is short."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Segment:
    """Keys and values of a run of tokens, as llama.cpp writes them; prefixes may hold the same one."""

    data: bytearray


@dataclass(frozen=True, eq=False)
class Prefix:
    """Tokens that were read, with the segments that hold them in order. `user` is None for what everybody may share.

    The first `exact` tokens were read in the batches that a cold engine would read them in.
    """

    tokens: Tokens
    segments: tuple[Segment, ...]
    user: str | None
    exact: int

    def common(self, tokens: Tokens) -> int:
        """How many leading tokens are the same."""
        length = min(len(tokens), len(self.tokens))
        differs = np.flatnonzero(self.tokens[:length] != tokens[:length])
        return int(differs[0]) if differs.size else length


class Prefixes:
    """An LRU of at most `max_bytes`: prefixes for all users, and tails for the user who made them.

    Tails take at most half, so that one long conversation does not push out what every conversation begins with. A user
    may be forgotten from another thread at any time.
    """

    def __init__(self, max_bytes: int, *, batch: int) -> None:
        self._max_bytes = max_bytes
        self._batch = batch
        self._kept: list[Prefix] = []  # least recently used first
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def held_bytes(self) -> int:
        """Bytes of all that is kept, segments that several hold counted once."""
        with self._lock:
            return _bytes(self._kept)

    def find(self, tokens: Sequence[int], *, shared: int, user: str | None) -> tuple[Prefix | None, int]:
        """The kept prefix that saves the most of a prompt for this user, and how many of its tokens to use.

        At least the last token is left to read: its logits are what a call is made for.
        """
        wanted = np.asarray(tokens, np.int32)
        best, length = None, 0
        with self._lock:
            allowed = [kept for kept in self._kept if kept.user is None or kept.user == user]
            for kept in allowed:
                usable = self._usable(kept, wanted[:-1], shared)
                if usable > length:
                    best, length = kept, usable
            for kept in [kept for kept in allowed if kept is best or kept.common(wanted) == len(kept.tokens)]:
                self._kept.remove(kept)
                self._kept.append(kept)  # used just now: the last to go
        return best, length

    def shared(self, tokens: Sequence[int]) -> Prefix | None:
        """The prefix kept for everybody that holds just these tokens."""
        wanted = np.asarray(tokens, np.int32)
        with self._lock:
            return next((kept for kept in self._kept if kept.user is None and np.array_equal(kept.tokens, wanted)), None)

    def keep(self, prefix: Prefix) -> None:
        """Keep a prefix, in place of what it continues, and let the least recently used go."""
        with self._lock:
            self._kept = [kept for kept in self._kept if not _replaces(prefix, kept)]
            self._kept.append(prefix)
            self._trim()

    def forget(self, user: str) -> None:
        """Drop every tail of a user."""
        with self._lock:
            self._kept = [kept for kept in self._kept if kept.user != user]

    def _trim(self) -> None:
        while (tails := [kept for kept in self._kept if kept.user is not None]) and self._own_bytes(tails) > self._max_bytes // 2:
            self._kept.remove(tails[0])
        while self._kept and self.held_bytes > self._max_bytes:
            self._kept.pop(0)

    def batch_end(self, length: int, shared: int) -> int:
        """The last place up to `length` where a cold engine ends a batch, the shared part being read by itself."""
        start = shared if length >= shared else 0
        return start + (length - start) // self._batch * self._batch

    def _usable(self, kept: Prefix, wanted: Tokens, shared: int) -> int:
        """How many of the kept tokens a prompt may use.

        All of them when the prompt goes on from them. Otherwise up to where a cold engine would end a batch: numbers are
        rounded differently in batches of another size, and where two words are nearly as likely the other one could win.
        """
        common = kept.common(wanted)
        if common == len(kept.tokens) and common >= shared:
            return common
        return self.batch_end(min(common, kept.exact), shared)

    def _own_bytes(self, tails: list[Prefix]) -> int:
        shared = {id(segment) for kept in self._kept if kept.user is None for segment in kept.segments}
        return _bytes(tails, without=shared)


def _replaces(new: Prefix, old: Prefix) -> bool:
    """Whether `old` is of no more use: the same user's, and all of it stands in `new` (a shared one is kept to its own end)."""
    if new.user != old.user or new.common(old.tokens) < len(old.tokens):
        return False
    return new.user is not None or len(new.tokens) == len(old.tokens)


def _bytes(prefixes: list[Prefix], *, without: set[int] | None = None) -> int:
    sizes = {id(segment): len(segment.data) for kept in prefixes for segment in kept.segments}
    return sum(size for key, size in sizes.items() if key not in (without or ()))
