"""Examples: questions with the SQL that was approved for them, shown to the model when a like question is asked."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from stores.errors import NotFound
from stores.fusion import normalised
from stores.values import Embed, Example
from stores.vectors import Collection, Record

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

    from stores.chroma_server import ChromaServer


APART = 0.2
"""How much less like the question (cosine) than the nearest an example may be."""


class Examples:
    """Approved pairs of question and SQL, each tied to a schema's fingerprint and to the user who approved it."""

    def __init__(self, client: ClientAPI | ChromaServer, embed: Embed, *, model: str | None = None, min_similarity: float = 0.5) -> None:
        """`model` names what `embed` computes with; where it is another than before, what is kept is embedded anew at once."""
        self._embed = embed
        self._min_similarity = min_similarity
        self._collection = Collection(client, "examples")
        if model:
            self._collection.embed_anew(model, embed)

    def add(self, question: str, sql: str, *, fingerprint: str, user: str, shared: bool = False) -> Example:
        """Keeps a pair; the same user's earlier SQL for the same question and schema is replaced."""
        question, sql = " ".join(question.split()), sql.strip()
        if not (question and sql and fingerprint and user.strip()):
            raise ValueError("An example needs a question, its SQL, the schema's fingerprint and a user.")
        vectors = np.ascontiguousarray(self._embed([question]), dtype=np.float32)
        # An id made of what must be unique: two threads that add the same pair write one record.
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join((user, fingerprint, normalised(question)))))
        metadata = {
            "user": user, "fingerprint": fingerprint, "sql": sql, "shared": shared, "created": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        self._collection.upsert([key], vectors, [metadata], [question])
        return _example(Record(key, question, metadata))

    def search(self, question: str, *, fingerprint: str, user: str, k: int = 3) -> list[Example]:
        """The pairs of that schema most like the question, the user's own and shared ones, nearest first; `score` is the cosine.

        What is much less like it than the nearest is left out: it would only turn the model away from that.
        """
        question = " ".join(question.split())[:4000]
        if not question or k < 1:
            return []
        vector = np.ascontiguousarray(self._embed([question])[0], dtype=np.float32)
        where = {"$and": [{"fingerprint": fingerprint}, {"$or": [{"user": user}, {"shared": True}]}]}
        found = self._collection.nearest(vector, limit=k, where=where)
        least = max([self._min_similarity, *(record.similarity - APART for record in found[:1])])
        return [_example(record, score=record.similarity) for record in found if record.similarity >= least]

    def all(self, *, user: str | None = None) -> list[Example]:
        """The pairs, last approved first; only that user's where one is named."""
        records = self._collection.records(None if user is None else {"user": user})
        return sorted(map(_example, records), key=lambda example: (example.created, example.id), reverse=True)

    def remove(self, id: str, *, user: str | None = None) -> None:  # noqa: A002 (the public name)
        """Removes a pair. Raises NotFound where there is none, or it is not that user's."""
        if not self._collection.records(None if user is None else {"user": user}, ids=[id]):
            raise NotFound(f"There is no example {id}. List the examples to see their ids.")
        self._collection.delete([id])
        self._collection.erase()

    def forget_all(self, *, user: str) -> int:
        """Removes what a user approved, from the bytes on the disk too; gives how many pairs that was."""
        ids = [example.id for example in self.all(user=user)]
        self._collection.delete(ids)
        self._collection.erase()
        return len(ids)


def _example(record: Record, score: float = 0.0) -> Example:
    m = record.metadata
    created = datetime.fromisoformat(str(m["created"]))
    return Example(record.id, record.text, str(m["sql"]), str(m["fingerprint"]), str(m["user"]), created, score)
