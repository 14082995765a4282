"""Which chart the rows of an answer call for, decided by their shape alone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from assistant import Table

FEWEST_LINE, FEWEST_POINTS, MOST_BARS, MOST_LINES = 3, 8, 30, 3
SAME_SIZE = 20.0
"""How much larger than another a line may be: one scale for very different sizes would show a flat line."""

_ID = re.compile(r"(^|_| )([iI][dD]|ID|uuid|guid)$|[a-z](Id|ID)$")
_NUMBERED = re.compile(r"(^|_| )(key|code|zip|zipcode|zip_code|postcode|phone|phone_number|isbn|no|nr)$", re.IGNORECASE)
_YEAR = re.compile(r"year|%Y'", re.IGNORECASE)
_PART = re.compile(r"month|quarter|week|day|hour|%m'|%w'|%H'", re.IGNORECASE)
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_QUARTER = re.compile(r"(\d{4})[- ]?Q([1-4])")

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Chart:
    """What to draw. `labels` name the rows; `places` are their places along a line or a scatter; `series` are the values.

    A place is a number: days, months, years, or the value itself. `left_out` counts the rows without a value.
    """

    kind: Literal["line", "bars", "scatter"]
    axis: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    places: tuple[float, ...]
    series: tuple[tuple[float | None, ...], ...]
    left_out: int = 0


def chart(table: Table) -> Chart | None:
    """The chart that the table's shape calls for, or None. Whether rows are missing (`truncated`) is the caller's to say."""
    if len(table.rows) < 2:
        return None
    names = table.columns
    everything = {at: tuple(row[at] for row in table.rows) for at in range(len(names))}
    ids = [at for at, cells in everything.items() if _ID.search(names[at]) or (_NUMBERED.search(names[at]) and _numbers(cells))]
    columns = {at: cells for at, cells in everything.items() if at not in ids}
    numeric = [at for at, cells in columns.items() if _numbers(cells)]
    rest = [at for at in columns if at not in numeric]
    first = next(iter(columns), None)
    if first is not None and (line := _line(first, columns, numeric, names)):
        return line
    if len(numeric) == 1 and rest and _one_label(rest, names) and not _times(columns[numeric[0]], names[numeric[0]]):
        return _bars([columns[at] for at in rest], [names[at] for at in rest], columns[numeric[0]], names[numeric[0]])
    if len(numeric) == 2 and not rest and not ids:
        return _scatter(columns[numeric[0]], columns[numeric[1]], names[numeric[0]], names[numeric[1]])
    return None


def charts(table: Table) -> tuple[Chart, ...]:
    """The chart that the table's shape calls for, then the other kinds that may show the same; none where it calls for none."""
    first = chart(table)
    return () if first is None else (first, *_others(first))


def _others(first: Chart) -> Iterator[Chart]:
    """One number over time may stand as bars; pairs of numbers with one for each place as a line, and where they are few as bars."""
    if first.kind == "bars" or len(first.series) > 1:
        return
    labels = first.labels or tuple(f"{place:.12g}" for place in first.places)
    points = [point for point in zip(first.places, first.series[0], labels, strict=True) if point[1] is not None]
    if len({place for place, _, _ in points}) < len(points):
        return
    points.sort()
    places, values, labels = (tuple(column) for column in zip(*points, strict=True))
    if first.kind == "scatter":
        yield Chart("line", first.axis, first.names, labels, places, (values,), first.left_out)
    if 2 <= len(points) <= MOST_BARS:
        yield Chart("bars", first.axis, first.names, labels, (), (values,), first.left_out)


def _line(first: int, columns: dict[int, tuple[Cell, ...]], numeric: list[int], names: Sequence[str]) -> Chart | None:
    """Numbers over time: the first column is a time, all others are numbers of about the same size."""
    others = [at for at in columns if at != first]
    if not 1 <= len(others) <= MOST_LINES or any(at not in numeric for at in others):
        return None
    places = [place(cell, names[first]) for cell in columns[first]]
    rows = sorted((where, at) for at, where in enumerate(places) if where is not None)
    known = [where for where, _ in rows]
    strange = any(cell is not None for cell, where in zip(columns[first], places, strict=True) if where is None)
    if strange or len(known) < FEWEST_LINE or len(set(known)) < len(known):
        return None
    series = tuple(tuple(_number(columns[other][at]) for _, at in rows) for other in others)
    sizes = [max(abs(value) for value in line if value is not None) for line in series if any(value is not None for value in line)]
    if len(sizes) < len(series) or max(sizes) > SAME_SIZE * max(min(sizes), 1e-300):
        return None
    empty = len(places) - len(rows) + sum(all(line[at] is None for line in series) for at in range(len(rows)))
    labels = tuple(str(columns[first][at]) for _, at in rows)
    return Chart("line", names[first], tuple(names[at] for at in others), labels, tuple(known), series, empty)


def _bars(words: list[tuple[Cell, ...]], word_names: list[str], cells: tuple[Cell, ...], name: str) -> Chart | None:
    """Categories with a number each."""
    labels = [" ".join(str(part) for part in parts if part is not None) or "none" for parts in zip(*words, strict=True)]
    kept = [(label, value) for label, cell in zip(labels, cells, strict=True) if (value := _number(cell)) is not None]
    if not 2 <= len(kept) <= MOST_BARS or len({label for label, _ in kept}) < len(kept):
        return None
    values = tuple(value for _, value in kept)
    return Chart("bars", " and ".join(word_names), (name,), tuple(label for label, _ in kept), (), (values,), len(cells) - len(kept))


def _scatter(across: tuple[Cell, ...], up: tuple[Cell, ...], across_name: str, up_name: str) -> Chart | None:
    """Two numbers of each row."""
    points = [(x, y) for a, b in zip(across, up, strict=True) if (x := _number(a)) is not None and (y := _number(b)) is not None]
    if len(points) < FEWEST_POINTS:
        return None
    places, values = tuple(x for x, _ in points), tuple(y for _, y in points)
    return Chart("scatter", across_name, (up_name,), (), places, (values,), len(across) - len(points))


def _one_label(columns: list[int], names: Sequence[str]) -> bool:
    """Whether text columns are one thing to say: a single one, or the parts of a name."""
    return len(columns) == 1 or all("name" in names[at].lower() for at in columns)


def _times(cells: Sequence[Cell], name: str) -> bool:
    return all(cell is None or place(cell, name) is not None for cell in cells)


def _numbers(cells: Sequence[Cell]) -> bool:
    filled = [cell for cell in cells if cell is not None]
    return bool(filled) and all(_number(cell) is not None for cell in filled)


def _number(cell: Cell) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    try:
        number = float(cell)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) < 1e300 else None


def place(cell: Cell, name: str) -> float | None:
    """Where a cell lies in time (days, months or years), or None where it is no time. `name` is its column's."""
    text = str(cell)
    if cell is None or isinstance(cell, bool | float):
        return None
    if isinstance(cell, int) or text.isdecimal():
        if _YEAR.search(name) and 1000 <= int(text) <= 2999:
            return float(text)
        return float(text) if _PART.search(name) and len(text) <= 2 and int(text) <= 53 else None
    if (month := _MONTH.fullmatch(text)) and 1 <= int(month[2]) <= 12:
        return int(month[1]) * 12.0 + int(month[2])
    if quarter := _QUARTER.fullmatch(text):
        return int(quarter[1]) * 4.0 + int(quarter[2])
    return _day(text)


def _day(text: str) -> float | None:
    """Days since the year 1 of a date or a time in ISO's spelling."""
    try:
        if len(text) == 10:
            return float(date.fromisoformat(text).toordinal())
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    day = moment.toordinal() + (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86400
    return float(day) if len(text) > 10 and text[4] == "-" else None
