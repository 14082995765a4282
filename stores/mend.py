"""Mends the slips that small models make most: a column looked for in the wrong table, nearly named right, or in two tables.

By program, because a small model told of its error writes the same again. Only what is certain is changed: where two
tables or two names would do, the query is left for the model to write anew.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from stores.errors import QueryRejected
from stores.guard import parse
from stores.names import find_table
from stores.values import Schema, TableInfo

CLOSE = 0.8
"""Least similarity (difflib) of a misspelt column to the one that is meant."""
STEPS = 8
"""Most columns mended in one query."""


def mend(sql: str, schema: Schema, dialect: str) -> str | None:
    """The query with its misplaced columns put right, or None where nothing (more) can be mended with certainty."""
    try:
        _, expression = parse(sql, dialect)
        changed = 0
        while changed < STEPS and _mend_one(expression, schema, dialect):
            changed += 1
    except (QueryRejected, SqlglotError, RecursionError):
        return None
    return expression.sql(dialect) if changed else None


def _mend_one(expression: exp.Expr, schema: Schema, dialect: str) -> bool:
    for scope in traverse_scope(expression):
        tables = _tables(scope, schema, dialect)
        for column in scope.columns:
            if not tables:
                continue
            if _is_lost(column, scope, tables) and _placed(column, scope, tables, schema):
                return True
            if _settled(column, scope, tables):
                return True
    return False


def _tables(scope: Scope, schema: Schema, dialect: str) -> dict[str, TableInfo]:
    """The tables of a scope by alias; empty where a source is no table, since its columns cannot be told."""
    found: dict[str, TableInfo] = {}
    for alias, source in scope.sources.items():
        info = find_table(source, schema.tables, dialect) if isinstance(source, exp.Table) else None
        if info is None:
            return {}
        found[alias] = info
    return found


def _is_lost(column: exp.Column, scope: Scope, tables: dict[str, TableInfo]) -> bool:
    """Whether no table of the scope has the column. A bare name in a subquery may be an outer table's, one in quotes a text."""
    if column.table:
        return column.table in tables and not _has(tables[column.table], column.name)
    if scope.parent is not None or not isinstance(column.this, exp.Identifier) or column.this.quoted:
        return False
    outputs = scope.expression.selects if isinstance(scope.expression, exp.Query) else []
    named = {select.alias.lower() for select in outputs if isinstance(select, exp.Alias)}
    return column.name.lower() not in named and not any(_has(info, column.name) for info in tables.values())


def _placed(column: exp.Column, scope: Scope, tables: dict[str, TableInfo], schema: Schema) -> bool:
    """Whether the column was put where it belongs: a table of the query, a table one join away, or a better name."""
    holders = [alias for alias, info in tables.items() if _has(info, column.name)]
    if len(holders) == 1:
        column.set("table", exp.to_identifier(holders[0], quoted=_odd(holders[0])))
        return True
    if holders:
        return False
    return _joined(column, scope, tables, schema) or _renamed(column, tables)


def _settled(column: exp.Column, scope: Scope, tables: dict[str, TableInfo]) -> bool:
    """Whether a bare name that several tables have was given one of them, these being joined on just that column."""
    if column.table or not isinstance(column.this, exp.Identifier):
        return False
    holders = [alias for alias, info in tables.items() if _has(info, column.name)]
    joined = {
        frozenset((left.table, right.table))
        for on in (join.args.get("on") for join in scope.expression.args.get("joins") or ())
        if on is not None
        for same in on.find_all(exp.EQ)
        if isinstance(left := same.left, exp.Column) and isinstance(right := same.right, exp.Column)
        if left.name.lower() == right.name.lower() == column.name.lower()
    }
    if len(holders) < 2 or any(frozenset((holders[0], other)) not in joined for other in holders[1:]):
        return False
    column.set("table", exp.to_identifier(holders[0], quoted=_odd(holders[0])))
    return True


def _joined(column: exp.Column, scope: Scope, tables: dict[str, TableInfo], schema: Schema) -> bool:
    """Join the one table that has the column and that a key ties to a table of the query."""
    select = scope.expression
    if not isinstance(select, exp.Select):
        return False
    inside = {info.name for info in tables.values()}
    ways = [
        (other, alias, mine, theirs)
        for other in schema.tables
        if other.name not in inside and _has(other, column.name)
        for alias, info in tables.items()
        for mine, theirs in _keys(info, other)
    ]
    if len(ways) != 1:
        return False
    other, alias, mine, theirs = ways[0]
    on = exp.EQ(this=_column(mine, alias), expression=_column(theirs, other.name))
    select.join(exp.to_table(other.name, quoted=_odd(other.name)), on=on, copy=False)
    column.set("table", exp.to_identifier(other.name, quoted=_odd(other.name)))
    return True


def _keys(one: TableInfo, other: TableInfo) -> Iterator[tuple[str, str]]:
    """(column of one, column of the other) of the keys between two tables, in either direction."""
    for near, far, swapped in ((one, other, False), (other, one, True)):
        for column in near.columns:
            if column.references:
                table, target = column.references.rsplit(".", 1)
                if table.lower() == far.name.lower():
                    yield (target, column.name) if swapped else (column.name, target)


def _renamed(column: exp.Column, tables: dict[str, TableInfo]) -> bool:
    """Give the column the one name that is close to what was written."""
    within = [column.table] if column.table else list(tables)
    names = {c.name.lower(): (alias, c.name) for alias in within for c in tables[alias].columns}
    close = difflib.get_close_matches(column.name.lower(), names, n=2, cutoff=CLOSE)
    if len(close) != 1:
        return False
    alias, name = names[close[0]]
    column.replace(_column(name, alias))
    return True


def _column(name: str, table: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=_odd(name)), table=exp.to_identifier(table, quoted=_odd(table)))


def _has(table: TableInfo, name: str) -> bool:
    return any(column.name.lower() == name.lower() for column in table.columns)


def _odd(name: str) -> bool:
    return not (name.isidentifier() and name.isascii())
