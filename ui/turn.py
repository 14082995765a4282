"""One question under way: a thread of its own reads the stream, so that the page never waits for the model."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator

from assistant import AssistantError, Done
from ui.progress import Event

BROKEN = "Something went wrong inside the assistant. The terminal it was started in says what; ask again, and report it if it comes back."


class Turn:
    """Reads a stream until it ends or `stop` is called; what came is taken with `batch`.

    Closing a plain generator that another thread is in raises ValueError; then the reading thread closes it at the next
    event, while the page is told at once.
    """

    def __init__(self) -> None:
        self._stream: Iterator[Event] = iter(())
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._ended = False
        self.failure: str | None = None
        self.answered = False
        self.stopped = threading.Event()
        self.left = threading.Event()
        """Set by whoever shows the turn once nothing more of it will be shown."""

    def start(self, stream: Iterator[Event]) -> Turn:
        """Read `stream` from now on; called once."""
        self._stream = stream
        threading.Thread(target=self._read, name="turn", daemon=True).start()
        return self

    @property
    def over(self) -> bool:
        """Everything that came has been taken, or the turn was stopped."""
        return self._ended or self.stopped.is_set()

    def batch(self, *, wait: float, gather: float = 0.0) -> list[Event]:
        """The events that came: at most `wait` seconds for the first, then what arrives within `gather` more."""
        events: list[Event] = []
        deadline = time.monotonic() + wait
        while not self._ended and (remaining := deadline - time.monotonic()) > 0 and not self.stopped.is_set():
            try:
                event = self._events.get(timeout=min(remaining, 0.05))
            except queue.Empty:
                continue
            if event is None:
                self._ended = True
            else:
                if not events:
                    deadline = time.monotonic() + gather
                events.append(event)
        return events

    def stop(self) -> None:
        """End the turn: at once for the page, and for the model as soon as its stream can be closed."""
        self.stopped.set()
        self._close()

    def _read(self) -> None:
        self.failure = BROKEN
        try:
            for event in self._stream:
                if self.stopped.is_set():
                    break
                self.answered = self.answered or isinstance(event, Done)
                self._events.put(event)
            if self.answered or self.stopped.is_set():
                self.failure = None
        except AssistantError as error:
            self.failure = str(error)
        finally:
            if not self.answered:  # what follows the answer is the turn's own business, the history for one
                self._close()
            self._events.put(None)

    def _close(self) -> None:
        close = getattr(self._stream, "close", None)
        if close is None:
            return
        try:
            close()
        except ValueError:  # "generator already executing"
            return
