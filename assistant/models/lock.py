"""A fair lock."""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """A lock that is handed to who has waited longest; Python's own goes to whoever comes first once it is free."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._line: deque[threading.Event] = deque()

    def acquire(self, timeout: float | None = None) -> bool:
        """Whether the lock was got, within `timeout` seconds where that is given."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            ready = threading.Event()
            self._line.append(ready)
        if ready.wait(timeout):
            return True
        with self._guard:
            if ready.is_set():
                return True
            self._line.remove(ready)
            return False

    def release(self) -> None:
        """Hand the lock on."""
        with self._guard:
            if self._line:
                self._line.popleft().set()
            else:
                self._held = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
