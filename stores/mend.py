"""Mends the slips that small models make most: a column looked for in the wrong table, nearly named right, or in two tables.

By program, because a small model told of its error writes the same again. Only what is certain is changed: where two
tables or two names would do, the query is left for the model to write anew.
"""

from __future__ import annotations

import difflib
import re

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from stores.errors import QueryRejected
from stores.guard import parse
from stores.joins import column as column_of
from stores.joins import join_along, own_columns, qualify, tables_of, way_to
from stores.values import Schema, TableInfo
from stores.words import name_words

CLOSE = 0.8
"""Least similarity (difflib) of a misspelt column to the one that is meant."""
STEPS = 8
"""Most columns mended in one query."""


def mend(sql: str, schema: Schema, dialect: str) -> str | None:
    """The query with its misplaced columns put right, or None where nothing (more) can be mended with certainty."""
    try:
        found = _readable(sql, schema, dialect)
        _, expression = parse(found, dialect)
        changed = int(found != sql)
        while changed < STEPS and _mend_one(expression, schema, dialect):
            changed += 1
    except (QueryRejected, SqlglotError, RecursionError):
        return None
    return expression.sql(dialect) if changed else None


def _readable(sql: str, schema: Schema, dialect: str) -> str:
    """The query, with quotes set around odd names ("#_records") where it cannot be read without them."""
    try:
        parse(sql, dialect)
    except QueryRejected:
        names = {name for table in schema.tables for name in (table.name, *(column.name for column in table.columns)) if _odd(name)}
        if dialect != "mysql" and names:
            either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
            return re.sub(rf"(?<![\w\"])({either})(?![\w\"])", r'"\1"', sql)
    return sql


def _mend_one(expression: exp.Expr, schema: Schema, dialect: str) -> bool:
    for scope in traverse_scope(expression):
        tables = tables_of(scope, schema, dialect)
        for column in own_columns(scope):
            if not tables:
                continue
            if _is_lost(column, scope, tables) and _placed(column, scope, tables, schema):
                return True
            if _is_idle(column) and _tied(column, scope, tables, schema):
                return True
            if _settled(column, scope, tables):
                return True
    return False


def _is_lost(column: exp.Column, scope: Scope, tables: dict[str, TableInfo]) -> bool:
    """Whether no table of the scope has the column. A bare name in a subquery may be an outer table's, one in quotes a text."""
    if column.table:
        return column.table in tables and not _has(tables[column.table], column.name)
    if not isinstance(column.this, exp.Identifier) or column.this.quoted:
        return False
    # What a subquery gives ("x IN (SELECT column FROM other)") is meant to be its own table's.
    if scope.parent is not None and column.find_ancestor(exp.Where, exp.Having, exp.Group, exp.Order, exp.Join, exp.Select) is not scope.expression:
        return False
    outputs = scope.expression.selects if isinstance(scope.expression, exp.Query) else []
    named = {select.alias.lower() for select in outputs if isinstance(select, exp.Alias)}
    return column.name.lower() not in named and not any(_has(info, column.name) for info in tables.values())


def _placed(column: exp.Column, scope: Scope, tables: dict[str, TableInfo], schema: Schema) -> bool:
    """Whether the column was put where it belongs: a table of the query, a table one join away, or a better name."""
    holders = [alias for alias, info in tables.items() if _has(info, column.name)]
    if _ties_to(column, holders):  # put there it would tie nothing
        return _keyed(column, tables) or _tied(column, scope, tables, schema)
    if len(holders) == 1:
        column.set("table", exp.to_identifier(holders[0], quoted=_odd(holders[0])))
        return True
    if holders:
        return False
    if _keyed(column, tables) or _longer(column, tables):
        return True
    return _moved(scope, tables, schema) or _joined(column, scope, tables, schema) or _renamed(column, tables)


def _ties_to(column: exp.Column, holders: list[str]) -> bool:
    """Whether the column stands in the condition of a join, equal to a column of the only table that has it, or in place of the joined table's."""
    join, other = column.find_ancestor(exp.Join, exp.Select), _equal(column)
    if not isinstance(join, exp.Join) or other is None or not holders:
        return False
    return holders == [other.table] or column.table == join.alias_or_name


def _is_idle(column: exp.Column) -> bool:
    """Whether the condition of a join says of a column that it is equal to itself."""
    other = _equal(column)
    return other is not None and (column.table, column.name) == (other.table, other.name) and column.find_ancestor(exp.Join) is not None


def _equal(column: exp.Column) -> exp.Column | None:
    """The column that this one is to be equal to."""
    same = column.parent
    other = (same.right if same.left is column else same.left) if isinstance(same, exp.EQ) else None
    return other if isinstance(other, exp.Column) else None


def _tied(column: exp.Column, scope: Scope, tables: dict[str, TableInfo], schema: Schema) -> bool:
    """Tie the joined table to those before it by the keys between them, over tables in between where need be."""
    select, join, same = scope.expression, column.find_ancestor(exp.Join), column.parent
    joins = select.args.get("joins") or []
    if not isinstance(select, exp.Select) or not isinstance(join, exp.Join) or join not in joins or same is None:
        return False
    at = joins.index(join)
    late = {later.alias_or_name for later in joins[at:]}
    before = {alias: info for alias, info in tables.items() if alias not in late}
    way = way_to([tables[join.alias_or_name].name], before, schema)
    if way is None or {step.other for step in way[:-1]} & {info.name for info in tables.values()}:
        return False
    qualify(scope, tables)
    select.set("joins", joins[:at])
    join_along(select, way[:-1])
    for between in select.args["joins"][at:]:
        between.set("side", join.args.get("side"))
    same.replace(exp.EQ(this=column_of(way[-1].mine, way[-1].alias), expression=column_of(way[-1].theirs, join.alias_or_name)))
    select.set("joins", [*select.args["joins"], *joins[at:]])
    return True


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


def _keyed(column: exp.Column, tables: dict[str, TableInfo]) -> bool:
    """Give the column the key of the table that it is named after: "id" or "continent_id" of continents, whose key is "cont_id"."""
    *before, last = name_words(column.name) or [""]
    within = [column.table] if column.table else list(tables)
    named = [alias for alias in within if before == name_words(tables[alias].name)] or (within if not before else [])
    keys = [c.name for alias in named for c in tables[alias].columns if c.primary_key]
    if last not in {"id", "key", "code"} or len(named) != 1 or len(keys) != 1:
        return False
    column.replace(column_of(keys[0], named[0]))
    return True


def _longer(column: exp.Column, tables: dict[str, TableInfo]) -> bool:
    """Give the column the one name that holds all of its words and more: "air_date" is "original_air_date"."""
    wanted = set(name_words(column.name))
    within = [column.table] if column.table else list(tables)
    found = [(alias, c.name) for alias in within for c in tables[alias].columns if len(wanted) > 1 and wanted < set(name_words(c.name))]
    if len(found) != 1:
        return False
    column.replace(column_of(found[0][1], found[0][0]))
    return True


def _moved(scope: Scope, tables: dict[str, TableInfo], schema: Schema) -> bool:
    """Whether "(SELECT max(column) FROM table)" was given the one table that has the column."""
    names = {column.name for column in own_columns(scope)}
    select = scope.expression
    alone = isinstance(select, exp.Select) and scope.parent is not None and len(tables) == 1 and len(select.selects) == 1
    if not alone or select.find(exp.AggFunc) is None or any(_has(info, name) for info in tables.values() for name in names):
        return False
    holders = [info for info in schema.tables if all(_has(info, name) for name in names)]
    source = next(iter(scope.sources.values()))
    if len(holders) != 1 or not isinstance(source, exp.Table):
        return False
    source.set("this", exp.to_identifier(holders[0].name, quoted=_odd(holders[0].name)))
    for column in own_columns(scope):
        if column.table and not source.alias:
            column.set("table", exp.to_identifier(holders[0].name, quoted=_odd(holders[0].name)))
    return True


def _joined(column: exp.Column, scope: Scope, tables: dict[str, TableInfo], schema: Schema) -> bool:
    """Join the one table that has the column, over the keys that tie it to a table of the query."""
    select = scope.expression
    holders = [info for info in schema.tables if _has(info, column.name)]
    names = [info.name for info in holders]
    own = {column.table: tables[column.table]} if column.table else dict(tables)
    way = way_to(names, own, schema) or way_to(names, tables, schema)
    if not isinstance(select, exp.Select) or way is None:
        return False
    qualify(scope, tables)
    join_along(select, way)
    column.set("table", exp.to_identifier(way[-1].other, quoted=_odd(way[-1].other)))
    return True


def _renamed(column: exp.Column, tables: dict[str, TableInfo]) -> bool:
    """Give the column the one name that is close to what was written."""
    within = [column.table] if column.table else list(tables)
    names = {c.name.lower(): (alias, c.name) for alias in within for c in tables[alias].columns}
    close = difflib.get_close_matches(column.name.lower(), names, n=2, cutoff=CLOSE)
    if len(close) != 1:
        return False
    alias, name = names[close[0]]
    column.replace(column_of(name, alias))
    return True


def _has(table: TableInfo, name: str) -> bool:
    return any(column.name.lower() == name.lower() for column in table.columns)


def _odd(name: str) -> bool:
    return not (name.isidentifier() and name.isascii())
