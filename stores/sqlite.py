"""SQLite opened so that it cannot be written, whatever the query."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL

from stores.errors import DatabaseUnavailable

MAX_CELL_BYTES = 1_000_000
"""Longest cell that is read or made. No time check falls within a call on it."""
MAX_SEARCHED_BYTES = 250_000
"""The same where a text is looked for that may be as long: 0.6 s for instr() at its worst, and the square of that length."""
MAX_COLUMNS = 500
MAX_OPERATIONS = 5_000
"""Steps of a compiled query, between which the time may go unchecked; a pivot of a hundred columns has 1,500."""
MAX_SQL_BYTES = 200_000
STEPS_BETWEEN_CHECKS = 10_000
BUSY_SECONDS = 5.0

MayRead = Callable[[str, str | None], bool]
"""Whether a table may be read, directly (None) or through the view of that name; names in lower case."""

SYSTEM_TABLES = frozenset({"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"})
# Functions that load code, reach files, or fill the memory; they are refused below the guard as well.
DENIED_FUNCTIONS = frozenset(
    {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob", "sqlite_log", "regexp"}
)
_ALLOWED_ACTIONS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_CELL_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: MAX_SQL_BYTES,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,  # long patterns are slow between two time checks
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
# What SQLite says where it would have to create the -shm of a WAL database and cannot: a read-only folder.
_NEEDS_IMMUTABLE = frozenset({"SQLITE_READONLY_DIRECTORY", "SQLITE_CANTOPEN", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_RECOVERY"})


def path_of(url: URL) -> Path:
    """The absolute path of the file that a SQLite URL names."""
    name = url.database or ""
    if name.startswith("file:"):
        name = unquote(name.removeprefix("file:").split("?")[0])
    if name in {"", ":memory:"}:
        raise DatabaseUnavailable("The database URL names no file. Write it like sqlite:///shop.db.")
    return Path(name).expanduser().absolute()


def connect(path: Path) -> sqlite3.Connection:
    """A connection that can only read. Raises `DatabaseUnavailable` where there is no such file; never makes one."""
    try:
        if not path.is_file():
            raise DatabaseUnavailable(f"There is no database file {path}. Put it there, or correct the setting database.url.")
        return _open(path, "mode=ro")
    except sqlite3.Error as error:
        if error.sqlite_errorname not in _NEEDS_IMMUTABLE:
            raise
        return _open(path, "mode=ro&immutable=1")
    except OSError as error:
        raise DatabaseUnavailable(f"The database file {path} cannot be looked at: {error}. Check its rights.") from error


def _open(path: Path, parameters: str) -> sqlite3.Connection:
    uri = path.as_uri()
    if not uri.startswith("file:///"):  # a Windows share: SQLite takes no host, but a path with four slashes
        uri = "file:////" + uri.removeprefix("file://")
    connection = sqlite3.connect(f"{uri}?{parameters}", uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        connection.text_factory = _decode
        for limit, value in _LIMITS.items():
            connection.setlimit(limit, value)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # opening is lazy: be sure that it can be read
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _decode(text: bytes) -> str:
    return text.decode(errors="replace")


def limit_time(connection: sqlite3.Connection, deadline: float) -> None:
    """Interrupt whatever runs on the connection once `time.monotonic()` passes the deadline."""
    connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS_BETWEEN_CHECKS)


def limit_cells(connection: sqlite3.Connection, most_bytes: int) -> None:
    """Refuse longer cells from now on, rows that would fill the memory, and queries that unfold to very many steps."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most_bytes)
    connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, MAX_COLUMNS)  # not before: the tables themselves may be wider
    connection.setlimit(sqlite3.SQLITE_LIMIT_VDBE_OP, MAX_OPERATIONS)


def authorize(connection: sqlite3.Connection, may_read: MayRead) -> None:
    """Let the connection do nothing but SELECT, and read only what `may_read` allows."""

    def decide(action: int, first: str | None, second: str | None, _database: str | None, view: str | None) -> int:
        if action in _ALLOWED_ACTIONS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            allowed = (second or "").lower() not in DENIED_FUNCTIONS
        elif action == sqlite3.SQLITE_READ:
            table = (first or "").lower()
            allowed = table not in SYSTEM_TABLES and may_read(table, view and view.lower())
        else:  # full-text tables ask for their own data_version
            allowed = action == sqlite3.SQLITE_PRAGMA and first == "data_version" and second is None
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    _load_virtual_tables(connection)
    connection.set_authorizer(decide)


def _load_virtual_tables(connection: sqlite3.Connection) -> None:
    """Loading one makes a table in memory, which the authorizer would refuse: so it is done before."""
    for name in ("json_each", "json_tree"):
        with suppress(sqlite3.OperationalError):  # a SQLite without JSON
            connection.execute(f"SELECT 1 FROM {name}('[]')").fetchall()
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'").fetchall():
        quoted = name.replace('"', '""')
        with suppress(sqlite3.OperationalError):  # its module is not here; whoever asks for it will be told
            connection.execute(f'PRAGMA table_info("{quoted}")').fetchall()


def revision(path: Path) -> Hashable:
    """Changes when the file, or its write-ahead log, is written or replaced."""
    return tuple(_stamp(p) for p in (path, path.with_name(path.name + "-wal")))


def identity(path: Path) -> Hashable:
    """Changes when the file is replaced by another."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _stamp(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
