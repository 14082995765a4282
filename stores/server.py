"""A PostgreSQL server that keeps what a laptop keeps in files: its connections, and its errors as this project's."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from stores.errors import AssistantError, NotFound, StoreUnavailable
from stores.retry import Gone
from stores.schema import bring_forward

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
AGAIN_SECONDS = 4.0
"""The longest pause between two tries to reach a server that is down, so that its return is soon noticed."""
DOWN_SECONDS = 1.0
"""So long a call waits for a server that the call before found down."""
FRESH_SECONDS = 1.0
"""So long after its last use a connection is given out again without a look at it: a turn takes some twenty."""
_LOCK = 0x617373697374
"""The advisory lock of who changes tables: one replica at a time."""

# A network that went silent is noticed within half a minute; what the URL says goes before.
_CONNECTION = {
    "connect_timeout": CONNECT_SECONDS, "application_name": "assistant",
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000,
}  # fmt: skip
_SESSION = "; ".join(
    f"SET {setting}"
    for setting in (
        f"statement_timeout = '{STATEMENT_SECONDS}s'", "lock_timeout = '10s'", "idle_in_transaction_session_timeout = '60s'",
        # All goes by keys, few rows at a time: a planner that knows little of a table reads all of it for each step of a path.
        "enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off", "jit = off",
    )
)  # fmt: skip

# Strings are left alone; then a value's place, a column that PostgreSQL has a word of its own for, equality that also holds of NULL, other names.
_DIFFERENT = re.compile(r"""('(?:[^']|'')*')|\?(\d*)|(?<![.\w"])(user)\b(?!")|(\w+\.\w+) IS (\w+\.\w+)|\b(group_concat|instr|LIMIT -1)\b|(%)""")
_WORDS = {"group_concat": "string_agg", "instr": "strpos", "LIMIT -1": "LIMIT ALL"}


class Server:
    """The server at a URL, its tables brought forward. Thread-safe: each use takes a connection of its own.

    Raises `StoreUnavailable` where it cannot be reached; one that comes back is used again without further ado.
    """

    def __init__(self, url: str, *, connections: int = 10, seconds: float = 10.0) -> None:
        conninfo, self.name = reached(url)
        self._here = threading.local()
        self.pool = _Pool(self.name, conninfo, connections, seconds)
        try:
            with self.alone():
                bring_forward(conninfo, self.name)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Speaking]:
        """A connection; within a thread, what is used inside is the same one."""
        if (inside := getattr(self._here, "connection", None)) is not None:
            yield inside
            return
        with self.pool.connection() as connection:
            self._here.connection = Speaking(connection)
            try:
                yield self._here.connection
            finally:
                self._here.connection = None

    @contextmanager
    def writing(self) -> Iterator[Speaking]:
        """A transaction: kept when the block is left, or not at all."""
        with self.reading() as db, db.driver.transaction():
            yield db

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other replica is in such a block. Asked for again and again: who waited inside a statement would hold up an index that is made."""
        with self.pool.connection() as connection:
            while not _one(connection, "SELECT pg_try_advisory_lock(%s)"):
                time.sleep(0.1)
            try:
                yield
            finally:
                if not connection.closed:
                    _one(connection, "SELECT pg_advisory_unlock(%s)")

    def close(self) -> None:
        """Close the connections."""
        self.pool.close()


class Speaking:
    """A connection that takes the history's SQL as SQLite does: `?` and `?2` are values."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self.driver = driver

    def execute(self, sql: str, values: tuple[Any, ...] = (), /) -> psycopg.Cursor[Any]:
        """Run one statement. PostgreSQL's texts hold no NUL, so it is left out."""
        named = {f"p{n}": value.replace("\0", "") if isinstance(value, str) else value for n, value in enumerate(values, 1)}
        return self.driver.execute(translated(sql), named)


@lru_cache(maxsize=256)
def translated(sql: str) -> str:
    """SQLite's SQL, as far as the history uses it, in PostgreSQL's words."""
    highest = 0

    def other(found: re.Match[str]) -> str:
        nonlocal highest
        string, number, user, one, two, word, percent = found.groups()
        if string is not None:
            return string.replace("%", "%%")
        if number is not None:
            highest = max(highest, at := int(number or highest + 1))
            return f"%(p{at})s"
        if one:
            return f"COALESCE({one}, '') = COALESCE({two}, '')"  # as there is an index on
        return f'"{user}"' if user else "%%" if percent else _WORDS[word]

    return _DIFFERENT.sub(other, sql)


class _Connection(psycopg.Connection[Any]):
    """A connection that knows when it was made, and when all went well with it (`time.monotonic`)."""

    made = well = -FRESH_SECONDS


class _Pool(ConnectionPool[_Connection]):
    """A pool that says what is wrong in this project's words, to whoever uses it."""

    def __init__(self, name: str, conninfo: str, connections: int, seconds: float) -> None:
        self._down, self._broke = False, 0.0
        super().__init__(
            conninfo, connection_class=_Connection, min_size=1, max_size=connections, open=True, timeout=seconds, reconnect_timeout=AGAIN_SECONDS, num_workers=2,
            kwargs={"autocommit": True}, configure=_configure, check=self._look, reconnect_failed=self._again, name=name,
        )  # fmt: skip

    def _look(self, connection: _Connection) -> None:
        if time.monotonic() - connection.well < FRESH_SECONDS:
            return
        try:
            self.check_connection(connection)
        finally:
            self._left(connection)

    def _left(self, connection: _Connection) -> None:
        """Where one broke, so have those that were made before: they go together, for the pool pauses ever longer between two that it finds broken."""
        if not connection.closed:
            connection.well = time.monotonic()
        elif connection.made > self._broke:
            self._broke = time.monotonic()
            self.drain()

    def _again(self, _: object) -> None:
        """Go on trying: those who wait would be found a connection only once somebody else asked for one."""
        if not self.closed:
            self.check()

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[_Connection]:
        try:
            with super().connection(DOWN_SECONDS if self._down else timeout) as connection:
                self._down = False
                try:
                    yield connection
                finally:
                    self._left(connection)
        except PoolTimeout as error:
            self._down = True
            raise StoreUnavailable(
                f"The server {self.name} that keeps the conversations does not answer. Try again in a moment; if it stays so, start it, or tell whoever runs it."
            ) from error
        except psycopg.Error as error:
            raise _told(error, self.name) from error


def _told(error: psycopg.Error, name: str) -> AssistantError:
    said = " ".join(str(error).split())
    match error:
        case errors.ForeignKeyViolation():
            return NotFound("What this belongs to was deleted meanwhile.")
        case errors.QueryCanceled() | errors.LockNotAvailable():
            return StoreUnavailable(f"The server {name} took too long: {said}. Try again in a moment.")
        case errors.DiskFull():
            return StoreUnavailable(f"The disk of the server {name} is full: make room; nothing that was saved before is lost.")
        case psycopg.InterfaceError() | psycopg.OperationalError():  # hung up, shut down, or two that wait for each other
            return Gone(f"The server {name} that keeps the conversations went away: {said}. Try again in a moment.")
    return StoreUnavailable(f"The server {name} refused: {said}. Check that the user of state.url may read and write there.")


def _configure(connection: _Connection) -> None:
    connection.execute(_SESSION)
    connection.made = time.monotonic()


def _one(connection: psycopg.Connection[Any], sql: str) -> bool:
    row = connection.execute(sql, (_LOCK,)).fetchone()
    return bool(row and row[0])


def reached(url: str) -> tuple[str, str]:
    """(how to connect, a name without secrets) of a server that was reached once: a pool would not say why it cannot. Raises `StoreUnavailable`."""
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)))
    except psycopg.ProgrammingError:  # it quotes the URL
        raise StoreUnavailable("state.url cannot be read. Write it like postgresql://user:password@host/name?sslmode=verify-full.") from None
    conninfo = make_conninfo("", **{**_CONNECTION, **given})
    name = f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname', '')}"
    try:
        psycopg.connect(conninfo).close()
    except psycopg.Error as error:
        raise StoreUnavailable(f"The server {name} of state.url cannot be reached: {' '.join(str(error).split())}. Check the URL, and that the server runs.") from error
    return conninfo, name
