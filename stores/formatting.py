"""A query as it is shown: laid out by the parser's printer, and certainly the one that ran."""

from __future__ import annotations

from collections import Counter

from sqlglot import exp, tokenize
from sqlglot.errors import SqlglotError

from stores.errors import QueryRejected
from stores.guard import parse

ONE_LINE = 80
"""Characters of a query that stays on one line."""

# Words that the printer adds, leaves out or swaps without another meaning, once both texts parse to the same tree.
_NEUTRAL = frozenset("AS ASC , OFFSET CROSS JOIN ( ) CAST ::".split())
_SAME = {
    "IFNULL": "COALESCE", "SUBSTR": "SUBSTRING", "INT": "INTEGER", "FLOAT": "REAL", "NOW": "CURRENT_TIMESTAMP",
    "CURDATE": "CURRENT_DATE", "!=": "<>", "==": "=",
}  # fmt: skip


def formatted(sql: str, dialect: str) -> str:
    """The query in lines, a short one in a single line; as it was written where the printer would not give the same query.

    The printer knows many functions by another name, and one that means something else must not be shown for what ran.
    """
    try:
        text, expression = parse(sql, dialect)
        short = expression.sql(dialect, comments=False)
        laid_out = short if len(short) <= ONE_LINE else expression.sql(dialect, pretty=True, comments=False)
        same = _words(laid_out, dialect) == _words(text, dialect) and _tree(laid_out, dialect) == expression
    except (QueryRejected, SqlglotError, RecursionError):
        return sql
    return laid_out if same else text


def _tree(sql: str, dialect: str) -> exp.Expr:
    return parse(sql, dialect)[1]


def _words(sql: str, dialect: str) -> Counter[str]:
    words = (token.text.upper() for token in tokenize(sql, dialect=dialect))
    return Counter(_SAME.get(word, word) for word in words if word not in _NEUTRAL)
