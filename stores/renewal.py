"""What is made from the passages' texts, made anew: Chroma's copy of the vectors, and the vectors where the embedding model changed.

The vectors of another model are written beside those in use, which go on answering; once every chunk has one, all change places
in one transaction. Killed at any moment, it goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stores.chunks import embedded
from stores.errors import IndexUnreachable, StoreUnavailable
from stores.registry import Registry
from stores.values import Embed, IngestProgress, Outdated
from stores.vectors import Collection

if TYPE_CHECKING:
    import numpy.typing as npt

_AT_ONCE = 64


@dataclass(frozen=True)
class Live:
    """What is searched with: an embedding model, None where it is no longer on this machine, the vectors that it made, and its name."""

    embed: Embed | None
    collection: Collection
    model: str


def set_rebuilding(registry: Registry, *, on: bool) -> None:
    """Marks that Chroma's copy is being made anew, so that a half-made one is not taken for whole."""
    with registry.transaction() as db:
        db.execute("INSERT INTO rebuilding VALUES ('now') ON CONFLICT DO NOTHING" if on else "DELETE FROM rebuilding")


def is_rebuilding(registry: Registry) -> bool:
    """Whether a process was killed while it made Chroma's copy anew."""
    return bool(registry.rows("SELECT 1 FROM rebuilding"))


def is_whole(registry: Registry, collection: Collection) -> bool:
    """Whether Chroma's copy holds as many chunks as there are. Raises IndexUnreachable."""
    try:
        return collection.count() == int(registry.rows("SELECT count(*) FROM chunks")[0][0])
    except IndexUnreachable:
        raise
    except StoreUnavailable:  # a graph file that cannot be read
        return False


def rebuild(registry: Registry, collection: Collection) -> None:
    """Makes Chroma's copy anew from the vectors in the registry, without embedding anything again."""
    set_rebuilding(registry, on=True)
    collection.recreate()
    fill(registry, collection)
    set_rebuilding(registry, on=False)


def fill(registry: Registry, collection: Collection, *, renewed: bool = False) -> None:
    """Writes every chunk's vector, or the one that is to come in its place, into an empty collection."""
    for batch in _vectors(registry, "renewed.vector" if renewed else "chunks.vector"):
        vectors = np.stack([np.frombuffer(vector, dtype=np.float32) for *_, vector in batch])
        metadatas = [{"user": user, "document": document} for _, document, user, _ in batch]
        collection.upsert([chunk for chunk, *_ in batch], vectors, metadatas)


def _vectors(registry: Registry, column: str, *, batch: int = 1000) -> Iterator[list[tuple[str, str, str, bytes]]]:
    last = -1
    joined = " JOIN renewed ON renewed.id = chunks.id" if column.startswith("renewed") else ""
    while found := registry.rows(
        f"SELECT chunks.number, chunks.id, documents.id, documents.user, {column} FROM chunks{joined}"
        " JOIN documents ON documents.id = chunks.document WHERE chunks.number > ? ORDER BY chunks.number LIMIT ?",
        (last, batch),
    ):
        last = found[-1][0]
        yield [(chunk, document, user, vector) for _, chunk, document, user, vector in found]


def model(registry: Registry) -> str | None:
    """Whose vectors the index holds; None where that was not written down."""
    found = registry.rows("SELECT name FROM model")
    return str(found[0][0]) if found else None


def of_another_model(registry: Registry, name: str) -> bool:
    """Whether the vectors at hand are; an index that is empty or does not say whose they are takes the name of today's."""
    known = model(registry)
    if known is None or not registry.rows("SELECT 1 FROM chunks LIMIT 1"):
        if known != name:
            set_model(registry, name)
        return False
    return known != name


def set_model(registry: Registry, name: str) -> None:
    """Writes down whose vectors the index holds, and drops what was made for another."""
    with registry.transaction() as db:
        db.execute("DELETE FROM renewed")
        db.execute("DELETE FROM model")
        db.execute("INSERT INTO model VALUES (?)", (name,))


def missing(registry: Registry) -> int:
    """How many chunks have no vector of the other model yet."""
    return int(registry.rows("SELECT (SELECT count(*) FROM chunks) - (SELECT count(*) FROM renewed)")[0][0])


def some_missing(registry: Registry, *, limit: int = _AT_ONCE) -> list[tuple[str, str]]:
    """(chunk, what is to be embedded) of some of them."""
    found = registry.rows(
        "SELECT id, above, text FROM chunks WHERE id NOT IN (SELECT id FROM renewed) ORDER BY number LIMIT ?", (limit,)
    )
    return [(key, embedded(above, text)) for key, above, text in found]


def cut_otherwise(registry: Registry, recipe: str) -> tuple[int, int]:
    """(documents, their passages) that were cut by other rules."""
    documents, passages = registry.rows(
        "SELECT count(*), coalesce(sum(passages), 0) FROM documents WHERE state = 'ready' AND recipe NOT IN ('', ?)", (recipe,)
    )[0]
    return documents, int(passages)


def outdated(registry: Registry, embed: Embed, *, other: bool, recipe: str) -> Outdated | None:
    """What is to be made anew, its cost judged by a few passages; `other`: the vectors are of another model."""
    documents, passages = cut_otherwise(registry, recipe)
    waiting = missing(registry) if other else 0
    if not other and not documents:
        return None
    texts = [text for _, text in some_missing(registry, limit=8)] or ["nothing"]
    began = time.perf_counter()
    embed(texts)
    seconds = (time.perf_counter() - began) / len(texts) * (waiting + passages)
    return Outdated(model(registry) or "", waiting, documents, seconds)


def embed_missing(
    registry: Registry, embed: Embed, progress: Callable[[IngestProgress], None] | None, cancelled: Callable[[], bool]
) -> bool:
    """Embeds them all, a few at a time, telling how many are done; False where it was cancelled."""
    done, total = 0, missing(registry)
    while some := some_missing(registry):
        if cancelled():
            return False
        vectors: npt.NDArray[np.float32] = np.ascontiguousarray(embed([text for _, text in some]), dtype=np.float32)
        with registry.transaction() as db:  # a chunk may have gone meanwhile
            db.executemany(
                "INSERT INTO renewed SELECT id, ? FROM chunks WHERE id = ? ON CONFLICT DO NOTHING",
                [(vector.tobytes(), key) for (key, _), vector in zip(some, vectors, strict=True)],
            )
        done += len(some)
        if progress:
            progress(IngestProgress(min(done, total), total, ""))
    return True


def adopt(registry: Registry, name: str) -> None:
    """The new vectors take the old ones' places, at one moment; Chroma's copy is then to follow."""
    with registry.transaction() as db:
        db.execute("UPDATE chunks SET vector = (SELECT vector FROM renewed WHERE renewed.id = chunks.id)")
        db.execute("DELETE FROM renewed")
        db.execute("UPDATE model SET name = ?", (name,))
        db.execute("INSERT INTO rebuilding VALUES ('now') ON CONFLICT DO NOTHING")
