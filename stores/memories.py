"""Memories: short statements about one user, found again by meaning and by word.

Every record carries its user, and every read is filtered by user inside Chroma.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from stores.agreement import says_the_same
from stores.errors import NotFound
from stores.fusion import normalised
from stores.shelf import Shelf
from stores.values import Embed, Memory
from stores.vectors import Collection, Record

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

    from stores.chroma_server import ChromaServer

Item = tuple[str, str | None, datetime | None]
"""What is to be remembered: text, source, when it was said."""


class Memories:
    """What was said to be kept, by user. One instance serves many threads."""

    def __init__(
        self,
        client: ClientAPI | ChromaServer,
        embed: Embed,
        *,
        model: str | None = None,
        same: float = 0.95,
        longest: int = 4000,
        cached_users: int = 16,
        forgotten: Callable[[Sequence[str], str], None] = lambda ids, user: None,
    ) -> None:
        """`model` names what `embed` computes with; where it is another than before, what is kept is embedded anew at once.

        `forgotten` is told the ids of memories that went or changed, and whose they were: copies elsewhere must go too.
        """
        self._embed = embed
        self._same = same
        self._longest = longest
        self._cached_users = cached_users
        self._forgotten = forgotten
        self._collection = Collection(client, "memories")
        if model:
            self._collection.embed_anew(model, embed)
        self._lock = threading.RLock()
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()

    def add(
        self,
        text: str,
        *,
        user: str,
        source: str | None = None,
        said_at: datetime | None = None,
        confidence: float = 1.0,
        closing: Sequence[str] = (),
        instead: str | None = None,
    ) -> Memory:
        """Keeps a statement. One that says the same as an older one takes its place, under the older one's id.

        `closing`: the ids of those that no longer hold, now that this was said; they are kept as what was so until then.
        `instead`: the id of one that this says more fully, and whose place it takes.
        """
        with self._lock:
            added = self.add_many([(text, source, said_at)], user=user, confidence=confidence)[0]
            over = [self._own(id_, user) for id_ in closing if id_ != added.id]
            self._rewrite([dataclasses.replace(old, until=added.said_at, by=added.id) for old in over])
            if instead and instead != added.id:
                self._collection.delete([self._own(instead, user).id])
                self._shelves.pop(user, None)
                self._forgotten([instead], user)
        return added

    def add_many(self, items: Sequence[Item], *, user: str, confidence: float = 1.0) -> list[Memory]:
        """Keeps statements, in one go. Raises ValueError for an empty user or text."""
        _named(user)
        if not items:
            return []
        texts = [_clean(text, self._longest) for text, _, _ in items]
        vectors = np.ascontiguousarray(self._embed(texts), dtype=np.float32)
        now = datetime.now(UTC)
        with self._lock:
            twins = self._twins(texts, vectors, user)
            kept: dict[str, tuple[Memory, int]] = {}
            memories: list[Memory] = []
            for number, (text, (_, source, said_at)) in enumerate(zip(texts, items, strict=True)):
                twin = twins[number]
                key = twin if isinstance(twin, str) else memories[twin].id if twin is not None else str(uuid.uuid4())
                # Those of one moment keep the order in which they were said.
                moment = _aware(said_at or now) + timedelta(microseconds=number)
                memory = Memory(key, user, text, moment, source, confidence=confidence)
                memories.append(memory)
                kept[key] = (memory, number)
            self._write([memory for memory, _ in kept.values()], vectors[[number for _, number in kept.values()]])
        return memories

    def _twins(self, texts: Sequence[str], vectors: Any, user: str) -> list[str | int | None]:
        """For each text the id of a memory that says the same, or the number of an earlier text that does, or None."""
        stored = self._collection.nearest_of_each(vectors, limit=5, where=_of(user))
        keys = [_key(text) for text in texts]
        by_key = {str(r.metadata["key"]): r.id for r in self._collection.records({"$and": [_of(user), {"key": {"$in": keys}}]})}
        twins: list[str | int | None] = []
        first: dict[str, int] = {}
        among = vectors @ vectors.T
        for number, text in enumerate(texts):
            key = keys[number]
            stored_twin = next((r.id for r in stored[number] if r.similarity > self._same and says_the_same(r.text, text)), None)
            close = [n for n in range(number) if among[number, n] > self._same and says_the_same(texts[n], text)]
            if key in by_key:
                twins.append(by_key[key])
            elif stored_twin:
                twins.append(stored_twin)
            else:
                twins.append(first.get(key, close[-1] if close else None))
            first[key] = number
        return twins

    def _write(self, memories: Sequence[Memory], vectors: Any) -> None:
        texts = [memory.text for memory in memories]
        self._collection.upsert([memory.id for memory in memories], vectors, [_metadata(memory) for memory in memories], texts)
        for memory, vector in zip(memories, vectors, strict=True):
            if memory.user in self._shelves:
                self._shelves[memory.user].put([memory], [vector])

    def _rewrite(self, memories: Sequence[Memory]) -> None:
        if memories:
            self._write(memories, np.ascontiguousarray(self._embed([memory.text for memory in memories]), dtype=np.float32))

    def search(self, query: str, *, user: str, k: int = 5, past: bool = False, during: tuple[date, date] | None = None) -> list[Memory]:
        """The user's `k` memories that fit a query best; `score` is 0 to 1.

        What a name stands for is followed: "my sister's city" also finds what is known of Ana. `past`: also what no longer holds;
        `during`: only what was said within these days.
        """
        _named(user)
        query = query[: self._longest].strip()
        if not query or k < 1:
            return []
        best = self._shelf(user).search(query, self._embed)
        return [m for m in best if (past or not m.until) and (not during or during[0] <= m.said_at.date() <= during[1])][:k]

    def near(self, text: str, *, user: str, k: int = 8) -> list[Memory]:
        """The memories that still hold and are nearest in meaning to a statement, nearest first; `score` is the cosine."""
        _named(user)
        vector = np.ascontiguousarray(self._embed([text[: self._longest]])[0], dtype=np.float32)
        found = self._collection.nearest(vector, limit=3 * k, where=_of(user))
        return [memory for memory in (_memory(record, score=record.similarity) for record in found) if not memory.until][:k]

    def _shelf(self, user: str) -> Shelf:
        if self._collection.is_shared:  # another program may have changed them since; nobody waits for what others fetch
            return self._fetched(user)
        with self._lock:
            shelf = self._shelves.get(user)
            if shelf is None:
                shelf = self._shelves[user] = self._fetched(user)
                if len(self._shelves) > self._cached_users:
                    self._shelves.popitem(last=False)
            self._shelves.move_to_end(user)
            return shelf

    def _fetched(self, user: str) -> Shelf:
        records, vectors = self._collection.with_vectors(_of(user))
        return Shelf([_memory(record) for record in records], vectors)

    def all(self, *, user: str) -> list[Memory]:
        """The user's memories, the last said first."""
        _named(user)
        memories = [_memory(record) for record in self._collection.records(_of(user))]
        return sorted(memories, key=lambda memory: (memory.said_at, memory.id), reverse=True)

    def forget(self, id: str, *, user: str) -> Memory:  # noqa: A002 (the public name)
        """Removes a memory, from the bytes on the disk too, and gives it, so that it can be restored. Raises NotFound."""
        with self._lock:
            found = self._own(id, user)
            self._remove([found.id], user)
            # What it had taken the place of holds again.
            self._rewrite([dataclasses.replace(old, until=None) for old in self._replaced_by(found)])
        return found

    def restore(self, memory: Memory) -> Memory:
        """Brings back a memory that was forgotten, under its own id. Raises NotFound where that id is another user's."""
        _named(memory.user)
        if any(record.metadata["user"] != memory.user for record in self._collection.records(ids=[memory.id])):
            raise NotFound(f"The memory {memory.id} cannot be brought back: its id is taken.")
        vectors = np.ascontiguousarray(self._embed([memory.text]), dtype=np.float32)
        with self._lock:
            self._write([memory], vectors)
            self._rewrite([dataclasses.replace(old, until=memory.said_at) for old in self._replaced_by(memory)])
        return dataclasses.replace(memory, score=0.0)

    def _replaced_by(self, memory: Memory) -> list[Memory]:
        return [_memory(record) for record in self._collection.records({"$and": [_of(memory.user), {"by": memory.id}]})]

    def edit(self, id: str, text: str, *, user: str) -> Memory:  # noqa: A002 (the public name)
        """Puts other words in a memory's place; the old ones leave the disk. Raises NotFound, ValueError for an empty text."""
        text = _clean(text, self._longest)
        vectors = np.ascontiguousarray(self._embed([text]), dtype=np.float32)
        with self._lock:
            memory = dataclasses.replace(self._own(id, user), text=text)
            self._write([memory], vectors)
            self._forgotten([id], user)
            self._collection.erase()
        return memory

    def forget_all(self, *, user: str) -> int:
        """Removes all that is kept about a user, from the bytes on the disk too; gives how many memories that was."""
        _named(user)
        with self._lock:
            ids = [record.id for record in self._collection.records(_of(user))]
            self._remove(ids, user)
        return len(ids)

    def forget_older(self, than: datetime) -> int:
        """Removes, of every user, what was said before a moment; gives how many memories that was."""
        with self._lock:
            old = [memory for memory in map(_memory, self._collection.records()) if memory.said_at < than]
            for user in {memory.user for memory in old}:
                self._remove([memory.id for memory in old if memory.user == user], user)
        return len(old)

    def _own(self, id: str, user: str) -> Memory:  # noqa: A002
        _named(user)
        found = self._collection.records(_of(user), ids=[id])
        if not found:
            raise NotFound(f"There is no memory {id}. List your memories to see their ids.")
        return _memory(found[0])

    def _remove(self, ids: Sequence[str], user: str) -> None:
        self._collection.delete(ids)
        self._shelves.pop(user, None)
        self._forgotten(ids, user)
        self._collection.erase()  # the last, for a full disk may refuse it; then it is tried again at the next start


def _of(user: str) -> dict[str, str]:
    return {"user": user}


def _key(text: str) -> str:
    """The same for texts that differ only in case, white space and closing marks."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()


def _named(user: str) -> None:
    if not user or not user.strip():
        raise ValueError("Memories belong to a user: name one.")


def _clean(text: str, longest: int) -> str:
    text = " ".join(text.split())[:longest]
    if not text:
        raise ValueError("There is nothing to remember in an empty text.")
    return text


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _metadata(memory: Memory) -> dict[str, str | float]:
    until = memory.until.isoformat() if memory.until else ""  # Chroma keeps a key that an upsert leaves out
    more = {"source": memory.source or "", "until": until, "by": memory.by or ""}
    return {"user": memory.user, "said_at": memory.said_at.isoformat(), "key": _key(memory.text), "confidence": memory.confidence, **more}


def _memory(record: Record, *, score: float = 0.0) -> Memory:
    held = record.metadata
    source, until, by = (str(held.get(name) or "") or None for name in ("source", "until", "by"))
    said_at, confidence = datetime.fromisoformat(str(held["said_at"])), float(held.get("confidence", 1.0))
    return Memory(record.id, str(held["user"]), record.text, said_at, source, score, datetime.fromisoformat(until) if until else None, by, confidence)
