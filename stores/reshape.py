"""Changes the shape of a query that does what nobody asked: joins too many or too few, two values of one row at once, shares cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from stores.joins import column, join_along, own_columns, qualify, tables_of, way_to
from stores.values import Schema
from stores.words import fold, name_words

# "my last order", "the oldest invoice": one row of a table, by time. What follows "name" and "year" is no table's row.
_ONE = re.compile(r"\b(?:my|our|your|the|his|her|their|its)\s+(?P<which>last|latest|newest|most recent|first|oldest|earliest)\s+(?P<thing>\w+)", re.IGNORECASE)
_TIME = re.compile("date|time", re.IGNORECASE)
_DENIED = re.compile(r"\b(no|not|never|none|without|except|neither|excluding)\b|n't", re.IGNORECASE)


def unjoined(scope: Scope, question: str, schema: Schema, dialect: str) -> bool:
    """Whether a join was taken out whose table the query does not use and the question does not name.

    A join alone may be what is asked ("customers who bought something"), and a question that names no table at all speaks
    another language than the schema: then it stays.
    """
    select = scope.expression
    tables = tables_of(scope, schema, dialect)
    if not isinstance(select, exp.Select) or len(tables) < 2 or select.is_star or _counts(select):
        return False
    if not (select.args.get("where") or select.args.get("limit")):
        return False
    asked = set(fold(question))
    for join in select.args.get("joins") or ():
        alias = join.alias_or_name
        info, on = tables.get(alias), join.args.get("on")
        if info is None or not isinstance(on, exp.EQ) or join.side or any(not column.table for column in own_columns(scope)):
            continue
        others = [other for name, other in tables.items() if name != alias]
        own = set(name_words(info.name)) - {word for other in others for word in name_words(other.name)}
        used = [column for column in scope.columns if column.table == alias and column.find_ancestor(exp.Join) is not join]
        speaks = any(_alike(word, said) for other in others for word in name_words(other.name) for said in asked)
        if own and not used and speaks and not any(_alike(word, said) for word in own for said in asked):
            join.pop()
            return True
    return False


def enjoined(expression: exp.Expr, question: str, schema: Schema, dialect: str) -> bool:
    """Whether the one table that the question names and the query leaves out was joined, where rows are counted or made distinct."""
    scopes = list(traverse_scope(expression))
    tables = tables_of(scopes[0], schema, dialect) if len(scopes) == 1 else {}
    select = expression
    if not isinstance(select, exp.Select) or not tables or _DENIED.search(question):
        return False
    if not (select.args.get("distinct") or any(isinstance(found.this, exp.Star) for found in select.find_all(exp.Count))):
        return False
    asked = set(fold(question))
    used = {word for info in tables.values() for word in name_words(info.name)} | {word for c in scopes[0].columns for word in name_words(c.name)}
    inside = {info.name for info in tables.values()}
    named = [info for info in schema.tables if info.name not in inside and set(name_words(info.name)) <= asked - used]
    way = way_to([named[0].name], tables, schema) if len(named) == 1 else None
    if way is None or len(way) > 1:
        return False
    qualify(scopes[0], tables)
    join_along(select, way)
    return True


def _counts(select: exp.Select) -> bool:
    """Whether it matters how often a row comes: something is counted, summed or grouped."""
    return bool(select.args.get("group")) or any(found.find_ancestor(exp.Select) is select for found in select.find_all(exp.AggFunc))


def both(expression: exp.Expr, question: str) -> exp.Expr | None:
    """The query as an INTERSECT, where rows are to have one value and, in another row, the other."""
    if not isinstance(expression, exp.Select) or any(expression.args.get(part) for part in ("group", "order", "limit", "having")):
        return None
    where = expression.args.get("where")
    if where is None or expression.find(exp.AggFunc) or not expression.args.get("joins"):
        return None
    for node, one, two in _pairs(where):
        if not isinstance(node, exp.And) and not _of_both(question, one.expression.name, two.expression.name):
            continue
        halves = []
        for side in (one, two):
            node.replace(side)
            halves.append(expression.copy())
            side.replace(node)
        return exp.intersect(*halves, distinct=True, copy=False)
    return None


def latest(expression: exp.Expr, question: str, schema: Schema, dialect: str) -> bool:
    """Whether a query for one row by time ("my last order"), which asks for no order at all, was given the order and the limit.

    The time is the table's first column of a date: what a row begins with stands before what becomes of it.
    """
    asked, scopes = _ONE.search(question), list(traverse_scope(expression))
    if asked is None or len(scopes) != 1 or not isinstance(expression, exp.Select) or _counts(expression):
        return False
    if any(expression.args.get(part) for part in ("order", "limit", "distinct", "having")):
        return False
    thing = asked["thing"].lower()
    for alias, info in tables_of(scopes[0], schema, dialect).items():
        times = [c.name for c in info.columns if _TIME.search(c.type) or _TIME.search(c.name)]
        # Only a word in the singular is what it is folded to: said in the plural, several rows are meant.
        if fold(thing) == [thing] == name_words(info.name)[-1:] and times:
            up = asked["which"].lower() in ("first", "oldest", "earliest")
            by = exp.Ordered(this=column(times[0], alias), desc=not up, nulls_first=False)
            expression.order_by(by, copy=False).limit(1, copy=False)
            return True
    return False


def _pairs(where: exp.Where) -> Iterator[tuple[exp.Expr, exp.EQ, exp.EQ]]:
    """Conditions that name two values of one column, and each of them alone."""
    if where.find(exp.Subquery, exp.Exists):
        return
    for node in where.find_all(exp.In, exp.Or, exp.And):
        if not isinstance(node, exp.In):
            one, two = node.this, node.expression
        elif len(node.expressions) == 2 and not node.find_ancestor(exp.Not, exp.Or):
            one, two = (exp.EQ(this=node.this.copy(), expression=value.copy()) for value in node.expressions)
        else:
            continue
        if isinstance(one, exp.EQ) and isinstance(two, exp.EQ) and _two_values(one, two):
            yield node, one.copy(), two.copy()


def _of_both(question: str, one: str, two: str) -> bool:
    """Whether a question asks of "both" these values, with "and" between them."""
    first, second = re.escape(one), re.escape(two)
    return bool(re.search(rf"\bboth\b.*?({first}.*\band\b.*{second}|{second}.*\band\b.*{first})", question, re.IGNORECASE | re.DOTALL))


def _two_values(one: exp.EQ, two: exp.EQ) -> bool:
    """Whether both say what one column equals, and not the same."""
    literal = isinstance(one.expression, exp.Literal) and isinstance(two.expression, exp.Literal)
    return literal and isinstance(one.this, exp.Column) and one.this == two.this and one.expression != two.expression


def divided(expression: exp.Expr, schema: Schema, dialect: str) -> bool:
    """Whether a division of whole numbers, which would drop what comes after the point, was made one of fractions."""
    types = {c.name.lower(): c.type.lower() for table in schema.tables for c in table.columns}
    # "year / 10 * 10" is meant as it stands; a quotient of sums and counts is a share or a mean, one of two columns a ratio.
    found = [node for node in expression.find_all(exp.Div) if (node.find(exp.AggFunc) or node.expression.find(exp.Column)) and _is_whole(node, types)]
    for node in found:
        node.set("this", exp.cast(node.this.copy(), "REAL" if dialect == "sqlite" else "NUMERIC", dialect=dialect))
    return bool(found)


def _is_whole(node: exp.Expr, types: dict[str, str]) -> bool:
    if isinstance(node, exp.Count):
        return True
    if isinstance(node, exp.Literal):
        return not node.is_string and node.is_int
    if isinstance(node, exp.Column):
        return "int" in types.get(node.name.lower(), "")
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select):
        return all(_is_whole(select.unalias(), types) for select in node.this.selects)
    if isinstance(node, exp.Sum | exp.Max | exp.Min | exp.Paren | exp.Distinct):
        return all(_is_whole(part, types) for part in node.iter_expressions())
    if isinstance(node, exp.Case):
        outcomes = [branch.args["true"] for branch in node.args["ifs"]] + [d for d in [node.args.get("default")] if d]
        return all(_is_whole(outcome, types) for outcome in outcomes)
    return isinstance(node, exp.Binary) and _is_whole(node.this, types) and _is_whole(node.expression, types)


def _alike(one: str, two: str) -> bool:
    """Whether two words are the same or begin alike ("perform", "performance")."""
    return one == two or (min(len(one), len(two)) > 4 and one[:5] == two[:5])
