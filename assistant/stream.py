"""A turn's events as an iterator that can be closed from anywhere, at any moment."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypedDict

from graphs.values import Done, Event

Run = Callable[[Callable[[Event], None], threading.Event], None]
"""What makes the events: called with `emit` and `cancelled`; it stops soon after `cancelled` is set."""


class Options(TypedDict, total=False):
    """The options of a turn, see `Assistant.stream`."""

    user: str
    conversation: str | None
    words: bool
    private: bool
    instead_of: str | None


Told = Event | BaseException | None
"""An event, what the turn failed with, or None at the end."""


class _Line:
    """What a turn tells, kept until it is asked for, or handed on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._tell: Callable[[Told], None] | None = None
        self.get = self._kept.get

    def put(self, item: Told) -> None:
        with self._lock:
            (self._tell or self._kept.put)(item)

    def hand_on(self, tell: Callable[[Told], None]) -> None:
        with self._lock:
            while not self._kept.empty():
                tell(self._kept.get())
            self._tell = tell


class Stream(Iterator[Event]):
    """Events of one turn. `close()`, leaving a `with`, or losing the last reference stops the model within a second.

    The turn runs in a thread of its own, so that it can be stopped while it reads a prompt and nothing is yielded.
    """

    def __init__(self, run: Run) -> None:
        self._events = _Line()
        self._cancelled = threading.Event()
        self._over = False
        self._thread = threading.Thread(
            target=_drive, args=(run, self._events, self._cancelled), name="turn", daemon=True
        )
        self._thread.start()

    def __next__(self) -> Event:
        if self._over:
            raise StopIteration
        item = self._events.get()
        if item is None or isinstance(item, BaseException):
            self._over = True
            if item is None:
                raise StopIteration
            raise item
        if isinstance(item, Done):
            self._over = True
        return item

    def listen(self, tell: Callable[[Told], None]) -> None:
        """From now on call `tell`, which must not wait, with what comes, in the turn's thread; there is no `next` any more."""
        self._events.hand_on(tell)

    def close(self) -> None:
        """Stop the turn; a reader waiting for the next event is let go."""
        self._cancelled.set()
        self._over = True
        self._events.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the turn's thread has ended; whether it has."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._cancelled.set()


def _drive(run: Run, events: _Line, cancelled: threading.Event) -> None:
    """Run the turn. It takes no reference to the stream, so that an abandoned stream is collected, and stops it."""
    try:
        run(events.put, cancelled)
        events.put(None)
    except BaseException as error:  # noqa: BLE001 - handed to the reader, whatever it is
        events.put(error)
