"""Fits a query that would run to the data and to the question: values in the column that holds them, no join that nobody asked for.

A small model looks for "Jazz" in albums.genre_id, asks for rows whose year is 2014 and 2015 at once, and joins tables
that it then does not use. Each is seen by program, and changed only where one way out is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from stores.errors import QueryRejected
from stores.grouping import grouped
from stores.guard import parse
from stores.joins import column as column_of
from stores.joins import join_along, own_columns, qualify, tables_of, way_to
from stores.reshape import both, divided, enjoined, latest, unjoined
from stores.values import Schema, TableInfo, ValueMatch

Holds = Callable[[exp.Expr, str], bool | None]
"""Whether a condition on one table (given by its name) is true of any of its rows; None where that takes too long to say."""
Find = Callable[[str], list[ValueMatch]]
"""Where a text stands as a whole value, in whatever spelling."""

_NUMBER = re.compile("^(int|bigint|smallint|tinyint|num|dec|real|doub|float)", re.IGNORECASE)
_NUMERAL = re.compile(r"[-+\d.,eE\s]+")

STEPS = 6
"""Most changes to one query."""


def fit(sql: str, question: str, schema: Schema, dialect: str, *, holds: Holds, find: Find) -> str | None:
    """The query changed to fit, or None where nothing needs it. A query that cannot be read is left as it is."""
    try:
        _, expression = parse(sql, dialect)
        changed = False
        for _ in range(STEPS):
            scopes = list(traverse_scope(expression))
            if not any(_grounded(s, schema, dialect, holds, find) or unjoined(s, question, schema, dialect) for s in scopes):
                break
            changed = True
        changed = grouped(expression) or changed
        changed = enjoined(expression, question, schema, dialect) or changed
        changed = divided(expression, schema, dialect) or changed
        changed = latest(expression, question, schema, dialect) or changed
        halved = both(expression, question)
    except (QueryRejected, SqlglotError, RecursionError):
        return None
    return halved.sql(dialect) if halved is not None else expression.sql(dialect) if changed else None


def _grounded(scope: Scope, schema: Schema, dialect: str, holds: Holds, find: Find) -> bool:
    """Whether one value that its column does not hold was given the column, or the spelling, that the data has."""
    tables = tables_of(scope, schema, dialect)
    for column in own_columns(scope):
        literal = _compared(column)
        info = _table_of(column, tables)
        if literal is None or info is None:
            continue
        if not _is_amiss(column, literal, info, holds):
            continue
        found = find(literal.name.strip("%"))
        here = {match.value for match in found if match.table == info.name and match.column.lower() == column.name.lower()}
        if here:  # blanks around a value are left as they are
            if len(here) == 1 and (value := here.pop()).strip() != literal.name.strip("% "):
                return _spelt(literal, value)
        elif _placed(column, info, literal, scope, tables, schema, found) or _within(column, literal, info, holds):
            return True
    return False


def _compared(column: exp.Column) -> exp.Literal | None:
    """The text that a column is compared with for being equal or alike."""
    parent = column.parent
    if not isinstance(parent, exp.EQ | exp.Like | exp.ILike) or parent.this is not column:
        return None
    other = parent.expression
    return other if isinstance(other, exp.Literal) and other.is_string and len(other.name.strip("%")) > 1 else None


def _table_of(column: exp.Column, tables: dict[str, TableInfo]) -> TableInfo | None:
    if column.table:
        return tables.get(column.table)
    holders = [info for info in tables.values() if _has(info, column.name)]
    return holders[0] if len(holders) == 1 else None


def _placed(
    column: exp.Column, info: TableInfo, literal: exp.Literal, scope: Scope, tables: dict[str, TableInfo], schema: Schema, found: list[ValueMatch]
) -> bool:
    target = next((c.references for c in info.columns if c.name.lower() == column.name.lower()), None)
    referred = (target or "").rpartition(".")[0]
    inside = {table.name for table in tables.values()}
    for wanted in ({referred} if referred else set(), inside, {match.table for match in found}):
        places = {(match.table, match.column): match.value for match in found if match.table in wanted}
        if len(places) == 1:
            ((table, name), value) = places.popitem()
            return _put(column, table, name, scope, tables, schema) and (_spelt(literal, value) or True)
        if places:
            return False
    return False


def _within(column: exp.Column, literal: exp.Literal, info: TableInfo, holds: Holds) -> bool:
    """Whether "=" became LIKE, since the column has longer values that hold the text as words of theirs."""
    if not isinstance(column.parent, exp.EQ) or len(literal.name) < 3:
        return False
    patterns = [f"{before}{literal.name}{after}" for before in ("", "% ", "%(", "%-") for after in ("", " %", ",%", ";%", ":%", ".%", "-%", ")%")]
    if not holds(_bare(exp.or_(*(_like(column, pattern) for pattern in patterns)), info), info.name):
        return False
    column.parent.replace(_like(column, f"%{literal.name}%"))
    return True


def _like(column: exp.Column, pattern: str) -> exp.Like:
    return exp.Like(this=column.copy(), expression=exp.Literal.string(pattern))


def _is_amiss(column: exp.Column, literal: exp.Literal, info: TableInfo, holds: Holds) -> bool:
    """Whether no row meets a comparison, also where the database refuses to hold a number against a text."""
    held = holds(_bare(column.parent, info), info.name) if column.parent is not None else True
    if held is None:
        kind = next((c.type for c in info.columns if c.name.lower() == column.name.lower()), "")
        return bool(_NUMBER.search(kind)) and not _NUMERAL.fullmatch(literal.name)
    return not held


def _bare(condition: exp.Expr, info: TableInfo) -> exp.Expr:
    """The condition to be asked of one table: its columns without an alias, spelt as the table has them."""
    bare = condition.copy()
    names = {column.name.lower(): column.name for column in info.columns}
    for column in bare.find_all(exp.Column):
        column.set("table", None)
        column.set("this", exp.to_identifier(names.get(column.name.lower(), column.name), quoted=True))
    return bare


def _put(column: exp.Column, table: str, name: str, scope: Scope, tables: dict[str, TableInfo], schema: Schema) -> bool:
    """Whether the column was changed to `table`.`name`, which is joined where the query lacks it."""
    aliases = [alias for alias, info in tables.items() if info.name == table]
    if not aliases:
        own = column.table or next(alias for alias, info in tables.items() if _has(info, column.name))
        way = way_to([table], {own: tables[own]}, schema, by=column.name) or way_to([table], tables, schema)
        if way is None or not isinstance(scope.expression, exp.Select):
            return False
        qualify(scope, tables)
        join_along(scope.expression, way)
        aliases = [table]
    if len(aliases) > 1:
        return False
    column.replace(column_of(name, aliases[0]))
    return True


def _spelt(literal: exp.Literal, value: str) -> bool:
    like = isinstance(literal.parent, exp.Like | exp.ILike)
    literal.set("this", f"%{value}%" if like and "%" in literal.name else value)
    return True


def _has(table: TableInfo, name: str) -> bool:
    return any(column.name.lower() == name.lower() for column in table.columns)
