"""The user's database: what is in it, and one guarded, bounded way to read it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlglot import exp

from stores import bounds, guard, introspect, sqlite
from stores.cells import cut
from stores.connections import SCHEMA_SECONDS, Connections, Fetch
from stores.errors import DatabaseUnavailable, NotFound, QueryRejected, QueryTimeout
from stores.explain import explain
from stores.fit import fit
from stores.formatting import formatted
from stores.introspect import Structure, quote
from stores.keys import with_found_keys
from stores.mend import mend
from stores.notes import Notes
from stores.scopes import Scopes
from stores.values import ColumnInfo, Schema, Table, TableInfo, Value, ValueMatch
from stores.words import Reading, Words

SAMPLE_ROWS = 3
SAMPLE_CHARACTERS = 40
INTROSPECTION_SECONDS = 30.0
PROFILE_SECONDS = 3.0
TABLE_SECONDS = 1.0
FEW_VALUES = 8
"""A text column with at most so many values is shown with all of them."""
SHORT_VALUE = 24

_TEXT = re.compile("char|text|string|enum", re.IGNORECASE)

_Cached = tuple[tuple[Hashable, Hashable], Structure, Scopes | None, Schema]


class Database:
    """One SQLAlchemy URL (SQLite, PostgreSQL, MySQL, MariaDB), read-only. Thread-safe.

    `tables` are the only ones that may be seen (None: all). `scopes` says which rows of a table a user sees, as a
    condition with `:user`; the values of `masked` columns ("table.column") nobody sees; see `stores.scopes`. With
    `user_variable` PostgreSQL's own row security limits the rows: each query runs with that session variable set to the
    user. `notes` are what people wrote about it. Raises `DatabaseUnavailable` for a URL that cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        max_rows: int = 200,
        timeout: float = 15.0,
        tables: Sequence[str] | None = None,
        scopes: Mapping[str, str] | None = None,
        masked: Sequence[str] = (),
        user_variable: str | None = None,
        notes: Notes | None = None,
    ) -> None:
        self._connections = Connections(url)
        self.dialect = self._connections.dialect
        self.max_rows = max_rows
        self.timeout = timeout
        self._named = None if tables is None else {name.lower() for name in tables}
        self._conditions = dict(scopes or {})
        self._masked = tuple(masked)
        self._user_variable = user_variable
        self._notes = notes
        self._lock = threading.Lock()
        self._cached: _Cached | None = None
        self._words = Words()

    def schema(self) -> Schema:
        """Tables, columns, keys, sample rows and row counts; read anew when the tables change.

        Where scopes are set there are no sample rows and no counts: they would show what a user may not see.
        """
        return self._read()[2]

    def check(self, sql: str, *, user: str | None = None) -> str:
        """The query as it will run: without comments, limited to the user's rows. Raises `QueryRejected`."""
        structure, scopes, schema = self._read()
        text = guard.check(sql, schema, self.dialect, default_schema=structure.default_schema, functions=structure.functions)
        return text if scopes is None else scopes.rewrite(text, user)

    def run(self, sql: str, *, user: str | None = None) -> Table:
        """The rows of a query that passes `check`. Raises `QueryRejected`, `QueryFailed`, `QueryTimeout`."""
        return self._run_checked(self.check(sql, user=user), self.timeout, self.max_rows, user)

    def mend(self, sql: str, question: str = "", *, user: str | None = None) -> str | None:
        """The query with misplaced columns and values put right as far as that is certain, or None where nothing is to be
        changed; see `stores.mend` and `stores.fit`."""
        schema = self._read()[2]
        mended = mend(sql, schema, self.dialect)

        def holds(condition: exp.Expr, table: str) -> bool | None:
            query = exp.select("1").from_(exp.to_table(table, quoted=True)).where(condition).limit(1)
            try:
                checked = self.check(query.sql(self.dialect, identify=True), user=user)
                return bool(self._run_checked(checked, TABLE_SECONDS, 1, user).rows)
            except (QueryRejected, QueryTimeout):
                return None

        def find(value: str) -> list[ValueMatch]:
            return self._words.whole(value, *self._reading(user))

        fitted = fit(mended or sql, question, schema, self.dialect, holds=holds, find=find)
        return fitted or mended

    def formatted(self, sql: str) -> str:
        """The query laid out for a reader; see `stores.formatting`."""
        return formatted(sql, self.dialect)

    def explain(self, sql: str) -> str:
        """What a query does, in plain words and without a model; see `stores.explain`. Raises `QueryRejected`."""
        _, scopes, schema = self._read()
        said = explain(sql, schema)
        if scopes and scopes.by_user:
            said += " Only rows that the user who asks may see are read."
        return f"{said} Masked columns come out empty." if self._masked else said

    def find_values(self, question: str, *, user: str | None = None) -> list[ValueMatch]:
        """Words of the question that stand as values in the data this user may see, longest first; see `stores.words`."""
        return self._words.find(question, *self._reading(user))

    def _reading(self, user: str | None) -> tuple[Schema, Reading, Hashable]:
        """The schema, what opens the rows that this user may see, and a name for their state."""
        _, scopes, schema = self._read()

        @contextmanager
        def reading() -> Iterator[Fetch]:
            with self._connections.reading(self._words.build_seconds, variables=self._variables(user)) as fetch:
                yield _limited(fetch, scopes, user)

        key = (user if scopes and scopes.by_user else None, schema.fingerprint, self._connections.revision())
        return schema, reading, key

    def note(self, table: str, column: str | None, text: str) -> None:
        """Keep a note on a table or a column, see `stores.notes`. Raises `NotFound` for what is not there or hidden."""
        info = self.schema().table(table)
        if self._notes is None or info is None or (column and column not in [c.name for c in info.columns]):
            raise NotFound(f"There is no {'column' if column else 'table'} {table}{f'.{column}' if column else ''} to note anything on.")
        self._notes.put(info.name, column, text)

    def close(self) -> None:
        """Close the connections."""
        self._connections.dispose()

    def _run_checked(self, sql: str, seconds: float, max_rows: int, user: str | None = None) -> Table:
        """Run text below the guard, on a connection that cannot write. The tests try to break this one, too."""
        cells = bounds.most_cell_bytes(sql, self.dialect)
        with self._connections.reading(seconds, self._may_read(), cells, self._variables(user)) as fetch:
            return fetch(sql, seconds, max_rows)

    def _variables(self, user: str | None) -> dict[str, str]:
        return {self._user_variable: user or ""} if self._user_variable else {}

    def _may_read(self) -> sqlite.MayRead | None:
        """For SQLite's own check: hidden tables are readable only through a view, or on the way to a scope."""
        if self._named is None:
            return None
        structure, scopes, schema = self._read()
        visible = {t.name.lower() for t in schema.tables}
        hidden = {t.name.lower() for t in structure.tables} - visible - (scopes.limited if scopes else set())
        return lambda table, view: table not in hidden or view in visible

    def _read(self) -> tuple[Structure, Scopes | None, Schema]:
        with self._lock:
            key = (self._schema_key(), noted := self._notes.revision() if self._notes else None)
            if self._cached is None or self._cached[0] != key:
                same_notes = self._cached is not None and self._cached[0][1] == noted
                self._cached = (key, *self._introspected(self._cached if same_notes else None))
            return self._cached[1:]

    def _schema_key(self) -> Hashable:
        path = self._connections.path
        if path is None:
            return time.monotonic() // SCHEMA_SECONDS
        with self._connections.inspecting(INTROSPECTION_SECONDS) as connection:
            return sqlite.identity(path), introspect.sqlite_schema_key(connection)

    def _introspected(self, previous: _Cached | None) -> tuple[Structure, Scopes | None, Schema]:
        with self._connections.inspecting(INTROSPECTION_SECONDS) as connection:
            structure = introspect.read_structure(connection, self.dialect)
        if previous and self.dialect != "sqlite" and previous[1] == structure:
            return previous[1:]  # only the time has passed: a prompt made from the schema stays the same
        # A secured table gives the user's own rows by itself; keys carry that on to its children as they carry a scope.
        conditions = self._conditions | dict.fromkeys(structure.secured - self._conditions.keys(), "TRUE") if self._user_variable else self._conditions
        if self._user_variable and not structure.secured:
            raise DatabaseUnavailable("No table has row security for this role. Connect as another role, or leave out database.user_variable.")
        scopes = Scopes(conditions, structure, self.dialect, self._masked) if conditions or self._masked else None
        closed = scopes.closed if scopes else frozenset()
        tables = tuple(t for t in structure.tables if self._shows(t.name.lower()) and t.name.lower() not in closed)
        names = {t.name.lower() for t in tables}
        tables = tuple(replace(t, columns=tuple(_without_hidden_target(c, names) for c in t.columns)) for t in tables)
        print_of = introspect.fingerprint(tables)
        if scopes is None or not scopes.by_user:
            tables = self._profiled(tables, scopes)
        return structure, scopes, Schema(self.dialect, self._notes.applied(tables) if self._notes else tables, print_of)

    def _shows(self, name: str) -> bool:
        return self._named is None or name in self._named

    def _profiled(self, tables: tuple[TableInfo, ...], scopes: Scopes | None) -> tuple[TableInfo, ...]:
        """The tables with sample rows and counts, as far as the time allows; masked columns are as empty as in a query."""
        deadline = time.monotonic() + PROFILE_SECONDS
        with self._connections.reading(PROFILE_SECONDS) as unlimited:
            fetch = _limited(unlimited, scopes, None)
            sampled = [replace(t, sample_rows=self._sample(t, fetch, deadline)) for t in tables]
            sampled = [replace(t, columns=tuple(self._with_values(t, c, fetch, deadline) for c in t.columns)) for t in sampled]
            sampled = with_found_keys(sampled, self.dialect, lambda sql: _within(deadline, fetch, sql))
            return tuple(replace(t, row_count=self._count(t, fetch, deadline)) for t in sampled)

    def _sample(self, table: TableInfo, fetch: Fetch, deadline: float) -> tuple[tuple[Value, ...], ...]:
        found = _within(deadline, fetch, f"SELECT * FROM {quote(table.name, self.dialect)} LIMIT {SAMPLE_ROWS}")
        return tuple(tuple(cut(v, SAMPLE_CHARACTERS) if isinstance(v, str) else v for v in row) for row in found)

    def _with_values(self, table: TableInfo, column: ColumnInfo, fetch: Fetch, deadline: float) -> ColumnInfo:
        """A text column with all of its values where these are few and short."""
        if not _TEXT.search(column.type) or column.primary_key or column.references:
            return column
        name, source = quote(column.name, self.dialect), quote(table.name, self.dialect)
        sql = f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL LIMIT {FEW_VALUES + 1}"
        found = [row[0] for row in _within(deadline, fetch, sql, FEW_VALUES + 1)]
        short = all(isinstance(value, str) and value.strip() and len(value) <= SHORT_VALUE for value in found)
        few = 1 < len(found) <= FEW_VALUES
        return replace(column, values=tuple(sorted(map(str, found)))) if few and short else column

    def _count(self, table: TableInfo, fetch: Fetch, deadline: float) -> int | None:
        found = _within(deadline, fetch, f"SELECT COUNT(*) FROM {quote(table.name, self.dialect)}")
        return int(found[0][0] or 0) if found else None


def _limited(fetch: Fetch, scopes: Scopes | None, user: str | None) -> Fetch:
    """The same, of what the user may see."""
    return fetch if scopes is None else lambda sql, seconds, rows: fetch(scopes.rewrite(sql, user), seconds, rows)


def _within(deadline: float, fetch: Fetch, sql: str, rows: int = SAMPLE_ROWS) -> tuple[tuple[Value, ...], ...]:
    """The rows, or none where the time is up or this one table cannot be read."""
    seconds = min(deadline - time.monotonic(), TABLE_SECONDS)
    if seconds <= 0:
        return ()
    try:
        return fetch(sql, seconds, rows).rows
    except (QueryRejected, QueryTimeout):
        return ()


def _without_hidden_target(column: ColumnInfo, visible: set[str]) -> ColumnInfo:
    if column.references and column.references.rsplit(".", 1)[0].lower() not in visible:
        return replace(column, references=None)
    return column
