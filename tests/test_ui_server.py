"""The page's server, in the process that has nothing else to do."""

from __future__ import annotations

import gc
import socket
from typing import Any

from ui.server import Running


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
