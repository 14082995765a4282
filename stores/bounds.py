"""What a query may grow to, where no time limit reaches: inside one call of a function.

A database looks at the time between two steps. One call that fills a gigabyte, or looks for a long text in a long
text, is a single step.
"""

from __future__ import annotations

import re

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from stores.errors import QueryRejected
from stores.sqlite import MAX_CELL_BYTES, MAX_SEARCHED_BYTES

MOST_REPEATED = 10_000
"""Longest text that `repeat`, `lpad`, `rpad` and `format` may be told to make, and most elements of `array_fill`."""
SHORT = 50
"""Characters of a text that may be looked for in cells of any length."""

_WIDTHS = re.compile(r"%[^%a-zA-Z]*?(\*|\d{5,})")
_SEARCHES: tuple[type[exp.Expr], ...] = (exp.StrPosition, exp.Replace, exp.Like, exp.ILike, exp.Glob, exp.Trim)


def check_growth(node: exp.Expr) -> None:
    """Raises `QueryRejected` for a call that may make a huge value in one step."""
    if isinstance(node, exp.Trim) and not _is_short(node.expression):
        raise QueryRejected(f"TRIM takes the characters to remove as a text of at most {SHORT} characters.")
    if isinstance(node, (exp.Repeat, exp.Space)):
        _check_count(node.args.get("times") or node.this, node)
    elif isinstance(node, exp.Pad):
        _check_count(node.expression, node)
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "array_fill":
        for number in node.expressions[1].find_all(exp.Literal) if len(node.expressions) > 1 else ():
            _check_count(number, node)
    elif isinstance(node, exp.Format) or (isinstance(node, exp.Anonymous) and node.name.lower() == "printf"):
        template = node.this if isinstance(node, exp.Format) else next(iter(node.expressions), None)
        if not isinstance(template, exp.Literal) or _WIDTHS.search(template.name):
            raise QueryRejected("The format must be written out, with widths below 10000.")


def most_cell_bytes(sql: str, dialect: str) -> int:
    """The longest cell that the query may read or make: less where it looks for a text that is long or not written in it."""
    try:
        expression = parse_one(sql, dialect=dialect)
    except (SqlglotError, RecursionError):
        return MAX_SEARCHED_BYTES
    short = all(_is_short(_sought(node)) for node in expression.find_all(*_SEARCHES))
    return MAX_CELL_BYTES if short else MAX_SEARCHED_BYTES


def _sought(node: exp.Expr) -> exp.Expr | None:
    return node.args.get("substr") if isinstance(node, exp.StrPosition) else node.args.get("expression")


def _is_short(node: exp.Expr | None) -> bool:
    return node is None or (isinstance(node, exp.Literal) and len(node.name) <= SHORT)


def _check_count(count: exp.Expr | None, call: exp.Expr) -> None:
    """The count must be a number, or the least of something and a number."""
    bounds = [count, *count.expressions, count.this] if isinstance(count, exp.Least) else [count]
    for bound in bounds:
        if isinstance(bound, exp.Literal) and bound.name.isdigit() and int(bound.name[:9]) <= MOST_REPEATED and len(bound.name) < 9:
            return
    raise QueryRejected(f"{call.key.upper()} needs a number up to {MOST_REPEATED} as its length, or LEAST(…, a number).")
