"""Collections of unit vectors compared by cosine, in a folder or on a server of Chroma's."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from stores import erasure
from stores.chroma_folder import chroma_errors
from stores.chroma_server import ChromaServer
from stores.errors import StoreUnavailable
from stores.values import Embed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection as ChromaCollection
    from chromadb.api.types import GetResult

T = TypeVar("T")
log = logging.getLogger(__name__)

_NEXT = "-next"
_BATCH = 1000
LOG_ONLY = 100_000
"""A `sync_threshold` that collections of some thousands never reach, so that they live in the log alone."""


@dataclass(frozen=True)
class Record:
    """What a collection holds under an id. `similarity` is the cosine to what was asked (0 where nothing was)."""

    id: str
    text: str
    metadata: Mapping[str, Any]
    similarity: float = 0.0


class Collection:
    """Unit vectors under ids, each with metadata to filter by and, where given, its text.

    On a server it is opened when it is first used: the server may be down, and come back. Every method raises StoreUnavailable.
    """

    def __init__(self, client: ClientAPI | ChromaServer, name: str, *, sync_threshold: int = LOG_ONLY) -> None:
        self._client = client
        self._name = name
        self._sync_threshold = sync_threshold
        self._opening = threading.RLock()
        self._opened: ChromaCollection | None = None
        self._current: tuple[str, Embed] | None = None
        self._batch = _BATCH if isinstance(client, ChromaServer) else min(_BATCH, client.get_max_batch_size())
        if not isinstance(client, ChromaServer):
            self._with(self._open)

    @property
    def is_shared(self) -> bool:
        """Whether other programs may read and write it at the same time."""
        return isinstance(self._client, ChromaServer)

    def _with(self, work: Callable[[ClientAPI], T]) -> T:
        with chroma_errors(f"The collection {self._name}"):
            return self._client.call(work) if isinstance(self._client, ChromaServer) else work(self._client)

    def _use(self, work: Callable[[ChromaCollection], T]) -> T:
        from chromadb.errors import NotFoundError

        def on(client: ClientAPI) -> T:
            try:
                return work(self._open(client))
            except NotFoundError:
                if not self.is_shared:
                    raise
                self._opened = None  # another program made it anew
                return work(self._open(client))

        return self._with(on)

    def _open(self, client: ClientAPI) -> ChromaCollection:
        from chromadb.api.collection_configuration import CreateHNSWConfiguration

        with self._opening:
            if self._opened is None:
                self._finish_succession(client)
                hnsw = CreateHNSWConfiguration(space="cosine", ef_search=200, sync_threshold=self._sync_threshold)
                # Chroma's default embedding function would be downloaded.
                made = client.get_or_create_collection(self._name, configuration={"hnsw": hnsw}, embedding_function=None)
                self._opened = self._of_model(made)
            return self._opened

    def _finish_succession(self, client: ClientAPI) -> None:
        """What a killed process left beside this collection: the whole successor of one that is gone, or half of one."""
        names = {collection.name for collection in client.list_collections()}
        if self._name + _NEXT in names:
            if self._name not in names:
                client.get_collection(self._name + _NEXT, embedding_function=None).modify(name=self._name)
            elif not self.is_shared:  # on a server somebody may be filling it
                client.delete_collection(self._name + _NEXT)

    def successor(self) -> Collection:
        """An empty collection that is to take this one's place with `succeed`; until then it is not seen."""
        made = Collection(self._client, self._name + _NEXT, sync_threshold=self._sync_threshold)
        made.recreate()
        return made

    def succeed(self) -> None:
        """A successor takes its predecessor's place. Killed in between, the next opening finishes it."""
        name = self._name.removesuffix(_NEXT)
        self._with(lambda client: client.delete_collection(name))
        self._use(lambda chroma: chroma.modify(name=name))
        self._name = name

    def embed_anew(self, model: str, embed: Embed) -> None:
        """Embeds the texts anew where the vectors are of another model; for a collection that is small enough to wait for.

        On a server this happens when it is opened.
        """
        self._current = (model, embed)
        if self._opened is not None:
            self._opened = self._of_model(self._opened)

    def _of_model(self, chroma: ChromaCollection) -> ChromaCollection:
        """The collection, or the one that takes its place, with vectors of the current model."""
        known = (chroma.metadata or {}).get("model")
        if self._current is None or known == self._current[0]:
            return chroma
        model, embed = self._current
        found = _records(chroma.get(include=["documents", "metadatas"])) if known is not None else []
        if found:
            log.warning("The embedding model is another: %d of the %s are embedded anew.", len(found), self._name)
            made = self.successor()
            for start in range(0, len(found), self._batch):
                part = found[start : start + self._batch]
                texts = [record.text for record in part]
                made.upsert([record.id for record in part], embed(texts), [record.metadata for record in part], texts)
            made.succeed()
            chroma = made._use(lambda chroma: chroma)
        chroma.modify(metadata={"model": model})
        return chroma

    def recreate(self) -> None:
        """Empties the collection without reading what it held, so it also gets rid of a broken one."""
        from chromadb.errors import NotFoundError

        def anew(client: ClientAPI) -> None:
            with suppress(NotFoundError):
                client.delete_collection(self._name)
            self._opened = None
            self._open(client)

        self._with(anew)

    def upsert(
        self,
        ids: Sequence[str],
        vectors: npt.NDArray[np.float32],
        metadatas: Sequence[Mapping[str, Any]],
        texts: Sequence[str] | None = None,
    ) -> None:
        """Writes records, replacing those with the same ids."""
        for start in range(0, len(ids), self._batch):
            self._upsert(slice(start, start + self._batch), ids, vectors, metadatas, texts)

    def _upsert(
        self,
        part: slice,
        ids: Sequence[str],
        vectors: npt.NDArray[np.float32],
        metadatas: Sequence[Mapping[str, Any]],
        texts: Sequence[str] | None,
    ) -> None:
        self._use(
            lambda chroma: chroma.upsert(
                ids=list(ids[part]),
                embeddings=vectors[part],
                metadatas=[dict(metadata) for metadata in metadatas[part]],
                documents=None if texts is None else list(texts[part]),
            )
        )

    def delete(self, ids: Sequence[str]) -> None:
        """Removes records; ids that are not there are passed over."""
        for start in range(0, len(ids), self._batch):
            part = list(ids[start : start + self._batch])
            self._use(lambda chroma, part=part: chroma.delete(ids=part))  # type: ignore[misc]

    def erase(self) -> None:
        """Takes what was deleted or replaced, in every collection of the folder, out of the bytes on the disk.

        Takes some tenths of a second, and longer for a large index. Raises StoreUnavailable; it is tried again at the next start.
        A server's disk is the server's: there, whoever runs it erases (`chroma vacuum`, or `erasure.py` beside it).
        """
        if isinstance(self._client, ChromaServer):
            return
        folder = self._client.get_settings().persist_directory
        done = subprocess.run([sys.executable, "-I", "-S", erasure.__file__, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StoreUnavailable(
                f"What was deleted is gone from every answer, but not yet erased from the file in {folder}:"
                f" {done.stderr.strip()}. Make room on the disk and start again."
            )

    def count(self) -> int:
        """How many records there are."""
        return self._use(lambda chroma: chroma.count())

    def nearest(self, vector: npt.NDArray[np.float32], *, limit: int, where: Mapping[str, Any] | None = None) -> list[Record]:
        """The records nearest to a unit vector among those that `where` allows, nearest first."""
        return self._query(vector.reshape(1, -1), limit, where)[0]

    def nearest_of_each(self, vectors: npt.NDArray[np.float32], *, limit: int, where: Mapping[str, Any]) -> list[list[Record]]:
        """For each unit vector the records nearest to it, as `nearest` gives them for one."""
        return self._query(vectors, limit, where)

    def _query(self, vectors: npt.NDArray[np.float32], limit: int, where: Mapping[str, Any] | None) -> list[list[Record]]:
        found = self._use(
            lambda chroma: chroma.query(
                query_embeddings=vectors,
                n_results=limit,
                where=None if where is None else dict(where),
                include=["documents", "metadatas", "distances"],
            )
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
        return _records(
            self._use(
                lambda chroma: chroma.get(
                    ids=None if ids is None else list(ids),
                    where=None if where is None else dict(where),
                    include=["documents", "metadatas"],
                )
            )
        )

    def with_vectors(self, where: Mapping[str, Any]) -> tuple[list[Record], npt.NDArray[np.float32]]:
        """All records that `where` allows, in no order, and their vectors, of shape (records, dimensions)."""
        import numpy as np

        found = self._use(lambda chroma: chroma.get(where=dict(where), include=["documents", "metadatas", "embeddings"]))
        return _records(found), np.asarray(found["embeddings"], dtype=np.float32)


def _records(found: GetResult) -> list[Record]:
    texts = found["documents"] or []
    metadatas = found["metadatas"] or []
    return [Record(key, text or "", metadata or {}) for key, text, metadata in zip(found["ids"], texts, metadatas, strict=True)]
