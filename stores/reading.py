"""Reading files within bounds of time and memory.

Text is read here. What libraries parse is read in a process of its own, which is ended where it takes too long or too much:
that works alike on every system, and a crash in compiled code takes nothing with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType

import psutil

from stores.errors import DocumentUnreadable
from stores.parsers import Section, is_plain, parse, shown

_LOOK_EVERY = 0.05  # seconds between two looks at the process


class Reader:
    """Reads one file after the other; its process starts with the first that needs one. For one thread."""

    def __init__(
        self, *, max_pages: int = 2000, max_seconds: float = 600.0, max_memory_megabytes: float = 2000.0, ocr: bool = True
    ) -> None:
        self._limits = {"max_pages": max_pages, "ocr": ocr}
        self._max_seconds = max_seconds
        self._max_memory = max_memory_megabytes * 1e6
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._end()
        self._thread.shutdown()

    def parse(self, data: bytes, name: str, *, cancelled: Callable[[], bool] = lambda: False) -> list[Section]:
        """The sections of a document. Raises DocumentUnreadable with the reason, also where it was cancelled meanwhile."""
        if is_plain(data, name):
            return parse(data, name, max_pages=int(self._limits["max_pages"]))
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = _start()
        answer = self._thread.submit(_exchange, self._process, {"name": name, "size": len(data), **self._limits}, data)
        try:
            reason = self._watch(self._process, answer, cancelled)
        except BaseException:
            self._end()  # a process that has been left in the middle of a file cannot be asked for the next
            raise
        if reason:
            self._end()
            raise DocumentUnreadable(f"{shown(name)} {reason}")
        found = answer.result()
        if "reason" in found:
            raise DocumentUnreadable(found["reason"])
        return [Section(tuple(headings), *rest) for headings, *rest in found["sections"]]

    def _watch(self, process: subprocess.Popen[bytes], answer: Future[dict[str, list[list[str]]]], cancelled: Callable[[], bool]) -> str:
        """Waits for the answer; gives the reason where there will be none."""
        deadline = time.monotonic() + self._max_seconds
        while not wait([answer], timeout=_LOOK_EVERY).done:
            if time.monotonic() > deadline:
                return f"takes longer than {self._max_seconds:g} s to read; split it, or raise documents.max_seconds"
            if _memory(process) > self._max_memory:
                return f"needs more than {self._max_memory / 1e6:.0f} MB of memory to read; split it, or raise documents.max_memory_megabytes"
            if cancelled():
                return "was not read: stopped"
        return "cannot be read: it makes its reader crash" if answer.exception() else ""

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            # The thread may still hold the pipes of a process that was asked; it ends with them.
            self._thread.submit(_close, self._process).result()
            self._process = None


def _start() -> subprocess.Popen[bytes]:
    """A process that finds what this one finds, and nothing that happens to lie in the working folder (-P)."""
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "stores.parsers.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "ORT_DISABLE_TELEMETRY": "1"},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _exchange(process: subprocess.Popen[bytes], request: dict[str, object], data: bytes) -> dict[str, list[list[str]]]:
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.write(data)
    process.stdin.flush()
    answer: dict[str, list[list[str]]] = json.loads(process.stdout.readline())
    return answer


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):  # what was still to be written to a process that is gone
                pipe.close()


def _memory(process: subprocess.Popen[bytes]) -> int:
    try:
        asked = psutil.Process(process.pid)
        # In a virtual environment on Windows the process that was started starts the one that works.
        return sum(int(one.memory_info().rss) for one in [asked, *(asked.children() if sys.platform == "win32" else [])])
    except psutil.Error:  # it has just ended
        return 0
