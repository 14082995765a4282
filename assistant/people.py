"""Who the users of a workspace are: the rows of the database's user column."""

from __future__ import annotations

from stores.database import Database
from stores.errors import AssistantError
from stores.values import TableInfo

_NAMES = ("first_name", "firstname", "given_name", "name", "full_name", "last_name", "lastname", "surname")


def people(database: Database, column: str, most: int) -> list[tuple[str, str]]:
    """(id, label) of the first users by id; an unreadable table gives none rather than an error on the page."""
    table_name, key = column.rsplit(".", 1)
    table = database.schema().table(table_name)
    if table is None:
        return []
    labels = _labels(table)
    wanted = ", ".join(f'"{name}"' for name in (key, *labels))
    try:
        rows = database.run(f'SELECT {wanted} FROM "{table.name}" ORDER BY "{key}" LIMIT {int(most)}').rows
    except AssistantError:
        return []
    return [(str(row[0]), " ".join(str(cell) for cell in row[1:] if cell) or str(row[0])) for row in rows]


def _labels(table: TableInfo) -> list[str]:
    known = {column.name.lower(): column.name for column in table.columns}
    return [known[name] for name in _NAMES if name in known]
