"""Finds the foreign keys that a database has but does not declare: by the columns' names, held against their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from stores.introspect import quote
from stores.values import ColumnInfo, TableInfo, Value
from stores.words import name_words

Look = Callable[[str], tuple[tuple[Value, ...], ...]]
"""Runs a query within the time there is; no rows where it takes too long."""

ROWS_LOOKED_AT = 500
"""Rows of the referring table that must all be found in the other one."""
_KEY_WORDS = frozenset("id uid code key no nr num number".split())


def with_found_keys(tables: Sequence[TableInfo], dialect: str, look: Look) -> list[TableInfo]:
    """The tables, a column that refers to another table's key by name and by all its values marked as doing so.

    A name that says nothing of the table ("id", "name") is never taken for a reference to it.
    """
    keys = {table.name: column for table in tables if (column := _key(table, dialect, look))}
    called: dict[str, list[TableInfo]] = {}
    for table in tables:
        for name in _callings(table, keys[table.name]) if table.name in keys else ():
            called.setdefault(name, []).append(table)
    found = []
    for table in tables:
        columns = []
        for column in table.columns:
            # Held against all tables, the columns of 500 took 15 seconds.
            others = {other.name: other for name in _endings(column) for other in called.get(name, ())}
            target = None if column.references else _target(table, column, list(others.values()), keys, dialect, look)
            columns.append(replace(column, references=target, values=()) if target else column)
        found.append(replace(table, columns=tuple(columns)))
    return found


def _callings(table: TableInfo, key: ColumnInfo) -> set[str]:
    """What a column that refers to a table may end with."""
    words = name_words(table.name)
    tails = {"".join(words[start:]) for start in range(len(words))}
    return {_squeezed(key.name), *tails, *(f"{tail[:1]}id" for tail in tails), *(tail + word for tail in tails for word in _KEY_WORDS)}


def _endings(column: ColumnInfo) -> set[str]:
    """The ends of a column's name, with the words behind it that only say that it is a key and without them."""
    words = name_words(column.name)
    ends = set()
    while words:
        name = "".join(words)
        ends |= {name[start:] for start in range(len(name))}
        words = words[:-1] if words[-1] in _KEY_WORDS | {"name"} else []
    return ends


def _key(table: TableInfo, dialect: str, look: Look) -> ColumnInfo | None:
    """The column that names a row: the declared key, or else one that is named after the table and has no value twice."""
    declared = [column for column in table.columns if column.primary_key]
    if declared:
        return declared[0] if len(declared) == 1 else None
    named = [column for column in table.columns if _after(column, name_words(table.name))]
    if not all(map(_is_key_name, table.columns)):  # a table of keys alone links others
        named += [column for column in table.columns[:1] if _is_key_name(column)]
    return next((column for column in named if _is_unique(table, column, dialect, look)), None)


def _target(
    table: TableInfo, column: ColumnInfo, tables: Sequence[TableInfo], keys: dict[str, ColumnInfo], dialect: str, look: Look
) -> str | None:
    """ "table.column" of the one table whose key a column holds, or None."""
    if keys.get(table.name) is column:
        return None
    for apart in (False, True):  # a table that is named outright goes before one that is but for what both names begin with
        fitting = [
            other
            for other in tables
            if other.name != table.name and _refers(column, table, other, keys[other.name], apart=apart) and _same_kind(column, keys[other.name])
        ]
        held = [other for other in fitting if _is_held(table, column, other, keys[other.name], dialect, look)]
        if held:
            return f"{held[0].name}.{keys[held[0].name].name}" if len(held) == 1 else None
    return None


def _refers(column: ColumnInfo, table: TableInfo, other: TableInfo, key: ColumnInfo, *, apart: bool) -> bool:
    """Whether a column's name speaks of the other table: its key's name, or the table's, perhaps with words before it.

    `apart`: its name without what both tables' names begin with ("airlines" of "crm_airlines" seen from "crm_flights").
    """
    name, of_key = _squeezed(column.name), _squeezed(key.name)
    if name == of_key and of_key not in _KEY_WORDS | {"name", "title"}:
        return True
    words, own = name_words(other.name), name_words(table.name) if apart else []
    while len(words) > 1 and words[:1] == own[:1]:
        words, own = words[1:], own[1:]
    return _after(column, words) or (len(of_key) > 4 and of_key not in _KEY_WORDS and name.endswith(of_key))


def _after(column: ColumnInfo, of_table: list[str]) -> bool:
    """Whether a column is named after a table: "airline", "from_airline", "airlineCode" and "aid" for airlines."""
    words = name_words(column.name)
    while len(words) > 1 and words[-1] in _KEY_WORDS | {"name"}:
        words = words[:-1]
    squeezed, name = "".join(words), "".join(of_table)
    return words[-len(of_table) :] == of_table or squeezed in {name, f"{name[:1]}id", *(name + word for word in _KEY_WORDS)}


def _is_key_name(column: ColumnInfo) -> bool:
    squeezed = _squeezed(column.name)
    return any(squeezed.endswith(word) and squeezed != word for word in ("id", "uid", "code", "key"))


def _same_kind(one: ColumnInfo, other: ColumnInfo) -> bool:
    return _is_number(one) == _is_number(other)


def _is_number(column: ColumnInfo) -> bool:
    return bool(re.search("int|num|dec|real|doub|float|serial", column.type, re.IGNORECASE))


def _is_unique(table: TableInfo, column: ColumnInfo, dialect: str, look: Look) -> bool:
    name, source = quote(column.name, dialect), quote(table.name, dialect)
    rows = look(f"SELECT COUNT(*), COUNT(DISTINCT {name}) FROM {source}")
    return bool(rows) and rows[0][0] == rows[0][1] and rows[0][0] not in {0, 1}


def _is_held(table: TableInfo, column: ColumnInfo, other: TableInfo, key: ColumnInfo, dialect: str, look: Look) -> bool:
    """Whether the first values of a column, and at least one, all stand in the other table's key."""
    name, source = quote(column.name, dialect), quote(table.name, dialect)
    values = f"(SELECT {name} AS value FROM {source} WHERE {name} IS NOT NULL LIMIT {ROWS_LOOKED_AT}) AS held"
    inside = f"SELECT {quote(key.name, dialect)} FROM {quote(other.name, dialect)}"
    rows = look(f"SELECT COUNT(*), SUM(CASE WHEN value IN ({inside}) THEN 1 ELSE 0 END) FROM {values}")
    return bool(rows) and bool(rows[0][0]) and rows[0][0] == rows[0][1]


def _squeezed(name: str) -> str:
    return "".join(name_words(name))
