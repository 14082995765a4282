"""What a page shows of a workspace: what it runs on, who may ask, what to ask first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.sample import workspace

if TYPE_CHECKING:
    from assistant.models.shared import Models
    from assistant.settings import Settings
    from assistant.wiring import Parts

USERS = 200
"""Most users offered by `users`."""


@dataclass(frozen=True)
class State:
    """What the assistant runs on, for a page to show. `ready` is False while model files are missing."""

    ready: bool
    model: str
    model_loaded: bool
    database: str | None
    documents: int


def state(parts: Parts, models: Models, settings: Settings) -> State:
    """See `Assistant.state`."""
    from assistant.wiring import database_name, workspace_database

    url, _ = workspace_database(settings, parts.home.path)
    return State(
        ready=not models.missing(),
        model=settings.model.server_model if settings.model.server_url else settings.model.name,
        model_loaded=models.loaded,
        database=database_name(url) if url else None,
        documents=len(parts.documents.all()),
    )


def users(parts: Parts) -> list[tuple[str, str]]:
    """See `Assistant.users`."""
    local = [("local", "local (nobody in the database)")]
    database, column = parts.database, parts.user_column
    if database is None or not column:
        return local
    from assistant.people import people

    return local + people(database, column, USERS)


def suggestions(parts: Parts, settings: Settings) -> tuple[str, ...]:
    """See `Assistant.suggestions`."""
    database = parts.database
    if not settings.database.url and database:
        return workspace.suggestions()
    tables = database.schema().tables[:2] if database else ()
    asks = [f"How many {table.name.replace('_', ' ')} are there?" for table in tables]
    asks += [f"What does {document.name} say?" for document in parts.documents.all()[:2]]
    return (*asks, "Please remember that …", "What do you know about me?")
