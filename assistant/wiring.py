"""The one place that builds concrete things; everything else is given what it needs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from assistant.home import Home
from assistant.models.shared import Models
from assistant.sample import workspace
from assistant.settings import Settings
from graphs.graph import Graph, build
from stores.database import Database
from stores.documents import Documents
from stores.examples import Examples
from stores.history import History
from stores.memories import Memories
from stores.vectors import open_client

# What may stand in a checkpoint besides plain values.
_CHECKPOINTED = [("stores.values", name) for name in ("Memory", "Message", "Passage", "Table", "ValueMatch")] + [
    ("graphs.values", name) for name in ("Attempt", "Citation")
]


class LazyEmbed:
    """`Models.embed` as a callable that also counts tokens, loaded when first used."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def __call__(self, texts: Any) -> Any:
        return self._models.embed(texts)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text as the embedding model counts them."""
        return self._models.count_tokens(text)


@dataclass
class Parts:
    """Everything concrete that one Assistant stands on."""

    home: Home
    models: Models
    history: History
    documents: Documents
    memories: Memories
    examples: Examples
    graph: Graph
    checkpoints: sqlite3.Connection
    database: Database | None
    user_column: str | None

    def close(self) -> None:
        """Close all but the models."""
        if self.database:
            self.database.close()
        self.documents.close()
        self.checkpoints.close()
        self.home.close()


def assemble(settings: Settings, home: Home, models: Models) -> Parts:
    """Open the stores and draw the graph."""
    embed = LazyEmbed(models)
    client = open_client(home.index)
    limits = settings.documents
    checkpoints = sqlite3.connect(home.checkpoints, check_same_thread=False)
    saver = SqliteSaver(checkpoints, serde=JsonPlusSerializer(allowed_msgpack_modules=_CHECKPOINTED))
    url, user_column = workspace_database(settings, home.path)
    return Parts(
        home=home,
        models=models,
        history=History(home.history),
        documents=Documents(
            home.index,
            client,
            embed,
            rerank=models.rerank,
            max_megabytes=limits.max_megabytes,
            max_pages=limits.max_pages,
            chunk_tokens=limits.chunk_tokens,
            max_seconds=limits.max_seconds,
            max_memory_megabytes=limits.max_memory_megabytes,
            ocr=limits.ocr,
        ),
        memories=Memories(client, embed),
        examples=Examples(client, embed),
        graph=build(saver),
        checkpoints=checkpoints,
        database=open_database(settings, url) if url else None,
        user_column=user_column,
    )


def workspace_database(settings: Settings, home: Path) -> tuple[str | None, str | None]:
    """(URL, user column) of the database in use: the configured one, else the sample once it is set up."""
    if settings.database.url or not settings.sample:
        return settings.database.url, settings.database.user_column
    sample = home / "sample" / workspace.DATABASE
    return (f"sqlite:///{sample.as_posix()}", workspace.USER_COLUMN) if sample.is_file() else (None, None)


def open_database(settings: Settings, url: str) -> Database:
    """The user's database with its limits; nothing is connected before it is asked."""
    limits = settings.database
    return Database(
        url,
        max_rows=limits.max_rows,
        timeout=limits.timeout,
        tables=limits.tables,
        scopes=limits.scopes or None,
        masked=limits.masked,
        user_variable=limits.user_variable,
    )


def database_name(url: str) -> str:
    """A URL's database as a person would name it: the file's or the database's name, never the password."""
    from sqlalchemy import make_url

    name = make_url(url).database
    return Path(name).name if name else "database"
