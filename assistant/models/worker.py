"""What the model's own process does: it loads the model and answers calls, several at once, until its parent is gone.

Frames come as (number of the call, name, pickled arguments): `LOAD` first, then `STREAM` or a method of the chat model;
`CANCEL` and `LEAVE` are for the call of that number, `END` is for the process. Frames go back as (number, kind, value):
`PIECE` as often as a stream has something, then `DONE` or `FAILED`. The other side is `assistant.models.worker_process`.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from typing import Any

from stores.errors import AssistantError

LOAD, STREAM, CANCEL, LEAVE, END = "load", "stream", "cancel", "leave", "end"
PIECE, DONE, FAILED = "piece", "done", "failed"
CANCELLABLE = (STREAM, "warm")

Load = Callable[[], Any]
"""Makes the chat model. It is pickled, so it must be importable: a function of a module, or a `partial` of one."""


def serve(connection: Connection) -> None:
    """Answer what comes over `connection`; ends with the process, never by returning."""
    _keep_to_itself()
    Served(connection).run()


class Served:
    """The process's side of the connection: this thread reads it, a thread for each call answers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._calls: dict[int, _Call] = {}
        self._chat: Any = None

    def run(self) -> None:
        """Read until the parent says so or is gone; reading waits for no call, so that is noticed at once."""
        while True:
            try:
                number, name, payload = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)
            if name == END:
                if self._chat is not None:
                    self._chat.close()
                os._exit(0)
            if name in (CANCEL, LEAVE):
                if call := self._calls.get(number):  # it may be over
                    (call.cancelled if name == CANCEL else call.left).set()
                continue
            call = self._calls[number] = _Call()
            threading.Thread(target=self._answer, args=(number, name, payload, call), name=name, daemon=True).start()

    def _answer(self, number: int, name: str, payload: bytes, call: _Call) -> None:
        try:
            arguments, cancelled = pickle.loads(payload)
            if cancelled:
                call.cancelled.set()
            self._send(number, DONE, self._done(number, name, arguments, call))
        except BaseException as error:  # noqa: BLE001 - raised on the other side, whatever it is
            self._send(number, FAILED, _portable(error))
        finally:
            del self._calls[number]

    def _done(self, number: int, name: str, arguments: tuple[Any, ...], call: _Call) -> Any:
        if name == LOAD:
            self._chat = arguments[0]()
            return self._chat._identifying_params
        named = {"cancelled": call.cancelled} if name in CANCELLABLE else {}
        if name != STREAM:
            return getattr(self._chat, name)(*arguments, **named)
        messages, stop, options = arguments
        with closing(self._chat._stream(messages, stop, **options, **named)) as chunks:
            for chunk in chunks:
                said = chunk.message
                self._send(number, PIECE, (said.content, said.usage_metadata, said.response_metadata, said.chunk_position))
                if call.left.is_set():
                    break
        return None

    def _send(self, number: int, kind: str, value: Any) -> None:
        with suppress(OSError), self._sending:  # nobody reads any more: `run` is about to notice
            self._connection.send((number, kind, value))


class _Call:
    """How a call is to end before it is done: `cancelled` with `TurnCancelled`, `left` as a closed generator does."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.left = threading.Event()


def _portable(error: BaseException) -> BaseException:
    """The error as it can be pickled. What nobody raised on purpose says where it came from."""
    if not isinstance(error, AssistantError):
        error.add_note(f"In the model's process:\n{''.join(traceback.format_exception(error))}")
    try:
        pickle.loads(pickle.dumps(error))  # some can be pickled, but not made again
    except Exception:  # noqa: BLE001 - any class may do this in a way of its own
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _keep_to_itself() -> None:
    """Leave Ctrl+C to the parent, and its terminal alone: what compiled code writes there before it dies, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    if sys.platform == "win32":
        import msvcrt

        # Without it a crash waits for somebody to close a window.
        msvcrt.SetErrorMode(msvcrt.SEM_FAILCRITICALERRORS | msvcrt.SEM_NOGPFAULTERRORBOX)
