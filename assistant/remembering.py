"""What was said is considered after the answer, in a thread of its own that gives way to whoever asks."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Container, Iterator
from contextlib import contextmanager

from graphs.errors import TurnCancelled
from graphs.remember import remember
from graphs.speaking import Meter
from graphs.turn import Turn
from stores.errors import AssistantError, IndexUnreachable

log = logging.getLogger(__name__)

QUIET = 1.0
"""Seconds without a question after which the model may be asked what is worth keeping."""
CLOSING = 5.0
"""Seconds that `close` gives to what was said last."""
DOUBTFUL = 500
"""Messages that wait for a quiet moment, which a busy replica may never have; beyond that the oldest are no longer considered."""
Said = tuple[str, Turn]


class Remembering:
    """Remembers what users said, one message at a time: by program at once, with the model while nobody asks.

    What waits is lost with the process; it stands in the conversation still.
    """

    def __init__(self, quiet: float = QUIET) -> None:
        self._quiet = quiet
        self._changed = threading.Condition()
        self._said: deque[Said] = deque()
        self._doubtful: deque[Said] = deque(maxlen=DOUBTFUL)
        self._busy: Turn | None = None
        self._dropped: Turn | None = None
        self._asking = 0
        self._last = 0.0
        self._closing = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While somebody asks, the model is theirs."""
        with self._changed:
            self._asking += 1
            if self._busy:
                self._busy.cancelled.set()
        try:
            yield
        finally:
            with self._changed:
                self._asking -= 1
                self._last = time.monotonic()
                self._changed.notify_all()

    def said(self, question: str, turn: Turn) -> None:
        """Consider a question that was answered; a private one is passed over."""
        if turn.private:
            return
        with self._changed:
            self._said.append((question, turn))
            if (self._thread is None or not self._thread.is_alive()) and not self._closing:
                self._thread = threading.Thread(target=self._work, name="remembering", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until everything that was said has been considered; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._said or self._doubtful or self._busy), timeout)

    def drop(self, user: str, conversations: Container[str]) -> None:
        """Consider no more what was said in conversations that are deleted; returns when nothing of them is under way."""

        def gone(turn: Turn) -> bool:
            return turn.user == user and turn.conversation in conversations

        with self._changed:
            self._said = deque(said for said in self._said if not gone(said[1]))
            self._doubtful = deque((said for said in self._doubtful if not gone(said[1])), maxlen=DOUBTFUL)
            if self._busy and gone(self._busy):
                self._dropped = self._busy  # so that it is not put back
                self._busy.cancelled.set()
                self._changed.wait_for(lambda: self._busy is not self._dropped)

    def close(self) -> None:
        """Finish what was said, within some seconds, and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
            self._changed.wait_for(lambda: not (self._said or self._doubtful or self._busy), CLOSING)
            self._said.clear()
            self._doubtful.clear()
            if self._busy:
                self._busy.cancelled.set()
        if thread:
            thread.join()

    def _work(self) -> None:
        while (given := self._next()) is not None:
            (question, turn), ask = given
            done = True
            try:
                done = remember(question, turn, ask=ask)
            except TurnCancelled:
                done = False  # somebody asked: it is their turn
            except IndexUnreachable:
                done = False  # it comes back
                with self._changed:
                    self._last = time.monotonic()
            except AssistantError as error:
                log.warning("What was said was not considered: %s", error)
            finally:
                with self._changed:
                    self._busy = None
                    if not done and turn is not self._dropped and not (self._closing and ask):
                        self._doubtful.append((question, turn))
                    self._changed.notify_all()

    def _next(self) -> tuple[Said, bool] | None:
        """What is to be considered next, and whether the model may be asked; None once closed and done."""
        with self._changed:
            while not self._said:
                if self._doubtful and not self._asking and (self._closing or self._idle() >= self._quiet):
                    break
                if self._closing and not self._doubtful:
                    return None
                self._changed.wait(max(0.01, self._quiet - self._idle()) if self._doubtful and not self._asking else None)
            ask = not self._said
            question, turn = (self._doubtful if ask else self._said).popleft()
            self._busy = dataclasses.replace(turn, cancelled=threading.Event(), emit=lambda event: None, meter=Meter(), text=[])
            return (question, self._busy), ask

    def _idle(self) -> float:
        return time.monotonic() - self._last
