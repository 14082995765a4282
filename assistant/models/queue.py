"""A fair, bounded queue in front of the model."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assistant.errors import ModelBusy
from assistant.models.context import Cancelled
from graphs.errors import TurnCancelled

_POLL_SECONDS = 0.05
_REMEMBERED_USERS = 1024


class FairQueue:
    """`at_once` calls at a time; among those who wait, the user who was served longest ago is next.

    At most `bound` calls wait; a further one gets `ModelBusy` at once.
    """

    def __init__(self, bound: int, at_once: int = 1) -> None:
        self._bound = bound
        self._lock = threading.Lock()
        self._free = self._at_once = at_once
        self._idle_since = time.monotonic()
        self._waiting: dict[str, deque[threading.Event]] = {}
        self._served: dict[str, int] = {}
        self._turns = itertools.count(1)

    @contextmanager
    def turn(self, user: str = "local", cancelled: Cancelled | None = None, tell: Callable[[int], None] | None = None) -> Iterator[None]:
        """Wait for the model and hold it; while waiting, `tell` how many are before this one, whenever that changes.

        Raises `ModelBusy`, or `TurnCancelled` when `cancelled` is set while waiting.
        """
        self._wait(user, cancelled, tell)
        try:
            yield
        finally:
            with self._lock:
                self._hand_on()

    def resize(self, bound: int, at_once: int) -> None:
        """So many from now on; what is under way is finished."""
        with self._lock:
            more = at_once - self._at_once
            self._bound, self._at_once = bound, at_once
            self._free += min(more, 0)  # below zero while more are under way than there may be
            for _ in range(more):
                self._hand_on()

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        with self._lock:
            return self._count()

    @property
    def idle_seconds(self) -> float:
        """For how long nobody has held the model; 0 while somebody does."""
        with self._lock:
            return 0.0 if self._free < self._at_once else time.monotonic() - self._idle_since

    def _wait(self, user: str, cancelled: Cancelled | None, tell: Callable[[int], None] | None) -> None:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                self._note_served(user)
                return
            if self._count() >= self._bound:
                raise ModelBusy(f"The model is busy: {self._count()} calls are waiting for it already. Try again in a moment.")
            ready = threading.Event()
            self._waiting.setdefault(user, deque()).append(ready)
        told = None
        while not ready.wait(_POLL_SECONDS if cancelled is not None or tell else None):
            if tell and (before := self._before(user, ready)) != told:
                told = before
                tell(before)
            if cancelled is not None and cancelled.is_set():
                self._leave(user, ready)
                raise TurnCancelled("The reader went away while the call was waiting for the model.")

    def _before(self, user: str, ready: threading.Event) -> int:
        """How many are served earlier, as things stand: users in turn, one call of each at a time."""
        with self._lock:
            if ready.is_set():
                return 0
            rounds = self._waiting[user].index(ready)
            users = sorted(self._waiting, key=lambda name: self._served.get(name, 0))
            mine = users.index(user)
            return rounds + sum(min(len(self._waiting[other]), rounds + (at < mine)) for at, other in enumerate(users) if at != mine)

    def _leave(self, user: str, ready: threading.Event) -> None:
        with self._lock:
            if ready.is_set():  # the turn came in the same moment: pass it on
                self._hand_on()
                return
            self._waiting[user].remove(ready)
            if not self._waiting[user]:
                del self._waiting[user]

    def _hand_on(self) -> None:
        if self._free < 0 or not self._waiting:
            self._free += 1
            self._idle_since = time.monotonic()
            return
        user = min(self._waiting, key=lambda name: self._served.get(name, 0))
        line = self._waiting[user]
        ready = line.popleft()
        if not line:
            del self._waiting[user]
        self._note_served(user)
        ready.set()

    def _note_served(self, user: str) -> None:
        self._served.pop(user, None)
        self._served[user] = next(self._turns)
        if len(self._served) > _REMEMBERED_USERS:
            del self._served[next(iter(self._served))]

    def _count(self) -> int:
        return sum(len(line) for line in self._waiting.values())
