"""A turn for a program at the other end of a connection: when it hangs up, the model stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from assistant import Done, TurnCancelled
from ui.guard import Receive, Scope, Send

if TYPE_CHECKING:
    from assistant import Answer, Event, Stream

QUIET = 15.0
"""Seconds without an event after which a sign of life is due: proxies hang up on what is silent."""


def _told(stream: Stream, wanted: Callable[[object], bool]) -> asyncio.Queue[Any]:
    """What comes of a turn, as far as it is wanted. The turn's thread brings it, so that turns which wait take none from the loop's pool."""
    loop, told = asyncio.get_running_loop(), asyncio.Queue[Any]()

    def tell(item: object) -> None:
        if wanted(item):
            with contextlib.suppress(RuntimeError):  # the loop is gone: the program ends
                loop.call_soon_threadsafe(told.put_nowait, TurnCancelled("The turn was stopped.") if item is None else item)

    stream.listen(tell)
    return told


async def events(stream: Stream, wanted: Callable[[object], bool] = lambda item: True) -> AsyncGenerator[Event | None]:
    """The events of a turn that are wanted; None after each `QUIET` seconds without any."""
    told = _told(stream, wanted)
    try:
        while True:
            try:
                item = await asyncio.wait_for(told.get(), QUIET)
            except TimeoutError:
                yield None
                continue
            if isinstance(item, BaseException):
                raise item
            yield item
            if isinstance(item, Done):
                return
    finally:
        stream.close()


async def answer(stream: Stream, request: Request | None = None) -> Answer:
    """The answer of a turn, which stops when the caller of `request` hangs up, or the task is cancelled. Raises `AssistantError`."""
    watching = asyncio.create_task(_hung_up(request, stream)) if request else None
    try:
        # The loop is not woken for each word of an answer that is given whole.
        async with contextlib.aclosing(events(stream, lambda item: item is None or isinstance(item, Done | BaseException))) as coming:
            async for event in coming:
                if isinstance(event, Done):
                    return event.answer
        raise TurnCancelled("The turn was stopped.")
    finally:
        stream.close()
        if watching:
            watching.cancel()


async def _hung_up(request: Request, stream: Stream) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    stream.close()


class Told(StreamingResponse):
    """Server-sent events of a turn, where there is one; whatever ends the response ends the turn."""

    def __init__(self, content: AsyncIterator[str], stream: Stream | None) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._stream:
                self._stream.close()
