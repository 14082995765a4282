"""Documents: files in, passages out.

The registry holds the truth (documents, chunks, their words and vectors), Chroma a copy of the vectors to search by. A document
is pending until both hold all of it; what a killed process left pending or half removed is cleared at the next start, and
Chroma's copy is then made anew, because a graph file that was being written may be broken.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stores import passages, renewal
from stores.errors import IndexUnreachable, NotFound, StoreUnavailable
from stores.folders import resolve
from stores.fusion import without_repeats
from stores.ingestion import Ingestion, Limits, discard
from stores.orders import without
from stores.postings import Postings
from stores.ranking import RERANKED, Mode, found_by, reranked
from stores.registry import EVERYBODY, Registry
from stores.renewal import Live
from stores.values import Document, Embed, IngestProgress, IngestReport, Outdated, Passage, Rerank
from stores.vectors import Collection
from stores.within import Within

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

    from stores.chroma_server import ChromaServer
    from stores.server import Server


class Documents:
    """An index of files. One instance serves many threads; one process at a time."""

    def __init__(
        self,
        directory: Path,
        client: ClientAPI | ChromaServer,
        embed: Embed,
        *,
        server: Server | None = None,
        model: str = "",
        earlier: Callable[[str], Embed | None] = lambda model: None,
        rerank: Rerank | None = None,
        max_megabytes: float = 50.0,
        max_pages: int = 2000,
        chunk_tokens: int = 220,
        candidates: int = 100,
        longest_query: int = 4000,
        max_seconds: float = 600.0,
        max_memory_megabytes: float = 2000.0,
        ocr: bool = True,
    ) -> None:
        """`server` holds the registry, instead of the folder, where several replicas share it. `model` names what `embed` computes with;
        `earlier` gives what the vectors at hand were computed with, where it is another."""
        self._embed, self._model, self._earlier = embed, model, earlier
        self._limits = Limits(max_megabytes, max_pages, chunk_tokens, 256, max_seconds, max_memory_megabytes, ocr)
        self._rerank, self._candidates, self._longest_query = rerank, candidates, longest_query
        self._writing, self._renewing, self._swapping = threading.Lock(), threading.Lock(), threading.Lock()
        self._closing = threading.Event()
        self._registry = Registry(server or directory / "documents.sqlite")
        try:
            self._postings, self._outlines = Postings(self._registry), passages.Outlines(self._registry)
            self._live = Live(embed, Collection(client, "passages", sync_threshold=1000), model)
            self._whole = False
            with suppress(IndexUnreachable):  # said when it is asked
                self._recover()
            if renewal.of_another_model(self._registry, model):
                self._live = self._answering(renewal.model(self._registry) or "")
        except BaseException:
            self._registry.close()
            raise

    def close(self) -> None:
        """Ends a running ingestion after its batch and releases the registry; client and server are their openers' to close."""
        self._closing.set()
        with self._renewing, self._writing:
            self._registry.close()

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
        owner = passages.owner_of(user)
        roots = [(str(resolve(path)), owner) for path in paths]
        with self._alone(self._stop(cancelled)):
            for root, _ in roots:
                if os.path.exists(root):
                    self._registry.add_root(root, owner)
            return self._ingestion(progress, cancelled).run(roots)

    def sync(self, progress: Callable[[IngestProgress], None] | None = None, cancelled: Callable[[], bool] | None = None) -> IngestReport:
        """Reads again all that was ever added: new, changed and removed files. A folder that is missing keeps its passages."""
        with self._alone(self._stop(cancelled)):
            ingestion = self._ingestion(progress, cancelled, retry_refused=False)
            return ingestion.run(self._registry.roots(), remove_missing=True)

    @contextmanager
    def _alone(self, stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """One thread of one replica writes at a time; the others wait."""
        with self._writing, self._registry.alone(stop) as mine:
            if not mine:
                raise StoreUnavailable("Another replica is taking documents in, so nothing was done here. Try again when it is done.")
            yield

    def _ingestion(
        self,
        progress: Callable[[IngestProgress], None] | None,
        cancelled: Callable[[], bool] | None,
        *,
        retry_refused: bool = True,
    ) -> Ingestion:
        self._recover()  # what an error interrupted, here or on a replica that is gone
        stop = self._stop(cancelled)
        if self._current().embed is None:  # nothing can be added to vectors whose model is gone
            self._change_model(progress, stop)
        embed = self._live.embed or self._embed
        return Ingestion(self._registry, self._live.collection, embed, self._limits, progress, stop, retry_refused)

    def _stop(self, cancelled: Callable[[], bool] | None) -> Callable[[], bool]:
        return lambda: self._closing.is_set() or (cancelled is not None and cancelled())

    def remove(self, id: str, *, user: str | None = None) -> None:  # noqa: A002 (the public name)
        """Removes a document for good (None: whosever it is). Raises NotFound for one that the user may not see."""
        with self._alone():
            found = self._registry.rows("SELECT path, user FROM documents WHERE id = ? AND state = 'ready'", (id,))
            if not found or (user is not None and found[0][1] not in (EVERYBODY, user)):
                raise NotFound(f"There is no document {id}. List the documents to see their ids.")
            self._registry.exclude(*found[0])
            self._registry.publish([], replaced=[id])
            discard(self._registry, self._live.collection, [id])

    def forget_all(self, *, user: str) -> list[Document]:
        """Removes a user's own documents, from the bytes on the disk too, and gives them; those for everybody stay."""
        if not user.strip():
            raise ValueError("Name the user whose documents are to be removed.")
        own = [document for document in self.all(user=user) if document.user == user]
        ids = [document.id for document in own]
        with self._alone():
            self._recover()  # what could not be cleared when Chroma's server was away
            self._registry.publish([], replaced=ids)
            discard(self._registry, self._live.collection, ids)
            self._registry.forget(user)
            if own and not self._registry.is_shared:  # a removed vector stays in the graph
                renewal.rebuild(self._registry, self._live.collection)
            self._live.collection.erase()
        return own

    # Finding

    def search(self, query: str, *, user: str = "local", k: int = 5, mode: Mode = "reranked", within: Within | None = None) -> list[Passage]:
        """The `k` passages that answer a query best, best first, of those for everybody and the user's own, in documents that `within` names.

        `score`, 0 to 1, says how good one is by itself.
        """
        query = query[: self._longest_query].strip()
        only = None if within is None else [document.id for document in self.all(user=user) if within.holds(document)]
        if not query or k < 1 or only == []:
            return []
        while True:
            live = self._current()
            try:
                found = self._search(live, query, user, k, mode if live.embed else "keyword", only)
            except (StoreUnavailable, ValueError):
                if self._is_live(live):
                    raise
            else:
                if self._is_live(live):
                    return found

    def _current(self) -> Live:
        """What is searched with; another replica may have changed over to another model."""
        if self._registry.is_shared and (known := renewal.model(self._registry)) not in (None, self._live.model):
            with self._swapping:
                self._live = self._answering(str(known))
        return self._live

    def _answering(self, model: str) -> Live:
        return Live(self._embed if model == self._model else self._earlier(model), self._live.collection, model)

    def _is_live(self, live: Live) -> bool:
        """Whether that is still what is searched with: else vectors of two models may have been compared."""
        with self._swapping:
            return live is self._live

    def _search(self, live: Live, query: str, user: str, k: int, mode: Mode, only: list[str] | None) -> list[Passage]:
        limit = max(self._candidates, 3 * k)
        words = self._postings.scores(query, user=user, limit=limit if only is None else passages.WITHIN) if mode != "dense" else {}
        vector = np.ascontiguousarray(live.embed([query])[0], dtype=np.float32) if live.embed else None
        near: dict[str, float] = {}
        if mode != "keyword" and vector is not None:
            near = passages.near(live.collection, vector, user=user, share=self._postings.share(user=user), limit=limit, only=only, needed=not words)
        chunks = passages.chunks_by_id(self._registry, list(near | words), user=user, only=only)
        words = {key: score for key, score in words.items() if key in chunks}
        vectors = {key: chunk.vector for key, chunk in chunks.items()}
        scores, similarity = found_by(mode, words, vector, vectors)
        scores = {chunk.id: scores[chunk.id] for chunk in without_repeats((chunks[key] for key in scores), lambda chunk: chunk.text)}
        if mode == "reranked":
            scores = reranked(self._rerank, query, scores, vectors, {key: without(chunks[key].text) for key in list(scores)[:RERANKED]})
        return [chunks[key].passage(score=scores[key], similarity=similarity[key]) for key in list(scores)[:k]]

    def alike(self, query: str, texts: Sequence[str]) -> list[float]:
        """How near each text is to a query in meaning, the cosine of their vectors; 0 where the vectors' model is gone."""
        embed = self._live.embed
        vectors = embed([query, *texts]) if embed and texts else np.zeros((len(texts) + 1, 1), np.float32)
        return [float(similarity) for similarity in vectors[1:] @ vectors[0]]

    def around(self, passage_id: str, *, user: str = "local") -> list[Passage]:
        """A passage between the one before and the one after it in its document; none where the user may not see it."""
        return passages.around(self._registry, passage_id, user=user)

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
        return self._outlines.lines(user=user, limit=limit, headings=headings)

    def count(self, user: str = "local") -> int:
        """How many passages the user may see."""
        return passages.count(self._registry, user=user)

    # Staying whole

    def _recover(self) -> None:
        """Clears what was left half done, and makes Chroma's copy anew where it is not whole; left to whoever is writing now."""
        with self._registry.alone(lambda: True) as mine:
            if not mine:
                return
            collection, unfinished, shared = self._live.collection, self._registry.unfinished(), self._registry.is_shared
            if self._whole or shared:  # no file can be broken
                discard(self._registry, collection, unfinished)
                unfinished = []
            if not self._whole and (unfinished or renewal.is_rebuilding(self._registry) or not renewal.is_whole(self._registry, collection)):
                self._registry.purge(unfinished)
                renewal.rebuild(self._registry, collection)
            self._whole = not shared

    # Staying up to date with the settings

    def outdated(self) -> Outdated | None:
        """What a change of embedding model or of `chunk_tokens` asks for, and about what it costs; None where nothing does."""
        return renewal.outdated(self._registry, self._embed, other=renewal.of_another_model(self._registry, self._model), recipe=self._limits.recipe)

    def renew(self, progress: Callable[[IngestProgress], None] | None = None, cancelled: Callable[[], bool] | None = None) -> bool:
        """Brings the index up to date with the settings, while the old one answers. Stopped, it returns False, and goes on another time."""
        stop = self._stop(cancelled)
        with self._renewing:
            if stop():
                return False
            if renewal.of_another_model(self._registry, self._model):
                renewal.embed_missing(self._registry, self._embed, progress, stop)  # most of it, while documents may be added
                with self._alone(stop):
                    if renewal.of_another_model(self._registry, self._model) and not self._change_model(progress, stop):
                        return False
            if renewal.cut_otherwise(self._registry, self._limits.recipe)[0]:
                self.sync(progress, cancelled)
            return not stop()

    def _change_model(self, progress: Callable[[IngestProgress], None] | None, stop: Callable[[], bool]) -> bool:
        """Embeds what is left and changes over; nothing else writes meanwhile."""
        discard(self._registry, self._live.collection, self._registry.unfinished())
        if not renewal.embed_missing(self._registry, self._embed, progress, stop):
            return False
        collection = self._live.collection.successor()
        renewal.fill(self._registry, collection, renewed=True)
        with self._swapping:
            renewal.adopt(self._registry, self._model)
            self._live = Live(self._embed, collection, self._model)
        collection.succeed()
        renewal.set_rebuilding(self._registry, on=False)
        return True
