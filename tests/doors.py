"""The page's server with keys, for the tests of its doors: over real stores and a model that follows a rule."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from assistant import Assistant, Settings
from assistant.accounts import FILE
from assistant.keys import Keys
from tests.scripted_models import RuleModels
from ui.server import Running, serve

EVERYTHING = ("ask", "documents", "memories", "query", "admin")


@dataclass
class House:
    """A running server, and a way to make keys for it."""

    assistant: Any
    running: Running
    keys: Keys

    @property
    def models(self) -> RuleModels:
        found: RuleModels = self.assistant._models
        return found

    def key(self, user: str = "local", *scopes: str) -> str:
        """A key of that user's, for all that a person may do where no scopes are named."""
        return self.keys.add(f"{user} {len(self.keys.all())}", user=user, scopes=scopes or EVERYTHING[:4])[1]

    def client(self, user: str = "local", *scopes: str, **headers: str) -> httpx.Client:
        """What sends requests with a new key of that user's."""
        return httpx.Client(base_url=self.running.url, headers={"authorization": f"Bearer {self.key(user, *scopes)}", **headers}, timeout=30)


@contextmanager
def house(home: Path, **settings: Any) -> Iterator[House]:
    """Real stores, with a table of notes of which everybody sees their own."""
    home.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(home / "notes.db") as db:
        db.executescript("CREATE TABLE notes (title TEXT, code INTEGER, owner TEXT); INSERT INTO notes VALUES ('ada-note', 1, '7'), ('bob-note', 2, '8')")
    db.close()
    database = {"url": f"sqlite:///{(home / 'notes.db').as_posix()}", "scopes": {"notes": "owner = :user"}}
    made = Settings(home=home / "home", sample=False, database=database, page={"requests": 100_000}, **settings)
    with Assistant(made, models=RuleModels()) as assistant:  # type: ignore[arg-type]
        running = serve(assistant, port=0, open_browser=False, block=False)
        yield House(assistant, running, Keys(made.home / FILE))
        running.close()
