"""Documents: files in, passages out.

SQLite holds the truth (documents, chunks, their words and vectors), Chroma a copy of the vectors to search by. A document
is pending until both hold all of it; what a killed process left pending or half removed is cleared at the next start, and
Chroma's copy is then made anew, because a graph file that was being written may be broken.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from stores import passages
from stores.errors import NotFound, StoreUnavailable
from stores.folders import resolve
from stores.fusion import ranked, scaled, weighted, without_repeats
from stores.ingestion import Ingestion, Limits, discard
from stores.orders import without
from stores.registry import EVERYBODY, Registry
from stores.values import Document, Embed, IngestProgress, IngestReport, Passage, Rerank
from stores.vectors import Collection

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

Mode = Literal["reranked", "hybrid", "dense", "keyword"]
RERANKED = 10
"""Passages that are looked at again, word by word. Of 500 SQuAD questions 0.868 had the right passage first without it, 0.898 with it
(16 or 40 passages gave no more). On Cranfield it gave nothing: nDCG@10 0.546 with half the weight on it, 0.550 without."""


class Documents:
    """An index of files. One instance serves many threads; one process at a time."""

    def __init__(
        self,
        directory: Path,
        client: ClientAPI,
        embed: Embed,
        *,
        rerank: Rerank | None = None,
        max_megabytes: float = 50.0,
        max_pages: int = 2000,
        chunk_tokens: int = 220,
        candidates: int = 60,
        longest_query: int = 4000,
        max_seconds: float = 600.0,
        max_memory_megabytes: float = 2000.0,
        ocr: bool = True,
    ) -> None:
        self._embed = embed
        self._rerank = rerank
        self._limits = Limits(
            max_megabytes, max_pages, chunk_tokens, max_seconds=max_seconds, max_memory_megabytes=max_memory_megabytes, ocr=ocr
        )
        self._candidates = candidates
        self._longest_query = longest_query
        self._writing = threading.Lock()
        self._closing = threading.Event()
        self._registry = Registry(directory / "documents.sqlite")
        try:
            self._collection = Collection(client, "passages", sync_threshold=1000)
            self._recover()
        except BaseException:
            self._registry.close()
            raise

    def close(self) -> None:
        """Ends a running ingestion after its batch and releases the registry; the Chroma client is its opener's to close."""
        self._closing.set()
        with self._writing:
            self._registry.close()

    # Taking in

    def add(
        self,
        *paths: str | os.PathLike[str],
        user: str | None = None,
        progress: Callable[[IngestProgress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> IngestReport:
        """Takes in files, and folders with all below them, for one user or (None) for everybody.

        What cannot be read is refused with its reason, and the rest goes on. After a cancel, what the report names is in.
        """
        owner = _owner(user)
        roots = [(str(resolve(path)), owner) for path in paths]
        with self._writing:
            for root, _ in roots:
                if os.path.exists(root):
                    self._registry.add_root(root, owner)
            return self._ingestion(progress, cancelled).run(roots)

    def sync(self, progress: Callable[[IngestProgress], None] | None = None, cancelled: Callable[[], bool] | None = None) -> IngestReport:
        """Reads again all that was ever added: new, changed and removed files. A folder that is missing keeps its passages."""
        with self._writing:
            ingestion = self._ingestion(progress, cancelled, retry_refused=False)
            return ingestion.run(self._registry.roots(), remove_missing=True)

    def _ingestion(
        self,
        progress: Callable[[IngestProgress], None] | None,
        cancelled: Callable[[], bool] | None,
        *,
        retry_refused: bool = True,
    ) -> Ingestion:
        discard(self._registry, self._collection, self._registry.unfinished())  # what an error interrupted

        def stop() -> bool:
            return self._closing.is_set() or (cancelled is not None and cancelled())

        return Ingestion(self._registry, self._collection, self._embed, self._limits, progress, stop, retry_refused)

    def remove(self, id: str, *, user: str | None = None) -> None:  # noqa: A002 (the public name)
        """Removes a document for good (None: whosever it is). Raises NotFound for one that the user may not see."""
        with self._writing:
            found = self._registry.rows("SELECT path, user FROM documents WHERE id = ? AND state = 'ready'", (id,))
            if not found or (user is not None and found[0][1] not in (EVERYBODY, user)):
                raise NotFound(f"There is no document {id}. List the documents to see their ids.")
            self._registry.exclude(*found[0])
            self._registry.publish([], replaced=[id])
            discard(self._registry, self._collection, [id])

    def forget_all(self, *, user: str) -> list[Document]:
        """Removes a user's own documents, from the bytes on the disk too, and gives them; those for everybody stay."""
        if not user.strip():
            raise ValueError("Name the user whose documents are to be removed.")
        own = [document for document in self.all(user=user) if document.user == user]
        ids = [document.id for document in own]
        with self._writing:
            self._registry.publish([], replaced=ids)
            discard(self._registry, self._collection, ids)
            self._registry.forget(user)
            if own:  # a removed vector stays in the graph
                self._rebuild()
            self._collection.erase()
        return own

    # Finding

    def search(self, query: str, *, user: str = "local", k: int = 5, mode: Mode = "reranked") -> list[Passage]:
        """The `k` passages that answer a query best, among those for everybody and the user's own; `score` is 0 to 1."""
        query = query[: self._longest_query].strip()
        if not query or k < 1:
            return []
        limit = max(self._candidates, 3 * k)
        words = passages.keyword_scores(self._registry, query, user=user, limit=limit) if mode != "dense" else {}
        vector = np.ascontiguousarray(self._embed([query])[0], dtype=np.float32)
        near: dict[str, float] = {}
        if mode != "keyword":
            found = self._collection.nearest(vector, limit=limit, where={"user": {"$in": [EVERYBODY, user]}})
            near = {record.id: record.similarity for record in found}
        chunks = passages.chunks_by_id(self._registry, list(near | words), user=user)
        similarity = {key: float(chunk.vector @ vector) for key, chunk in chunks.items()}
        scores = self._scores(mode, {key: score for key, score in words.items() if key in chunks}, similarity)
        if mode == "reranked" and self._rerank:
            scores = self._reranked(query, scores, {key: without(chunks[key].text) for key in ranked(scores)[:RERANKED]})
        best = without_repeats((chunks[key] for key in ranked(scores)), lambda chunk: chunk.text)[:k]
        return [chunk.passage(score=scores[chunk.id], similarity=similarity[chunk.id]) for chunk in best]

    @staticmethod
    def _scores(mode: Mode, words: dict[str, float], similarity: dict[str, float]) -> dict[str, float]:
        if mode == "keyword":
            return scaled(words)
        # On Cranfield this gave nDCG@10 0.543 and reciprocal rank fusion (k=60) 0.531; on CACM 0.539 and 0.527.
        positive = {key: max(0.0, cosine) for key, cosine in similarity.items()}
        return positive if mode == "dense" else weighted([(scaled(positive), 0.5), (scaled(words), 0.5)])

    def _reranked(self, query: str, scores: dict[str, float], texts: dict[str, str]) -> dict[str, float]:
        """The first few weighed again by their single words; the others stay behind them, in their order."""
        assert self._rerank
        first = ranked(scores)[:RERANKED]
        words = dict(zip(first, self._rerank(query, [texts[key] for key in first]), strict=True))
        again = weighted([(scaled({key: scores[key] for key in first}), 0.6), (scaled(words), 0.4)])
        least = min(again.values(), default=0.0)
        return {key: again.get(key, score * least) for key, score in scores.items()}

    def around(self, passage_id: str, *, user: str = "local") -> list[Passage]:
        """A passage between the one before and the one after it in its document; none where the user may not see it."""
        return passages.around(self._registry, passage_id, user=user)

    def neighbours(self, passage_id: str, *, user: str = "local") -> list[Passage]:
        """The passages before and after one in its document."""
        return [passage for passage in self.around(passage_id, user=user) if passage.id != passage_id]

    def contents(self, id: str, *, user: str = "local") -> list[Passage]:  # noqa: A002 (the public name)
        """All passages of a document in their order; none where there is no such document for that user."""
        return passages.contents(self._registry, id, user=user)

    def condensed(self, id: str, key: str) -> str | None:  # noqa: A002
        """What a model made of a document's text, kept under a key that names the text, the model and the task."""
        return self._registry.condensed(id, key)

    def condense(self, id: str, key: str, text: str) -> None:  # noqa: A002
        """Keeps what a model made of a document's text, until the document goes; nothing where it is gone."""
        self._registry.condense(id, key, text)

    def all(self, *, user: str = "local") -> list[Document]:
        """The documents for everybody and the user's own, by name."""
        return passages.documents(self._registry, user=user)

    def outline(self, *, user: str = "local", limit: int = 40, headings: int = 6) -> list[str]:
        """What there is, a line a document (its name and top headings), always in the same order."""
        return passages.outline(self._registry, user=user, limit=limit, headings=headings)

    def count(self, user: str = "local") -> int:
        """How many passages the user may see."""
        return passages.count(self._registry, user=user)

    # Staying whole

    def _recover(self) -> None:
        unfinished = self._registry.unfinished()
        if unfinished or self._registry.is_rebuilding() or not self._copy_is_whole():
            self._registry.purge(unfinished)
            self._rebuild()

    def _copy_is_whole(self) -> bool:
        expected = int(self._registry.rows("SELECT count(*) FROM chunks")[0][0])
        try:
            return self._collection.count() == expected
        except StoreUnavailable:  # a graph file that cannot be read
            return False

    def _rebuild(self) -> None:
        """Makes Chroma's copy anew from the vectors in SQLite, without embedding anything again."""
        self._registry.set_rebuilding(on=True)
        self._collection.recreate()
        for batch in self._registry.vectors():
            vectors = np.stack([np.frombuffer(vector, dtype=np.float32) for *_, vector in batch])
            metadatas = [{"user": user, "document": document} for _, document, user, _ in batch]
            self._collection.upsert([chunk for chunk, *_ in batch], vectors, metadatas)
        self._registry.set_rebuilding(on=False)


def _owner(user: str | None) -> str:
    if user is None:
        return EVERYBODY
    if not user.strip():
        raise ValueError("A user needs a name; None is for everybody.")
    return user
