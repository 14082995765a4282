"""What a database says of itself: tables, columns, keys, views."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import DBAPIError

from stores.values import ColumnInfo, TableInfo

_SQLITE_OBJECTS = """
SELECT l.name, l.type, m.sql FROM pragma_table_list AS l JOIN sqlite_master AS m ON m.name = l.name
WHERE l.schema = 'main' AND l.type <> 'shadow' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.rowid
"""
# SQLite before 3.37 has no table_list; it cannot tell shadow tables apart.
_OLD_SQLITE_OBJECTS = """
SELECT name, CASE WHEN sql LIKE 'CREATE VIRTUAL%' THEN 'virtual' ELSE type END, sql FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid
"""
_POSTGRES_CHILDREN = """
SELECT c.relname, p.relname, c.relispartition FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
"""
# What somebody has defined here may do anything, also under the name of a built-in function; except what is immutable,
# which by its declaration only computes, and what belongs to an extension, which is known by name.
_POSTGRES_OWN = """
WITH own AS (
  SELECT p.oid, p.proname FROM pg_catalog.pg_proc p
  WHERE p.provolatile <> 'i' AND p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
SELECT proname FROM own UNION SELECT o.oprname FROM pg_catalog.pg_operator o JOIN own ON own.oid = o.oprcode
"""
_POSTGRES_SECURED = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND pg_catalog.row_security_active(c.oid)
"""


@dataclass(frozen=True)
class ForeignKey:
    """`columns` of `table` name a row of `target` by its `target_columns` (empty where the target has no such key)."""

    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True)
class Structure:
    """All tables, without their rows.

    `views` maps a view to its definition (None where the database does not give it); `derived` maps a table that shows
    rows of others under another name (full-text index, inheritance child) to those others (None: unknown). `functions`
    are the functions and operators that somebody has defined in the database, in lower case; `secured` are the tables
    whose rows PostgreSQL itself limits for this role (row security).
    """

    tables: tuple[TableInfo, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    views: Mapping[str, str | None] = field(default_factory=dict)
    derived: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    default_schema: str | None = None
    functions: frozenset[str] = frozenset()
    secured: frozenset[str] = frozenset()

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change when tables, columns, types or keys change."""
        return fingerprint(self.tables)


def fingerprint(tables: Iterable[TableInfo]) -> str:
    """16 hex digits of the tables' names, columns, types and keys; rows do not count."""
    bare = [(t.name, [replace(c, comment=None) for c in t.columns]) for t in tables]
    return hashlib.sha256(repr(bare).encode(errors="replace")).hexdigest()[:16]


def quote(name: str, dialect: str) -> str:
    """The name as a quoted identifier of that dialect."""
    mark = "`" if dialect == "mysql" else '"'
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"


def read_structure(connection: Connection, dialect: str) -> Structure:
    """Read the catalogue. SQLite's types stay as declared; others are as SQLAlchemy names them."""
    return _sqlite_structure(connection) if dialect == "sqlite" else _inspected_structure(connection, dialect)


def sqlite_schema_key(connection: Connection) -> tuple[Any, ...]:
    """Changes when the tables of a SQLite file change."""
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar()
    rows = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master").fetchall()
    return version, hashlib.sha256(repr(rows).encode(errors="replace")).hexdigest()


def _sqlite_structure(connection: Connection) -> Structure:
    known = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
    recent = tuple(int(part) for part in known.split(".")[:2]) >= (3, 37)
    objects = connection.exec_driver_sql(_SQLITE_OBJECTS if recent else _OLD_SQLITE_OBJECTS).fetchall()
    names = {str(name).lower(): str(name) for name, _, _ in objects}
    columns: dict[str, list[Any]] = {}
    keys: list[ForeignKey] = []
    for name, kind, _ in objects:
        # One by one: a single broken view must not hide the tables.
        columns[name] = _sqlite_columns(connection, name)
        if kind == "table":
            keys += _sqlite_keys(connection, name, names)
    filled = [key if all(key.target_columns) else replace(key, target_columns=_primary(columns[key.target])) for key in keys]
    filled = [key if len(key.columns) == len(key.target_columns) else replace(key, target_columns=()) for key in filled]
    tables = tuple(
        TableInfo(name, tuple(_sqlite_column(row, name, filled) for row in columns[name])) for name, _, _ in objects if columns[name]
    )
    return Structure(
        tables,
        tuple(filled),
        views={name: sql for name, kind, sql in objects if kind == "view"},
        derived={name: None for name, kind, _ in objects if kind == "virtual"},
        default_schema="main",
    )


def _sqlite_columns(connection: Connection, name: str) -> list[Any]:
    try:
        rows = connection.exec_driver_sql(f"PRAGMA table_xinfo({quote(name, 'sqlite')})").fetchall()
    except DBAPIError:  # a view over a table that is gone, a virtual table whose module is not here
        return []
    return [row for row in rows if row[6] != 1]  # 1: hidden column of a virtual table


def _sqlite_keys(connection: Connection, table: str, names: Mapping[str, str]) -> list[ForeignKey]:
    grouped: dict[int, list[Any]] = {}
    for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list({quote(table, 'sqlite')})"):
        grouped.setdefault(row[0], []).append(row)
    found = []
    for rows in grouped.values():
        target = names.get(str(rows[0][2]).lower())
        if target is not None:
            ordered = sorted(rows, key=lambda row: row[1])
            found.append(ForeignKey(table, tuple(r[3] for r in ordered), target, tuple(r[4] for r in ordered)))
    return found


def _primary(rows: Sequence[Any]) -> tuple[str, ...]:
    return tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5])


def _sqlite_column(row: Any, table: str, keys: Sequence[ForeignKey]) -> ColumnInfo:
    return ColumnInfo(
        name=row[1], type=row[2] or "", primary_key=bool(row[5]), nullable=not row[3], references=_reference(table, row[1], keys)
    )


def _reference(table: str, column: str, keys: Sequence[ForeignKey]) -> str | None:
    for key in keys:
        if key.table == table and key.target_columns:
            for own, other in zip(key.columns, key.target_columns, strict=True):
                if own.lower() == column.lower():
                    return f"{key.target}.{other}"
    return None


def _inspected_structure(connection: Connection, dialect: str) -> Structure:
    inspector = inspect(connection)
    kind = ObjectKind.ANY
    columns = {key[1]: value for key, value in inspector.get_multi_columns(kind=kind).items()}
    primary = {key[1]: set(value["constrained_columns"]) for key, value in inspector.get_multi_pk_constraint(kind=kind).items()}
    comments = {key[1]: value["text"] for key, value in inspector.get_multi_table_comment(kind=kind).items()}
    keys = [
        ForeignKey(name, tuple(fk["constrained_columns"]), fk["referred_table"], tuple(fk["referred_columns"]))
        for (_, name), found in inspector.get_multi_foreign_keys(kind=kind).items()
        for fk in found
        if fk["referred_schema"] is None and fk["referred_table"] in columns and fk["referred_columns"]
    ]
    partitions, derived = _children(connection) if dialect == "postgres" else (set(), {})
    tables = tuple(
        TableInfo(
            name,
            tuple(
                ColumnInfo(
                    name=c["name"],
                    type=_type(c["type"], connection),
                    primary_key=c["name"] in primary.get(name, set()),
                    nullable=bool(c["nullable"]),
                    references=_reference(name, c["name"], keys),
                    comment=c.get("comment"),
                )
                for c in found
            ),
            comment=comments.get(name),
        )
        for name, found in sorted(columns.items(), key=lambda item: str(item[0]))
        if name not in partitions  # their rows are in the partitioned table
    )
    views = [*inspector.get_view_names(), *(inspector.get_materialized_view_names() if dialect == "postgres" else ())]
    return Structure(
        tables,
        tuple(keys),
        {name: _definition(inspector, name) for name in views},
        derived,
        inspector.default_schema_name,
        frozenset(map(str.lower, _names(connection, _POSTGRES_OWN))) if dialect == "postgres" else frozenset(),
        frozenset(_names(connection, _POSTGRES_SECURED)) & {t.name for t in tables} if dialect == "postgres" else frozenset(),
    )


def _type(kind: Any, connection: Connection) -> str:
    values = getattr(kind, "enums", None)
    return f"ENUM({', '.join(map(repr, values))})" if values else str(kind.compile(connection.dialect))


def _definition(inspector: Any, view: str) -> str | None:
    found = inspector.get_view_definition(view)
    return str(found) if found else None


def _names(connection: Connection, sql: str) -> list[str]:
    return [str(name) for (name,) in connection.exec_driver_sql(sql)]


def _children(connection: Connection) -> tuple[set[str], dict[str, tuple[str, ...] | None]]:
    partitions: set[str] = set()
    derived: dict[str, tuple[str, ...] | None] = {}
    for child, parent, is_partition in connection.exec_driver_sql(_POSTGRES_CHILDREN):
        if is_partition:
            partitions.add(child)
        else:
            derived[child] = (*(derived.get(child) or ()), parent)
    return partitions, derived
