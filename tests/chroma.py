"""A real Chroma server, started for the tests, killed and started again on the same port, and thrown away."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from stores.chroma_server import ChromaServer
from stores.errors import IndexUnreachable

T = TypeVar("T")


def once_back(work: Callable[[], T], seconds: float = 10.0) -> T:
    """What `work` gives once the index is reached again, which must be within so many seconds."""
    began = time.monotonic()
    while True:
        try:
            return work()
        except IndexUnreachable:
            assert time.monotonic() - began < seconds
            time.sleep(0.1)


class RunningChroma:
    """`chroma run` on loopback; `kill` and `start` as often as wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("chroma", path=str(Path(sys.executable).parent)) or shutil.which("chroma")
        if program is None:
            pytest.skip("chroma's command is not installed")
        command = [program, "run", "--path", str(self._folder), "--host", "127.0.0.1", "--port", str(self._port)]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"})
        for _ in range(300):
            if self.answers():
                return
            time.sleep(0.1)
        pytest.fail("chroma run did not answer within 30 seconds")

    def answers(self) -> bool:
        """Whether anybody answers."""
        try:
            urllib.request.urlopen(f"{self.url}/api/v2/heartbeat", timeout=2).close()
        except OSError:
            return False
        return True

    @property
    def process(self) -> psutil.Process:
        """What the system knows of it."""
        assert self._process, "it runs"
        return psutil.Process(self._process.pid)

    def empty(self) -> None:
        """Delete all that is in it."""
        server = ChromaServer(self.url)
        server.call(lambda client: [client.delete_collection(found.name) for found in client.list_collections()])
        server.close()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait(20)
            self._process = None


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChroma]:
    """One server for all tests, so that it starts once."""
    running = RunningChroma(tmp_path_factory.mktemp("chroma-server"))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def chroma(chroma_server: RunningChroma) -> RunningChroma:
    """A server that runs, with nothing in it."""
    if not chroma_server.answers():
        chroma_server.start()
    chroma_server.empty()
    return chroma_server
