"""What is changed while the assistant runs: its database, its model, its settings. All of it goes into the settings file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.choosing import ModelChoice
from assistant.settings_file import changed
from assistant.wiring import open_database

if TYPE_CHECKING:
    from assistant.api import Assistant
    from assistant.models.shared import Models
    from assistant.settings import Settings
    from assistant.turns import Turns
    from assistant.wiring import Parts
    from stores.database import Database


class Setup:
    """Changes to a running assistant. Raises `SettingsError` where the settings file cannot be written."""

    def __init__(self, assistant: Assistant, parts: Parts, models: Models, turns: Turns) -> None:
        self._assistant = assistant
        self._turns = turns
        self._parts = parts
        self._models = models

    @property
    def models(self) -> ModelChoice:
        """The models on offer: `all`, `fetch`, `remove`."""
        return ModelChoice(self._models, self._assistant.settings)

    def use(self, name: str) -> None:
        """Speak with another chat model from the next question on.

        Raises `ModelUnavailable` where it is not here; a turn under way ends with that error.
        """
        self.models.usable(name)
        self.change("model.name", name)

    def change(self, name: str, text: str) -> bool:
        """Change a setting, "section.name"; empty is the default. Gives whether it holds from now on: what is about the
        model does, everything else from the next start. Raises `SettingsError`."""
        new = changed(self._assistant.settings, name, text)
        if not name.startswith(("model.", "sampling.")):
            return False
        self._adopt(new)
        self._models.change(new)
        self._assistant.load_soon()
        return True

    def test_connection(self, url: str) -> int:
        """How many tables the database at `url` shows. Raises `DatabaseUnavailable`."""
        with closing(_checked(self._assistant.settings, url)) as database:
            return len(database.schema().tables)

    def connect(self, url: str) -> None:
        """Answer from the database at `url` from now on; nothing changes where it cannot be opened. Raises `DatabaseUnavailable`."""
        settings, parts = self._assistant.settings, self._parts
        url = _absolute(url)
        opened = _checked(settings, url)
        try:
            self._adopt(changed(settings, "database.url", url))
        except BaseException:
            opened.close()
            raise
        # Its connections are closed when they come back from the queries under way.
        old, parts.database, parts.user_column = parts.database, opened, settings.database.user_column
        if old:
            old.close()
        if self._models.loaded:
            self._assistant.load_soon()  # the schema is read before it is asked

    def _adopt(self, new: Settings) -> None:
        self._assistant.settings = new
        self._turns.change(new)


def _checked(settings: Settings, url: str) -> Database:
    """The database at a URL, opened and looked at once; the caller closes it."""
    database = open_database(settings, url)
    try:
        database.schema()
    except BaseException:
        database.close()
        raise
    return database


def _absolute(url: str) -> str:
    """The URL with a SQLite file's whole path: the settings file is read from wherever the assistant is started."""
    if not url.startswith("sqlite:///") or url.startswith("sqlite:///:memory:") or "file:" in url:
        return url
    return f"sqlite:///{Path(url.removeprefix('sqlite:///')).expanduser().absolute().as_posix()}"
