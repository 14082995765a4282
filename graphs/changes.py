"""Does a new statement end an older one? By program where the wording tells; what is left in doubt, one token of the model decides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from graphs.grounding import words

Verdict = Literal["over", "both", "doubt"]
NEAR = 0.3
"""Cosine under which two statements are not about the same, unless they share words."""

_CUE = re.compile(
    r"\b(now|no longer|(do|does|am|is|are) not|\w+n't|not (\w+ )?any ?more|any ?more|again|instead|from now on|these days|nowadays|since|actually|new|switched|changed?|moved|moving|quit|stopp?ed|gave up|given up|left|sold|lost"
    r"|renamed|raised|lowered|cut|postponed|put off|brought forward|rescheduled|rebooked|cancell?ed|called off|married|engaged|divorced|split up|died|passed away|starte?d|joined|graduated|retired"
    r"|became|become|got a|bought|replaced|finished|closed|turned)\b",
    re.IGNORECASE,
)
_MORE = re.compile(r"\b(also|too|as well|another|other|second|third|besides|in addition)\b", re.IGNORECASE)
_VERB = re.compile(
    r"\b(is|are|was|were|'s been|has|have|had|will|lives?|works?|goes|studies|plays|runs?|moved|switched|changed|got|left|died|started|stopped|quit|likes|prefers|teaches|needs|leaves|meets|ends|begins"
    r"|\w{3,}(?:ed|s))\b",
    re.IGNORECASE,
)
_BE = re.compile(r"^(is|are|was|were|has (been )?(\w+ed) to|will be)\b(\s+(now|called|named))*", re.IGNORECASE)
# Of these a person has one at a time.
_SINGLE = re.compile(r"^\W*(?:i|we)(?:\s+(?:now|currently|still))?\s+(live|reside|am based|work (?:for|at)|bank with|wake up|get up|go to bed|weigh|am from|drive|commute)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\b(\d[\d.,:]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|no)\b", re.IGNORECASE)
_DAY = re.compile(r"\b(mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(january|february|march|april|may|june|july|august|september|october|november|december)\b", re.IGNORECASE)
_FILLER = {"new", "now", "current", "actual", "actually", "day", "old"}
_DATES = re.compile(r"\s*\([^)]*\d{4}[^)]*\)")


@dataclass(frozen=True)
class Frame:
    """A statement taken apart: the words of whom or what it is about (empty: the user), and what it says of it where it says what it is."""

    about: frozenset[str]
    value: str | None


def verdict(old: str, new: str, similarity: float) -> Verdict:
    """Whether the older statement is over now that the newer one was said, both still hold, or the wording does not tell."""
    old, new = _DATES.sub("", old), _DATES.sub("", new)
    if _MORE.search(new) or old.strip(" .!").lower() == new.strip(" .!").lower():
        return "both"
    before, after = frame(old), frame(new)
    if before.about and before.about == after.about and before.value and after.value:
        same_kind = _kind(before.value) == _kind(after.value)
        return "over" if same_kind else "doubt" if _CUE.search(new) else "both"
    if (one := _SINGLE.match(old)) and (other := _SINGLE.match(new)) and one[1].lower() == other[1].lower():
        return "over"
    if _counts_differ(old, new):
        return "over"
    if not _CUE.search(new) or not _same_matter(before, after, old, new, similarity):
        return "both"
    return "doubt"


def frame(text: str) -> Frame:
    """What a statement is about, and its value where it says that something is something; "Ana is my boss" is about the boss."""
    text = re.sub(r"^\W*(actually|these days|now|by now)\b[\s,]*", "", text.strip(), flags=re.IGNORECASE)
    if re.match(r"(i|we)\b", text, re.IGNORECASE):
        return Frame(frozenset(), None)
    verb = _VERB.search(text)
    if verb is None:
        return Frame(frozenset(), None)
    subject, rest = text[: verb.start()], text[verb.start() :]
    named = _BE.match(rest)
    if named is None:
        return Frame(_about(subject), None)
    value = rest[named.end() :].strip(" .!")
    inverted = re.match(r"(my|our)\s+(.+)$", value, re.IGNORECASE)
    if inverted and not re.match(r"\W*(my|our)\b", subject, re.IGNORECASE):
        return Frame(_about(inverted[2]), subject.strip())
    return Frame(_about(subject), value)


def _about(text: str) -> frozenset[str]:
    return frozenset(words(text) - _FILLER)


def _kind(value: str) -> str:
    """The shape of a value: two of one shape cannot both be so."""
    if _DAY.search(value):
        return "day"
    if _NUMBER.search(value):
        return "number"
    place = re.match(r"(in|on|at|near|with|from|to|for)\b", value, re.IGNORECASE)
    if place:
        return "place"
    return "name" if re.match(r"(Dr|Mr|Mrs|Ms)?\b\.?\s*[A-ZÀ-Þ]", value) else "word"


def _counts_differ(old: str, new: str) -> bool:
    """Whether two statements are the same but for a number."""
    one, other = words(_NUMBER.sub(" ", old)) - _FILLER, words(_NUMBER.sub(" ", new)) - _FILLER
    if not one or {n.lower() for n in _NUMBER.findall(old)} == {n.lower() for n in _NUMBER.findall(new)}:
        return False
    return bool(_NUMBER.search(old) and _NUMBER.search(new)) and one <= other and len(other - one) <= 1


def _same_matter(before: Frame, after: Frame, old: str, new: str, similarity: float) -> bool:
    """Whether the newer statement can be about what the older one is about."""
    told, said = words(old), words(new)
    if before.about and after.about:
        return bool(before.about & after.about)
    if before.about:
        return bool(before.about & said)  # "my gym is …", "I switched to the gym …"
    if after.about:
        return bool(after.about & told)
    return bool(told & said - _FILLER) or similarity >= NEAR
