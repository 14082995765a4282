"""A chat model for a worker's process that does what it is told, where the tests of the pipe need no real one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from assistant.errors import ModelBusy, ModelFileCorrupt
from graphs.errors import TurnCancelled


class Puppet:
    """The last message says what to do: echo, forever, die, exit, busy, odd, print, or tell its process id."""

    _identifying_params: ClassVar[dict[str, Any]] = {"model": "puppet", "context": 7}

    def _stream(self, messages: Sequence[BaseMessage], stop: list[str] | None, *, cancelled: Any, **options: Any) -> Iterator[ChatGenerationChunk]:
        what, _, rest = str(messages[-1].content).partition(" ")
        yield from map(_piece, self._said(what, rest, cancelled, {"stop": stop, **options}))
        used = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_token_details": {"cache_read": 1}}
        yield _piece("", usage_metadata=used, response_metadata={"finish_reason": "stop"}, chunk_position="last")

    def _said(self, what: str, rest: str, cancelled: Any, options: dict[str, Any]) -> Iterator[str]:
        if what == "echo":
            yield from rest.split(" ")
        elif what == "forever":
            try:
                while not cancelled.wait(0.01):
                    yield "on "
                raise TurnCancelled("The reader went away, so the puppet was stopped.")
            except GeneratorExit:
                self.left = True
                raise
        elif what == "left":
            yield str(getattr(self, "left", False))
        elif what == "options":
            yield repr(sorted(options.items()))
        elif what == "pid":
            yield str(os.getpid())
        elif what == "print":
            sys.stderr.write("noise")
            os.write(1, b"noise")
            os.write(2, b"noise")
        elif what == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
            yield "still here"
        elif what == "die":
            yield "I am "
            os.kill(os.getpid(), signal.SIGKILL) if sys.platform != "win32" else os._exit(9)
            time.sleep(60)
        elif what == "exit":
            os._exit(3)
        elif what == "busy":
            raise ModelBusy("The model is busy: 3 calls are waiting for it already.")
        elif what == "odd":
            raise Odd("left", "right")

    def warm(self, system: str, *, cancelled: Any) -> None:
        if cancelled.wait(10 if system == "long" else 0):
            raise TurnCancelled("stopped")

    def get_token_ids(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage]) -> int:
        return len(messages)

    def forget(self, user: str) -> None:
        self.left = False

    def close(self) -> None:
        """Nothing is held."""


class Odd(Exception):
    """Can be pickled, and not be made again."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


def _piece(text: str, **more: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, **more))


def load() -> Puppet:
    """What the process calls to make its model."""
    return Puppet()


def load_corrupt(*_: Any, **__: Any) -> Puppet:
    """A model whose file is broken."""
    raise ModelFileCorrupt("The model file x.gguf cannot be loaded: it is cut short.")


def load_and_die(*_: Any, **__: Any) -> Puppet:
    """A model that this processor cannot run."""
    os._exit(4)
