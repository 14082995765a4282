"""Several calls at once in one context: in turn, with room for each, and words of several written in one step.

A step that writes one word for each of four conversations takes about as long as two that write one word (measured on two
cores, 1.5B: 64, 101, 139 ms for 1, 2, 4 words), because the weights are fetched from memory once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from assistant.models.context import Cancelled, Context, stop_if
from assistant.models.scoring import Row
from graphs.errors import TurnCancelled
from stores.errors import AssistantError

_POLL_SECONDS = 0.05
_GATHER_SECONDS = 0.02
"""How long a step waits for the other writers: drawing a word takes a few ms, a step at least 60."""


@dataclass(eq=False)
class Place:
    """A call's place: the sequence that it reads into. `alone` while no other call may run beside it."""

    sequence: int
    cells: int
    alone: bool


class Room:
    """Sequences and cells for the calls under way, given out in the order in which they were asked for."""

    def __init__(self, *, sequences: int, cells: int) -> None:
        self._cells = cells
        self._free = list(range(sequences))
        self._places: list[Place] = []
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def taken(self) -> int:
        """How many calls are under way."""
        return len(self._places)

    @contextmanager
    def place(self, cells: int, *, alone: Callable[[], bool], cancelled: Cancelled | None) -> Iterator[Place]:
        """Wait for a place with `cells` tokens, and for all others to leave while `alone()` says so."""
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            try:
                while not (self._line[0] is ticket and self._fits(cells) and (not self._places or not alone())):
                    if cancelled is not None and cancelled.is_set():
                        raise TurnCancelled("The reader went away while the call was waiting for the model.")
                    self._changed.wait(_POLL_SECONDS if cancelled is not None else None)
                place = Place(self._free.pop(0), cells, alone=not self._places and alone())
                self._places.append(place)
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()
        try:
            yield place
        finally:
            with self._changed:
                self._places.remove(place)
                self._free.insert(0, place.sequence)
                self._changed.notify_all()

    def share(self, place: Place) -> None:
        """Let others run beside this call from now on."""
        if place.alone:
            with self._changed:
                place.alone = False
                self._changed.notify_all()

    def _fits(self, cells: int) -> bool:
        if any(place.alone for place in self._places):
            return False
        # A call that is longer than the rest of the room waits for all of it, and never for more.
        return bool(self._free) and (not self._places or cells <= self._cells - sum(place.cells for place in self._places))


@dataclass(eq=False)
class _Read:
    """Tokens to read after `start` of a sequence, and the rows of logits that came of it: one for each, or the last."""

    sequence: int
    start: int
    tokens: Sequence[int]
    every_row: bool
    cancelled: Cancelled | None
    rows: list[Row] = field(default_factory=list)
    error: Exception | None = None

    @property
    def wanted(self) -> int:
        return len(self.tokens) if self.every_row else 1


class Steps:
    """Reads for several calls; what waits at the same moment is read together, but for whole batches of a prompt.

    Those are read by themselves, so that what is kept of them does not depend on who else was there.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: list[_Read] = []
        self._writers = 0
        self._guard = threading.Condition()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While this lasts, steps of others wait a moment for this one's next word."""
        with self._guard:
            self._writers += 1
        try:
            yield
        finally:
            with self._guard:
                self._writers -= 1
                self._guard.notify_all()

    def read(self, tokens: Sequence[int], *, sequence: int, start: int, cancelled: Cancelled | None, every_row: bool = False) -> list[Row]:
        """Read at most a batch of tokens in place of what the sequence holds from `start` on.

        Raises `TurnCancelled`, `QuestionTooLong`, `ModelUnavailable`.
        """
        stop_if(cancelled)  # a read together with others cannot be stopped for one of them
        mine = _Read(sequence, start, tokens, every_row, cancelled)
        with self._guard:
            self._waiting.append(mine)
            self._guard.notify_all()
        with self._context.lock:
            if not mine.rows and mine.error is None:
                self._read(self._gathered(mine))
        if mine.error is not None:
            raise mine.error
        return mine.rows

    def _gathered(self, mine: _Read) -> list[_Read]:
        """This read, and those that wait and can be read with it."""
        with self._guard:
            whole = len(mine.tokens) == self._context.batch_size
            if not whole and self._writers > 1:
                self._guard.wait_for(lambda: len(self._waiting) >= self._writers, _GATHER_SECONDS)
            reads = [mine]
            for other in [] if whole else self._waiting:
                together = [*reads, other]
                fits = sum(len(read.tokens) for read in together) < self._context.batch_size
                if other is not mine and fits and sum(read.wanted for read in together) <= self._context.outputs:
                    reads = together
            self._waiting = [read for read in self._waiting if read not in reads]
            return reads

    def _read(self, reads: list[_Read]) -> None:
        cells = []
        for read in reads:
            last = len(read.tokens) - 1
            cells += [(token, read.sequence, read.start + at, read.every_row or at == last) for at, token in enumerate(read.tokens)]
        try:
            for read in reads:
                self._context.cut(read.sequence, read.start)
            rows = self._context.decode(cells, reads[0].cancelled if len(reads) == 1 else None)
        except AssistantError as error:
            if len(reads) == 1:
                reads[0].error = error
            else:
                for read in reads:  # one of them may be at fault, not all
                    self._read([read])
            return
        for read in reads:
            read.rows, rows = rows[: read.wanted], rows[read.wanted :]
