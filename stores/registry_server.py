"""The registry on a PostgreSQL server that several replicas share; one of them at a time takes documents in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stores.retry import twice

if TYPE_CHECKING:
    from stores.server import Server, Speaking

_LOCK = 0x646F63756D656E74
"""The advisory lock of who takes documents in; the server drops it when its holder's connection ends."""
_PAUSE = 0.2


class RegistryServer:
    """The registry's tables on the server; the server is its opener's to close."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @contextmanager
    def transaction(self) -> Iterator[Writing]:
        """All that is executed in it, or nothing."""
        with self._server.writing() as db:
            yield Writing(db)

    @contextmanager
    def alone(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """No other replica is in such a block; False where `stop` said so while others were.

        All that this thread does meanwhile goes over the connection that holds the lock: where that breaks, it ends, and does not
        write beside whoever comes next.
        """
        with self._server.reading() as db:
            while not db.execute("SELECT pg_try_advisory_lock(?)", (_LOCK,)).fetchone()[0]:  # type: ignore[index]
                if stop():
                    yield False
                    return
                time.sleep(_PAUSE)
            try:
                yield True
            finally:
                if not db.driver.closed:
                    db.execute("SELECT pg_advisory_unlock(?)", (_LOCK,))

    @twice
    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self._server.reading() as db:
            return db.execute(query, tuple(values)).fetchall()

    def erase(self) -> None:
        """What a server keeps of deleted rows is the server's to remove (VACUUM, by itself)."""

    def close(self) -> None:
        """Nothing is held."""


class Writing:
    """What a transaction executes."""

    def __init__(self, db: Speaking) -> None:
        self._db = db

    def execute(self, query: str, values: Sequence[object] = ()) -> Any:
        """One statement."""
        return self._db.execute(query, tuple(values))

    def executemany(self, query: str, rows: Sequence[Sequence[object]]) -> None:
        """One statement with each of the rows."""
        for values in rows:
            self._db.execute(query, tuple(values))
