"""Reading the registry: passages by id and by place, always for one user."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from stores.errors import IndexUnreachable
from stores.orders import ASIDE, named
from stores.registry import EVERYBODY, Registry
from stores.values import Document, Passage
from stores.vectors import Collection, Record

log = logging.getLogger(__name__)
WITHIN = 2000
"""Passages found by their words of which those are kept that lie where a search is limited to; by meaning, all there are looked at."""

_COLUMNS = "chunks.id, documents.name, documents.id, chunks.location, chunks.text, chunks.position, chunks.vector"
_JOINED = "chunks JOIN documents ON documents.id = chunks.document"
_VISIBLE = f"documents.state = 'ready' AND documents.user IN ('{EVERYBODY}', ?)"
_SOME = 500
_OUTLINES = 64


@dataclass(frozen=True)
class StoredChunk:
    """A chunk as the registry holds it."""

    id: str
    document: str
    document_id: str
    location: str
    text: str
    position: int
    vector: npt.NDArray[np.float32]

    def passage(self, *, score: float = 0.0, similarity: float = 0.0) -> Passage:
        """The chunk as the rest of the program knows it."""
        return Passage(self.id, self.document, self.document_id, self.location, self.text, score, similarity)


def owner_of(user: str | None) -> str:
    """How the stores write a user, None being everybody."""
    if user is None:
        return EVERYBODY
    if not user.strip():
        raise ValueError("A user needs a name; None is for everybody.")
    return user


def near(
    collection: Collection,
    vector: npt.NDArray[np.float32],
    *,
    user: str,
    share: float,
    limit: int,
    only: Sequence[str] | None = None,
    needed: bool = True,
) -> dict[str, float]:
    """The cosine of the nearest passages, those that the user may not see perhaps among them. `share`: how many of all they may see, 0 to 1.

    Where Chroma's server cannot be reached, there are none, unless they are `needed`: then it raises IndexUnreachable.
    """
    try:
        return {record.id: record.similarity for record in _nearest(collection, vector, user, share, limit, only)}
    except IndexUnreachable as error:
        if needed:
            raise
        log.warning("Searched by words alone: %s", error)
        return {}


def _nearest(
    collection: Collection, vector: npt.NDArray[np.float32], user: str, share: float, limit: int, only: Sequence[str] | None
) -> list[Record]:
    """Chroma's own filter looks at every record (0.9 s over 100,000), so it is asked only where too few would be left without."""
    seen: dict[str, object] = {"user": {"$in": [EVERYBODY, user]}}
    if only is not None:
        return collection.nearest(vector, limit=limit, where={"$and": [seen, {"document": {"$in": list(only)}}]})
    found = collection.nearest(vector, limit=int(limit / share) + 1) if share > 0.2 else []
    if share < 1 and sum(record.metadata.get("user") in (EVERYBODY, user) for record in found) < limit:
        return collection.nearest(vector, limit=limit, where=seen)
    return found


def chunks_by_id(registry: Registry, ids: Sequence[str], *, user: str, only: Sequence[str] | None = None) -> Mapping[str, StoredChunk]:
    """Those of the chunks that the user may see, and, where it is said, that are of these documents alone."""
    found: dict[str, StoredChunk] = {}
    for start in range(0, len(ids), _SOME):
        part = ids[start : start + _SOME]
        marks = ", ".join("?" * len(part))
        for row in registry.rows(f"SELECT {_COLUMNS} FROM {_JOINED} WHERE {_VISIBLE} AND chunks.id IN ({marks})", (user, *part)):
            if only is None or row[2] in only:
                found[row[0]] = _chunk(row)
    return found


def around(registry: Registry, passage_id: str, *, user: str) -> list[Passage]:
    """A passage between the one before and the one after it in its document; none where the user may not see it."""
    of = f"SELECT chunks.document, chunks.position FROM {_JOINED} WHERE {_VISIBLE} AND chunks.id = ?"
    found = [
        row
        for document, position in registry.rows(of, (user, passage_id))
        for row in registry.rows(
            f"SELECT {_COLUMNS} FROM {_JOINED} WHERE {_VISIBLE} AND chunks.document = ? AND chunks.position BETWEEN ? AND ? ORDER BY chunks.position",
            (user, document, position - 1, position + 1),
        )
    ]
    return [_chunk(row).passage() for row in found]


def documents(registry: Registry, *, user: str) -> list[Document]:
    """The documents that the user may see, by name."""
    found = registry.rows(
        f"SELECT id, name, path, user, passages, added, headings, mtime_ns FROM documents WHERE {_VISIBLE} ORDER BY name, path, user", (user,)
    )
    return [
        Document(
            key, name, path, None if owner == EVERYBODY else owner, passages, datetime.fromisoformat(added), _title(headings),
            datetime.fromtimestamp(changed / 1e9),
        )
        for key, name, path, owner, passages, added, headings, changed in found
    ]


def _title(headings: str) -> str:
    tops = json.loads(headings)
    return str(tops[0]) if len(tops) == 1 else ""


def contents(registry: Registry, document: str, *, user: str) -> list[Passage]:
    """All passages of a document in their order; none where there is no such document for that user."""
    found = registry.rows(f"SELECT {_COLUMNS} FROM {_JOINED} WHERE {_VISIBLE} AND documents.id = ? ORDER BY chunks.position", (user, document))
    return [_chunk(row).passage() for row in found]


def outline(registry: Registry, *, user: str, limit: int, headings: int) -> list[str]:
    """A line for each document: its name and its first top headings."""
    found = registry.rows(f"SELECT name, headings FROM documents WHERE {_VISIBLE} ORDER BY name, path, user LIMIT ?", (user, limit))
    lines = []
    for name, stored in found:
        tops = [top for heading in json.loads(stored)[:headings] if (top := named(heading)) != ASIDE]
        lines.append(f"{named(name)}: {', '.join(tops)}" if tops else named(name))
    return lines


class Outlines:
    """Outlines as they were read last: one stands in every turn's prompt, and the names of all documents are sorted for it. Serves many threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._read = lru_cache(_OUTLINES)(self._lines)

    def lines(self, *, user: str, limit: int, headings: int) -> list[str]:
        """As `outline` gives them."""
        return list(self._read(self._registry.changes(), user, limit, headings))

    def _lines(self, at: int, user: str, limit: int, headings: int) -> tuple[str, ...]:
        return tuple(outline(self._registry, user=user, limit=limit, headings=headings))


def count(registry: Registry, *, user: str) -> int:
    """How many passages the user may see."""
    found = registry.rows(f"SELECT count(*) FROM {_JOINED} WHERE {_VISIBLE}", (user,))
    return int(found[0][0])


def _chunk(row: tuple[Any, ...]) -> StoredChunk:
    key, document, document_id, location, text, position, vector = row
    return StoredChunk(key, document, document_id, location, text, position, np.frombuffer(vector, dtype=np.float32))
