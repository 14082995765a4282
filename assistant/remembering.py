"""What is done after the answer, in a thread of its own that gives way to whoever asks: what was said is considered, and what the
next question's prompts begin with is read."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Literal

from graphs.ahead import read_ahead
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
AHEAD = 4
"""Conversations that are read ahead: more people than that who talk at once leave the model no quiet."""
Said = tuple[str, Turn]
Work = Literal["by program", "by the model", "ahead"]


class Remembering:
    """Remembers what users said, one message at a time: by program at once, with the model while nobody asks.

    What waits is lost with the process; it stands in the conversation still.
    """

    def __init__(self, quiet: float = QUIET) -> None:
        self._quiet = quiet
        self._changed = threading.Condition()
        self._said: deque[Said] = deque()
        self._doubtful: deque[Said] = deque()
        self._ahead: deque[Said] = deque(maxlen=AHEAD)
        self._busy: Turn | None = None
        self._reads_ahead = False
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
        """Consider a question that was answered, but for a private one, and read ahead in its conversation."""
        with self._changed:
            if not turn.private:
                self._said.append((question, turn))
            self._leave_ahead(turn.user, {turn.conversation})
            self._ahead.append((question, turn))
            if (self._thread is None or not self._thread.is_alive()) and not self._closing:
                self._thread = threading.Thread(target=self._work, name="remembering", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, timeout: float = 60.0, *, ahead: bool = False) -> bool:
        """Wait until everything that was said has been considered, and with `ahead` all is read; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._said or self._doubtful or self._busy or (ahead and self._ahead)), timeout)

    def drop(self, user: str, conversations: Container[str]) -> None:
        """Consider no more what was said in conversations that are deleted; returns when nothing of them is under way."""

        def gone(turn: Turn) -> bool:
            return turn.user == user and turn.conversation in conversations

        with self._changed:
            self._said = deque(said for said in self._said if not gone(said[1]))
            self._doubtful = deque(said for said in self._doubtful if not gone(said[1]))
            self._leave_ahead(user, conversations)
            if self._busy and gone(self._busy):
                self._dropped = self._busy  # so that it is not put back
                self._busy.cancelled.set()
                self._changed.wait_for(lambda: self._busy is not self._dropped)

    def close(self) -> None:
        """Finish what was said, within some seconds, and stop."""
        with self._changed:
            self._closing = True
            self._ahead.clear()
            if self._busy and self._reads_ahead:
                self._busy.cancelled.set()
            self._changed.notify_all()
            thread = self._thread
            self._changed.wait_for(lambda: not (self._said or self._doubtful or self._busy), CLOSING)
            self._said.clear()
            self._doubtful.clear()
            if self._busy:
                self._busy.cancelled.set()
        if thread:
            thread.join()

    def _leave_ahead(self, user: str, conversations: Container[str]) -> None:
        kept = (said for said in self._ahead if said[1].user != user or said[1].conversation not in conversations)
        self._ahead = deque(kept, maxlen=AHEAD)

    def _work(self) -> None:
        while (given := self._next()) is not None:
            work, question, turn = given
            done = True
            try:
                if work == "ahead":
                    read_ahead(turn)
                else:
                    done = remember(question, turn, ask=work == "by the model")
            except TurnCancelled:
                done = work == "ahead"  # somebody asked: it is their turn, and what comes after it is another
            except IndexUnreachable:
                done = work == "ahead"  # what was said waits until it is back
                with self._changed:
                    self._last = time.monotonic()
            except AssistantError as error:
                log.warning("After an answer, what was to be done %s was not: %s", work, error)
            finally:
                with self._changed:
                    self._busy = None
                    if not done and turn is not self._dropped and not (self._closing and work == "by the model"):
                        self._doubtful.append((question, turn))
                    self._changed.notify_all()

    def _next(self) -> tuple[Work, str, Turn] | None:
        """What is to be done next; None once closed and done. Only while nobody asks is the model made use of."""
        with self._changed:
            while not self._said:
                waits = self._doubtful or self._ahead
                if waits and not self._asking and (self._closing or self._idle() >= self._quiet):
                    break
                if self._closing and not waits:
                    return None
                self._changed.wait(max(0.01, self._quiet - self._idle()) if waits and not self._asking else None)
            work: Work = "by program" if self._said else "by the model" if self._doubtful else "ahead"
            question, turn = (self._said or self._doubtful or self._ahead).popleft()
            self._reads_ahead = work == "ahead"
            self._busy = dataclasses.replace(turn, cancelled=threading.Event(), emit=lambda event: None, meter=Meter(), text=[])
            return work, question, self._busy

    def _idle(self) -> float:
        return time.monotonic() - self._last
