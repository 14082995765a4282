"""Measuring what the machine at hand reads and writes, in seconds, and without standing in the way of a question."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Protocol

from assistant import machine
from assistant.models.calibration import Calibration, Key, Speed, remember
from assistant.models.context import Context
from assistant.models.library import granted_cores, physical_cores
from assistant.models.queue import FairQueue
from assistant.models.weights import Weights
from graphs.errors import TurnCancelled
from stores.errors import AssistantError

log = logging.getLogger(__name__)

BATCHES = (1, 2, 4, 8)
_ROUNDS = 5
_READ, _WRITE = 32, 4
_QUIET_SECONDS = 2.0
_LOOK_SECONDS = 0.25
_TEXT = "The shop opens at nine, and whoever brings a bicycle in the morning has it back in the evening. "

Progress = Callable[[int, int, str], None]
"""Called with the trials done, those in all, and what is measured."""


class Gaps(Protocol):
    """The times at which a trial may run."""

    def wait(self) -> None:
        """Return when one begins; raise `TurnCancelled` where none will come."""
        ...

    def is_set(self) -> bool:
        """Whether it is over, so that a trial stops at once and does not count."""
        ...


class Always:
    """Nobody else is there."""

    def wait(self) -> None:
        """Return at once."""

    def is_set(self) -> bool:
        """Never."""
        return False


class Calibrator:
    """Calibrates a loaded model in the gaps between its calls, once, and remembers it in `file` for the next load.

    It never holds the model's queue: a trial begins when nobody has asked for some seconds, has a context of its own,
    and stops within a tenth of a second when somebody does, or after a step of a few tokens.
    """

    def __init__(self, weights: Weights, queue: FairQueue, file: Path, key: Key) -> None:
        self._weights, self._queue, self._file, self._key = weights, queue, file, key
        self._closed = threading.Event()
        self._running = threading.Lock()
        self._done = False

    def run(self) -> None:
        """Measure and remember, waiting for gaps; returns early when closed. What goes wrong is logged."""
        with self._running:
            if self._done or self._closed.is_set():
                return
            try:
                remember(self._file, calibrate(self._weights, self._key, self))
                self._done = True
            except TurnCancelled:
                pass  # closed meanwhile: the next start tries again
            except AssistantError as error:
                log.warning("The machine could not be measured: %s", error)

    def wait(self) -> None:
        """Wait until nobody has asked for some seconds; raises `TurnCancelled` once closed."""
        while self._queue.idle_seconds < _QUIET_SECONDS:
            if self._closed.wait(_LOOK_SECONDS):
                break
        if self._closed.is_set():
            raise TurnCancelled("The model was closed while the machine was measured.")

    def is_set(self) -> bool:
        """Whether somebody asks."""
        return self._closed.is_set() or self._queue.idle_seconds < _QUIET_SECONDS

    def close(self) -> None:
        """Stop, and return when the weights are no longer used."""
        self._closed.set()
        with self._running:
            pass


def calibrate(weights: Weights, key: Key, gaps: Gaps | None = None, progress: Progress | None = None) -> Calibration:
    """Measure in a few seconds, each number of threads in turn and so several times over; the medians are kept.

    Where layers are on a GPU, the model is loaded once more without it. Raises `TurnCancelled` as `gaps` does, and
    `ModelUnavailable`.
    """
    gaps, progress = gaps or Always(), progress or (lambda done, total, doing: None)
    counts = thread_counts()
    offloaded = weights.gpu_layers != 0 and machine.memory().available > 1.5 * weights.path.stat().st_size
    steps = _Steps(progress, _ROUNDS * (len(counts) + 1 + offloaded))
    trials = _Trials(weights, gaps)
    try:
        speeds = trials.speeds(counts, steps)
        batches = trials.batches(max(speeds, key=lambda speed: speed.read).threads, steps)
    finally:
        trials.close()
    without = _without_gpu(weights, counts[0], gaps, steps) if offloaded else None
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Calibration(key, at, speeds, batches, without, weights.cell_bytes, trials.others)


def thread_counts() -> list[int]:
    """Numbers of threads worth trying: physical cores, which is the default; all hardware threads; a core left to others;
    as many as a container is granted."""
    cores = physical_cores()
    others = {machine.usable_threads(), *([cores - 1] if cores > 2 else []), granted_cores() or cores}
    return [cores, *sorted(others - {cores})]


class _Steps:
    """Counts the trials for whoever watches."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def next(self, doing: str) -> None:
        self._done += 1
        self._progress(self._done, self._total, doing)


class _Trials:
    """Timed reads in a small context over the weights."""

    def __init__(self, weights: Weights, gaps: Gaps) -> None:
        self._gaps = gaps
        self._tokens = (weights.tokenize(_TEXT) * _READ)[:_READ]
        self._context = Context(weights, cells=4 * _READ, batch=_READ, threads=1, sequences=1)
        self._seconds = self._others = 0.0

    def close(self) -> None:
        self._context.close()

    @property
    def others(self) -> float:
        """The share of the machine that other programs took during the trials."""
        return max(0.0, self._others / (self._seconds * (os.cpu_count() or 1)))

    def speeds(self, counts: list[int], steps: _Steps) -> tuple[Speed, ...]:
        """The speed with each number of threads."""
        self._read(counts[0])  # the file's pages come into memory, a GPU's programs are made
        found: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
        for _ in range(_ROUNDS):
            for count in counts:
                found[count].append((self._read(count), self._write(count)))
                steps.next(f"{count} thread{'s' if count > 1 else ''}")
        return tuple(
            Speed(count, _READ / median(read for read, _ in each), _WRITE / median(write for _, write in each)) for count, each in found.items()
        )

    def batches(self, threads: int, steps: _Steps) -> dict[int, float]:
        """Seconds of a batch of each size."""
        found: dict[int, list[float]] = {size: [] for size in BATCHES}
        for _ in range(_ROUNDS):
            for size in BATCHES:
                found[size].append(self._timed(threads, lambda size=size: self._put(self._tokens[:size], 0)))  # type: ignore[misc]
            steps.next("several tokens at once")
        return {size: median(each) for size, each in found.items()}

    def _read(self, threads: int) -> float:
        return self._timed(threads, lambda: self._put(self._tokens, 0))

    def _write(self, threads: int) -> float:
        def write() -> None:
            for at, token in enumerate(self._tokens[:_WRITE]):
                self._put([token], at)

        return self._timed(threads, write)

    def _put(self, tokens: list[int], at: int) -> None:
        every, last = len(tokens) <= max(BATCHES), len(tokens) - 1
        cells = [(token, 0, at + number, every or number == last) for number, token in enumerate(tokens)]
        self._context.decode(cells, self._gaps)

    def _timed(self, threads: int, work: Callable[[], None]) -> float:
        """Seconds of `work`, of a trial that nobody disturbed."""
        while True:
            self._gaps.wait()
            self._context.clear()
            self._context.set_threads(threads, threads)
            try:
                started, others = time.perf_counter(), machine.busy_seconds() - time.process_time()
                work()
                seconds = time.perf_counter() - started
            except TurnCancelled:
                continue
            if not self._gaps.is_set():
                self._seconds += seconds
                self._others += machine.busy_seconds() - time.process_time() - others
                return seconds


def _without_gpu(weights: Weights, threads: int, gaps: Gaps, steps: _Steps) -> Speed:
    gaps.wait()
    bare = Weights(weights.path, gpu_layers=0)
    try:
        trials = _Trials(bare, gaps)
        try:
            return trials.speeds([threads], steps)[0]
        finally:
            trials.close()
    finally:
        bare.close()
