"""A team's assistant, whole: PostgreSQL, Chroma's server, a model server, two replicas as processes, and nginx before them."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
import psutil
import pytest

from tests.chroma import RunningChroma
from tests.hashed import DIMENSIONS
from tests.postgres import Cluster
from tests.rule_server import ROOT, RunningRule, free_port, wait_for

_CONSOLE = "import sys; from ui.cli import main; main()"


class Replica:
    """`assistant` as a process with a home of its own and its settings in the environment; `kill` and `start` as often as wanted."""

    def __init__(self, folder: Path, settings: Mapping[str, str], console: str = _CONSOLE) -> None:
        self._console = console
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        folder.mkdir()
        own = {"ASSISTANT_HOME": str(folder / "home"), "ASSISTANT_PAGE__PORT": str(self.port), "BROWSER": "true", "PYTHONPATH": str(ROOT)}
        self._environment = {**os.environ, **settings, **own}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `ready` tells when it can be used."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-c", self._console], env=self._environment, cwd=self.folder, stdout=log, stderr=log)

    def ready(self, seconds: float = 120.0) -> None:
        """Wait until it says that all it stands on can be used."""
        wait_for(self.port, seconds)
        began = time.monotonic()
        while (said := httpx.get(f"{self.url}/readyz", timeout=30)).status_code != 200:
            assert time.monotonic() - began < seconds, said.text
            time.sleep(0.1)

    def run(self, *arguments: str) -> str:
        """A command's output."""
        return subprocess.run([sys.executable, "-c", self._console, *arguments], env=self._environment, cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    @property
    def process(self) -> psutil.Process:
        """What the system knows of it."""
        assert self._process, "it runs"
        return psutil.Process(self._process.pid)

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")


@dataclass
class Team:
    """All parts, running. `key` may ask for any number of people."""

    state: Cluster
    index: RunningChroma
    model: RunningRule
    replicas: tuple[Replica, ...]
    desk: Replica
    """Runs commands in a home of its own, with the settings of the others."""
    url: str
    key: str

    def headers(self, person: str) -> dict[str, str]:
        """The headers of a request for a person."""
        return {"authorization": f"Bearer {self.key}", "x-assistant-user": person}


@contextmanager
def team(folder: Path, *, seconds: float = 0.0, dimensions: int = DIMENSIONS, settings: Mapping[str, str] = MappingProxyType({}), console: str = _CONSOLE) -> Iterator[Team]:
    """A team whose model's answers take so many seconds, with settings in the place of its own. Skips where a part is not installed."""
    if nginx_program() is None:
        pytest.skip("nginx is not installed")
    state, model, index = Cluster(), RunningRule(seconds, dimensions), RunningChroma(folder)
    made: list[Replica] = []
    nginx: subprocess.Popen[bytes] | None = None
    try:
        model.start()
        index.start()
        with sqlite3.connect(folder / "notes.db") as db:
            db.executescript("CREATE TABLE notes (title TEXT, code INTEGER, owner TEXT); INSERT INTO notes VALUES ('ada-note', 1, '7')")
        db.close()
        every = {
            "ASSISTANT_SAMPLE": "false", "ASSISTANT_STATE__URL": f"{state.url}/postgres", "ASSISTANT_INDEX__URL": index.url,
            "ASSISTANT_MODEL__SERVER_URL": model.url, "ASSISTANT_EMBEDDING__SERVER_URL": model.url, "ASSISTANT_PAGE__REQUESTS": "1000000",
            "ASSISTANT_DATABASE__URL": f"sqlite:///{(folder / 'notes.db').as_posix()}", "ASSISTANT_DATABASE__SCOPES": '{"notes": "owner = :user"}', **settings,
        }  # fmt: skip
        made += [Replica(folder / name, every, console) for name in ("one", "other")]
        desk = Replica(folder / "desk", every, console)
        for replica in made:
            replica.start()
        for replica in made:
            replica.ready()
        port = free_port()
        nginx = _nginx(folder, port, made)
        scopes = [word for scope in ("ask", "people", "documents", "memories") for word in ("--scope", scope)]
        yield Team(state, index, model, tuple(made), desk, f"http://127.0.0.1:{port}", desk.run("keys", "add", "load", "--user", "gate", *scopes))
    finally:
        if nginx:
            nginx.terminate()
            nginx.wait(20)
        for part in (*made, model, index):
            part.kill()
        state.remove()


def nginx_program() -> str | None:
    """Where nginx is; Debian puts it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _nginx(folder: Path, port: int, replicas: list[Replica]) -> subprocess.Popen[bytes]:
    """nginx with the configuration of deploy/, but for addresses and TLS."""
    program = nginx_program()
    assert program, "the caller asks first"
    said = (ROOT / "deploy" / "nginx.conf").read_text()
    for at, replica in enumerate(replicas, 1):
        said = said.replace(f"assistant-{at}:7860", f"127.0.0.1:{replica.port}")
    said = re.sub(r"\n *ssl_\w+ [^;]*;", "", said.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};"))
    kept = " ".join(f"{kind}_temp_path {folder}/nginx-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    said = said.replace("http {", f"http {{ access_log off; {kept}", 1)
    (folder / "nginx.conf").write_text(f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;\n{said}")
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    wait_for(port)
    return process
