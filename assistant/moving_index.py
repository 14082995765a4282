"""`assistant migrate`, the index: documents with their chunks to PostgreSQL, vectors, memories and examples to Chroma's server."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from assistant.moving import BATCH, Digests, Step, Table, Tell, digest, in_memory
from stores.chroma_folder import open_client
from stores.chroma_server import ChromaServer
from stores.errors import AssistantError
from stores.registry_file import RegistryFile
from stores.server import Server
from stores.vectors import Collection

# As `stores/registry_file.py` has them; what names a row stands first. Chunks in the order in which they were written.
_REGISTRY = (
    Table("roots", ("path", "user"), ("path", "user"), "path, user"),
    Table("excluded", ("path", "user"), ("path", "user"), "path, user"),
    Table("refused", ("path", "user"), ("path", "user", "size", "mtime_ns", "reason"), "path, user"),
    Table("model", ("name",), ("name",), "name"),
    Table(
        "documents", ("id",),
        ("id", "name", "path", "user", "size", "mtime_ns", "sha256", "added", "passages", "headings", "state", "recipe"), "id",
    ),
    Table("chunks", ("id",), ("id", "document", "position", "location", "heading", "text", "vector", "above", "digest", "words"), "number"),
    Table("condensed", ("document", "key"), ("document", "key", "text"), "document, key"),
)  # fmt: skip
_KEPT = ("memories", "examples")

Found = tuple[Sequence[str], Any, Sequence[Any], Sequence[Any]]
"""Records of Chroma's: ids, vectors, metadata, texts."""


def index_steps(index: Path, server: Server, chroma: ChromaServer, open_: ExitStack) -> Iterator[Step]:
    """The steps from a home's index; worked on is a copy, for to open a file is to change it."""
    copy = Path(open_.enter_context(tempfile.TemporaryDirectory(prefix="assistant-index-", ignore_cleanup_errors=True)))
    if (index / "documents.sqlite").exists():
        home = open_.enter_context(closing(_registry(index / "documents.sqlite", copy / "documents.sqlite")))
        _of_one_model(home, server)
        for table in _REGISTRY:
            yield table.step(home, server)
        with server.writing() as db:
            db.execute("UPDATE changes SET number = number + 1")
        yield _records("passages", lambda: _passages(home), Collection(chroma, "passages", sync_threshold=1000))
    if (index / "chroma.sqlite3").exists():
        shutil.copytree(index, copy / "chroma", ignore=shutil.ignore_patterns("documents.sqlite*"))
        client = open_client(copy / "chroma")
        open_.callback(client.close)  # type: ignore[attr-defined]
        there = {collection.name for collection in client.list_collections()}
        for name in (name for name in _KEPT if name in there):
            kept = client.get_collection(name, embedding_function=None)
            target = Collection(chroma, name)
            if known := (kept.metadata or {}).get("model"):
                target.embed_anew(str(known), _no_model)
            found = kept.get(include=["embeddings", "metadatas", "documents"])
            yield _records(name, lambda found=found: (found["ids"], found["embeddings"], found["metadatas"], found["documents"]), target)  # type: ignore[misc]


def _no_model(texts: Sequence[str]) -> Any:
    raise AssistantError("The server's memories or examples are of another embedding model than the home's: set embedding.name to the same on both, start each once, and begin again.")


def _registry(path: Path, copy: Path) -> sqlite3.Connection:
    """A copy of the home's registry in today's format, without what was never finished."""
    with closing(in_memory(path)) as memory, closing(sqlite3.connect(copy)) as file:
        memory.backup(file)
    RegistryFile(copy).close()
    home = sqlite3.connect(copy, check_same_thread=False, isolation_level=None)
    home.execute("PRAGMA foreign_keys = ON")
    home.execute("DELETE FROM documents WHERE state <> 'ready'")
    return home


def _of_one_model(home: sqlite3.Connection, server: Server) -> None:
    with server.writing() as db:
        db.execute("DELETE FROM model WHERE NOT EXISTS (SELECT 1 FROM chunks)")
        there = db.execute("SELECT name FROM model").fetchone()
    here = home.execute("SELECT name FROM model").fetchone()
    if there and here and there[0] != here[0]:
        raise AssistantError(f"The server's passages are of another embedding model ({there[0]}) than the home's ({here[0]}). Set embedding.name to the same on both, and begin again.")


def _passages(home: sqlite3.Connection) -> Found:
    rows = home.execute(
        "SELECT chunks.id, vector, documents.user, documents.id FROM chunks JOIN documents ON documents.id = chunks.document ORDER BY number"
    ).fetchall()
    vectors = np.stack([np.frombuffer(row[1], np.float32) for row in rows]) if rows else np.empty((0, 1), np.float32)
    return [row[0] for row in rows], vectors, [{"user": row[2], "document": row[3]} for row in rows], [""] * len(rows)


def _records(name: str, found: Callable[[], Found], target: Collection) -> Step:
    """Records of Chroma's, which are carried over with their vectors."""

    def copy(tell: Tell) -> None:
        ids, vectors, metadatas, texts = found()
        for start in range(0, len(ids), BATCH):
            part = slice(start, start + BATCH)
            there = {record.id for record in target.records(ids=ids[part])}
            new = [number for number in range(len(ids))[part] if ids[number] not in there]
            if new:
                some = None if name == "passages" else [texts[number] for number in new]
                target.upsert([ids[n] for n in new], np.asarray(vectors)[new].astype(np.float32), [metadatas[n] for n in new], some)
            tell(min(start + BATCH, len(ids)), len(ids), name)

    def here() -> Digests:
        ids, _, metadatas, texts = found()
        return {key: digest([text or "", sorted(metadata.items())]) for key, metadata, text in sorted(zip(ids, metadatas, texts, strict=True), key=lambda row: row[0])}

    def there() -> Digests:
        ids = sorted(found()[0])
        records = [record for start in range(0, len(ids), BATCH) for record in target.records(ids=ids[start : start + BATCH])]
        return {record.id: digest([record.text, sorted(record.metadata.items())]) for record in sorted(records, key=lambda record: record.id)}

    return Step(name, copy, here, there)
