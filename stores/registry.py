"""The index's truth, in SQLite: which documents there are, their chunks with text and vector, and the words to find them by."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stores.chunks import Chunk
from stores.erasure import erase_free_pages
from stores.errors import StoreUnavailable
from stores.keywords import counted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

EVERYBODY = ""
"""How the stores write "for everybody"; no user may be called that."""

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


@dataclass(frozen=True)
class Entry:
    """A document as the registry holds it. `recipe` says how it was cut; empty where that was not written down."""

    id: str
    name: str
    path: str
    user: str
    size: int
    mtime_ns: int
    sha256: str
    recipe: str = ""


@dataclass(frozen=True)
class Draft:
    """A document that has been read and embedded, and is yet to be written."""

    entry: Entry
    chunks: Sequence[Chunk]
    vectors: npt.NDArray[np.float32]


class Registry:
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

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query of this package's own finds."""
        with self._lock, self._errors():
            return self._db.execute(query, values).fetchall()

    def close(self) -> None:
        """Releases the file."""
        with self._lock:
            self._db.close()

    # Roots: what was added, to be read again by `sync`.

    def add_root(self, path: str, user: str) -> None:
        """Remembers a path that was added; what had been removed there may come back."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO roots VALUES (?, ?)", (path, user))
            db.execute("DELETE FROM excluded WHERE user = ? AND (path = ? OR instr(path, ?) = 1)", (user, path, path + os.sep))

    def roots(self) -> list[tuple[str, str]]:
        """(path, user) of all that was added."""
        return self.rows("SELECT path, user FROM roots ORDER BY path, user")

    def exclude(self, path: str, user: str) -> None:
        """Forgets a file for good: `sync` passes it over until it is added again."""
        with self.transaction() as db:
            db.execute("DELETE FROM roots WHERE path = ? AND user = ?", (path, user))
            db.execute("INSERT OR IGNORE INTO excluded VALUES (?, ?)", (path, user))

    def excluded(self, user: str) -> set[str]:
        """The files that were removed from the index by hand."""
        return {path for (path,) in self.rows("SELECT path FROM excluded WHERE user = ?", (user,))}

    def refuse(self, files: Sequence[tuple[str, str, int, int, str]]) -> None:
        """Keeps why files, each (path, user, size, mtime_ns, reason), were refused: they are not read again until they change."""
        with self.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?)", files)

    def refused(self, user: str) -> dict[str, tuple[int, int, str]]:
        """Path to (size, mtime_ns, reason) of what was refused."""
        return {path: tuple(rest) for path, *rest in self.rows("SELECT path, size, mtime_ns, reason FROM refused WHERE user = ?", (user,))}

    # Documents: pending, then ready once Chroma holds them too, then removing until neither holds them.

    def entries(self, user: str) -> dict[str, Entry]:
        """That user's ready documents by path."""
        found = self.rows(
            "SELECT id, name, path, user, size, mtime_ns, sha256, recipe FROM documents WHERE state = 'ready' AND user = ? ORDER BY path",
            (user,),
        )
        return {row[2]: Entry(*row) for row in found}

    def relocate(self, entries: Sequence[Entry]) -> None:
        """Documents whose files moved, or were touched, and read as before."""
        with self.transaction() as db:
            db.executemany(
                "UPDATE documents SET name = ?, path = ?, size = ?, mtime_ns = ? WHERE id = ?",
                [(entry.name, entry.path, entry.size, entry.mtime_ns, entry.id) for entry in entries],
            )

    def begin(self, drafts: Iterable[Draft]) -> None:
        """Writes documents as pending, with all their chunks."""
        now = datetime.now(UTC).isoformat()
        with self.transaction() as db:
            for draft in drafts:
                e = draft.entry
                above = [_heading(e.name, chunk) for chunk in draft.chunks]
                words = counted([f"{heading}\n{chunk.text}" for heading, chunk in zip(above, draft.chunks, strict=True)])
                headings = list(dict.fromkeys(chunk.headings[0] for chunk in draft.chunks if chunk.headings))
                db.execute(
                    "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?)",
                    (e.id, e.name, e.path, e.user, e.size, e.mtime_ns, e.sha256, now, len(draft.chunks), json.dumps(headings[:20]), e.recipe),
                )
                db.executemany(
                    "INSERT INTO chunks (id, document, position, location, heading, text, vector, above, digest, words)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (f"{e.id}:{n}", e.id, n, c.location, above[n], c.text, vector.tobytes(), c.above, digest(e.user, c.embedded), words[n])
                        for n, (c, vector) in enumerate(zip(draft.chunks, draft.vectors, strict=True))
                    ],
                )

    def publish(self, ids: Sequence[str], *, replaced: Sequence[str] = ()) -> None:
        """Pending documents become ready, and those that they replace begin to go, at one moment."""
        with self.transaction() as db:
            db.executemany("UPDATE documents SET state = 'removing' WHERE id = ?", [(key,) for key in replaced])
            db.executemany("UPDATE documents SET state = 'ready' WHERE id = ?", [(key,) for key in ids])
            db.executemany(
                "DELETE FROM refused WHERE (path, user) IN (SELECT path, user FROM documents WHERE id = ?)", [(key,) for key in ids]
            )
            db.execute("UPDATE changes SET number = number + 1")

    def purge(self, ids: Sequence[str]) -> None:
        """Deletes documents and their chunks; Chroma must have lost them before."""
        with self.transaction() as db:
            db.executemany("DELETE FROM chunks WHERE document = ?", [(key,) for key in ids])
            db.executemany("DELETE FROM documents WHERE id = ?", [(key,) for key in ids])

    def forget(self, user: str) -> None:
        """Deletes what is left of a user whose documents are gone, and all that was ever deleted, from the bytes on the disk."""
        with self.transaction() as db:
            for table in ("roots", "excluded", "refused"):
                db.execute(f"DELETE FROM {table} WHERE user = ?", (user,))
        with self._lock, self._errors():
            erase_free_pages(self._db)

    def changes(self) -> int:
        """Counts up whenever documents become ready, or begin to go."""
        return int(self.rows("SELECT number FROM changes")[0][0])

    def ready(self) -> dict[str, str]:
        """The ready documents and whose each is."""
        return dict(self.rows("SELECT id, user FROM documents WHERE state = 'ready'"))

    def words(self, documents: Sequence[str]) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
        """(document, its chunks, each with its words as `keywords.counted` gave them)."""
        for key in documents:
            yield key, self.rows("SELECT id, words FROM chunks WHERE document = ? ORDER BY position", (key,))

    def unfinished(self) -> list[str]:
        """Documents that a killed process left between two states."""
        return [key for (key,) in self.rows("SELECT id FROM documents WHERE state <> 'ready'")]

    # What a model made of a document's text goes when the document goes.

    def condensed(self, document: str, key: str) -> str | None:
        """What was kept of a document's text under a key."""
        found = self.rows("SELECT text FROM condensed WHERE document = ? AND key = ?", (document, key))
        return str(found[0][0]) if found else None

    def condense(self, document: str, key: str, text: str) -> None:
        """Keeps it, unless the document is gone."""
        with self.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO condensed SELECT id, ?, ? FROM documents WHERE id = ? AND state = 'ready'", (key, text, document)
            )

    def chunk_ids(self, ids: Sequence[str]) -> list[str]:
        """The chunks of documents."""
        return [chunk for key in ids for (chunk,) in self.rows("SELECT id FROM chunks WHERE document = ?", (key,))]

    def vectors_of(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """The vectors of texts that stand in the index already, by digest."""
        found: dict[bytes, bytes] = {}
        for key in digests:
            found.update(self.rows("SELECT digest, vector FROM chunks WHERE digest = ? LIMIT 1", (key,)))
        return found


def digest(user: str, text: str) -> bytes:
    """What an embedded text is known by; another user's is known by another, so that nobody learns what others have."""
    return hashlib.sha256(f"{user}\0{text}".encode()).digest()[:16]


def _heading(name: str, chunk: Chunk) -> str:
    return " › ".join((Path(name).stem, *chunk.headings))
