"""The page's server, in the process that has nothing else to do."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant import Settings
from tests.stand_in_assistant import StandIn
from ui.server import Running, serve


class Interrupted:
    """A server that is interrupted as soon as it runs, and notes what a full collection would have to look through."""

    looked_through = -1

    def run(self, **_: Any) -> None:
        self.looked_through = len(gc.get_objects())
        raise KeyboardInterrupt


def test_what_is_there_when_the_page_opens_is_not_looked_through_again() -> None:
    before = len(gc.get_objects())
    server: Any = Interrupted()
    with socket.socket() as listening:
        try:
            Running(server, listening, "http://127.0.0.1").run()
        finally:
            gc.unfreeze()
    assert server.looked_through < before / 100


def test_a_page_that_nobody_uses_leaves_the_processor_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    woken, sleep = [], asyncio.sleep

    async def counted(seconds: float, result: Any = None) -> Any:
        woken.append(seconds)
        return await sleep(seconds, result)

    monkeypatch.setattr(asyncio, "sleep", counted)
    assistant: Any = StandIn(settings=Settings(home=tmp_path / "home", sample=False))
    running = serve(assistant, port=0, open_browser=False, block=False)
    try:
        assert httpx.get(running.url).status_code == 200
        woken.clear()
        time.sleep(2)
        assert 0 < len(woken) < 800, "a thousand times a second, Gradio by itself"
    finally:
        running.close()
