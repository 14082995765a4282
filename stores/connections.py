"""Read-only connections to the user's database, and its errors as this project's."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL, Connection, CursorResult, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from stores import sqlite
from stores.cells import to_value
from stores.errors import AssistantError, DatabaseUnavailable, QueryFailed, QueryRejected, QueryTimeout
from stores.failures import KINDS
from stores.values import Table

DIALECTS = {"sqlite": "sqlite", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
"""SQLAlchemy's name of a database to sqlglot's."""

_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
Fetch = Callable[[str, float, int], Table]
"""(sql, seconds, most rows) to the rows."""
Variables = Mapping[str, str]
"""Session variables of PostgreSQL that hold for one query, such as the one that says who asks."""

CONNECT_SECONDS = 10
SCHEMA_SECONDS = 60.0
VALUES_SECONDS = 300.0
HANG_UP_SECONDS = 0.5
"""So long after its limit a server is given up that does not stop: it looks at the time only between two steps."""


_NONE: Variables = MappingProxyType({})


class Connections:
    """Opens one database read-only. Thread-safe: every use takes a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.backend = self.url.get_backend_name()
        if self.backend not in DIALECTS:
            raise DatabaseUnavailable(f"Databases of kind {self.backend} are not supported. Use SQLite, PostgreSQL, MySQL or MariaDB.")
        self.dialect = DIALECTS[self.backend]
        self.path = sqlite.path_of(self.url) if self.dialect == "sqlite" else None
        self._engine = self._make_engine()

    def _make_engine(self) -> Engine:
        if self.path is not None:
            # Opening costs 0.2 ms; kept open, a connection would go on reading a file that has been replaced.
            return create_engine("sqlite://", creator=partial(sqlite.connect, self.path), poolclass=NullPool)
        try:
            engine = create_engine(
                self.url.set(drivername=_DRIVERS[self.backend]),
                pool_pre_ping=True,
                pool_recycle=1800,
                connect_args={"connect_timeout": CONNECT_SECONDS},
            )
        except (ImportError, SQLAlchemyError) as error:
            raise DatabaseUnavailable(f"The driver for {self.backend} cannot be loaded ({error}). Install it beside the assistant.") from error
        event.listen(engine, "connect", _POSTGRES_SESSION if self.dialect == "postgres" else _MYSQL_SESSION)
        return engine

    @contextmanager
    def inspecting(self, seconds: float, variables: Variables = _NONE) -> Iterator[Connection]:
        """A connection for reading the catalogue: it cannot write, but sees the system tables."""
        deadline = time.monotonic() + seconds
        with self._errors(seconds), self._engine.connect() as connection:
            self._limit(connection, seconds, deadline)
            for item in variables.items():
                connection.exec_driver_sql("SELECT pg_catalog.set_config(%s, %s, true)", item)
            yield connection

    @contextmanager
    def reading(
        self,
        seconds: float,
        may_read: sqlite.MayRead | None = None,
        cell_bytes: int = sqlite.MAX_CELL_BYTES,
        variables: Variables = _NONE,
    ) -> Iterator[Fetch]:
        """Run many SELECTs within the time; for SQLite on one connection, because opening parses the whole schema.

        For SQLite: `may_read`, which tables the connection lets through; `cell_bytes`, its longest cell.
        """
        if self.dialect != "sqlite":
            yield partial(self._fetch_once, variables)
            return
        with self.inspecting(seconds) as connection:
            sqlite.authorize(_driver(connection), may_read or (lambda _table, _view: True))
            sqlite.limit_cells(_driver(connection), cell_bytes)
            yield partial(self._fetch_on, connection)

    def _fetch_once(self, variables: Variables, sql: str, seconds: float, max_rows: int) -> Table:
        with self.inspecting(seconds, variables) as connection:
            return self._fetch_on(connection, sql, seconds, max_rows)

    def _fetch_on(self, connection: Connection, sql: str, seconds: float, max_rows: int) -> Table:
        deadline = time.monotonic() + seconds
        with self._errors(seconds), self._stopping(connection, seconds):
            if self.dialect == "sqlite":
                sqlite.limit_time(_driver(connection), deadline)
            options = {
                "no_parameters": True,  # a "%" in LIKE is no placeholder
                "sqlite_raw_colnames": True,
                # Not for SQLite. In PostgreSQL this is DECLARE CURSOR, which takes nothing but one SELECT.
                "stream_results": self.dialect != "sqlite",
                "max_row_buffer": max_rows + 1,
            }
            result = connection.exec_driver_sql(sql, execution_options=options)
            try:
                if not result.returns_rows:
                    raise QueryRejected("The query gives no rows; only SELECT is allowed.")
                columns = tuple(map(str, result.keys()))
                rows = [tuple(to_value(cell) for cell in row) for row in self._rows(connection, result, max_rows + 1, deadline)]
            finally:
                result.close()
        return Table(columns, tuple(rows[:max_rows]), truncated=len(rows) > max_rows)

    def _rows(self, connection: Connection, result: CursorResult[Any], count: int, deadline: float) -> Iterator[Any]:
        if self.dialect == "sqlite":  # one by one: a wide row is cut before the next is read
            return islice(iter(result.fetchone, None), count)
        if self.dialect == "postgres":  # the limit counts per FETCH: leave this one only what remains
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_milliseconds(deadline - time.monotonic())}")
        return iter(result.fetchmany(count))

    def _limit(self, connection: Connection, seconds: float, deadline: float) -> None:
        if self.dialect == "sqlite":
            driver = _driver(connection)
            driver.create_function("regexp", 2, None)  # SQLAlchemy's: Python's re, which no time limit stops
            sqlite.limit_time(driver, deadline)
        elif self.dialect == "postgres":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_milliseconds(seconds)}")
        else:
            connection.exec_driver_sql(_mysql_limit(connection, seconds))

    @contextmanager
    def _stopping(self, connection: Connection, seconds: float) -> Iterator[None]:
        """Stop what the database's own limit is too slow to stop: steps of SQLite's that are long, a server that is deaf."""
        if self.dialect == "mysql":
            yield
            return
        # The objects are taken here: a thread of its own must not use SQLAlchemy's connection.
        driver: Any = connection.connection.driver_connection
        local = self.dialect == "sqlite"
        timer = threading.Timer(seconds if local else seconds + HANG_UP_SECONDS, _interrupt if local else _hang_up, args=(driver,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    @contextmanager
    def _errors(self, seconds: float) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except DBAPIError as error:
            late = time.monotonic() - began > seconds
            raise self._translated(error, seconds, late=late) from error
        except MemoryError as error:  # what SQLite says of a query with too many steps
            raise QueryFailed("The query is too large for the database. Write a simpler one.") from error
        except sqlite3.Warning as error:  # two statements, in Python 3.11
            raise QueryRejected(f"{error} Only one SELECT is allowed.") from error
        except SQLAlchemyError as error:
            raise DatabaseUnavailable(f"The database {self} cannot be used: {error}") from error

    def _translated(self, error: DBAPIError, seconds: float, *, late: bool) -> AssistantError:
        kind, message = KINDS[self.dialect](error)
        if kind is QueryTimeout or (late and error.connection_invalidated):
            return QueryTimeout(f"The query took longer than {seconds:g} seconds and was stopped. Ask for less, or raise database.timeout.")
        if kind is DatabaseUnavailable:
            return DatabaseUnavailable(f"The database {self} cannot be read: {message}. Check that it is there and not in use.")
        if kind is QueryRejected:
            return QueryRejected(f"The database refused the query: {message}. Only reading is allowed.")
        return QueryFailed(message)

    def revision(self) -> Hashable:
        """Changes when data may have changed: SQLite by the file, others by age."""
        return sqlite.revision(self.path) if self.path else time.monotonic() // VALUES_SECONDS

    def dispose(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._engine.dispose()

    def __str__(self) -> str:
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise DatabaseUnavailable("The database URL cannot be read. Write it like sqlite:///shop.db or postgresql://user:password@host/name.") from error


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _interrupt(driver: sqlite3.Connection) -> None:
    with suppress(sqlite3.ProgrammingError):  # closed already
        driver.interrupt()


def _hang_up(driver: Any) -> None:
    """Close the way to the server beneath the driver, which waits for an answer; the driver then finds it closed."""
    with suppress(OSError), socket.fromfd(driver.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line:
        line.shutdown(socket.SHUT_RDWR)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))  # 0 would be no limit


def _session(*statements: str) -> Callable[[Any, Any], None]:
    def prepare(driver: Any, _record: Any) -> None:
        cursor = driver.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        driver.commit()

    return prepare


# A superuser may read the server's files and call every function: such a session goes on as a role that may only read tables.
_LESS_THAN_SUPERUSER = """
DO $$ BEGIN
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
  AND EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'pg_read_all_data') THEN SET ROLE pg_read_all_data; END IF;
END $$
"""
_POSTGRES_SESSION = _session(
    _LESS_THAN_SUPERUSER,
    "SET default_transaction_read_only = on",
    "SET standard_conforming_strings = on",
    "SET idle_in_transaction_session_timeout = '60s'",
)
_MYSQL_SESSION = _session("SET SESSION TRANSACTION READ ONLY")


def _mysql_limit(connection: Connection, seconds: float) -> str:
    if getattr(connection.dialect, "is_mariadb", False):
        return f"SET SESSION max_statement_time = {max(seconds, 0.001):.3f}"
    return f"SET SESSION max_execution_time = {_milliseconds(seconds)}"
