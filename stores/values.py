"""What crosses the boundary of this package: frozen dataclasses, nothing of Chroma's or SQLAlchemy's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Value = str | int | float | bool | None
"""One cell of a table: dates and decimals arrive as ISO text and numbers, bytes as a short note."""

Embed = Callable[[Sequence[str]], "npt.NDArray[np.float32]"]
"""Texts to unit vectors, shape (n, dimensions)."""

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
"""How well each text answers a query, on one scale for all texts of a call; higher is better."""


@dataclass(frozen=True)
class Table:
    """The rows of a query. `truncated` says that there were more than the cap."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    truncated: bool = False


@dataclass(frozen=True)
class ColumnInfo:
    """A column as the database describes it. `references` is "table.column" for a foreign key.

    `values` are all its values where it is a text column with only a few (a status, a kind); else empty.
    """

    name: str
    type: str
    primary_key: bool = False
    nullable: bool = True
    references: str | None = None
    comment: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableInfo:
    """A table or view with its columns, a few sample rows and its number of rows (None where not counted)."""

    name: str
    columns: tuple[ColumnInfo, ...]
    sample_rows: tuple[tuple[Value, ...], ...] = ()
    row_count: int | None = None
    comment: str | None = None


@dataclass(frozen=True)
class Schema:
    """What the model may know of a database. `dialect` is sqlglot's name for it (sqlite, postgres, mysql).

    `fingerprint` changes when tables or columns change.
    """

    dialect: str
    tables: tuple[TableInfo, ...]
    fingerprint: str

    def table(self, name: str) -> TableInfo | None:
        """The table of that name, whatever its case."""
        return next((t for t in self.tables if t.name.lower() == name.lower()), None)


@dataclass(frozen=True)
class ValueMatch:
    """Words of a question that stand as a value in the data: `words` as asked, `value` as stored."""

    words: str
    table: str
    column: str
    value: str


@dataclass(frozen=True)
class Document:
    """A document in the index. `user` is None where it is for everybody; `title` is the heading above all others, if there is one.

    `changed` is when its file was last written, in local time.
    """

    id: str
    name: str
    path: str
    user: str | None
    passages: int
    added: datetime
    title: str = ""
    changed: datetime | None = None


@dataclass(frozen=True)
class Passage:
    """A piece of a document. `location` is its page, heading or row; `score` is relevance, higher is better, 0 to 1.

    `similarity` is the cosine between question and passage (0 where only keywords found it). `orders` are sentences that address
    the assistant, once they have been set aside from `text` (`stores.orders`).
    """

    id: str
    document: str
    document_id: str
    location: str
    text: str
    score: float = 0.0
    similarity: float = 0.0
    orders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A file that was not taken in, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class IngestReport:
    """What an ingestion did, each entry a file's name (refused: with the reason)."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    passages: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Outdated:
    """How the index differs from what the settings ask for: `passages` wait for vectors of another embedding model than `model`,
    `documents` to be cut otherwise. To bring it up to date takes about `seconds`; until then it answers as it is."""

    model: str
    passages: int
    documents: int
    seconds: float

    def __str__(self) -> str:
        """What, why and for how long, for a person."""
        parts = []
        if self.passages:
            parts.append(f"the embedding model is no longer {self.model.split(' ')[0]}, so {self.passages} passages are embedded anew")
        if self.documents:
            parts.append(f"passages are cut otherwise than before, so {self.documents} documents are read again")
        time = f"{self.seconds / 60:.0f} minutes" if self.seconds > 90 else f"{max(1, self.seconds):.0f} seconds"
        said = ", and ".join(parts)
        return f"{said[:1].upper()}{said[1:]}: about {time}. Until then the index answers as it is."


@dataclass(frozen=True)
class IngestProgress:
    """Given to a progress callback: file `done` of `total`, the one now being read."""

    done: int
    total: int
    path: str


@dataclass(frozen=True)
class Memory:
    """A statement kept about one user. `source` is the message it came from, `said_at` when it was said.

    `until` is when another statement, `by` (its id), took its place: what was so before, None for what still holds.
    `confidence`, 0 to 1, is how sure it is that the statement is one to keep.
    """

    id: str
    user: str
    text: str
    said_at: datetime
    source: str | None = None
    score: float = 0.0
    until: datetime | None = None
    by: str | None = None
    confidence: float = 1.0


@dataclass(frozen=True)
class Conversation:
    """A conversation's line in a list; `messages` counts those of earlier versions too."""

    id: str
    user: str
    title: str
    created: datetime
    updated: datetime
    messages: int


@dataclass(frozen=True)
class Message:
    """One message of a conversation; `answer` is the whole answer as JSON for what the assistant said, `score` what the user
    thought of it. `versions` are the ids of the questions that were asked in this one's place, itself among them, oldest first;
    empty where it is the only one."""

    id: str
    conversation: str
    role: Literal["user", "assistant"]
    text: str
    created: datetime
    answer: str | None = None
    score: Literal[-1, 1] | None = None
    versions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feedback:
    """What a user said of an answer."""

    answer_id: str
    user: str
    score: Literal[-1, 1]
    comment: str | None
    corrected_sql: str | None
    created: datetime


@dataclass(frozen=True)
class Example:
    """An approved question with its SQL, tied to the schema that it was asked on."""

    id: str
    question: str
    sql: str
    fingerprint: str
    user: str
    created: datetime
    score: float = field(default=0.0, compare=False)
