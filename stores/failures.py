"""What a driver's error means: the database is away, the time is up, the query is refused, or it is wrong."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from stores import sqlite
from stores.errors import AssistantError, DatabaseUnavailable, QueryFailed, QueryRejected, QueryTimeout

_SQLITE_AWAY = ("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PERM")
_SQLITE_REFUSED = ("SQLITE_AUTH", "SQLITE_READONLY")
_POSTGRES_AWAY = ("08", "28", "3D", "53", "57P", "58")
_MYSQL_TIMEOUT = {1969, 3024}
_MYSQL_AWAY = {1040, 1044, 1045, 1049, 1053, 2002, 2003, 2006, 2013}

_Kind = tuple[type[AssistantError], str]


def _sqlite_kind(error: DBAPIError) -> _Kind:
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    if name == "SQLITE_INTERRUPT":
        return QueryTimeout, ""
    if name == "SQLITE_TOOBIG":
        return QueryFailed, f"{error.orig}: a text has more than {sqlite.MAX_CELL_BYTES} bytes; leave it out or take its length()"
    if name.startswith(_SQLITE_AWAY):
        return DatabaseUnavailable, str(error.orig)
    return (QueryRejected if name.startswith(_SQLITE_REFUSED) else QueryFailed), str(error.orig)


def _postgres_kind(error: DBAPIError) -> _Kind:
    state = getattr(error.orig, "sqlstate", None)
    diagnosis = getattr(error.orig, "diag", None)
    message = getattr(diagnosis, "message_primary", None) or str(error.orig).strip()
    if hint := getattr(diagnosis, "message_hint", None):
        message = f"{message}. {hint}"
    if state == "57014":
        return QueryTimeout, message
    if state is None or error.connection_invalidated or state.startswith(_POSTGRES_AWAY):
        return DatabaseUnavailable, message
    return (QueryRejected if state == "25006" else QueryFailed), message


def _mysql_kind(error: DBAPIError) -> _Kind:
    arguments = getattr(error.orig, "args", ())
    code, message = (arguments[0], str(arguments[-1])) if arguments else (0, str(error.orig))
    if code in _MYSQL_TIMEOUT:
        return QueryTimeout, message
    if code in _MYSQL_AWAY or error.connection_invalidated:
        return DatabaseUnavailable, message
    return (QueryRejected if code == 1792 else QueryFailed), message


KINDS: dict[str, Callable[[DBAPIError], _Kind]] = {"sqlite": _sqlite_kind, "postgres": _postgres_kind, "mysql": _mysql_kind}
"""By dialect: an error of the driver to the kind of ours and its message."""
