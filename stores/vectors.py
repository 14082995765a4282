"""Chroma, the one place that names it: opening a folder of vectors, and collections of unit vectors compared by cosine.

Embedded Chroma is made for one process per folder. A record is durable once `upsert` returns (it stands in Chroma's
write-ahead log), but the graph file, written every `sync_threshold` records, is not replaced atomically: a process
killed while it writes leaves a file that crashes the next reader. So a collection is either small enough never to
write it (the log is read again at the start, about 0.4 ms a record) or can be rebuilt from elsewhere.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stores import erasure
from stores.errors import StoreUnavailable
from stores.values import Embed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from chromadb.api import ClientAPI

log = logging.getLogger(__name__)

_NEXT = "-next"
LOG_ONLY = 100_000
"""A `sync_threshold` that collections of some thousands never reach, so that they live in the log alone."""


def open_client(directory: Path) -> ClientAPI:
    """A Chroma client on that folder, sending nothing anywhere; `close()` it to release its files.

    Raises StoreUnavailable where the folder cannot be written or does not hold what Chroma can read.
    """
    os.environ["ANONYMIZED_TELEMETRY"] = "False"  # Chroma reads it at import
    import chromadb
    from chromadb.config import Settings

    with chroma_errors(f"The index in {directory}"):
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / "chroma.sqlite3").exists():
            with suppress(sqlite3.Error):  # a file that cannot be read is Chroma's to complain of
                erasure.clean_chroma(directory, always=False)  # what a killed process had deleted, but not yet erased
        # Everything that decides where data goes is named: Chroma would take it from a .env in the working directory.
        settings = Settings(
            _env_file=None,
            anonymized_telemetry=False,
            allow_reset=False,
            chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
            chroma_otel_collection_endpoint="",
            chroma_otel_granularity=None,
            migrations="apply",
        )
        return chromadb.PersistentClient(path=str(directory), settings=settings)


@contextmanager
def chroma_errors(what: str) -> Iterator[None]:
    """Turns what Chroma and the disk raise into StoreUnavailable; `what` begins the message."""
    from chromadb.errors import ChromaError

    try:
        yield
    except ChromaError as error:
        raise StoreUnavailable(f"{what} cannot be used: {error}. Restore it from a backup, or move it away to start anew.") from error
    except OSError as error:
        raise StoreUnavailable(f"{what} cannot be used: {error}. Check the disk's space and the folder's rights.") from error


@dataclass(frozen=True)
class Record:
    """What a collection holds under an id. `similarity` is the cosine to what was asked (0 where nothing was)."""

    id: str
    text: str
    metadata: Mapping[str, Any]
    similarity: float = 0.0


class Collection:
    """Unit vectors under ids, each with metadata to filter by and, where given, its text."""

    def __init__(self, client: ClientAPI, name: str, *, sync_threshold: int = LOG_ONLY) -> None:
        self._client = client
        self._name = name
        self._sync_threshold = sync_threshold
        self._batch = min(1000, client.get_max_batch_size())
        self._open()

    def _open(self) -> None:
        from chromadb.api.collection_configuration import CreateHNSWConfiguration

        self._finish_succession()
        hnsw = CreateHNSWConfiguration(space="cosine", ef_search=200, sync_threshold=self._sync_threshold)
        with chroma_errors(f"The collection {self._name}"):
            self._chroma = self._client.get_or_create_collection(
                self._name,
                configuration={"hnsw": hnsw},
                embedding_function=None,  # Chroma's default would be downloaded
            )

    def _finish_succession(self) -> None:
        """What a killed process left beside this collection: the whole successor of one that is gone, or half of one."""
        with chroma_errors(f"The collection {self._name}"):
            names = {collection.name for collection in self._client.list_collections()}
            if self._name + _NEXT in names:
                if self._name in names:
                    self._client.delete_collection(self._name + _NEXT)
                else:
                    self._client.get_collection(self._name + _NEXT, embedding_function=None).modify(name=self._name)

    def successor(self) -> Collection:
        """An empty collection that is to take this one's place with `succeed`; until then it is not seen."""
        made = Collection(self._client, self._name + _NEXT, sync_threshold=self._sync_threshold)
        made.recreate()
        return made

    def succeed(self) -> None:
        """A successor takes its predecessor's place. Killed in between, the next opening finishes it."""
        name = self._name.removesuffix(_NEXT)
        with chroma_errors(f"The collection {name}"):
            self._client.delete_collection(name)
            self._chroma.modify(name=name)
        self._name = name

    def embed_anew(self, model: str, embed: Embed) -> None:
        """Embeds the texts anew where the vectors are of another model; for a collection that is small enough to wait for."""
        known = (self._chroma.metadata or {}).get("model")
        if known not in (None, model) and (records := self.records()):
            log.warning("The embedding model is another: %d of the %s are embedded anew.", len(records), self._name)
            made = self.successor()
            for start in range(0, len(records), self._batch):
                part = records[start : start + self._batch]
                texts = [record.text for record in part]
                made.upsert([record.id for record in part], embed(texts), [record.metadata for record in part], texts)
            made._chroma.modify(metadata={"model": model})
            made.succeed()
            self._chroma = made._chroma
        elif known != model:
            self._chroma.modify(metadata={"model": model})

    def recreate(self) -> None:
        """Empties the collection without reading what it held, so it also gets rid of a broken one."""
        with chroma_errors(f"The collection {self._name}"):
            self._client.delete_collection(self._name)
        self._open()

    def upsert(
        self,
        ids: Sequence[str],
        vectors: npt.NDArray[np.float32],
        metadatas: Sequence[Mapping[str, Any]],
        texts: Sequence[str] | None = None,
    ) -> None:
        """Writes records, replacing those with the same ids."""
        with chroma_errors(f"The collection {self._name}"):
            for start in range(0, len(ids), self._batch):
                part = slice(start, start + self._batch)
                self._chroma.upsert(
                    ids=list(ids[part]),
                    embeddings=vectors[part],
                    metadatas=[dict(metadata) for metadata in metadatas[part]],
                    documents=None if texts is None else list(texts[part]),
                )

    def delete(self, ids: Sequence[str]) -> None:
        """Removes records; ids that are not there are passed over."""
        with chroma_errors(f"The collection {self._name}"):
            for start in range(0, len(ids), self._batch):
                self._chroma.delete(ids=list(ids[start : start + self._batch]))

    def erase(self) -> None:
        """Takes what was deleted or replaced, in every collection of the folder, out of the bytes on the disk.

        Takes some tenths of a second, and longer for a large index. Raises StoreUnavailable; it is tried again at the next start.
        """
        folder = self._client.get_settings().persist_directory
        done = subprocess.run([sys.executable, "-I", "-S", erasure.__file__, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StoreUnavailable(
                f"What was deleted is gone from every answer, but not yet erased from the file in {folder}:"
                f" {done.stderr.strip()}. Make room on the disk and start again."
            )

    def count(self) -> int:
        """How many records there are."""
        with chroma_errors(f"The collection {self._name}"):
            return self._chroma.count()

    def nearest(self, vector: npt.NDArray[np.float32], *, limit: int, where: Mapping[str, Any] | None = None) -> list[Record]:
        """The records nearest to a unit vector among those that `where` allows, nearest first."""
        return self._query(vector.reshape(1, -1), limit, where)[0]

    def nearest_of_each(self, vectors: npt.NDArray[np.float32], *, limit: int, where: Mapping[str, Any]) -> list[list[Record]]:
        """For each unit vector the records nearest to it, as `nearest` gives them for one."""
        return self._query(vectors, limit, where)

    def _query(self, vectors: npt.NDArray[np.float32], limit: int, where: Mapping[str, Any] | None) -> list[list[Record]]:
        with chroma_errors(f"The collection {self._name}"):
            found = self._chroma.query(
                query_embeddings=vectors,
                n_results=limit,
                where=None if where is None else dict(where),
                include=["documents", "metadatas", "distances"],
            )
        return [
            [
                Record(key, text or "", metadata or {}, similarity=max(-1.0, min(1.0, 1.0 - distance)))
                for key, text, metadata, distance in zip(ids, texts, metadatas, distances, strict=True)
            ]
            for ids, texts, metadatas, distances in zip(
                found["ids"], found["documents"] or [], found["metadatas"] or [], found["distances"] or [], strict=True
            )
        ]

    def records(self, where: Mapping[str, Any] | None = None, *, ids: Sequence[str] | None = None) -> list[Record]:
        """All records that `where` allows, in no order."""
        with chroma_errors(f"The collection {self._name}"):
            found = self._chroma.get(
                ids=None if ids is None else list(ids),
                where=None if where is None else dict(where),
                include=["documents", "metadatas"],
            )
        texts = found["documents"] or []
        metadatas = found["metadatas"] or []
        return [Record(key, text or "", metadata or {}) for key, text, metadata in zip(found["ids"], texts, metadatas, strict=True)]
