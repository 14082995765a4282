"""The process that holds the model, seen from the program: started, spoken with, and started again when it died."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from assistant.errors import ModelUnavailable
from assistant.models.worker import CANCEL, DONE, END, FAILED, LEAVE, LOAD, PIECE, Load, serve

if TYPE_CHECKING:
    from assistant.models.context import Cancelled

DEATHS, WITHIN_SECONDS = 3, 300.0
"""So many deaths in so short a time, and the process is not started again until the first of them is longer ago."""

_LOST = "lost"
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 6.0
_HINTS = {
    "SIGKILL": "perhaps the machine ran out of memory",
    "SIGILL": "perhaps llama.cpp was built for another processor",
}
_starting = threading.Lock()


class Worker:
    """A process that holds the chat model which `load` makes there; it starts when it is needed, and again after it died.

    Calls may be made from many threads at once. They raise what the model raises, and `ModelUnavailable` when the process dies.
    """

    def __init__(self, load: Load) -> None:
        self.about: dict[str, Any] = {}
        """What the model says of itself (`_identifying_params`), once it was loaded."""
        self._load = load
        self._lock = threading.Lock()
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._child: Child | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process's id while it lives."""
        child = self._child
        return None if child is None or child.over else child.pid

    def start(self) -> None:
        """Load the model, unless it is loaded. Raises what loading raised there."""
        with self._lock:
            self._living()

    def talk(self, name: str, *arguments: Any, cancelled: Cancelled | None = None) -> Generator[Any, None, Any]:
        """Call a method over there: gives the pieces of a stream as they come, returns what the method returned.

        `cancelled` stops it within a step; so does closing the generator.
        """
        with self._lock:
            child = self._living()
        return (yield from child.talk(name, arguments, cancelled))

    def call(self, name: str, *arguments: Any, cancelled: Cancelled | None = None) -> Any:
        """As `talk`, for what returns all at once."""
        return _returned(self.talk(name, *arguments, cancelled=cancelled))

    def close(self) -> None:
        """End the process; calls under way raise `ModelUnavailable`."""
        self._closed = True
        if self._child is not None:
            self._child.close()

    def _living(self) -> Child:
        if self._closed:
            raise ModelUnavailable(_CLOSED)
        if self._child is not None and not self._child.over:
            return self._child
        if len(self._deaths) == DEATHS and time.monotonic() - self._deaths[0] < WITHIN_SECONDS:
            raise ModelUnavailable(
                f"The model's process died {DEATHS} times within {WITHIN_SECONDS / 60:.0f} minutes, so it is not started again for now. "
                "Run `assistant doctor` to see what is wrong; a smaller model.name or model.context needs less memory."
            )
        child = self._child = Child(on_death=lambda: self._deaths.append(time.monotonic()))
        try:
            self.about = _returned(child.talk(LOAD, (self._load,)))
        except BaseException:
            child.close()
            raise
        if self._closed:  # meanwhile
            child.close()
        return child


class Child:
    """One life of the process. `over` once it ended, for whatever reason."""

    def __init__(self, *, on_death: Callable[[], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), name="model", daemon=True)
        self._on_death = on_death
        self._numbers = itertools.count(1)
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._calls: dict[int, queue.SimpleQueue[tuple[str, Any]]] = {}
        self._closing = self.over = False
        with _starting, _main_hidden(), _interrupts_held():
            self._process.start()
        theirs.close()  # so that its end is noticed here
        self._reader = threading.Thread(target=self._read, name="model-reader", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def talk(self, name: str, arguments: tuple[Any, ...], cancelled: Cancelled | None = None) -> Generator[Any, None, Any]:
        """One call; see `Worker.talk`."""
        number = next(self._numbers)
        frames: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        payload = pickle.dumps((arguments, cancelled is not None and cancelled.is_set()))
        with self._lock:
            self._calls[number] = frames
            if self.over:
                frames.put((_LOST, None))
        kind = PIECE
        try:
            self._send(number, name, payload)
            while True:
                kind, value = self._next(number, frames, cancelled)
                if kind == PIECE:
                    yield value
                elif kind == DONE:
                    return value
                elif kind == FAILED:
                    raise value
                else:
                    raise ModelUnavailable(_CLOSED if self._closing else self._obituary())
        finally:
            if kind == PIECE:
                self._send(number, LEAVE)
            with self._lock:
                del self._calls[number]

    def close(self) -> None:
        """End the process, by force where it does not end by itself."""
        self._closing = True
        self._send(0, END)
        self._reader.join(_PATIENCE_SECONDS)
        if not self.over:
            self._process.kill()
            self._reader.join(_PATIENCE_SECONDS)

    def _next(self, number: int, frames: queue.SimpleQueue[tuple[str, Any]], cancelled: Cancelled | None) -> tuple[str, Any]:
        if cancelled is None:
            return frames.get()
        told = False
        while True:
            if not told and cancelled.is_set():
                self._send(number, CANCEL)
                told = True
            with suppress(queue.Empty):
                return frames.get(timeout=_POLL_SECONDS)

    def _send(self, number: int, name: str, payload: bytes = b"") -> None:
        with suppress(OSError), self._sending:  # the reader tells everybody that the process is gone
            self._connection.send((number, name, payload))

    def _read(self) -> None:
        """Hand out what comes, until the process is gone."""
        try:
            while True:
                number, kind, value = self._connection.recv()
                if (frames := self._calls.get(number)) is not None:
                    frames.put((kind, value))
        except (EOFError, OSError):
            return
        finally:  # also when a frame could not be read: nobody may wait for ever
            self._bury()

    def _bury(self) -> None:
        # Only this thread waits for the process: of two that do, one may not learn how it ended.
        self._process.join(_PATIENCE_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join(_PATIENCE_SECONDS)
        if not self._closing:
            self._on_death()
        with self._lock:
            self.over = True
            for frames in self._calls.values():
                frames.put((_LOST, None))
        with self._sending:
            self._connection.close()

    def _obituary(self) -> str:
        return f"The model's process died ({_cause(self._process.exitcode)}). It is started again with the next question: ask again."


_CLOSED = "The model was closed while it was in use. Open the assistant again."


def _cause(code: int | None) -> str:
    if code is None:
        return "nobody knows why"
    if code >= 0:
        return f"exit code {code if code < 256 else hex(code)}"  # Windows gives the reason as a large number
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name}: {_HINTS[name]}" if name in _HINTS else name


def _returned(talk: Generator[Any, None, Any]) -> Any:
    try:
        while True:
            next(talk)
    except StopIteration as end:
        return end.value


@contextmanager
def _main_hidden() -> Iterator[None]:
    """While this lasts, multiprocessing finds no main module to import in the new process, where a script without the
    usual guard would run a second time. Whoever looks something up in it meanwhile finds it."""
    main = sys.modules["__main__"]
    stand_in = ModuleType("__main__")
    vars(stand_in).update({name: value for name, value in vars(main).items() if name not in ("__file__", "__spec__")})
    sys.modules["__main__"] = stand_in
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """While this lasts, a process that is started inherits that Ctrl+C is not for it, before it can say so itself."""
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # multiprocessing starts it along with the first process, and lets Ctrl+C through after that
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
