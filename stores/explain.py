"""What a query does, in plain words and by program: a list of steps, in the order in which a database takes them.

A piece that has no plain words is quoted as SQL, so that nothing false is said.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp
from sqlglot.errors import SqlglotError

from stores.conditions import condition, inner, looked_at, query_in
from stores.guard import parse
from stores.phrases import Names, bare, code, kind, listed, quoted, shown_name, value
from stores.values import Schema

log = logging.getLogger(__name__)

UNSAID = "This query cannot be put into words."
NESTING = 4
"""Queries within each other that are told; what lies deeper is quoted."""

_TOLD = {"with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "windows"}
_TOLD_OF_SET = {"with_", "this", "expression", "distinct", "order", "limit", "offset"}
_SORTED = {
    "number": ("lowest first", "highest first"),
    "date": ("earliest first", "latest first"),
    "text": ("from A to Z", "from Z to A"),
    None: ("in ascending order", "in descending order"),
}


def explain(sql: str, schema: Schema) -> str:
    """The query as sentences. Raises `QueryRejected` where it is not one reading statement."""
    _, expression = parse(sql, schema.dialect)
    try:
        tables = Counter(table.name.lower() for table in expression.find_all(exp.Table))
        names = Names(schema, repeated=frozenset(name for name, times in tables.items() if times > 1))
        steps = _steps(expression, names, 0)
    except (RecursionError, SqlglotError):
        return UNSAID
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # A tree of a shape that nobody foresaw must not cost the answer that it belongs to.
        log.warning("A query could not be explained: %s", sql, exc_info=True)
        return UNSAID
    return " ".join(f"{step[:1].upper()}{step[1:]}." for step in steps)


def _steps(query: exp.Expr, names: Names, depth: int) -> list[str]:
    """What a query does, one step after the other."""
    inside = query_in(query)
    if inside is None or depth > NESTING or not isinstance(inside, exp.Select | exp.SetOperation):
        return [f"runs {code(query, names)}"]
    told = _TOLD if isinstance(inside, exp.Select) else _TOLD_OF_SET
    if any(arg for key, arg in inside.args.items() if key not in told):
        return [f"runs {code(query, names)}"]
    steps = _named_before(inside, names, depth)
    if isinstance(inside, exp.Select):
        return steps + _select(inside, names, depth)
    return steps + _together(inside, names, depth) + _ordered(inside, names)


def _named_before(query: exp.Query, names: Names, depth: int) -> list[str]:
    """The results that WITH makes before the query begins."""
    found = query.args.get("with_")
    return [_made(cte, names, depth) for cte in found.expressions] if found else []


def _made(source: exp.CTE | exp.Subquery, names: Names, depth: int) -> str:
    """How a named result is made."""
    alias = source.args.get("alias")
    name = shown_name(alias.this, names.dialect) if alias and alias.this else "a result"
    if alias and alias.args.get("columns"):
        name += f" (with the columns {listed([shown_name(column, names.dialect) for column in alias.args['columns']])})"
    if isinstance(source, exp.CTE) and any(table.name.lower() == source.alias.lower() for table in source.this.find_all(exp.Table)):
        return f"makes {name}, which may refer to itself, by {code(source.this, names)}"
    return f"makes {name}: {'; '.join(_steps(source.this, names, depth + 1))}"


def _select(query: exp.Select, names: Names, depth: int) -> list[str]:
    steps: list[str] = []
    own = names
    if query.args.get("from_"):
        derived = [source for source in _sources(query) if isinstance(source, exp.Subquery) and query_in(source) is not None]
        steps += [_made(source, names, depth) for source in derived]
        phrase, own = looked_at(query, names)
        steps.append(f"looks at {phrase}")
    if where := query.args.get("where"):
        steps.append(f"keeps the rows where {condition(where.this, own)}")
    # What is quoted once goes by its new name from there on.
    aliases = [select for select in query.selects if isinstance(select, exp.Alias)]
    named = {select.alias.lower(): select.this for select in aliases if "`" not in _projection(select, own)}
    # A column of the tables goes before a name of the SELECT's own, but not for sorting.
    grouped = replace(own, aliases={name: node for name, node in named.items() if own.holders(name) == 0})
    keys = _keys(query, grouped)
    if having := query.args.get("having"):
        groups = f"groups them by {listed(keys)} and " if keys else ""
        steps.append(f"{groups}keeps the {'groups' if keys else 'result'} where {condition(having.this, grouped)}")
    shown = _shown(query, grouped, keys, nested=depth > 0)
    order = query.args.get("order")
    if keys and not having and shown.startswith("shows each ") and order and order.find(exp.AggFunc):
        steps.append(f"groups them by {listed(keys)}")  # else nobody knows what the sorting counts
    return [*steps, shown, *_ordered(query, replace(own, aliases=named))]


def _sources(query: exp.Select) -> list[exp.Expr]:
    return [query.args["from_"].this, *(join.this for join in query.args.get("joins") or ())]


def _keys(query: exp.Select, names: Names) -> list[str]:
    """What the rows are grouped by."""
    group = query.args.get("group")
    if group is None:
        return []
    if any(arg for key, arg in group.args.items() if key != "expressions"):
        return [quoted(group.sql(names.dialect).removeprefix("GROUP BY").strip())]
    return [value(_at(key, query, names), names) for key in group.expressions]


def _at(node: exp.Expr, query: exp.Query, names: Names) -> exp.Expr:
    """The value that a position or a name of the SELECT's own stands for."""
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdecimal() and 1 <= int(node.name) <= len(query.selects):
        return bare(query.selects[int(node.name) - 1])
    return bare(names.meant(node))


def _shown(query: exp.Select, names: Names, keys: list[str], *, nested: bool) -> str:
    """What comes out for each row or group. The new name of a value is said where it is used further."""
    values = [(one, _projection(one, names)) for one in query.selects]
    phrases = [
        f"{said} (as {shown_name(one.args['alias'], names.dialect)})" if isinstance(one, exp.Alias) and (nested or "`" in said) else said
        for one, said in values
        if said not in keys
    ]
    if not phrases and {said for _, said in values} == set(keys):
        return f"shows each {'combination of ' if len(keys) > 1 else ''}{_bare_keys(keys)} once"
    phrases = phrases or [said for _, said in values]
    start = f"for each {_bare_keys(keys)}, " if keys else ""
    distinct = query.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        return f"{start}shows {listed(phrases)}, one row for each `{distinct.args['on'].sql(names.dialect).strip('()')}`"
    if distinct is not None:
        if len(phrases) == 1 and values[0][0].is_star:
            return f"{start}shows each different row once"
        return f"{start}shows each different {'value' if len(phrases) == 1 else 'combination'} of {listed(phrases)} once"
    return start + _verb(phrases, query)


def _bare_keys(keys: Sequence[str]) -> str:
    """Keys as they are said after "each"."""
    return listed([key.removeprefix("the ") for key in keys])


def _verb(phrases: Sequence[str], query: exp.Select) -> str:
    """A single count or sum is counted or added up; the rest is shown."""
    only = phrases[0] if len(phrases) == 1 else ""
    if only.startswith("the number of rows"):
        return only.replace("the number of rows", "counts the rows", 1)
    if only.startswith("the number of different"):
        return only.replace("the number of", "counts the", 1)
    if only.startswith("the sum of "):
        return only.replace("the sum of", "adds up", 1)
    constant = not query.args.get("from_")
    return f"{'works out' if constant else 'shows'} {listed(phrases)}"


def _projection(node: exp.Expr, names: Names) -> str:
    """A value that is shown; a window calculation is quoted as what it is."""
    inside = bare(node)
    if isinstance(inside, exp.Window) or inside.find(exp.Window):
        return f"a value over several rows, {code(inside, names)}"
    if isinstance(inside, exp.Query):
        return inner(inside, names) or code(inside, names)
    return _cases_counted(inside, names) or value(inside, names)


def _cases_counted(node: exp.Expr, names: Names) -> str | None:
    """COUNT or SUM of CASE WHEN c THEN 1 ELSE 0 END: the number of rows where c holds."""
    case = node.this
    if not isinstance(node, exp.Count | exp.Sum) or not isinstance(case, exp.Case) or node.expressions:
        return None
    tests, default = case.args["ifs"], case.args.get("default")
    ones = case.this is None and len(tests) == 1 and tests[0].args["true"] == exp.Literal.number(1)
    zero = isinstance(node, exp.Sum) and default == exp.Literal.number(0)
    if not ones or not (default is None or isinstance(default, exp.Null) or zero):
        return None
    return f"the number of rows where {condition(tests[0].this, names)}"


def _together(query: exp.SetOperation, names: Names, depth: int) -> list[str]:
    """A set operation: its results, and what is made of them."""
    parts = _parts(query)
    if len({(type(one), bool(one.args.get("distinct"))) for one in parts[0]}) > 1 or (
        not isinstance(query, exp.Union) and (not query.args.get("distinct") or len(parts[1]) > 2)
    ):
        return [f"combines several results: {code(query, names)}"]
    steps = [f"result {number}: {'; '.join(_steps(part, names, depth + 1))}" for number, part in enumerate(parts[1], 1)]
    if isinstance(query, exp.Union):
        last = "puts the rows of all results together" + (", each different row once" if query.args.get("distinct") else "")
    elif isinstance(query, exp.Intersect):
        last = "keeps the rows that both results have, each once"
    else:
        last = "keeps the rows of result 1 that result 2 does not have, each once"
    return [*steps, last]


def _parts(query: exp.SetOperation) -> tuple[list[exp.SetOperation], list[exp.Expr]]:
    """(the operations, the queries) of a chain of set operations, in their order."""
    operations, queries = [query], [query.expression]
    node = query.this
    while isinstance(node, exp.SetOperation):
        operations.append(node)
        queries.append(node.expression)
        node = node.this
    return operations, [node, *reversed(queries)]


def _ordered(query: exp.Query, names: Names) -> list[str]:
    """Sorting, and which of the sorted rows are taken."""
    order = query.args.get("order")
    keys = [_sorted_by(key, query, names) for key in order.expressions] if order else []
    phrases = []
    if len(keys) == 1:
        what, how = keys[0]
        phrases.append(f"sorts by {what}, {how}" if what else "puts them in random order")
    elif keys:
        phrases.append("sorts by " + ", then by ".join(f"{what} ({how})" if what else "chance" for what, how in keys))
    if taken := _taken(query, names, in_order=bool(keys)):
        phrases.append(taken)
    if not phrases:
        return []
    joint = ", " if " and takes" in phrases[-1] else ", and "
    return [joint.join(phrases)]


def _sorted_by(key: exp.Expr, query: exp.Query, names: Names) -> tuple[str, str]:
    """(what, how) of a sort key; nothing where chance decides."""
    if not isinstance(key, exp.Ordered):
        return code(key, names), _SORTED[None][0]
    node = _at(key.this, query, names)
    if isinstance(node, exp.Rand):
        return "", ""
    nulls = " (rows without a value last)" if "NULLS LAST" in (text := key.sql(names.dialect)) else ""
    nulls = " (rows without a value first)" if "NULLS FIRST" in text else nulls
    return _projection(node, names), _SORTED[kind(node, names)][bool(key.args.get("desc"))] + nulls


def _taken(query: exp.Query, names: Names, *, in_order: bool) -> str:
    limit, offset = query.args.get("limit"), query.args.get("offset")
    count = limit.args.get("count") if isinstance(limit, exp.Fetch) else limit.expression if limit else None
    options = limit.args.get("limit_options") if limit else None
    odd = options is not None and (options.args.get("percent") or options.args.get("with_ties"))
    if limit and (odd or limit.expressions):
        return f"takes rows by {quoted(limit.sql(names.dialect))}"
    if limit and count is not None and not (isinstance(count, exp.Literal) and not count.is_string):
        return f"takes rows by {quoted(limit.sql(names.dialect))}"  # SQLite takes all of them by LIMIT -1
    many = value(count, names) if count is not None else "1"
    rows = "row" if many == "1" else "rows"
    if offset is not None:
        skipped = value(offset.expression, names)
        return f"skips the first {skipped} {'row' if skipped == '1' else 'rows'}" + (f" and takes the next {many}" if limit else "")
    if not limit:
        return ""
    if in_order:
        return "takes the first row" if many == "1" else f"takes the first {many} {rows}"
    return f"takes at most {many} {rows}"
