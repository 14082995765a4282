"""Whether a predicted query is right: both are run read-only, and their rows compared."""

from __future__ import annotations

import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

TOLERANCE = 1e-6
# Sums of floats taken in another order differ by more than 1e-6 once they are large.
RELATIVE_TOLERANCE = 1e-12
MAX_STEPS = 20_000

Row = tuple[Any, ...]

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


@dataclass(frozen=True)
class Verdict:
    """`valid`: the predicted query ran; `right`: its rows are those of the gold query or of an alternative."""

    valid: bool
    right: bool
    error: str | None = None


def judge(database: Path, predicted: str | None, golds: Sequence[str], *, ordered: bool, timeout: float = 30.0) -> Verdict:
    """Run a predicted query and its gold queries on a SQLite file, each at most `timeout` seconds, and compare.

    A prediction that fails is wrong whatever the gold result. Of the predicted rows one more than
    the longest gold result is read: with that many it cannot be equal.
    """
    if not predicted or not predicted.strip():
        return Verdict(valid=False, right=False, error="no SQL")
    wanted = [rows for rows in (_gold_rows(database, sql, timeout) for sql in golds) if rows is not None]
    longest = max((len(rows) for rows in wanted), default=0)
    try:
        found = run_query(database, predicted, timeout=timeout, most=longest + 1)
    # ProgrammingError and ValueError: more than one statement, or a null character in it.
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        return Verdict(valid=False, right=False, error=str(error))
    return Verdict(valid=True, right=any(same_rows(found, gold, ordered) for gold in wanted))


def run_query(database: Path, sql: str, *, timeout: float = 30.0, most: int | None = None) -> list[Row]:
    """The rows of one query on a connection that only reads; bytes that are not UTF-8 are replaced.

    Raises `sqlite3.Error` where it fails, or takes longer than `timeout` seconds.
    """
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY)
        ends = time.monotonic() + timeout
        connection.set_progress_handler(lambda: int(time.monotonic() > ends), 10_000)
        return list(islice(connection.execute(sql), most))


def same_rows(predicted: Sequence[Row], gold: Sequence[Row], ordered: bool) -> bool:
    """Whether two results hold the same rows: as a multiset, or as a sequence where `ordered`.

    Columns may stand in any order, but there must be as many; numbers are equal within 1e-6 whatever
    their type, strings exactly, NULL equals NULL. Columns are matched by the values in them first, and
    the rows then compared under each such matching, at most `MAX_STEPS` of them.
    """
    if len(predicted) != len(gold):
        return False
    if not gold:
        return True
    width = len(gold[0])
    if len(predicted[0]) != width:
        return False
    label = _labels(value for row in (*predicted, *gold) for value in row)
    ours = [tuple(label(row[column]) for row in predicted) for column in range(width)]
    theirs = [tuple(label(row[column]) for row in gold) for column in range(width)]
    return _columns_match(ours, theirs, ordered)


def _columns_match(ours: list[Row], theirs: list[Row], ordered: bool) -> bool:
    """Whether some order of our columns gives their rows. A wrong start is dropped at once, so few are tried."""
    budget = MAX_STEPS
    contents = [Counter(column) for column in ours]
    candidates = [[i for i, content in enumerate(contents) if content == Counter(column)] for column in theirs]

    def place(chosen: tuple[int, ...]) -> bool:
        nonlocal budget
        if len(chosen) == len(theirs):
            return True
        tried: set[Row] = set()
        for column in candidates[len(chosen)]:
            # Equal columns are interchangeable: trying one of them is trying all.
            if column in chosen or ours[column] in tried or budget <= 0:
                continue
            tried.add(ours[column])
            budget -= 1
            longer = (*chosen, column)
            if _rows_match([ours[i] for i in longer], theirs[: len(longer)], ordered) and place(longer):
                return True
        return False

    return place(())


def _rows_match(ours: Sequence[Row], theirs: Sequence[Row], ordered: bool) -> bool:
    if ordered:
        return all(a == b for a, b in zip(ours, theirs, strict=True))
    return Counter(zip(*ours, strict=True)) == Counter(zip(*theirs, strict=True))


def _labels(values: Iterable[Any]) -> Callable[[Any], tuple[str, Any]]:
    """A function that gives equal values one label. Numbers that neighbour within the tolerance share theirs,
    which, unlike rounding, has no border that two almost equal numbers can fall on either side of."""
    numbers = sorted({_number(value) for value in values if _is_number(value)})
    group: dict[int | float, int] = {}
    for before, number in zip([None, *numbers], numbers, strict=False):
        group[number] = len(group) if before is None or not _close(before, number) else group[before]

    def label(value: Any) -> tuple[str, Any]:
        return ("number", group[_number(value)]) if _is_number(value) else (type(value).__name__, value)

    return label


def _close(a: int | float, b: int | float) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE, abs_tol=TOLERANCE)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> int | float:
    return float(value) if isinstance(value, Decimal) else value


def _gold_rows(database: Path, sql: str, timeout: float) -> list[Row] | None:
    """The gold rows; None where the gold query itself fails here, so that nothing can equal it."""
    try:
        return run_query(database, sql, timeout=timeout)
    except (sqlite3.Error, sqlite3.Warning):
        return None
