"""The values of a query in plain words. What cannot be said simply is quoted, so that nothing false is said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlglot import exp

from stores.values import ColumnInfo, Schema, TableInfo

QUOTED = 200
"""Characters of a piece of SQL that is quoted."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?")
_AGGREGATES: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Sum: ("the sum of", "the sum of"),
    exp.Avg: ("the average of", "the average of"),
    exp.Min: ("the lowest", "the earliest"),
    exp.Max: ("the highest", "the latest"),
}
_KINDS = {
    "date": re.compile("date|time", re.IGNORECASE),
    "text": re.compile("char|text|string|enum", re.IGNORECASE),
    "number": re.compile("int|real|num|dec|float|double|serial|money", re.IGNORECASE),
}
_SAID = {"this", "expression", "expressions", "format", "decimals", "big_int", "casts_non_integer_decimals"}
"""What a value may consist of to be said; anything else may change it."""
_TIMES = {"%Y": "the year", "%m": "the month", "%d": "the day", "%Y-%m": "the year and month", "%H": "the hour"}


@dataclass(frozen=True)
class Names:
    """What the names in one SELECT stand for: `said` by alias, `infos` where the alias is a table of the database.

    `repeated`: tables that stand more than once in the query, and so go by their aliases. `aliases`: the values that the
    SELECT itself names. `dotted`: each column is said with its table.
    """

    schema: Schema
    repeated: frozenset[str] = frozenset()
    said: dict[str, str] = field(default_factory=dict)
    infos: dict[str, TableInfo | None] = field(default_factory=dict)
    aliases: dict[str, exp.Expr] = field(default_factory=dict)
    dotted: bool = False

    @property
    def dialect(self) -> str:
        """The database's, by sqlglot's name."""
        return self.schema.dialect

    def info(self, column: exp.Column) -> ColumnInfo | None:
        """The column of the database that is meant, where that is certain."""
        tables = [self.infos.get(column.table.lower())] if column.table else list(self.infos.values())
        found = [c for table in tables if table for c in table.columns if c.name.lower() == column.name.lower()]
        return found[0] if len(found) == 1 else None

    def holders(self, name: str) -> int:
        """In how many of the sources a column of that name may be."""
        return sum(info is None or any(c.name.lower() == name.lower() for c in info.columns) for info in self.infos.values())

    def meant(self, node: exp.Expr) -> exp.Expr:
        """The value that a bare name stands for, where the SELECT has given it that name; else the node itself."""
        if not isinstance(node, exp.Column) or node.table:
            return node
        return exp.Literal.string(node.name) if self.is_text(node) else self.aliases.get(node.name.lower(), node)

    def is_text(self, column: exp.Column) -> bool:
        """Whether SQLite takes a name in double quotes for a text, because no source has such a column."""
        quoted = isinstance(column.this, exp.Identifier) and column.this.quoted and not column.table
        return quoted and self.dialect == "sqlite" and column.name.lower() not in self.aliases and self.holders(column.name) == 0

    def column(self, column: exp.Column) -> str:
        """A column by name, with its table where several could be meant."""
        name = shown_name(column.this, self.dialect)
        table = column.table.lower()
        alone = len(self.said) == 1 or self.holders(column.name) == 1
        if not table or (table in self.said and alone and not self.dotted):
            return name
        return f"{self.said.get(table, column.table)}.{name}"


def shown_name(identifier: exp.Expr, dialect: str) -> str:
    """A name as it is read: in quotes only where it is no plain word."""
    return identifier.name if re.fullmatch(r"\w+", identifier.name) else quoted(identifier.sql(dialect))


def quoted(sql: str) -> str:
    """A piece of SQL between backticks, on one line, cut where it is long."""
    text = " ".join(sql.splitlines())
    text = text if len(text) <= QUOTED else text[: QUOTED - 1] + "…"
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def listed(items: Sequence[str], last: str = "and") -> str:
    """Items as in "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def code(node: exp.Expr, names: Names) -> str:
    """A piece of SQL, quoted; its columns are named as elsewhere where it has no query of its own."""
    copy = node.copy()
    if copy.find(exp.Query) is None:
        for column in list(copy.find_all(exp.Column)):
            if isinstance(column.this, exp.Identifier) and column is not copy:
                shown = names.column(column)
                if "`" not in shown:
                    column.replace(exp.Var(this=shown))
    return quoted(copy.sql(names.dialect, comments=False))


def value(node: exp.Expr, names: Names) -> str:
    """What a value is, as a noun: "city", "the sum of amount", "the year of received_on"."""
    node = bare(node)
    if isinstance(node, exp.Column) and names.is_text(node):
        node = exp.Literal.string(node.name)
    if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
        star = node if isinstance(node, exp.Star) else node.this
        if any(star.args.values()):  # EXCEPT, REPLACE, RENAME
            return code(node, names)
        return f"every column of {names.said.get(node.table.lower(), node.table)}" if isinstance(node, exp.Column) else "every column"
    if isinstance(node, exp.Column):
        return names.column(node)
    if isinstance(node, exp.Literal):
        return node.sql(names.dialect)
    if isinstance(node, exp.CurrentDate):
        return "today"
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.TimeToStr) and node.to.is_type(*exp.DataType.INTEGER_TYPES):
        node = node.this  # a year is the same as a number
    if any(arg for key, arg in node.args.items() if key not in _SAID):
        return code(node, names)
    return _counted(node, names) or _aggregate(node, names) or _part(node, names) or code(node, names)


def bare(node: exp.Expr) -> exp.Expr:
    """A value without its alias and its brackets; a query in brackets stays in them."""
    node = node.unalias()
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def kind(node: exp.Expr, names: Names) -> str | None:
    """Whether a value is a "number", a "date" or a "text", where that can be told."""
    node = bare(names.meant(node))
    if isinstance(node, exp.Count | exp.Sum | exp.Avg | exp.Div | exp.Mul):
        return "number"
    if isinstance(node, exp.Round | exp.Min | exp.Max) and not node.expressions:
        return kind(node.this, names)
    info = names.info(node) if isinstance(node, exp.Column) else None
    return next((name for name, types in _KINDS.items() if types.search(info.type)), None) if info else None


def _counted(node: exp.Expr, names: Names) -> str | None:
    if not isinstance(node, exp.Count) or node.expressions:
        return None
    what = node.this
    if isinstance(what, exp.Star | exp.Literal):
        return "the number of rows"
    if isinstance(what, exp.Distinct):
        different = [value(one, names) for one in what.expressions]
        return f"the number of different {'values' if len(different) == 1 else 'combinations'} of {listed(different)}"
    plain = isinstance(what, exp.Column) and isinstance(what.this, exp.Identifier)
    return f"the number of rows with a value in {value(what, names)}" if plain else None


def _aggregate(node: exp.Expr, names: Names) -> str | None:
    if type(node) not in _AGGREGATES or node.expressions:
        return None
    what = node.this
    plain, dated = _AGGREGATES[type(node)]
    if isinstance(what, exp.Distinct):
        return f"{plain} the different values of {value(what.expressions[0], names)}" if isinstance(node, exp.Sum | exp.Avg) else None
    sort = kind(what, names)
    if isinstance(node, exp.Min | exp.Max) and sort == "text":
        return f"the {'first' if isinstance(node, exp.Min) else 'last'} {value(what, names)} by alphabet"
    return f"{dated if sort == 'date' else plain} {value(what, names)}"


def _part(node: exp.Expr, names: Names) -> str | None:
    """The functions that have a plain name: a part of a date, rounding, lower and upper case."""
    if isinstance(node, exp.TimeToStr) and isinstance(node.args.get("format"), exp.Literal):
        part = _TIMES.get(node.args["format"].name)
        return _moment(part, node.this, names) if part else None
    if isinstance(node, exp.Extract) and node.name.lower() in ("year", "month", "day", "quarter", "hour"):
        return _moment(f"the {node.name.lower()}", node.expression, names)
    if isinstance(node, exp.Year | exp.Month | exp.Day | exp.Quarter):
        return _moment(f"the {node.key}", node.this, names)
    if isinstance(node, exp.Round):
        places = node.args.get("decimals")
        if places is not None and not isinstance(places, exp.Literal):
            return None
        return f"{value(node.this, names)} ({f'rounded to {places.name} decimals' if places else 'rounded'})"
    if isinstance(node, exp.Lower | exp.Upper):
        return f"{value(node.this, names)} in {'small' if isinstance(node, exp.Lower) else 'capital'} letters"
    return f"the length of {value(node.this, names)}" if isinstance(node, exp.Length) else None


def _moment(part: str, node: exp.Expr, names: Names) -> str | None:
    """A part of a date or time, where it is a column's own."""
    if isinstance(node, exp.Cast | exp.TsOrDsToTimestamp | exp.TsOrDsToDate):
        node = node.this
    return f"{part} of {value(node, names)}" if isinstance(node, exp.Column | exp.CurrentDate) else None


def flat(node: exp.Expr, connector: type[exp.Expr]) -> list[exp.Expr]:
    """The parts that AND (or OR) puts together, through brackets and however deep, in their order."""
    parts: list[exp.Expr] = []
    open_ = [node]
    while open_:
        part = bare(open_.pop())
        if isinstance(part, connector) and isinstance(part, exp.Binary):
            open_ += [part.right, part.left]
        else:
            parts.append(part)
    return parts


def is_date(node: exp.Expr) -> bool:
    """Whether a value is a date or a time written out."""
    return isinstance(node, exp.Literal) and node.is_string and bool(_DATE.fullmatch(node.name))


def period(low: exp.Expr, high: exp.Expr) -> str | None:
    """The year, month or day from `low` up to but without `high`, or None where it is none of these."""
    if not all(isinstance(end, exp.Literal) and end.is_string and _DAY.fullmatch(end.name) for end in (low, high)):
        return None
    try:
        first, after = date.fromisoformat(low.name), date.fromisoformat(high.name)
    except ValueError:
        return None
    if first.day == after.day == 1:
        if (first.month, after.month, after.year) == (1, 1, first.year + 1):
            return f"in {first.year}"
        if (after.year * 12 + after.month) - (first.year * 12 + first.month) == 1:
            return f"in {first:%B %Y}"
    return f"on {first.isoformat()}" if after - first == timedelta(days=1) else None
