"""The database as a page shows it: its tables, the rows that a user may see, the notes on it, and another one in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assistant.settings_file import write_setting
from stores.errors import DatabaseUnavailable, NotFound
from stores.introspect import quote

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.wiring import Parts
    from stores.database import Database
    from stores.values import Schema, Table


class Data:
    """What is in the database. Every method raises `DatabaseUnavailable` where there is none or it cannot be reached."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def schema(self) -> Schema:
        """Tables, columns, keys and what is noted on them. Under scopes there are no counts and no values."""
        return self._database.schema()

    def rows(self, table: str, *, user: str) -> Table:
        """The first rows of a table, as far as this user may see them. Raises `NotFound` for a table that is not there or hidden."""
        database = self._database
        if (info := database.schema().table(table)) is None:
            raise NotFound(f"There is no table {table!r}. Look at the list of tables.")
        return database.run(f"SELECT * FROM {quote(info.name, database.dialect)}", user=user)

    def query(self, sql: str, *, user: str) -> Table:
        """The rows of a query, under the same guard, scopes and bounds as a query that the model wrote.

        Raises `QueryRejected`, `QueryFailed`, `QueryTimeout`.
        """
        return self._database.run(sql, user=user)

    def note(self, table: str, column: str | None, text: str) -> None:
        """Keep a note on a table or a column, in place of the database's own comment; an empty text takes it away."""
        self._database.note(table, column, text)

    @property
    def _database(self) -> Database:
        if self._parts.database is None:
            raise DatabaseUnavailable("No database is connected. Connect one, or set database.url.")
        return self._parts.database


def checked(settings: Settings, url: str) -> Database:
    """The database at a URL, opened and looked at once; the caller closes it. Raises `DatabaseUnavailable`."""
    from assistant.wiring import open_database

    database = open_database(settings, url)
    try:
        database.schema()
    except BaseException:
        database.close()
        raise
    return database


def connect(settings: Settings, parts: Parts, url: str) -> Settings:
    """Answer from another database from now on, and write it into the settings file; gives the settings as they are then.

    Where it cannot be opened, everything stays as it was.
    """
    url = _absolute(url)
    new = settings.model_copy(update={"database": settings.database.model_copy(update={"url": url})})
    opened = checked(new, url)
    try:
        write_setting(settings, "database", "url", url)
    except BaseException:
        opened.close()
        raise
    # Its connections are closed when they come back from the queries under way.
    old, parts.database, parts.user_column = parts.database, opened, new.database.user_column
    if old:
        old.close()
    return new


def _absolute(url: str) -> str:
    """The URL with a SQLite file's whole path: the settings file is read from wherever the assistant is started."""
    if not url.startswith("sqlite:///") or url.startswith("sqlite:///:memory:") or "file:" in url:
        return url
    return f"sqlite:///{Path(url.removeprefix('sqlite:///')).expanduser().absolute().as_posix()}"
