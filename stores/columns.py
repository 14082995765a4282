"""Finds a column that no table of the query has, and says where it is. Where it is not sure, it says nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from stores.names import find_table
from stores.values import Schema, TableInfo

_MAX_NAMED = 8
# Columns that tables have without declaring them, and words that stand without parentheses.
_BUILT_IN = frozenset(
    """rowid oid _rowid_ rank tableoid ctid xmin xmax cmin cmax current_date current_time current_timestamp current_user
    session_user user current_role current_catalog current_schema localtime localtimestamp true false null default""".split()
)


def unknown_column(expression: exp.Expr, schema: Schema, dialect: str) -> str | None:
    """ "no such column: T1.name; column name is in: singer, song", or None where every column may well exist.

    SQLite reads a double-quoted name that is no column as a string, so such a name is never unknown there.
    """
    seen: set[int] = set()
    outputs: dict[int, set[str] | None] = {}
    given: dict[int, set[str]] = {}
    try:
        for scope in traverse_scope(expression):  # inner ones first; an outer one names the columns of its inner ones again
            for column in scope.columns:
                if id(column) not in seen and (message := _message(column, scope, schema, dialect, outputs, given)):
                    return message
                seen.add(id(column))
    except SqlglotError:  # an alias used twice and the like: the database will say it better
        return None
    return None


def _message(
    column: exp.Column, scope: Scope, schema: Schema, dialect: str, known: dict[int, set[str] | None], given: dict[int, set[str]]
) -> str | None:
    """`known` and `given` keep what was found of a source and of a scope: a long select list would be read for each column."""
    name = column.name.lower()
    if not isinstance(column.this, exp.Identifier) or name in _BUILT_IN:
        return None
    if not column.table and ((column.this.quoted and dialect == "sqlite") or _is_alias(name, scope, given)):
        return None
    sources = list(_candidates(column, scope))
    for source in sources:
        if id(source) not in known:
            known[id(source)] = _outputs(source, schema, dialect)
    outputs = [known[id(source)] for source in sources]
    if not sources or any(names is None or name in names for names in outputs):
        return None
    tables = [info for source in sources if isinstance(source, exp.Table) and (info := find_table(source, schema.tables, dialect))]
    return _explained(column, tables, schema)


def _candidates(column: exp.Column, scope: Scope) -> Iterator[object]:
    """What the column may come from: the one source that it names, else all in its scope and around it."""
    wanted = column.table.lower()
    current: Scope | None = scope
    while current is not None:
        found = {name: source for name, (_, source) in current.selected_sources.items()} | current.lateral_sources
        for alias, source in found.items():
            if not wanted:
                yield source
            elif alias.lower() == wanted:
                yield source
                return
        current = current.parent


def _is_alias(name: str, scope: Scope, given: dict[int, set[str]]) -> bool:
    """Whether the name is given in a select list or to a source (PostgreSQL: the whole row). `given` keeps them by scope."""
    current: Scope | None = scope
    while current is not None:
        if id(current) not in given:
            selects = current.expression.selects if isinstance(current.expression, exp.Query) else []
            aliases = {s.alias.lower() for s in selects if isinstance(s, exp.Alias)}
            given[id(current)] = aliases | {alias.lower() for alias in current.selected_sources}
        if name in given[id(current)]:
            return True
        current = current.parent
    return False


def _outputs(source: object, schema: Schema, dialect: str) -> set[str] | None:
    """The names of a source's columns in lower case; None where they cannot be told."""
    if isinstance(source, exp.Table):
        if source.alias_column_names or source.args.get("joins") or source.args.get("pivots"):
            return None
        info = find_table(source, schema.tables, dialect)
        return {c.name.lower() for c in info.columns} if info else None
    if not isinstance(source, Scope) or source.outer_columns or not isinstance(source.expression, exp.Query):
        return None
    names = {select.alias_or_name.lower() for select in source.expression.selects}
    return None if not names or "" in names or "*" in names or source.expression.is_star else names


def _explained(column: exp.Column, tables: list[TableInfo], schema: Schema) -> str:
    written = f"{column.table}.{column.name}" if column.table else column.name
    holders = [t.name for t in schema.tables if any(c.name.lower() == column.name.lower() for c in t.columns)]
    if holders:
        return f"no such column: {written}; column {column.name} is in: {', '.join(holders[:_MAX_NAMED])}"
    names = list(dict.fromkeys(c.name for t in tables for c in t.columns))
    lower = {n.lower(): n for n in names}
    close = [lower[n] for n in difflib.get_close_matches(column.name.lower(), lower, n=3)]
    if close:
        return f"no such column: {written}; did you mean: {', '.join(close)}?"
    listed = "; ".join(f"{t.name} has: {', '.join(c.name for c in t.columns[:20])}" for t in tables[:3])
    return f"no such column: {written}" + (f"; {listed}" if listed else "")
