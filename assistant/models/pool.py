"""Servers that stand in for each other: the least busy one is asked, and another before anything was said where it fails."""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from assistant.errors import ModelBusy, ModelUnavailable
from assistant.logs import ABOUT

T = TypeVar("T")
log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at the servers while they are in use; one that is down is asked again after the first that it answers."""
IDLE_SECONDS = 30.0
"""After the last call nobody looks any more."""
MISSED = 3
"""Looks in a row that a server must miss, saying nothing meanwhile, to count as down."""


@dataclass(eq=False)
class Server:
    """One server of a pool, and what is known of it. `address` is as it may be shown, `client` is what calls it."""

    address: str
    client: Any
    busy: int = 0
    down: bool = False
    deaths: int = 0
    """How often it was found to answer no more: a call that began before is cut."""
    heard: float = 0.0
    """When it last said something (`time.monotonic`)."""
    missed: int = 0
    closes: bool = False
    """Whether it was seen to close an answer that was opened for it, and to write another."""
    lacks: set[str] = field(default_factory=set)

    def lack(self, what: str, instead: str) -> None:
        """Note what the server does not know, and say once what happens instead."""
        if what not in self.lacks:
            self.lacks.add(what)
            log.warning("The model server at %s knows no %s: %s.", self.address, what, instead, extra=self.about)

    @property
    def about(self) -> dict[str, dict[str, str]]:
        """What a log record is about."""
        return {ABOUT: {"server": self.address}}


def shown(url: str) -> str:
    """A server's URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Pool:
    """Calls go to the least busy server that is up; nothing is sent before the first, nor looked at once none comes any more.

    `looks` says whether something answers at an address, within seconds. May be used by any number of threads.
    """

    def __init__(self, servers: Sequence[Server], looks: Callable[[str], bool]) -> None:
        self.servers = tuple(servers)
        self._looks = looks
        self._lock = threading.Lock()
        self._used = 0.0
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    def ask(self, call: Callable[[Server], Iterator[T]], user: str = "", begun: Callable[[T], bool] = bool) -> Iterator[T]:
        """What `call` gives with the first server that can; another is asked as long as nothing that has `begun` was given.

        Of servers that are equally busy a user has one of their own, which may have kept their prompts.
        Raises `ModelUnavailable` of the last one, and whatever else `call` raises at once.
        """
        tried: list[Server] = []
        while True:
            started = False
            with self._taken(tried, user) as server:
                try:
                    with closing(_iterator(call(server))) as pieces:
                        for piece in pieces:
                            server.heard = time.monotonic()
                            started = started or begun(piece)
                            yield piece
                    self._is_up(server)
                    return
                except ModelUnavailable as error:
                    if not isinstance(error, ModelBusy):
                        self._is_down(server, error)
                    if started or len(tried) == len(self.servers):
                        raise
                    log.warning("Another server is asked: %s", error, extra=server.about)

    def any_up(self) -> bool:
        """Whether a server is up as far as is known; where none is, they are looked at now."""
        return any(not server.down or self._look(server) for server in self.servers)

    def close(self) -> None:
        """Look at nothing any more."""
        self._closed.set()

    @contextmanager
    def _taken(self, tried: list[Server], user: str) -> Iterator[Server]:
        """The next server to ask: one that is up before one that is not, and the least busy."""
        with self._lock:
            left = [server for server in self.servers if server not in tried]
            server = min(left, key=lambda one: (one.down, one.busy, zlib.crc32(f"{user} {one.address}".encode())))
            tried.append(server)
            server.busy += 1
            self._used = time.monotonic()
            if self._watcher is None and not self._closed.is_set():
                self._watcher = threading.Thread(target=self._watch, name="model-servers", daemon=True)
                self._watcher.start()
        try:
            yield server
        finally:
            with self._lock:
                server.busy -= 1

    def _watch(self) -> None:
        """Look at every server now and then, until nobody has used them for a while."""
        while not self._closed.wait(LOOK_SECONDS):
            with self._lock:
                if not any(server.busy for server in self.servers) and time.monotonic() - self._used > IDLE_SECONDS:
                    self._watcher = None
                    return
            for server in self.servers:
                self._look(server)

    def _look(self, server: Server) -> bool:
        began = time.monotonic()
        if self._looks(server.address):
            self._is_up(server)
            return True
        if server.heard < began:  # one that is saying something has only no time for this
            server.missed += 1
            if server.missed == MISSED:
                self._is_down(server, "it answers no more")
                # With no other to go to, a call waits as long as it may: the server could be at work all the same.
                server.deaths += any(not other.down for other in self.servers)
        return False

    def _is_up(self, server: Server) -> None:
        if server.down:
            log.warning("The model server at %s is back.", server.address, extra=server.about)
        server.down, server.missed, server.heard = False, 0, time.monotonic()

    def _is_down(self, server: Server, why: object) -> None:
        if not server.down:
            server.down = True
            log.warning("The model server at %s is down: %s", server.address, why, extra=server.about)


def _iterator(pieces: Iterator[T]) -> Any:
    """The pieces as something that can be closed."""
    return pieces if hasattr(pieces, "close") else (piece for piece in pieces)
