"""Memories: short statements about one user, found again by meaning and by word.

Every record carries its user, and every read is filtered by user inside Chroma.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from stores.errors import NotFound
from stores.fusion import normalised, ranked, scaled, weighted
from stores.keywords import WordIndex
from stores.values import Embed, Memory
from stores.vectors import Collection, Record

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

Item = tuple[str, str | None, datetime | None]
"""What is to be remembered: text, source, when it was said."""

# Two statements that differ in one of these say different things, however close their vectors are.
_NEGATIONS = frozenset("no not never none nobody nothing without cannot can't don't doesn't didn't isn't aren't wasn't won't".split())
_NUMBERS = frozenset("one two three four five six seven eight nine ten eleven twelve hundred thousand first second third half".split())


class Memories:
    """What was said to be kept, by user. One instance serves many threads."""

    def __init__(
        self,
        client: ClientAPI,
        embed: Embed,
        *,
        model: str | None = None,
        same: float = 0.95,
        candidates: int = 60,
        longest: int = 4000,
        cached_users: int = 16,
        forgotten: Callable[[Sequence[str], str], None] = lambda ids, user: None,
    ) -> None:
        """`model` names what `embed` computes with; where it is another than before, what is kept is embedded anew at once.

        `forgotten` is told the ids of memories that went or changed, and whose they were: copies elsewhere must go too.
        """
        self._embed = embed
        self._same = same
        self._candidates = candidates
        self._longest = longest
        self._cached_users = cached_users
        self._forgotten = forgotten
        self._collection = Collection(client, "memories")
        if model:
            self._collection.embed_anew(model, embed)
        self._lock = threading.RLock()
        self._words: OrderedDict[str, WordIndex] = OrderedDict()

    def add(self, text: str, *, user: str, source: str | None = None, said_at: datetime | None = None) -> Memory:
        """Keeps a statement. One that says the same as an older one takes its place, under the older one's id."""
        return self.add_many([(text, source, said_at)], user=user)[0]

    def add_many(self, items: Sequence[Item], *, user: str) -> list[Memory]:
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
                memory = Memory(key, user, text, _aware(said_at or now), source)
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
        metadatas = [
            {"user": m.user, "said_at": m.said_at.isoformat(), "key": _key(m.text)} | ({} if m.source is None else {"source": m.source})
            for m in memories
        ]
        texts = [memory.text for memory in memories]
        self._collection.upsert([memory.id for memory in memories], vectors, metadatas, texts)
        for memory in memories:
            if memory.user in self._words:
                self._words[memory.user].put({memory.id: memory.text})

    def search(self, query: str, *, user: str, k: int = 5) -> list[Memory]:
        """The user's `k` memories that fit a query best; `score` is 0 to 1."""
        _named(user)
        query = query[: self._longest].strip()
        if not query or k < 1:
            return []
        limit = max(self._candidates, 2 * k)
        vector = np.ascontiguousarray(self._embed([query])[0], dtype=np.float32)
        near = {record.id: record for record in self._collection.nearest(vector, limit=limit, where=_of(user))}
        words = self._word_index(user).scores(query, limit=limit)
        missing = [key for key in words if key not in near]
        found = near | {record.id: record for record in (self._collection.records(_of(user), ids=missing) if missing else [])}
        similarity = {key: max(0.0, record.similarity) for key, record in near.items()}
        scores = weighted([(scaled(similarity), 0.5), (scaled(words), 0.5)])
        best = [key for key in ranked(scores) if key in found][:k]
        return [_memory(found[key], score=scores[key]) for key in best]

    def _word_index(self, user: str) -> WordIndex:
        with self._lock:
            index = self._words.get(user)
            if index is None:
                index = WordIndex({record.id: record.text for record in self._collection.records(_of(user))})
                self._words[user] = index
                if len(self._words) > self._cached_users:
                    self._words.popitem(last=False)
            self._words.move_to_end(user)
            return index

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
        return found

    def restore(self, memory: Memory) -> Memory:
        """Brings back a memory that was forgotten, under its own id. Raises NotFound where that id is another user's."""
        _named(memory.user)
        if any(record.metadata["user"] != memory.user for record in self._collection.records(ids=[memory.id])):
            raise NotFound(f"The memory {memory.id} cannot be brought back: its id is taken.")
        vectors = np.ascontiguousarray(self._embed([memory.text]), dtype=np.float32)
        with self._lock:
            self._write([memory], vectors)
        return dataclasses.replace(memory, score=0.0)

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
        self._words.pop(user, None)
        self._forgotten(ids, user)
        self._collection.erase()  # the last, for a full disk may refuse it; then it is tried again at the next start


def says_the_same(one: str, other: str) -> bool:
    """Whether two statements that are close in meaning also agree in numbers, names and negations."""
    return _telling(one) == _telling(other)


def _telling(text: str) -> list[str]:
    """The numbers, negations and names of a statement, in their order (a word with a capital is a name, the first apart)."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.replace("’", "'"))
    telling = []
    for number, word in enumerate(words):
        is_name = number > 0 and word[0].isupper() and word.split("'")[0] != "I"
        if is_name or any(c.isdigit() for c in word) or word.lower() in _NEGATIONS | _NUMBERS:
            telling.append(word.removesuffix("'s").lower())
    return telling


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


def _memory(record: Record, *, score: float = 0.0) -> Memory:
    metadata = record.metadata
    said_at = datetime.fromisoformat(str(metadata["said_at"]))
    source = metadata.get("source")
    return Memory(record.id, str(metadata["user"]), record.text, said_at, None if source is None else str(source), score)
