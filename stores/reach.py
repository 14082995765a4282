"""Which tables a limit reaches: through foreign keys, views, full-text indexes and inheritance.

Where it is not certain that a table shows nothing of a limited one, it is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from stores.functions import is_allowed
from stores.introspect import ForeignKey, Structure
from stores.names import cte_of


def distances(scoped: Set[str], keys: Iterable[ForeignKey]) -> dict[str, int]:
    """How many keys lead from a table to a scoped one by the shortest way; 0 for a scoped one, absent for a public one."""
    usable = [key for key in keys if key.target_columns]
    distance = dict.fromkeys(scoped, 0)
    step = 0
    while True:
        step += 1
        reached = {k.table for k in usable if k.table not in distance and k.target in distance}
        if not reached:
            return distance
        distance |= dict.fromkeys(reached, step)


def closed_tables(structure: Structure, limited: Set[str], dialect: str) -> frozenset[str]:
    """Tables and views, in lower case, that may show what `limited` ones (in lower case) hold, and cannot be limited."""
    reads = {view.lower(): _read_by(definition, structure, dialect) for view, definition in structure.views.items()}
    closed: set[str] = set()
    while True:
        hidden = closed | limited
        more = {view for view, names in reads.items() if names is None or names & hidden}
        for name, parents in structure.derived.items():
            if parents is None or any(parent.lower() in hidden for parent in parents):
                more.add(name.lower())
            if name.lower() in hidden:  # a parent table shows its children's rows as its own
                more |= {parent.lower() for parent in parents or ()}
        # A key that cannot be followed to the rows that the user may see.
        more |= {k.table.lower() for k in structure.foreign_keys if k.target.lower() in (closed if k.target_columns else hidden)}
        more -= hidden
        if not more:
            return frozenset(closed)
        closed |= more


def _read_by(definition: str | None, structure: Structure, dialect: str) -> set[str] | None:
    """The tables that a view reads, in lower case; None where that cannot be told for certain."""
    try:
        parsed = parse_one(definition or "", dialect=dialect)
    except SqlglotError:
        return None
    if isinstance(parsed, exp.Command) or any(_is_opaque(node, structure, dialect) for node in parsed.walk()):
        return None
    body = parsed.expression if isinstance(parsed, exp.Create) else parsed
    known = {t.name.lower() for t in structure.tables}
    names = {i.args["field"].name.lower() for i in body.find_all(exp.In) if i.args.get("field") is not None}
    for table in body.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or cte_of(table, dialect) is not None:
            continue  # a function that gives rows; it has been looked at as a function
        if table.catalog or table.db.lower() not in {"", (structure.default_schema or "").lower()}:
            return None
        names.add(table.name.lower())
    return names if names <= known else None


def _is_opaque(node: exp.Expr, structure: Structure, dialect: str) -> bool:
    """Whether it may read what it does not name: a function or an operator that somebody has defined, or that is unknown."""
    if isinstance(node, exp.Anonymous) and not is_allowed(node.name, dialect):
        return True
    if not isinstance(node, exp.Func):
        return isinstance(node, exp.Operator)
    names = [node.name] if isinstance(node, exp.Anonymous) else node.sql_names()
    return any(name.lower() in structure.functions for name in names)
