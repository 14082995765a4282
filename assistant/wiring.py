"""The one place that builds concrete things; everything else is given what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.home import Home
from assistant.models.shared import Models
from assistant.places import Place, in_memory, on_disk, on_server
from assistant.sample import workspace
from assistant.sections import IndexSettings
from assistant.settings import Settings
from stores.chroma_folder import open_client
from stores.chroma_server import ChromaServer
from stores.database import Database
from stores.documents import Documents
from stores.examples import Examples
from stores.memories import Memories
from stores.notes import Notes

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

NOTES = "notes.toml"
"""The file in the home that holds what people wrote about tables and columns."""


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
    documents: Documents
    memories: Memories
    examples: Examples
    kept: Place
    private: Place
    database: Database | None
    user_column: str | None
    index: ClientAPI | ChromaServer

    def close(self) -> None:
        """Close all but the models."""
        if self.database:
            self.database.close()
        self.documents.close()
        if isinstance(self.index, ChromaServer):
            self.index.close()
        self.kept.close()
        self.private.close()
        self.home.close()


def assemble(settings: Settings, home: Home, models: Models) -> Parts:
    """Open the stores and draw the graph."""
    embed, model = LazyEmbed(models), models.embedding_model()
    kept = _kept(settings, home)
    server = kept.server if settings.index.url else None
    client = index_server(settings.index) if settings.index.url else open_client(home.index)
    limits = settings.documents
    url, user_column = workspace_database(settings, home.path)

    def forgotten(ids: Sequence[str], user: str) -> None:
        kept.drop_memories(ids, user)
        models.forget(user)

    return Parts(
        home=home,
        models=models,
        documents=Documents(
            home.index,
            # A registry and its vectors go together: on servers, or in the home.
            open_client(home.index) if settings.index.url and not server else client,
            embed,
            server=server,
            model=model,
            earlier=models.earlier_embedder,
            rerank=None if settings.embedding.server_url else models.rerank,
            max_megabytes=limits.max_megabytes,
            max_pages=limits.max_pages,
            chunk_tokens=limits.chunk_tokens,
            max_seconds=limits.max_seconds,
            max_memory_megabytes=limits.max_memory_megabytes,
            ocr=limits.ocr,
        ),
        memories=Memories(client, embed, model=model, forgotten=forgotten),
        examples=Examples(client, embed, model=model),
        kept=kept,
        private=in_memory(),
        database=open_database(settings, url) if url else None,
        user_column=user_column,
        index=client,
    )


def index_server(settings: IndexSettings) -> ChromaServer:
    """Chroma's server, as the settings name it; it is reached when it is first needed."""
    headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
    return ChromaServer(settings.url or "", headers=headers, timeout=settings.timeout, certificates=settings.certificates)


def _kept(settings: Settings, home: Home) -> Place:
    """Where conversations are kept: in the home, or on the server that the settings name."""
    if not settings.state.url:
        return on_disk(home.history, home.checkpoints)
    from stores.server import Server  # heavy, and a laptop has no use for it

    server = Server(settings.state.url, connections=settings.state.connections, seconds=settings.state.timeout)
    try:
        return on_server(server)
    except BaseException:
        server.close()
        raise


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
        notes=Notes(settings.home.expanduser() / NOTES),
    )


def database_name(url: str) -> str:
    """A URL's database as a person would name it: the file's or the database's name, never the password."""
    from sqlalchemy import make_url

    name = make_url(url).database
    return Path(name).name if name else "database"
