"""Finds the keys by which tables hang together, and joins a table to a query along them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from stores.names import find_table
from stores.values import Schema, TableInfo

LONGEST = 3
"""Most joins added for one column."""


@dataclass(frozen=True)
class Step:
    """One join: table `other` on its column `theirs`, equal to the column `mine` of the alias before it."""

    alias: str
    mine: str
    other: str
    theirs: str


def tables_of(scope: Scope, schema: Schema, dialect: str) -> dict[str, TableInfo]:
    """The tables of a scope by alias; empty where a source is no table, since its columns cannot be told."""
    found: dict[str, TableInfo] = {}
    for alias, source in scope.sources.items():
        info = find_table(source, schema.tables, dialect) if isinstance(source, exp.Table) else None
        if info is None:
            return {}
        found[alias] = info
    return found


def own_columns(scope: Scope) -> list[exp.Column]:
    """The columns that stand in a query itself; `scope.columns` has those of its subqueries, too."""
    return [found for found in scope.columns if found.find_ancestor(exp.Select) is scope.expression]


def qualify(scope: Scope, tables: Mapping[str, TableInfo]) -> None:
    """Say of each bare column whose it is, so that it stays clear when a table is joined; a bare star becomes theirs."""
    for found in own_columns(scope):
        holders = [alias for alias, info in tables.items() if any(c.name.lower() == found.name.lower() for c in info.columns)]
        if not found.table and len(holders) == 1 and isinstance(found.this, exp.Identifier):
            found.set("table", exp.to_identifier(holders[0], quoted=_odd(holders[0])))
    selects = scope.expression.selects if isinstance(scope.expression, exp.Select) else []
    if len(selects) == 1 and isinstance(selects[0], exp.Star):
        stars = [exp.Column(this=exp.Star(), table=exp.to_identifier(alias, quoted=_odd(alias))) for alias in tables]
        scope.expression.set("expressions", stars)


def way_to(
    targets: Collection[str], tables: Mapping[str, TableInfo], schema: Schema, *, by: str | None = None
) -> list[Step] | None:
    """The one shortest way along keys from the tables of a query (by alias) to any of the targets, or None.

    `by` is the column that its first step is to go by.
    """
    ways: list[list[Step]] = [[]]
    inside = {info.name for info in tables.values()}
    for _ in range(LONGEST):
        ways = [[*way, step] for way in ways for step in _steps(way, tables, inside, schema) if way or by in {None, step.mine}]
        arrived = [way for way in ways if way[-1].other in targets]
        if arrived:
            return arrived[0] if len(arrived) == 1 else None
    return None


def join_along(select: exp.Select, way: list[Step]) -> None:
    """Add the joins of a way to a query."""
    for step in way:
        on = exp.EQ(this=column(step.mine, step.alias), expression=column(step.theirs, step.other))
        select.join(exp.to_table(step.other, quoted=_odd(step.other)), on=on, copy=False)


def column(name: str, table: str) -> exp.Column:
    """A column of a table, each in quotes where its name needs them."""
    return exp.column(exp.to_identifier(name, quoted=_odd(name)), table=exp.to_identifier(table, quoted=_odd(table)))


def keys(one: TableInfo, other: TableInfo) -> Iterator[tuple[str, str]]:
    """(column of one, column of the other) of the keys between two tables, in either direction."""
    for near, far, swapped in ((one, other, False), (other, one, True)):
        for found in near.columns:
            if found.references:
                table, target = found.references.rsplit(".", 1)
                if table.lower() == far.name.lower():
                    yield (target, found.name) if swapped else (found.name, target)


def _steps(way: list[Step], tables: Mapping[str, TableInfo], inside: set[str], schema: Schema) -> Iterator[Step]:
    if way:
        last = schema.table(way[-1].other)
        near = {last.name: last} if last else {}
    else:
        near = dict(tables)
    passed = inside | {step.other for step in way}
    for alias, info in near.items():
        for other in schema.tables:
            if other.name not in passed:
                for mine, theirs in keys(info, other):
                    yield Step(alias, mine, other.name, theirs)


def _odd(name: str) -> bool:
    return not (name.isidentifier() and name.isascii())
