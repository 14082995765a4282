"""What a name in a query stands for: a table of the database, or a CTE."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from stores.values import TableInfo

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def cte_of(table: exp.Table, dialect: str) -> exp.CTE | None:
    """The CTE that a table reference means, or None where it means a table of the database.

    SQLite lets every CTE of a WITH see all of them. The standard lets one see those before it; RECURSIVE adds itself
    (MySQL) or all (PostgreSQL).
    """
    if table.args.get("db") or not isinstance(table.this, exp.Identifier):
        return None
    name = folded(table.this, dialect)
    child: exp.Expr = table
    inside: exp.CTE | None = None
    while (parent := child.parent) is not None:
        if isinstance(parent, exp.With) and isinstance(child, exp.CTE):
            inside = child
        elif isinstance(found := parent.args.get("with_"), exp.With):
            for cte in _visible(found, inside if child is found else None, dialect):
                if folded(cte.args["alias"].this, dialect) == name:
                    return cte
        child = parent
    return None


def _visible(found: exp.With, inside: exp.CTE | None, dialect: str) -> list[exp.CTE]:
    ctes: list[exp.CTE] = found.expressions
    if inside is None or dialect == "sqlite" or (dialect == "postgres" and found.recursive):
        return ctes
    position = next(i for i, cte in enumerate(ctes) if cte is inside)
    return ctes[: position + 1] if found.recursive else ctes[:position]


def folded(identifier: exp.Identifier, dialect: str) -> str:
    """The name as the database compares it: only A to Z have a lower case there.

    To Python the Kelvin sign is a capital k: a CTE named with it would pass for the table, which it does not hide.
    """
    if dialect == "postgres" and identifier.quoted:
        return identifier.name
    return identifier.name.translate(_LOWER)


def find_table(table: exp.Table, tables: Iterable[TableInfo], dialect: str) -> TableInfo | None:
    """The table of the database that a reference names; exact spelling goes before other cases."""
    if not isinstance(table.this, exp.Identifier):
        return None
    name = folded(table.this, dialect)
    close: TableInfo | None = None
    for info in tables:
        if info.name == name:
            return info
        if info.name.lower() == name.lower():
            close = info
    return close
