"""The sources and conditions of a query in plain words: what stands after FROM, ON and WHERE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlglot import exp

from stores.names import cte_of, find_table
from stores.phrases import Names, bare, code, flat, is_date, kind, listed, period, quoted, shown_name, value
from stores.values import TableInfo

LISTED = 6
"""Values of an IN list that are named."""

_COMPARED: dict[type[exp.Expr], tuple[str, str]] = {
    exp.GT: ("is more than", "is after"),
    exp.GTE: ("is at least", "is on or after"),
    exp.LT: ("is less than", "is before"),
    exp.LTE: ("is at most", "is on or before"),
}
_TESTED = {"this", "expression", "expressions", "query", "low", "high", "negate", "table"}
"""What a test may consist of to be said; anything else may turn it around."""
_SHORT = {"expressions", "from_", "joins", "where", "distinct"}
"""What a query may consist of to be said within a condition."""


def looked_at(query: exp.Select, names: Names) -> tuple[str, Names]:
    """What a SELECT reads, as a noun ("members together with their repairs"), and what its names stand for.

    `names` are those of the query around it. The SELECT must have a FROM.
    """
    own = Names(names.schema, names.repeated)
    first = query.args["from_"].this
    phrase = _source(first, own)
    others: list[str] = []
    for join in query.args.get("joins") or ():
        others.append(_joined(join, own))
    return phrase + (f" together with {listed(others)}" if others else ""), own


def _source(source: exp.Expr, own: Names) -> str:
    """A table, or what stands for one, as it is introduced; notes in `own` how it is called from there on."""
    info: TableInfo | None = None
    alias = source.alias_or_name
    if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier) and not _extras(source):
        name = shown_name(source.this, own.dialect)
        called = alias if source.name.lower() in own.repeated else name
        phrase = f"{name} (called {alias})" if called == alias and source.alias and alias != name else name
        info = None if cte_of(source, own.dialect) else find_table(source, own.schema.tables, own.dialect)
    elif isinstance(source, exp.Subquery) and query_in(source) is not None:
        phrase = called = alias or "that result"
    else:
        phrase = called = code(source, own)
        if source.alias:
            called = alias
    own.said[alias.lower()] = called
    own.infos[alias.lower()] = info
    return phrase


def _extras(table: exp.Table) -> bool:
    """Whether a table reference has more to it than a name: a sample, a pivot, an index hint, names for its columns."""
    alias = table.args.get("alias")
    more = any(arg for key, arg in table.args.items() if key not in ("this", "db", "catalog", "alias"))
    return more or bool(alias is not None and alias.args.get("columns"))


def query_in(node: exp.Expr) -> exp.Query | None:
    """The query within its brackets, or None where more than a name hangs on them."""
    while isinstance(node, exp.Subquery):
        if any(arg for key, arg in node.args.items() if key not in ("this", "alias")):
            return None
        node = node.this
    return node if isinstance(node, exp.Query) and not isinstance(node, exp.Table) else None


def _joined(join: exp.Join, own: Names) -> str:
    """One joined source: "their repairs", "suppliers with the same city"."""
    before = dict(own.infos)
    phrase = _source(join.this, own)
    side, kind_, method = join.side.upper(), join.kind.upper(), join.method.upper()
    known = {"this", "side", "kind", "method", "on", "using", "hint"}
    usual = (side, kind_) in {("", ""), ("", "INNER"), ("", "CROSS"), ("LEFT", ""), ("LEFT", "OUTER")}
    if not usual or method not in ("", "NATURAL") or any(arg for key, arg in join.args.items() if key not in known):
        return quoted(join.sql(own.dialect, comments=False).lstrip(", "))
    some = " (if any)" if side == "LEFT" else ""
    if method == "NATURAL":
        return f"{phrase}{some} (with the same values in the columns of the same name)"
    if using := join.args.get("using"):
        return f"{phrase}{some} (with the same {listed([shown_name(column, own.dialect) for column in using])})"
    on = join.args.get("on")
    if on is None:
        return f"every row of {phrase}" if not some else quoted(join.sql(own.dialect, comments=False))
    return _matched(phrase, some, flat(on, exp.And), join.this.alias_or_name.lower(), before, own)


def _matched(phrase: str, some: str, tests: Sequence[exp.Expr], alias: str, before: dict[str, TableInfo | None], own: Names) -> str:
    """A source joined on conditions; a foreign key among them is not said, but who belongs to whom."""
    owners = {test: owner for test in tests if (owner := _owner(test, alias, before, own))}
    rest = [test for test in tests if test not in owners]
    if len(set(owners.values())) == 1:
        owner = next(iter(owners.values()))
        theirs = f"their {phrase}" if owner == next(iter(before)) else f"the {phrase} of {own.said[owner]}"
        return f"{theirs}{some}{f' (only those where {_all(rest, own)})' if rest else ''}"
    same = [_same_name(test, own) for test in tests]
    if all(same) and len(own.said) == 2:
        return f"{phrase}{some} (with the same {listed([name for name in same if name])})"
    return f"{phrase}{some} (matched where {_all(tests, own)})"


def _owner(test: exp.Expr, alias: str, before: dict[str, TableInfo | None], own: Names) -> str | None:
    """The earlier source that the joined one hangs on by a foreign key, where a test follows one."""
    if not (isinstance(test, exp.EQ) and isinstance(test.left, exp.Column) and isinstance(test.right, exp.Column)):
        return None
    ends = {test.left.table.lower(): test.left, test.right.table.lower(): test.right}
    other = next((name for name in ends if name != alias), None)
    if alias not in ends or other not in before or other is None:
        return None
    mine, theirs = own.infos.get(alias), before[other]
    if mine is None or theirs is None or mine.name == theirs.name:
        return None
    for holder, column, target, target_column in ((mine, ends[alias], theirs, ends[other]), (theirs, ends[other], mine, ends[alias])):
        wanted = f"{target.name}.{target_column.name}".lower()
        if any(c.name.lower() == column.name.lower() and (c.references or "").lower() == wanted for c in holder.columns):
            return other
    return None


def _same_name(test: exp.Expr, own: Names) -> str | None:
    """The column that both sides of a test have, compared for equality."""
    if not (isinstance(test, exp.EQ) and isinstance(test.left, exp.Column) and isinstance(test.right, exp.Column)):
        return None
    one, other = test.left, test.right
    same = one.name.lower() == other.name.lower() and one.table and other.table and one.table != other.table
    return shown_name(one.this, own.dialect) if same else None


def _all(tests: Sequence[exp.Expr], names: Names) -> str:
    return condition(exp.and_(*tests, copy=True), names)


def condition(node: exp.Expr, names: Names) -> str:
    """A condition as it is said after "where"."""
    node = bare(node)
    if isinstance(node, exp.And):
        parts = _periods(flat(node, exp.And), names)
        return " and ".join(part if isinstance(part, str) else _bracketed(part, names, exp.Or) for part in parts)
    if isinstance(node, exp.Or):
        return " or ".join(_bracketed(part, names, exp.And) for part in flat(node, exp.Or))
    return _test(node, names, negated=False) or f"this condition holds: {code(node, names)}"


def _bracketed(node: exp.Expr, names: Names, other: type[exp.Expr]) -> str:
    said = condition(node, names)
    return f"({said})" if isinstance(node, other) else said


def _test(node: exp.Expr, names: Names, *, negated: bool) -> str | None:
    """A single test, or its opposite; None where it must be quoted."""
    if isinstance(node, exp.Not):
        return None if negated else _test(bare(node.this), names, negated=True)
    if any(arg for key, arg in node.args.items() if key not in _TESTED):
        return None
    negated = negated != bool(node.args.get("negate"))
    no = "not " if negated else ""
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return f"{_operand(node.this, names)} has {'a' if negated else 'no'} value"
    if isinstance(node, exp.In):
        return _among(node, names, no)
    if isinstance(node, exp.Between):
        low, high = _operand(node.args["low"], names), _operand(node.args["high"], names)
        return f"{_operand(node.this, names)} is {no}between {low} and {high}"
    if isinstance(node, exp.Like | exp.ILike):
        return _like(node, names, negated)
    if isinstance(node, exp.Exists):
        said = inner(node.this, names, exists=True)
        return f"there is {'no' if negated else 'a'} row {said}" if said else None
    if negated:
        return None
    if isinstance(node, exp.Column):
        return f"{value(node, names)} is true"
    return _comparison(node, names)


def _comparison(node: exp.Expr, names: Names) -> str | None:
    if not isinstance(node, exp.Binary) or isinstance(node.left, exp.Null) or isinstance(node.right, exp.Null):
        return None  # nothing equals NULL
    left, right = _operand(node.left, names), _operand(node.right, names)
    if isinstance(node, exp.EQ | exp.NEQ):
        equals, differs = ("equals", "differs from") if isinstance(names.meant(node.right), exp.Column) else ("is", "is not")
        return f"{left} {equals if isinstance(node, exp.EQ) else differs} {right}"
    if type(node) in _COMPARED:
        plain, dated = _COMPARED[type(node)]
        return f"{left} {dated if _by_day(node.left, node.right, names) else plain} {right}"
    return None


def _by_day(left: exp.Expr, right: exp.Expr, names: Names) -> bool:
    """Whether before and after are said of days: a column with a time of day may lie after the day that it is on."""
    info = names.info(left) if isinstance(left, exp.Column) else None
    return info is not None and info.type.upper() == "DATE" and (is_date(right) or isinstance(right, exp.CurrentDate) or kind(right, names) == "date")


def _operand(node: exp.Expr, names: Names) -> str:
    """A side of a comparison; a date stands without quotes."""
    node = bare(names.meant(node))
    if isinstance(node, exp.Query):
        return inner(node, names) or code(node, names)
    return node.name if is_date(node) else value(node, names)


def _among(node: exp.In, names: Names, no: str) -> str | None:
    who = _operand(node.this, names)
    if query := node.args.get("query"):
        said = inner(query, names, many=True)
        return f"{who} is {no}one of {said}" if said else None
    if not node.expressions:
        return None
    options = [_operand(one, names) for one in node.expressions]
    if len(options) > LISTED:
        return f"{who} is {no}one of {len(options)} values ({', '.join(options[:LISTED])} and {len(options) - LISTED} more)"
    return f"{who} is {no}{'one of ' if len(options) > 1 else ''}{listed(options, 'or')}"


def _like(node: exp.Like | exp.ILike, names: Names, negated: bool) -> str | None:
    what, pattern, case = node.this, names.meant(node.expression), ""
    if isinstance(what, exp.Lower | exp.Upper) and type(pattern) is type(what):
        what, pattern, case = what.this, names.meant(pattern.this), " in any case"
    if not (isinstance(pattern, exp.Literal) and pattern.is_string):
        return None
    who, text = _operand(what, names), pattern.name
    inside = text.strip("%")
    if not inside or re.search(r"[%_\\]", inside) or text not in (f"%{inside}%", f"{inside}%", f"%{inside}"):
        return f"{who} {'does not match' if negated else 'matches'} the pattern {pattern.sql(names.dialect)}{case}"
    does, does_not = ("contains", "contain")
    if not text.startswith("%"):
        does, does_not = ("starts with", "start with")
    elif not text.endswith("%"):
        does, does_not = ("ends with", "end with")
    said = exp.Literal.string(inside).sql(names.dialect)
    return f"{who} {f'does not {does_not}' if negated else does} {said}{case}"


def inner(node: exp.Expr, names: Names, *, many: bool = False, exists: bool = False) -> str | None:
    """A short query within another, in brackets; None where it is not short and must be quoted.

    With `many` it stands for all its values, with `exists` it is what follows "there is a row".
    """
    query = query_in(node)
    if not isinstance(query, exp.Select) or {key for key, arg in query.args.items() if arg} - _SHORT or not query.args.get("from_"):
        return None
    if query.args.get("distinct") and query.args["distinct"].args.get("on"):
        return None
    rest, own = looked_at(query, names)
    columns = list(query.find_all(exp.Column))
    lost = [column for column in columns if not column.table and own.holders(column.name) == 0]
    if any(names.holders(column.name) or not own.is_text(column) for column in lost):
        return None  # a name of the query around it, without its table
    if any(column.table.lower() not in own.said for column in columns if column.table):
        own = replace(own, said={**names.said, **own.said}, dotted=True)
    if where := query.args.get("where"):
        rest += f" where {condition(where.this, own)}"
    if exists:
        return f"in ({rest})"
    what = bare(query.selects[0])
    if len(query.selects) != 1 or what.is_star or what.find(exp.Window, exp.Query):
        return None
    what_of = ("the values of " if many else "the value of ") if isinstance(what, exp.Column) else ""
    return f"({what_of}{value(what, own)} in {rest})"


def _periods(parts: Iterable[exp.Expr], names: Names) -> list[exp.Expr | str]:
    """The parts of a condition, with "x >= 2025-01-01 AND x < 2026-01-01" said as "x is in 2025"."""
    said: list[exp.Expr | str] = []
    for part in parts:
        before = said[-1] if said else None
        when = None
        if isinstance(before, exp.GTE) and isinstance(part, exp.LT) and before.left == part.left:
            when = period(before.right, part.right)
        if when:
            said[-1] = f"{_operand(part.args['this'], names)} is {when}"
        else:
            said.append(part)
    return said
