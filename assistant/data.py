"""The database as a page shows it: its tables, the rows that a user may see, the notes on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.errors import DatabaseUnavailable, NotFound
from stores.introspect import quote

if TYPE_CHECKING:
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

    def note(self, table: str, column: str | None, text: str) -> None:
        """Keep a note on a table or a column, in place of the database's own comment; an empty text takes it away."""
        self._database.note(table, column, text)

    @property
    def _database(self) -> Database:
        if self._parts.database is None:
            raise DatabaseUnavailable("No database is connected. Connect one, or set database.url.")
        return self._parts.database
