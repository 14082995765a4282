"""Limits a query to the rows and columns that its user may see, by rewriting it.

A scope is a condition on one table, with `:user`. Each reference to the table becomes `(SELECT * FROM table WHERE
condition)`. A table without a scope whose foreign key leads to a scoped one, directly or through others, is limited
through that key; where several keys lead there by the shortest way, all must point to visible rows. A table from which
no key leads to a scope is public: give it a scope of its own if it is not. A masked column is NULL in that subquery,
whatever the query does with it. Views, full-text indexes and inheritance children are refused unless their definition
shows that they touch nothing limited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from stores import guard
from stores.errors import DatabaseUnavailable, QueryRejected
from stores.introspect import Structure
from stores.names import cte_of, find_table
from stores.reach import closed_tables, distances
from stores.values import TableInfo

UNKNOWN_USERS = frozenset({None, "", "local"})
"""Nobody in particular: `local` is what `ask` takes when no user is named."""

_NUMERIC = re.compile(r"INT|SERIAL|NUMERIC|DECIMAL|REAL|FLOAT|DOUBLE", re.IGNORECASE)
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})")
# What may stand at a reference that is replaced; the rest (samples, ONLY, index hints) would slip past the condition.
_REPLACEABLE = frozenset({"this", "db", "catalog", "alias", "joins", "laterals", "indexed"})
_TRUSTED = "trusted"  # marks the references that the rewriting itself writes


class Scopes:
    """The limits of one database: conditions by table, and columns ("table.column") that nobody sees.

    Raises `DatabaseUnavailable` for a limit that does not fit the database: nothing is read then.
    """

    def __init__(self, conditions: Mapping[str, str], structure: Structure, dialect: str, masked: Sequence[str] = ()) -> None:
        self._structure = structure
        self._dialect = dialect
        self._conditions: dict[str, exp.Expr] = {}
        for name, condition in conditions.items():
            info = self._table(name)
            if info is None:
                raise DatabaseUnavailable(f"The scope of {name!r} names no table of the database. Correct the setting database.scopes.")
            self._conditions[info.name] = self._parsed(name, condition)
        self._masked: dict[str, set[str]] = {}
        for name in masked:
            self._mask(name)
        self._distance = distances(self._conditions.keys(), structure.foreign_keys)
        self.limited = frozenset(name.lower() for name in self._distance.keys() | self._masked.keys())
        self.closed = closed_tables(structure, self.limited, dialect)

    @property
    def by_user(self) -> bool:
        """Whether what is seen depends on who asks."""
        return bool(self._conditions)

    def hides(self, table: str, column: str) -> bool:
        """Whether the column is masked."""
        return column in self._masked.get(table, ())

    def _table(self, name: str) -> TableInfo | None:
        """The table of that spelling, else of that name in another case."""
        found = [t for t in self._structure.tables if t.name.lower() == name.lower()]
        return next((t for t in found if t.name == name), found[0] if found else None)

    def _mask(self, name: str) -> None:
        table, _, column = name.rpartition(".")
        info = self._table(table)
        found = [c.name for c in info.columns if c.name.lower() == column.lower()] if info else []
        if info is None or not found:
            raise DatabaseUnavailable(f"{name!r} names no column of the database. Write it as table.column in the setting database.masked.")
        self._masked.setdefault(info.name, set()).update(found)

    def rewrite(self, sql: str, user: str | None) -> str:
        """The query with every limited table replaced by the user's rows of it."""
        _, expression = guard.parse(sql, self._dialect)
        known = user if user not in UNKNOWN_USERS else None
        references = [t for t in expression.find_all(exp.Table) if cte_of(t, self._dialect) is None]
        for reference in references:
            info = find_table(reference, self._structure.tables, self._dialect)
            if info is None:
                continue  # a function, or what the guard will refuse
            if info.name.lower() in self.closed:
                raise QueryRejected(f"{info.name} is not available: it may show rows of others. Use the tables themselves.")
            if info.name.lower() in self.limited:
                reference.replace(self._limited(reference, info, known))
        self._verify(expression)
        for column in expression.find_all(exp.Column):
            if column.args.get("db"):  # main.orders.id: the reference has no schema any more
                column.set("db", None)
                column.set("catalog", None)
        return expression.sql(dialect=self._dialect, comments=False)

    def _verify(self, expression: exp.Expr) -> None:
        """Refuse the query where a limited table is read otherwise than through its condition."""
        for table in expression.find_all(exp.Table):
            if table.meta.get(_TRUSTED) or cte_of(table, self._dialect) is not None:
                continue
            if table.name.lower() in self.limited | self.closed:
                raise QueryRejected(f"{table.name} cannot be limited to your rows in this query. Write it more simply.")

    def _limited(self, reference: exp.Table, info: TableInfo, user: str | None) -> exp.Expr:
        other = [key for key, value in reference.args.items() if value and key not in _REPLACEABLE]
        if other:
            raise QueryRejected(f"{other[0].upper()} at {info.name} is not allowed here. Name the table alone.")
        alias = reference.args.get("alias") or exp.TableAlias(this=reference.this.copy())
        rows = self._own_rows(info.name, user, self._shown(info))
        return exp.Subquery(
            # A table that is only masked has no rows to keep a condition from, and its indexes stay of use.
            this=self._fenced(rows) if info.name in self._distance else rows,
            alias=alias.copy(),
            # Moved, not copied: what is joined here may be limited, too.
            joins=reference.args.get("joins"),
            laterals=reference.args.get("laterals"),
        )

    def _fenced(self, select: exp.Select) -> exp.Select:
        """Keep the optimizer from trying the query's own conditions on rows of others: an error would tell of them."""
        if self._dialect == "postgres":
            return select.offset(0, copy=False)
        return select.limit(-1 if self._dialect == "sqlite" else 2**64 - 1, copy=False)

    def _shown(self, info: TableInfo) -> list[exp.Expr]:
        """The columns of a reference, with NULL for each masked one; the CASE keeps its type."""
        if info.name not in self._masked:
            return [exp.Star()]
        never = exp.EQ(this=exp.Literal.number(1), expression=exp.Literal.number(0))
        return [
            exp.alias_(exp.Case(ifs=[exp.If(this=never.copy(), true=_identifier(c.name))]), c.name, quoted=True)
            if self.hides(info.name, c.name)
            else _identifier(c.name)
            for c in info.columns
        ]

    def _own_rows(self, name: str, user: str | None, selected: Sequence[exp.Expr]) -> exp.Select:
        """SELECT of the user's rows. The table carries its schema, so that no CTE of the same name can take its place."""
        select = exp.Select(expressions=list(selected)).from_(self._qualified(name), copy=False)
        return select.where(self._condition(name, user), copy=False) if name in self._distance else select

    def _qualified(self, name: str) -> exp.Table:
        schema = self._structure.default_schema
        table = exp.Table(this=exp.to_identifier(name, quoted=True), db=exp.to_identifier(schema, quoted=True) if schema else None)
        table.meta[_TRUSTED] = True
        return table

    def _condition(self, name: str, user: str | None) -> exp.Expr:
        if user is None:
            return exp.EQ(this=exp.Literal.number(1), expression=exp.Literal.number(0))
        if name in self._conditions:
            return exp.Paren(this=self._bound(name, self._conditions[name].copy(), user))
        found = []
        for key in self._structure.foreign_keys:
            if key.table == name and key.target_columns and self._distance.get(key.target, len(self._distance)) < self._distance[name]:
                own = [_identifier(c) for c in key.columns]
                rows = self._own_rows(key.target, user, [_identifier(c) for c in key.target_columns])
                found.append(exp.In(this=own[0] if len(own) == 1 else exp.Tuple(expressions=own), query=exp.Subquery(this=rows)))
        return exp.and_(*found, copy=False)

    def _bound(self, name: str, condition: exp.Expr, user: str) -> exp.Expr:
        """The condition with the user's value for :user, as a literal of the kind that it is compared with.

        MySQL takes 'abc' for 0 beside a number, and '7x' for 7: a user who is no number matches no numeric column.
        """
        for placeholder in list(condition.find_all(exp.Placeholder)):
            if self._beside_number(placeholder, name):
                literal = exp.Literal.number(user) if _NUMBER.fullmatch(user) else exp.Null()
            else:
                literal = exp.Literal.string(user)
            if placeholder is condition:
                return literal
            placeholder.replace(literal)
        return condition

    def _beside_number(self, placeholder: exp.Expr, name: str) -> bool:
        beside = placeholder.parent.find_all(exp.Column) if isinstance(placeholder.parent, (exp.Binary, exp.In)) else ()
        tables = [t for t in self._structure.tables if t.name == name or t.name in self._tables_of(placeholder)]
        types = {c.name.lower(): c.type for t in reversed(tables) for c in t.columns}
        return any(_NUMERIC.search(types.get(column.name.lower(), "")) for column in beside)

    def _tables_of(self, node: exp.Expr) -> set[str]:
        select = node.find_ancestor(exp.Select)
        found = (find_table(t, self._structure.tables, self._dialect) for t in select.find_all(exp.Table)) if select else ()
        return {info.name for info in found if info}

    def _parsed(self, name: str, condition: str) -> exp.Expr:
        """The operator's condition. It is trusted: its own tables are not limited."""
        try:
            parsed = parse_one(condition, dialect=self._dialect, into=exp.Condition)
        except SqlglotError as error:
            raise DatabaseUnavailable(f"The scope of {name!r} is no condition: {condition!r}. Correct the setting database.scopes.") from error
        if any(p.name != "user" for p in parsed.find_all(exp.Placeholder, exp.Parameter)):
            raise DatabaseUnavailable(f"The scope of {name!r} may name no other value than :user. Correct the setting database.scopes.")
        for table in parsed.find_all(exp.Table):
            table.meta[_TRUSTED] = True
            if cte_of(table, self._dialect) is None and not table.db and self._structure.default_schema:
                table.set("db", exp.to_identifier(self._structure.default_schema, quoted=True))
        return parsed


def _identifier(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))
