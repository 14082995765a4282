"""Short names for the tables of a large schema, whose names begin alike: a small model takes "sales_crm_customer" for something of sales.

It reads and writes "customer"; `whole_names` puts the whole name back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp
from sqlglot.errors import SqlglotError

from stores.errors import QueryRejected
from stores.guard import parse
from stores.values import Schema, TableInfo

ALIKE = 3
"""Tables that must begin alike before it counts as a prefix."""


def short_names(schema: Schema) -> dict[str, str]:
    """What is left of the tables' names without a prefix, by whole name; only where no other table could be meant."""
    shared = Counter(prefix for table in schema.tables for prefix in _prefixes(table.name))
    rest = {
        table.name: table.name[max((len(prefix) for prefix in _prefixes(table.name) if shared[prefix] >= ALIKE), default=0) :]
        for table in schema.tables
    }
    taken = Counter(name.lower() for name in (*rest.values(), *(whole for whole in rest if rest[whole] != whole)))
    return {whole: name for whole, name in rest.items() if name != whole and taken[name.lower()] == 1 and name[0].isalpha()}


def shortened(tables: Sequence[TableInfo], names: Mapping[str, str]) -> list[TableInfo]:
    """The tables under their short names, the whole ones beside them as comments."""
    return [
        replace(
            table,
            name=names.get(table.name, table.name),
            comment="; ".join(filter(None, (table.name if table.name in names else None, table.comment))) or None,
            columns=tuple(replace(c, references=_short(c.references, names)) if c.references else c for c in table.columns),
        )
        for table in tables
    ]


def whole_names(sql: str, names: Mapping[str, str], dialect: str) -> str:
    """The query with whole names for the short ones of tables, which stay as aliases; as it is where it has none, or cannot be read."""
    if not names:
        return sql
    try:
        _, expression = parse(sql, dialect)
    except (QueryRejected, SqlglotError, RecursionError):
        return sql
    own = {cte.alias.lower() for cte in expression.find_all(exp.CTE)}
    whole = {short.lower(): name for name, short in names.items() if short.lower() not in own}
    read = [table for table in expression.find_all(exp.Table) if table.name.lower() in whole]
    renamed = {}
    for table in read:
        name = whole[table.name.lower()]
        if not table.alias:
            table.set("alias", exp.TableAlias(this=table.this))
            renamed[name.lower()] = table.name
        table.set("this", exp.to_identifier(name, quoted=not (name.isidentifier() and name.isascii())))
    for column in expression.find_all(exp.Column):
        if column.table.lower() in renamed:  # the whole name is known from the dates and from queries before
            column.set("table", exp.to_identifier(renamed[column.table.lower()]))
    return expression.sql(dialect) if read else sql


def _short(reference: str, names: Mapping[str, str]) -> str:
    table, _, column = reference.rpartition(".")
    return f"{names.get(table, table)}.{column}"


def _prefixes(name: str) -> Iterator[str]:
    """Of "sales_crm_customer": "sales_", "sales_crm_"; in lower case."""
    at = name.find("_", 1)
    while 0 < at < len(name) - 1:
        yield name[: at + 1].lower()
        at = name.find("_", at + 1)
