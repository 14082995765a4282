"""A small table of the program's own, in a file of the home or on the server that several replicas share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stores.errors import StoreUnavailable, sqlite_advice

if TYPE_CHECKING:
    from stores.history_file import Speaks
    from stores.server import Server


@contextmanager
def opened(place: Path | Server, create: str, *, what: str) -> Iterator[Speaks]:
    """A transaction on the table; in a file it is made by `create`, on a server it is there. Safe for several processes.

    Raises `StoreUnavailable`, in which `what` names what is kept.
    """
    if not isinstance(place, Path):
        with place.writing() as tables:
            yield tables
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not place.exists():  # a file's time says when it was changed
            place.touch(mode=0o600)
        with closing(sqlite3.connect(place, timeout=10)) as db, db:
            db.execute("PRAGMA secure_delete = ON")
            db.execute(create)
            yield db
    except OSError as error:
        raise StoreUnavailable(f"The {what} {place} cannot be opened: {error.strerror or error}.") from error
    except sqlite3.Error as error:
        raise StoreUnavailable(f"The {what} {place} cannot be used: {error}. {sqlite_advice(getattr(error, 'sqlite_errorname', '') or '')}") from error
