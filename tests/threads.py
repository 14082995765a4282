"""Threads in tests: started, and waited for with a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def start(function: Callable[[], None]) -> threading.Thread:
    """The function under way in a thread of its own."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most 20 seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 20 seconds"
        time.sleep(0.002)
