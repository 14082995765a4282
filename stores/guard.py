"""Lets through one reading statement, and nothing else.

The guard is one of two walls: the connection cannot write either (see `connections`). It refuses what is certainly
wrong and leaves to the database what it is not sure of.
"""

from __future__ import annotations

import difflib
from collections.abc import Set
from itertools import pairwise

from sqlglot import exp, tokenize
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from stores.bounds import check_growth
from stores.columns import unknown_column
from stores.errors import QueryRejected
from stores.functions import is_allowed, is_denied
from stores.names import cte_of, find_table
from stores.values import Schema

MAX_CHARACTERS = 20_000
ONLY = "Only one SELECT (or WITH … SELECT) that reads this database's tables is allowed."

_STARTS = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN})
_FORBIDDEN: tuple[type[exp.Expr], ...] = (
    exp.DDL, exp.DML, exp.Command, exp.Create, exp.Drop, exp.Alter, exp.Merge, exp.Copy, exp.LoadData, exp.Set, exp.Use,
    exp.Transaction, exp.Commit, exp.Rollback, exp.Kill, exp.Pragma, exp.Attach, exp.Detach, exp.Analyze, exp.Describe,
    exp.Show, exp.Cache, exp.Uncache, exp.Refresh, exp.TruncateTable, exp.Comment, exp.Grant, exp.Revoke, exp.Execute,
    exp.Into, exp.Lock, exp.Hint, exp.Returning, exp.Directory, exp.NextValueFor, exp.ObjectIdentifier, exp.Operator,
)  # fmt: skip
_BOUND = (exp.Placeholder, exp.Parameter, exp.SessionParameter, exp.PropertyEQ)
_QUERIES = (exp.Select, exp.SetOperation, exp.Subquery)
_MAX_NAMED = 30


def check(
    sql: str,
    schema: Schema,
    dialect: str,
    *,
    default_schema: str | None = None,
    functions: Set[str] = frozenset(),
    max_characters: int = MAX_CHARACTERS,
) -> str:
    """The query without its comments and last semicolon. Raises `QueryRejected` for anything but one reading statement.

    `default_schema` is the one whose name may stand before a table ("main", "public"). `functions` are those that
    somebody has defined in the database, in lower case: nobody knows what they do.
    """
    text, expression = parse(sql, dialect, functions=functions, max_characters=max_characters)
    try:
        for node in expression.walk():
            _check_node(node, dialect)
            check_growth(node)
            if functions and isinstance(node, (exp.Column, exp.Dot)):
                _check_attribute(node, schema, functions)
            if isinstance(node, exp.Table):
                _check_table(node, schema, dialect, default_schema)
        message = unknown_column(expression, schema, dialect)
    except RecursionError as error:
        raise QueryRejected("The query is nested too deeply. Write a simpler one.") from error
    if message:
        raise QueryRejected(message)
    return text


def parse(
    sql: str, dialect: str, *, functions: Set[str] = frozenset(), max_characters: int = MAX_CHARACTERS
) -> tuple[str, exp.Expr]:
    """The text that will run, and what it means. Raises `QueryRejected` where it is not one query."""
    if len(sql) > max_characters:
        raise QueryRejected(f"The query is longer than {max_characters} characters. Write a shorter one.")
    if "\0" in sql or any("\ud800" <= c <= "\udfff" for c in sql):
        raise QueryRejected("The query holds characters that no query needs. Write plain text.")
    try:
        tokens = _tokens(sql, dialect, functions)
        text = _without_comments(sql, tokens)
        found = Dialect.get_or_raise(dialect).parser().parse(tokens, text)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        near = f" near {first['highlight']!r}" if first.get("highlight") else ""
        raise QueryRejected(f"syntax error{near}: {first.get('description') or 'the query cannot be parsed'}") from error
    except (SqlglotError, RecursionError, ValueError) as error:
        raise QueryRejected("The query cannot be parsed: a quote or a bracket may be open. Write one plain SELECT.") from error
    if len(found) != 1 or not isinstance(found[0], _QUERIES):
        raise QueryRejected(ONLY)
    return text, found[0]


def _tokens(sql: str, dialect: str, functions: Set[str]) -> list[Token]:
    """The words of one statement that begins like a query, without the last semicolon."""
    tokens = tokenize(sql, dialect=dialect)
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise QueryRejected(f"There is no query. {ONLY}")
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        raise QueryRejected(f"There is more than one statement. {ONLY}")
    if tokens[0].token_type not in _STARTS:
        raise QueryRejected(f"{tokens[0].text.upper()[:20]} is not allowed. {ONLY}")
    for name, following in pairwise(tokens):
        called = following.token_type == TokenType.L_PAREN
        if (called and is_denied(name.text, dialect)) or ((called or not name.text.isidentifier()) and name.text.lower() in functions):
            raise QueryRejected(f"The function {name.text} is not allowed: it does more than compute a value from the data.")
        if name.token_type == TokenType.BYTE_STRING and following.token_type == TokenType.STRING:
            # PostgreSQL reads on by the rules of E'…', the parser does not: they would not agree where the text ends.
            raise QueryRejected("Two texts stand side by side. Join them with ||.")
    return tokens


def _without_comments(sql: str, tokens: list[Token]) -> str:
    """The text as written, with a space for each comment: what runs is what was read, word for word."""
    parts = [sql[tokens[0].start : tokens[0].end + 1]]
    for before, token in pairwise(tokens):
        gap = sql[before.end + 1 : token.start]
        parts += [gap if not gap.strip() else " ", sql[token.start : token.end + 1]]
    return "".join(parts)


def _check_node(node: exp.Expr, dialect: str) -> None:
    if isinstance(node, _FORBIDDEN):
        raise QueryRejected(f"{node.key.upper()} is not allowed. {ONLY}")
    if isinstance(node, _BOUND):
        raise QueryRejected(f"{node.sql(dialect)[:40]} stands for a value that nobody gives. Write the value itself.")
    if isinstance(node, exp.Anonymous) and not is_allowed(node.name, dialect):
        raise QueryRejected(f"The function {node.name} is not allowed or not known. Use the ordinary functions of {dialect}.")
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func) and node.this.name.lower() != "pg_catalog":
        raise QueryRejected(f"{node.sql(dialect)[:60]} is not allowed. Use the ordinary functions of {dialect}.")
    if isinstance(node, exp.In) and node.args.get("field") is not None:  # SQLite: "x IN table" reads the table
        raise QueryRejected("IN needs parentheses: write IN (SELECT …) or IN (value, …).")


def _check_attribute(node: exp.Column | exp.Dot, schema: Schema, functions: Set[str]) -> None:
    """Refuse a function that is written like a column of the row, as PostgreSQL allows: `o.total`, `(o).total`."""
    last = node.expression if isinstance(node, exp.Dot) else node.this
    if not isinstance(last, exp.Identifier) or last.name.lower() not in functions:
        return
    if not any(c.name.lower() == last.name.lower() for t in schema.tables for c in t.columns):
        raise QueryRejected(f"{last.name} is not allowed: it does more than compute a value from the data.")


def _check_table(table: exp.Table, schema: Schema, dialect: str, default_schema: str | None) -> None:
    if not isinstance(table.this, exp.Identifier):  # a function that gives rows; it has been checked as a function
        if (isinstance(table.this, exp.Func) or table.args.get("rows_from")) and table.db.lower() in {"", "pg_catalog"}:
            return
        raise QueryRejected(f"{table.sql(dialect)[:60]} is not allowed in FROM. {ONLY}")
    if isinstance(table.parent, exp.Table) and table.arg_key == "indexed":
        return
    if cte_of(table, dialect) is not None:
        return
    qualifier = table.db.lower()
    known = (default_schema or "").lower()
    if table.catalog or (qualifier and qualifier != known) or _is_system(table.name, dialect):
        raise QueryRejected(f"{table.sql(dialect, comments=False)[:80]} is not one of this database's tables. {_tables(schema)}")
    if find_table(table, schema.tables, dialect) is None:
        close = difflib.get_close_matches(table.name.lower(), [t.name.lower() for t in schema.tables], n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise QueryRejected(f"no such table: {table.name};{hint} {_tables(schema)}")


def _is_system(name: str, dialect: str) -> bool:
    return name.lower().startswith({"sqlite": "sqlite_", "postgres": "pg_"}.get(dialect, "\0"))


def _tables(schema: Schema) -> str:
    names = [t.name for t in schema.tables]
    return f"Tables are: {', '.join(names[:_MAX_NAMED])}{', …' if len(names) > _MAX_NAMED else ''}."
