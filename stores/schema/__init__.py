"""The tables on a PostgreSQL server and how older ones are brought forward: Alembic's folder. Revisions are numbered, and only ever added."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import errors

from stores.errors import StoreUnavailable

VERSION_TABLE = "assistant_schema"
_HERE = Path(__file__).parent
NEWEST = max(path.stem[-4:] for path in (_HERE / "versions").glob("*_[0-9][0-9][0-9][0-9].py"))


def bring_forward(conninfo: str, name: str) -> None:
    """Bring the tables to the newest revision, by one program at a time. Raises `StoreUnavailable` for newer ones."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        found = _revision(connection)
    if found > NEWEST:
        raise StoreUnavailable(f"The tables on {name} were made by a newer version of this program. Update the program.")
    if found == NEWEST:
        return
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    try:
        with engine.begin() as connected:
            config.attributes["connection"] = connected
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"The tables on {name} cannot be made: {error}. Check that the user of state.url may create tables there.") from error


def _revision(connection: psycopg.Connection) -> str:
    try:
        row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    except errors.UndefinedTable:
        return ""
    return str(row[0]) if row else ""
