"""Which turns run, on a server that several replicas share: one of a conversation at a time, wherever it was asked for.

A replica says every few seconds that it is there. What one holds that says so no longer is free after `LEASE` seconds.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING
from uuid import uuid4

from stores.errors import StoreUnavailable
from stores.retry import twice

if TYPE_CHECKING:
    from stores.server import Server

LEASE, BEAT = 8.0, 2.0
"""Seconds after which a silent replica's turns are free, and between two signs of life."""
_LONGEST_PAUSE = 0.25

log = logging.getLogger(__name__)


class Leases:
    """The turns that this replica runs. Times are the server's alone."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._owner = uuid4().hex
        self._unheard: set[tuple[str, str]] = set()
        self._closed = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="turns", daemon=True)
        self._beating.start()

    def take(self, conversation: str, user: str, cancelled: threading.Event) -> bool:
        """Wait until no turn of the conversation runs anywhere, and begin one; False where `cancelled` meanwhile."""
        pause = 0.01
        self._unheard.discard((user, conversation))
        while not self._taken(conversation, user):
            if cancelled.wait(pause):
                return False
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    @twice
    def _taken(self, conversation: str, user: str) -> bool:
        with self._server.reading() as db:
            return bool(
                db.execute(
                    "INSERT INTO turns (user, conversation, owner, until) VALUES (?, ?, ?, now() + make_interval(secs => ?)) ON CONFLICT (user, conversation) DO UPDATE"
                    " SET owner = excluded.owner, until = excluded.until WHERE turns.until < now() OR turns.owner = excluded.owner",
                    (user, conversation, self._owner, LEASE),
                ).rowcount
            )

    def leave(self, conversation: str, user: str) -> None:
        """The turn is over. A server that is away is told when it is back."""
        self._unheard.add((user, conversation))
        try:
            self._left(conversation, user)
        except StoreUnavailable as error:
            log.warning("%s", error)

    @twice
    def _left(self, conversation: str, user: str) -> None:
        with self._server.reading() as db:
            db.execute("DELETE FROM turns WHERE user = ? AND conversation = ? AND owner = ?", (user, conversation, self._owner))
        self._unheard.discard((user, conversation))

    @twice
    def elsewhere(self, conversation: str, user: str) -> bool:
        """Whether another replica answers in the conversation just now."""
        sql = "SELECT 1 FROM turns WHERE user = ? AND conversation = ? AND owner <> ? AND until >= now()"
        with self._server.reading() as db:
            return db.execute(sql, (user, conversation, self._owner)).fetchone() is not None

    def sweep(self) -> None:
        """Drop what replicas left that ended without a word."""
        with self._server.reading() as db:
            db.execute("DELETE FROM turns WHERE until < now()")

    def close(self) -> None:
        """Run no more turns here."""
        self._closed.set()
        self._beating.join(BEAT)  # no longer: the server may be away

    def _beat(self) -> None:
        while not self._closed.wait(BEAT):
            try:
                for user, conversation in tuple(self._unheard):
                    self._left(conversation, user)
                with self._server.reading() as db:
                    db.execute("UPDATE turns SET until = now() + make_interval(secs => ?) WHERE owner = ?", (LEASE, self._owner))
            except StoreUnavailable as error:
                log.warning("%s", error)
