"""The registry in one SQLite file: its tables, how an older file is brought forward, and its errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stores.erasure import erase_free_pages
from stores.errors import StoreUnavailable
from stores.keywords import counted

_SCHEMA = """
CREATE TABLE IF NOT EXISTS roots (path TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (path, user)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rebuilding (since TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS excluded (path TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (path, user)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (
    path TEXT NOT NULL, user TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (path, user)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, user TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL, added TEXT NOT NULL, passages INTEGER NOT NULL, headings TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'removing')), recipe TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS one_ready ON documents (path, user) WHERE state = 'ready';
CREATE INDEX IF NOT EXISTS by_content ON documents (sha256);
CREATE TABLE IF NOT EXISTS chunks (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL REFERENCES documents ON DELETE CASCADE,
    position INTEGER NOT NULL, location TEXT NOT NULL, heading TEXT NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL,
    above TEXT NOT NULL DEFAULT '', digest BLOB, words BLOB
);
CREATE INDEX IF NOT EXISTS of_document ON chunks (document, position);
CREATE TABLE IF NOT EXISTS condensed (
    document TEXT NOT NULL REFERENCES documents ON DELETE CASCADE, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (document, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_digest ON chunks (digest);
CREATE TABLE IF NOT EXISTS model (name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS renewed (id TEXT PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE, vector BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (number INTEGER NOT NULL);
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM changes);
"""
_VERSION = 3
_FROM_FIRST = (
    "ALTER TABLE documents ADD COLUMN recipe TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE chunks ADD COLUMN above TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE chunks ADD COLUMN digest BLOB",
    "UPDATE chunks SET above = heading",
)
_FROM_SECOND = (
    "ALTER TABLE chunks ADD COLUMN words BLOB",
    "DROP TRIGGER chunk_added",
    "DROP TRIGGER chunk_removed",
    "DROP TABLE words",
)


class RegistryFile:
    """One SQLite file, one connection, taken in turns by threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise StoreUnavailable(f"{self._path} was written by a newer version of this program. Update the program.")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA secure_delete = ON")
        if version in (1, 2):
            with self.transaction() as db:
                for step in (*(_FROM_FIRST if version == 1 else ()), *_FROM_SECOND):
                    db.execute(step)
                while found := db.execute("SELECT number, heading, text FROM chunks WHERE words IS NULL LIMIT 1000").fetchall():
                    words = counted([f"{heading}\n{text}" for _, heading, text in found])
                    db.executemany("UPDATE chunks SET words = ? WHERE number = ?", [(w, row[0]) for w, row in zip(words, found, strict=True)])
                db.execute("PRAGMA user_version = 3")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The index in {self._path} cannot be used: {error}. Check the disk's space, or restore a backup.") from error
        except OSError as error:
            raise StoreUnavailable(f"The index in {self._path} cannot be used: {error}. Check the folder's rights.") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is executed in it, or nothing."""
        with self._lock, self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def alone(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """Nobody else takes documents in meanwhile: the file is one program's."""
        yield True

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self._lock, self._errors():
            return self._db.execute(query, values).fetchall()

    def erase(self) -> None:
        """Takes what was deleted out of the bytes on the disk."""
        with self._lock, self._errors():
            erase_free_pages(self._db)

    def close(self) -> None:
        """Releases the file."""
        with self._lock:
            self._db.close()
