"""Time words of what somebody said, against the day when it was said: "last March" is a month, "next Friday" a day.

A weekday with "next" or "last" is the one of next or last week; alone, it is the coming one, and in a sentence about the past
the one before. A month alone goes by the same rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from graphs.dates import MONTHS, back, period

_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_COUNTS = {word: n for n, word in enumerate("a one two three four five six seven eight nine ten eleven twelve".split(), 0)} | {"a": 1, "an": 1}
_UNIT = r"(day|week|month|quarter|year)"
_COUNT = rf"(\d{{1,3}}|{'|'.join(sorted(_COUNTS, key=len, reverse=True))})"
_WHICH = r"(last|previous|past|next|this|coming)"
_WORDS = re.compile(
    rf"\b(?P<day>the day (?:before yesterday|after tomorrow)|yesterday|tomorrow|today|tonight|this (?:morning|afternoon|evening))\b"
    rf"|\b(?P<ago>{_COUNT} {_UNIT}s? ago)\b|\b(?P<ahead>in {_COUNT} {_UNIT}s?)\b"
    rf"|\b(?:in |during |on |of )?(?P<unit>{_WHICH} {_UNIT})\b"
    rf"|\b(?P<weekday>(?:{_WHICH} |on )({'|'.join(_DAYS)}))\b(?!s)"
    rf"|\b(?P<month>(?:{_WHICH}|in|during|of|since|until) (?:early |late |mid-?)?({'|'.join(MONTHS)}))\b(?!\s+\d)"
    rf"|\b(?P<of>(?:in|during|of|since) ({'|'.join(MONTHS)}),? ((?:19|20)\d\d))\b|\b(?P<year>(?:in|during|since) ((?:19|20)\d\d))\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(was|were|had|did|went|got|bought|sold|met|saw|lost|left|began|came|told|said|chose|took|gave|found|made|paid|held|wrote|have been|has been|(?!need)\w{2,}ed)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Span:
    """The words of a time, and its first and last day."""

    words: str
    start: date
    end: date

    def __str__(self) -> str:
        if self.start == self.end:
            return _long(self.start)
        if (self.start, self.end) == period(self.start, "month", 0):
            return f"{self.start:%B %Y}"
        if (self.start, self.end) == period(self.start, "year", 0):
            return f"{self.start.year}"
        return f"{_long(self.start)} to {_long(self.end)}"


def dated(text: str, said_on: date) -> str:
    """The text with the date after each of its time words: "yesterday" becomes "yesterday (19 May 2026)"."""
    past = bool(_PAST.search(text))

    def with_date(found: re.Match[str]) -> str:
        span = None if found["of"] or found["year"] else _span(found, said_on, past)
        return found[0] if span is None or text[found.end() :].lstrip().startswith("(") else f"{found[0]} ({span})"

    return _WORDS.sub(with_date, text)


def asked(question: str, today: date) -> Span | None:
    """The time that a question about the past names, a little wider where it counts weeks, months or years back."""
    found = _WORDS.search(question)
    if found is None or found["ahead"]:
        return None
    span = _span(found, today, past=True)
    if span is not None and found["ago"]:
        wider = timedelta(days={"week": 3, "month": 15, "quarter": 30, "year": 90}.get(_unit(found["ago"]), 0))
        return Span(span.words, span.start - wider, span.end + wider)
    return span


def _span(found: re.Match[str], today: date, past: bool) -> Span | None:
    words = found[0]
    if text := found["day"]:
        far = {"yesterday": -1, "tomorrow": 1, "the day before yesterday": -2, "the day after tomorrow": 2}
        day = today + timedelta(days=far.get(text.lower(), 0))
        return Span(words, day, day)
    if text := found["ago"]:
        return Span(words, *[back(today, _unit(text), _number(text.split()[0]))] * 2)
    if text := found["ahead"]:
        return Span(words, *[back(today, _unit(text), -_number(text.split()[1]))] * 2)
    if text := found["unit"]:
        which, unit = text.lower().split()
        return Span(words, *period(today, unit, _shift(which)))
    if text := found["weekday"]:
        which, name = text.lower().split()
        return _weekday(words, which, name, today, past)
    if text := found["month"]:
        return _month(words, text.lower().split()[0], MONTHS.index(text.lower().split()[-1].replace(",", "").split("-")[-1]), today, past)
    if text := found["of"]:
        return Span(words, *period(date(int(text[-4:]), MONTHS.index(text.lower().split()[1].strip(",")) + 1, 1), "month", 0))
    return Span(words, *period(date(int(found["year"][-4:]), 1, 1), "year", 0))


def _weekday(words: str, which: str, name: str, today: date, past: bool) -> Span:
    if which in ("on", "coming"):
        ahead = (_DAYS.index(name) - today.weekday()) % 7
        day = today + timedelta(days=ahead - 7 if past and which == "on" else ahead or 7)
    else:
        day = period(today, "week", _shift(which))[0] + timedelta(days=_DAYS.index(name))
    return Span(words, day, day)


def _month(words: str, which: str, month0: int, today: date, past: bool) -> Span | None:
    if which in ("since", "until"):
        past = which == "since"
    here = date(today.year, month0 + 1, 1)
    this_month = today.replace(day=1)
    back_one = (which in ("last", "previous", "past") and here >= this_month) or (which in ("in", "during", "of", "since", "until") and past and here > this_month)
    on_one = (which == "next" and here <= this_month) or (which in ("in", "during", "of", "until", "coming") and not past and here < this_month)
    return Span(words, *period(here.replace(year=here.year - back_one + on_one), "month", 0))


def _shift(which: str) -> int:
    return {"this": 0, "next": 1, "coming": 1}.get(which, -1)


def _unit(text: str) -> str:
    found = re.search(_UNIT, text, re.IGNORECASE)
    assert found is not None  # the pattern above has one
    return found[1].lower()


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _COUNTS[text.lower()]


def _long(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
