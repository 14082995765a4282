"""A real PostgreSQL server, started for the tests and thrown away."""

from __future__ import annotations

import glob
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest


def _binaries() -> Path | None:
    """The folder of the newest server that is installed."""
    found = [Path(p).parent for p in glob.glob("/usr/lib/postgresql/*/bin/initdb") + glob.glob("/opt/homebrew/opt/postgresql*/bin/initdb")]
    if named := shutil.which("initdb"):
        found.append(Path(named).resolve().parent)
    return max((f for f in found if (f / "postgres").exists()), default=None, key=str)


class Cluster:
    """A server of our own, which can be stopped, killed and started again."""

    def __init__(self) -> None:
        binaries = _binaries()
        if binaries is None:
            pytest.skip("no PostgreSQL server is installed (initdb and postgres are not on the path)")
        if os.name == "nt":
            pytest.skip("these tests start a server as it is started on Unix")
        user = next((n for n in ("postgres", "nobody") if _known(n)), None) if os.geteuid() == 0 else None
        if os.geteuid() == 0 and user is None:
            pytest.skip("PostgreSQL does not run as root, and there is no other user")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql://tester@127.0.0.1:{self.port}"
        self._folder = folder = Path(tempfile.mkdtemp(prefix="pg"))  # short, for the socket; and readable for the other user
        if user:
            shutil.chown(folder, user)
        self._common = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "env": {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}}
        data = folder / "data"
        initdb = [binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "-N"]
        made = subprocess.run(initdb, check=False, stderr=subprocess.PIPE, **self._common)  # type: ignore[call-overload]
        if made.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f"initdb failed: {made.stderr.decode()[-300:]}")
        self._starting: threading.Timer | None = None
        self._command = [binaries / "postgres", "-D", data, "-p", str(self.port), "-k", folder, "-h", "127.0.0.1", "-F"]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL, **self._common)  # type: ignore[call-overload]
        _wait(f"{self.url}/postgres")

    @property
    def process(self) -> psutil.Process:
        """What the system knows of it; its backends are its children."""
        return psutil.Process(self._process.pid)

    def start_in(self, seconds: float) -> None:
        """Start after so long, beside what the test does."""
        self._starting = threading.Timer(seconds, self.start)
        self._starting.start()

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT hangs up on everybody; SIGQUIT is a crash."""
        self._process.send_signal(how)
        self._process.wait(20)

    def remove(self) -> None:
        if self._starting:
            self._starting.join()  # it may still be looking whether the server is there
        if self._process.poll() is None:
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server of our own, without the database's name."""
    made = Cluster()
    try:
        yield made.url
    finally:
        made.remove()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server for one test, to be killed."""
    made = Cluster()
    try:
        yield made
    finally:
        made.remove()


def _known(name: str) -> bool:
    import pwd  # not on Windows

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _wait(url: str) -> None:
    for _ in range(150):
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            time.sleep(0.2)
        else:
            return
    pytest.skip("the PostgreSQL server did not start within 30 seconds")


@pytest.fixture
def state_url(server: str) -> Iterator[str]:
    """The URL of an empty database for one test."""
    name = f"state_{next(_numbers)}"
    admin(server, "postgres", f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    admin(server, "postgres", f"DROP DATABASE {name} WITH (FORCE)")


_numbers = itertools.count()


def admin(server: str, database: str, sql: str) -> list[tuple[object, ...]]:
    """Run SQL as the server's administrator."""
    with psycopg.connect(f"{server}/{database}", autocommit=True) as connection:
        cursor = connection.execute(sql)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []
