"""Dates said in words, as dates: a small model knows what "last month" is called, not when it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

_UNITS = r"day|week|month|quarter|year"
_NAMED = re.compile(rf"\b(this|current|last|previous|past|next|coming)\s+({_UNITS})\b", re.IGNORECASE)
_COUNTED = re.compile(rf"\b(?:last|past|previous)\s+(\d{{1,3}})\s+({_UNITS})s\b", re.IGNORECASE)
_AGO = re.compile(rf"\b(\d{{1,3}})\s+({_UNITS})s?\s+ago\b", re.IGNORECASE)
_DAY = re.compile(r"\b(today|yesterday|tomorrow|tonight)\b", re.IGNORECASE)
MONTHS = "january february march april may june july august september october november december".split()
_CALENDAR = re.compile(rf"\b(?:in|during|of|for|from)\s+(?:({'|'.join(MONTHS)})\s+)?((?:19|20)\d\d)\b", re.IGNORECASE)
_NOW = re.compile(r"\b(now|currently|at the moment|so far|recent(ly)?|latest|overdue|ago|since|still)\b", re.IGNORECASE)

_PER = re.compile(r"\b(?:per|by|each|every|for each)\s+(day|month|year)\b", re.IGNORECASE)
_FORMATS = {
    "sqlite": {"day": "date({0})", "month": "strftime('%Y-%m', {0})", "year": "strftime('%Y', {0})"},
    "postgres": {"day": "{0}::date", "month": "to_char({0}, 'YYYY-MM')", "year": "extract(year FROM {0})"},
    "mysql": {"day": "DATE({0})", "month": "DATE_FORMAT({0}, '%Y-%m')", "year": "YEAR({0})"},
}


def spoken(text: str, today: date) -> list[str]:
    """What the time words of a text mean on a day, one line each: '"this year" is 2026-01-01 to 2026-12-31.'"""
    found = [f'"{words.lower()}" is {span}.' for words, span in _spans(text, today)]
    if not found and _NOW.search(text):
        found.append(f"Today is {today.isoformat()}.")
    return list(dict.fromkeys(found))


def spans(text: str, today: date) -> set[str]:
    """The days and times that a text names, whatever the words; "the latest" names none."""
    return {span for _, span in _spans(text, today)}


def _spans(text: str, today: date) -> Iterator[tuple[str, str]]:
    """(words, what they mean on a day: "2026-01-01 to 2026-12-31")."""
    for match in _NAMED.finditer(text):
        shift = {"this": 0, "current": 0, "next": 1, "coming": 1}.get(match[1].lower(), -1)
        yield match[0], _span(*period(today, match[2].lower(), shift))
    for match in _COUNTED.finditer(text):
        yield match[0], _span(back(today, match[2].lower(), int(match[1])), today)
    for match in _AGO.finditer(text):
        day = back(today, match[2].lower(), int(match[1]))
        yield match[0], _span(day, day)
    for match in _CALENDAR.finditer(text):
        month = MONTHS.index(match[1].lower()) if match[1] else 0
        yield match[0], _span(*period(date(int(match[2]), month + 1, 1), "month" if match[1] else "year", 0))
    for match in _DAY.finditer(text):
        day = today + timedelta(days={"yesterday": -1, "tomorrow": 1}.get(match[1].lower(), 0))
        yield match[0], _span(day, day)


def moves(text: str, today: date) -> bool:
    """Whether a text means other dates on another day: "this year", but not "in 2025"."""
    return spoken(text, today) != spoken(text, today + timedelta(days=400))


def grouping(text: str, dialect: str, column: str) -> str | None:
    """How the dialect groups a date column by the day, month or year that a text asks for with "per" or "by"."""
    match = _PER.search(text)
    pattern = _FORMATS.get(dialect, {}).get(match[1].lower()) if match else None
    return f'"{match[0].lower()}": select and GROUP BY {pattern.format(column)}.' if match and pattern else None


def period(today: date, unit: str, shift: int) -> tuple[date, date]:
    """The first and last day of the day, week (from Monday), month, quarter or year, `shift` of them from today's."""
    if unit == "day":
        start = today + timedelta(days=shift)
        return start, start
    if unit == "week":
        start = today - timedelta(days=today.weekday()) + timedelta(weeks=shift)
        return start, start + timedelta(days=6)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    first = (today.month - 1) // months * months
    start = _month(today.year, first + shift * months)
    return start, _month(start.year, start.month - 1 + months) - timedelta(days=1)


def back(today: date, unit: str, count: int) -> date:
    """The day so many units before a day; after it where the count is below 0."""
    if unit in ("day", "week"):
        return today - timedelta(days=count * (7 if unit == "week" else 1))
    start = _month(today.year, today.month - 1 - count * {"month": 1, "quarter": 3, "year": 12}[unit])
    last = (_month(start.year, start.month) - timedelta(days=1)).day  # the 31st of a shorter month is its last day
    return start.replace(day=min(today.day, last))


def _month(year: int, month0: int) -> date:
    """The first of a month counted from January = 0, over the ends of years."""
    return date(year + month0 // 12, month0 % 12 + 1, 1)


def _span(start: date, end: date) -> str:
    return start.isoformat() if start == end else f"{start.isoformat()} to {end.isoformat()}"
