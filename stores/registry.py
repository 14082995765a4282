"""The index's truth: which documents there are, their chunks with text, vector and words; in SQLite, or on a PostgreSQL server."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stores.chunks import Chunk
from stores.keywords import counted
from stores.registry_file import RegistryFile
from stores.registry_server import RegistryServer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stores.server import Server

EVERYBODY = ""
"""How the stores write "for everybody"; no user may be called that."""
_SOME = 500


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
    """The registry in a file (taken in turns by threads), or on a server that several replicas share."""

    def __init__(self, place: Path | Server) -> None:
        self._tables: RegistryFile | RegistryServer = RegistryFile(place) if isinstance(place, Path) else RegistryServer(place)
        self.transaction, self.alone, self.close = self._tables.transaction, self._tables.alone, self._tables.close

    @property
    def is_shared(self) -> bool:
        """Whether other programs may write it at the same time."""
        return isinstance(self._tables, RegistryServer)

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query of this package's own finds."""
        return self._tables.rows(query, values)

    # Roots: what was added, to be read again by `sync`.

    def add_root(self, path: str, user: str) -> None:
        """Remembers a path that was added; what had been removed there may come back."""
        with self.transaction() as db:
            db.execute("INSERT INTO roots VALUES (?, ?) ON CONFLICT DO NOTHING", (path, user))
            db.execute("DELETE FROM excluded WHERE user = ? AND (path = ? OR instr(path, ?) = 1)", (user, path, path + os.sep))

    def roots(self) -> list[tuple[str, str]]:
        """(path, user) of all that was added."""
        return self.rows("SELECT path, user FROM roots ORDER BY path, user")

    def exclude(self, path: str, user: str) -> None:
        """Forgets a file for good: `sync` passes it over until it is added again."""
        with self.transaction() as db:
            db.execute("DELETE FROM roots WHERE path = ? AND user = ?", (path, user))
            db.execute("INSERT INTO excluded VALUES (?, ?) ON CONFLICT DO NOTHING", (path, user))

    def excluded(self, user: str) -> set[str]:
        """The files that were removed from the index by hand."""
        return {path for (path,) in self.rows("SELECT path FROM excluded WHERE user = ?", (user,))}

    def refuse(self, files: Sequence[tuple[str, str, int, int, str]]) -> None:
        """Keeps why files, each (path, user, size, mtime_ns, reason), were refused: they are not read again until they change."""
        with self.transaction() as db:
            db.executemany("DELETE FROM refused WHERE path = ? AND user = ?", [file[:2] for file in files])
            db.executemany("INSERT INTO refused VALUES (?, ?, ?, ?, ?)", list({file[:2]: file for file in files}.values()))

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
            db.execute("UPDATE changes SET number = number + 1")

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
                        (chunk_id(e.id, n), e.id, n, c.location, above[n], c.text, vector.tobytes(), c.above, digest(e.user, c.embedded), words[n])
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
        self._tables.erase()

    def changes(self) -> int:
        """Counts up whenever documents become ready, change their names, or begin to go."""
        return int(self.rows("SELECT number FROM changes")[0][0])

    def ready(self) -> dict[str, str]:
        """The ready documents and whose each is."""
        return dict(self.rows("SELECT id, user FROM documents WHERE state = 'ready'"))

    def words(self, documents: Sequence[str]) -> Iterator[tuple[str, list[bytes]]]:
        """(document, the words of each of its chunks as `keywords.counted` gave them)."""
        for start in range(0, len(documents), _SOME):
            part = documents[start : start + _SOME]
            found = self.rows(f"SELECT document, words FROM chunks WHERE document IN ({_marks(part)}) ORDER BY document, position", part)
            for key, chunks in groupby(found, key=lambda row: str(row[0])):
                yield key, [words for _, words in chunks]

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
                "INSERT INTO condensed (document, key, text) SELECT id, ?, ? FROM documents WHERE id = ? AND state = 'ready'"
                " ON CONFLICT (document, key) DO UPDATE SET text = excluded.text",
                (key, text, document),
            )

    def chunk_ids(self, ids: Sequence[str]) -> list[str]:
        """The chunks of documents."""
        return [chunk for key in ids for (chunk,) in self.rows("SELECT id FROM chunks WHERE document = ?", (key,))]

    def vectors_of(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """The vectors of texts that stand in the index already, by digest."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(digests), _SOME):
            part = digests[start : start + _SOME]
            found.update(self.rows(f"SELECT digest, vector FROM chunks WHERE digest IN ({_marks(part)})", part))
        return found


def chunk_id(document: str, position: int) -> str:
    """What a chunk is called in all stores."""
    return f"{document}:{position}"


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def digest(user: str, text: str) -> bytes:
    """What an embedded text is known by; another user's is known by another, so that nobody learns what others have."""
    return hashlib.sha256(f"{user}\0{text}".encode()).digest()[:16]


def _heading(name: str, chunk: Chunk) -> str:
    return " › ".join((Path(name).stem, *chunk.headings))
