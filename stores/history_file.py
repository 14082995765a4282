"""Where the history's tables lie: in a file that is opened, brought forward, read and written so that it survives a kill; or on a server."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stores.errors import StoreUnavailable, sqlite_advice
from stores.migrations import migrate

if TYPE_CHECKING:
    from stores.server import Server

BUSY_SECONDS = 10.0


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Speaks(Protocol):
    """A connection that takes SQLite's SQL, with `?` or `?2` for a value: to a file, or to a server (`stores/server.py`)."""

    def execute(self, sql: str, values: tuple[Any, ...] = ..., /) -> Rows: ...


class HistoryServer:
    """The tables on a server in the file's place; the server belongs to whoever opened it."""

    def __init__(self, server: Server) -> None:
        self.path = None
        self.reading, self.writing = server.reading, server.writing

    def close(self) -> None:
        """Nothing of its own is open."""

    def clear_log(self) -> None:
        """What was deleted is no row any more; its bytes go when the server's own VACUUM comes by."""


class HistoryFile:
    """One SQLite file, or memory alone where there is no path. Thread-safe, and safe for two processes."""

    def __init__(self, path: Path | None, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._name = str(path or "in memory")
        self._lock = threading.RLock()
        with self._errors():
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
            self._connection = sqlite3.connect(path or ":memory:", timeout=busy_seconds, check_same_thread=False, isolation_level=None)
            try:
                self._prepare()
            except (sqlite3.Error, StoreUnavailable):
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def clear_log(self) -> None:
        """Empty the write-ahead log, which still holds the pages as they were."""
        with self.reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _prepare(self) -> None:
        db = self._connection
        db.create_function("holds", 2, _holds, deterministic=True)
        # Sorting must not spill a conversation into a temporary file.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "temp_store = MEMORY"):
            db.execute(f"PRAGMA {pragma}").fetchone()
        with self.writing():
            migrate(db, self._name)
        db.execute("PRAGMA foreign_keys = ON")  # a migration takes tables apart that refer to each other

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone."""
        with self._lock, self._errors():
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: on the disk when the block is left, or not at all."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(f"The history {self._name} cannot be opened: {error}. Check the folder and its rights.") from error
        except sqlite3.Error as error:
            advice = sqlite_advice(getattr(error, "sqlite_errorname", "") or "")
            raise StoreUnavailable(f"The history {self._name} cannot be used: {error}. {advice}") from error


def _holds(text: str, words: str) -> bool:
    return words.casefold() in text.casefold()
