"""Puts right how a query groups: what is counted for each of something, and what an aggregate is held against."""

from __future__ import annotations

from sqlglot import exp


def grouped(expression: exp.Expr) -> bool:
    """Whether a query that mixes rows and aggregates, or orders rows by an aggregate, was told what to group by."""
    changed = False
    for select in list(expression.find_all(exp.Select)):
        changed = _held(select) or changed
        changed = _named(select) or changed
    return changed


def _held(select: exp.Select) -> bool:
    """Whether conditions on aggregates, which WHERE cannot have, were moved to HAVING."""
    where = select.args.get("where")
    conditions = list(where.this.flatten()) if where is not None and isinstance(where.this, exp.And) else [where.this] if where is not None else []
    moved = [condition for condition in conditions if _aggregates(condition, select)]
    if not moved or any(isinstance(condition.unnest(), exp.Or) for condition in moved):
        return False
    rest = [condition for condition in conditions if condition not in moved]
    select.set("where", exp.Where(this=exp.and_(*rest, copy=True)) if rest else None)
    for condition in moved:
        select.having(condition.copy(), copy=False)
    return True


def _named(select: exp.Select) -> bool:
    """Whether the columns beside an aggregate were grouped by; beside a lone maximum or minimum SQLite gives the columns of its row."""
    plain = [found for found in select.selects if isinstance(found.unalias(), exp.Column)]
    counts = any(_aggregates(found, select, exp.Count, exp.Sum, exp.Avg) for found in select.selects)
    ordered = not any(_aggregates(found, select) for found in select.selects) and any(
        _aggregates(part, select) for part in (select.args.get("order"), select.args.get("having")) if part is not None
    )
    if select.args.get("group") or not plain or select.is_star or not (counts or ordered):
        return False
    select.group_by(*(found.unalias().copy() for found in plain), copy=False)
    return True


def _aggregates(part: exp.Expr, select: exp.Select, *kinds: type[exp.Expr]) -> bool:
    """Whether a part of a query itself, not of a subquery or a window, is an aggregate (of those kinds)."""
    return any(
        found.find_ancestor(exp.Select) is select and found.find_ancestor(exp.Window, exp.Select) is select for found in part.find_all(*(kinds or (exp.AggFunc,)))
    )
