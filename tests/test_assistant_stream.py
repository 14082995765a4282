"""A turn's iterator can be closed from anywhere, at any moment."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

import pytest

from assistant.stream import Stream
from graphs.errors import TurnCancelled
from graphs.values import Event, Token


def _endless(stopped: threading.Event) -> Callable[[Callable[[Event], None], threading.Event], None]:
    def run(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
        emit(Token("a"))
        cancelled.wait(30)
        stopped.set()
        raise TurnCancelled("stopped")

    return run


def test_close_stops_a_turn_that_yields_nothing() -> None:
    stopped = threading.Event()
    stream = Stream(_endless(stopped))
    assert next(stream) == Token("a")
    threading.Timer(0.2, stream.close).start()
    started = time.perf_counter()
    assert list(stream) == []  # the reader, blocked in next(), is let go
    assert stopped.wait(1)
    assert time.perf_counter() - started < 1


def test_an_abandoned_stream_stops() -> None:
    stopped = threading.Event()
    stream = Stream(_endless(stopped))
    next(stream)
    del stream
    gc.collect()
    assert stopped.wait(2)


def test_leaving_the_with_stops() -> None:
    stopped = threading.Event()
    with Stream(_endless(stopped)) as stream:
        next(stream)
    assert stopped.wait(2)
    assert list(stream) == []


def test_an_error_reaches_the_reader_once() -> None:
    def run(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
        emit(Token("a"))
        raise ValueError("broken")

    stream = Stream(run)
    assert next(stream) == Token("a")
    with pytest.raises(ValueError, match="broken"):
        next(stream)
    assert list(stream) == []


def test_who_listens_is_told_what_came_before_too_and_of_the_end() -> None:
    go_on, over = threading.Event(), threading.Event()

    def run(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
        emit(Token("one "))
        go_on.wait(10)
        emit(Token("two"))

    told: list[object] = []

    def tell(item: object) -> None:
        told.append(item)
        if item is None:
            over.set()

    stream = Stream(run)
    stream.listen(tell)
    go_on.set()
    assert over.wait(10)
    assert told == [Token("one "), Token("two"), None]
