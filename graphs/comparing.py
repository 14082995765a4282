"""Two documents beside each other: what stands in both costs nothing, what differs is quoted from both, or condensed side by side.

The model never reads both sides at once, so that it cannot take the one for the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from graphs.grounding import cite, numbers, split, words
from graphs.library import Target
from graphs.parts import Note, Part, Work, notes, nothing_in, reading, work
from graphs.turn import Turn
from graphs.values import Citation
from stores.values import Document, Passage

ALIKE = 0.5
"""Share of words that two sentences have in common (Dice) where one is the other, changed."""
SAME_HEADING = 0.15
"""What standing under the same heading adds to that."""
QUOTED_WORDS = 45
"""What one side alone has in a section is quoted up to so many words, and condensed beyond."""
MOST_CHANGED = 30
_LOOKED_AT = 400
# "3. Prices", where a file does not say that it is a heading; "12 March" is none.
_NUMBERED_HEADING = re.compile(r"\W*(\d+[.)]|\d+(\.\d+)+[.)]?)\s+[A-ZÀ-Þ][^\W\d]+(\s+[^\W\d]+){0,2}\W*$")


@dataclass(frozen=True)
class _Line:
    """A sentence or a row of a document."""

    text: str
    heading: str
    passage: Passage
    document: Document

    @property
    def quote(self) -> str:
        return " ".join(self.text.split())


def compare(turn: Turn, first: Target, second: Target) -> dict[str, object]:
    """Say what differs, each side with its source."""
    if first == second:
        turn.say(f"Both names mean {first.label}. Name two documents to be compared.")
        return {"grounded": False}
    sides = [work(turn, target.documents) for target in (first, second)]
    for target, side in zip((first, second), sides, strict=True):
        if not side.parts:
            turn.say(nothing_in(target.documents, ""))
            return {"grounded": False}
    citations: list[Citation] = []
    one, other = (_lines(side) for side in sides)
    same, left, right = _apart(one, other)
    pairs = _pairs(left[:_LOOKED_AT], right[:_LOOKED_AT])
    changed = {id(line) for pair in pairs for line in pair}
    alone = [[line for line in lines if id(line) not in changed] for lines in (left, right)]
    _say_same(turn, first.label, second.label, same, len(pairs), [len(lines) for lines in alone])
    _say_changed(turn, pairs, first.label, second.label, citations)
    _say_alone(turn, [(first.label, alone[0]), (second.label, alone[1])], citations)
    for cut in filter(None, (side.cut for side in sides)):
        turn.say(f"\n\n{cut}")
    return {"citations": citations, "grounded": True}


def _lines(side: Work) -> list[_Line]:
    """The sentences of a document, each once."""
    found: dict[str, _Line] = {}
    for part in side.parts:
        for passage in part.passages:
            heading = passage.location.rsplit(" › ", 1)[-1]
            # Short sections stand in one passage, each under a line with its heading.
            headings = heading.split(", ")
            for text in split(passage.text):
                if text.strip() in headings:
                    heading = text.strip()
                elif words(text) and not _NUMBERED_HEADING.match(text):
                    found.setdefault(_key(text), _Line(text, heading, passage, part.document))
    return list(found.values())


def _key(text: str) -> str:
    return " ".join(text.split()).casefold().strip(" .;|-*")


def _apart(one: Sequence[_Line], other: Sequence[_Line]) -> tuple[int, list[_Line], list[_Line]]:
    """(how many are the same, those of the first alone, those of the second alone); what has only moved is the same."""
    keys, other_keys = {_key(line.text) for line in one}, {_key(line.text) for line in other}
    left = [line for line in one if _key(line.text) not in other_keys]
    return len(one) - len(left), left, [line for line in other if _key(line.text) not in keys]


def _pairs(left: Sequence[_Line], right: Sequence[_Line]) -> list[tuple[_Line, _Line]]:
    """Each sentence with the one of the other side that it became, the most alike first; in the order of the first."""
    said = {id(line): words(line.text) for line in (*left, *right)}
    scored = []
    for line in left:
        for other in right:
            shared = 2 * len(said[id(line)] & said[id(other)]) / (len(said[id(line)]) + len(said[id(other)]))
            if shared + SAME_HEADING >= ALIKE:
                score = shared + (SAME_HEADING if _key(line.heading) == _key(other.heading) else 0.0)
                scored.append((score, line, other))
    taken: set[int] = set()
    found: dict[int, tuple[_Line, _Line]] = {}
    for score, line, other in sorted(scored, key=lambda entry: -entry[0]):
        if score >= ALIKE and not {id(line), id(other)} & taken:
            taken |= {id(line), id(other)}
            found[id(line)] = (line, other)
    return [found[id(line)] for line in left if id(line) in found]


def _say_same(turn: Turn, first: str, second: str, same: int, changed: int, alone: Sequence[int]) -> None:
    if not changed and not any(alone):
        turn.say(f"{first} and {second} say the same, sentence for sentence.")
        return
    kept = f"{same} {'sentence is' if same == 1 else 'sentences are'} the same" if same else "no sentence is the same"
    turn.say(f"Of {first} and {second} {kept}, {changed} changed; {alone[0]} only in the first, {alone[1]} only in the second.")


def _say_changed(turn: Turn, pairs: Sequence[tuple[_Line, _Line]], first: str, second: str, citations: list[Citation]) -> None:
    if not pairs:
        return
    turn.say("\n\n**Changed**\n")
    # Those with other numbers first: they are what people look for.
    for line, other in sorted(pairs, key=lambda pair: numbers(pair[0].text) == numbers(pair[1].text))[:MOST_CHANGED]:
        was = f'{first}: "{line.quote}" [{cite(citations, line.passage, line.quote)}]'
        now = f'{second}: "{other.quote}" [{cite(citations, other.passage, other.quote)}]'
        turn.say(f"\n- {line.heading}: {was} — {now}")
    if len(pairs) > MOST_CHANGED:
        turn.say(f"\n\n({len(pairs) - MOST_CHANGED} more have changed.)")


def _say_alone(turn: Turn, sides: Sequence[tuple[str, Sequence[_Line]]], citations: list[Citation]) -> None:
    """What one side alone has, by section: quoted where it is short, else condensed."""
    most = max(1, turn.bounds.parts // len(sides))
    sections = [(label, _sections(lines)) for label, lines in sides]
    shown = [(label, lines) for label, found in sections for lines in found[:most]]
    total = sum(_is_long(lines) for _, lines in shown)
    done, headed = 0, ""
    for label, lines in shown:
        if label != headed:
            turn.say(f"\n\n**Only in {label}**\n")
            headed = label
        found = [Note(f'"{line.quote}"', line.passage, line.quote) for line in lines]
        if _is_long(lines):
            done += 1
            part = _part(lines)
            with reading(turn, done, total, part):
                found = notes(turn, part)
        turn.say(f"\n- {lines[0].heading}: " + " ".join(f"{told.sentence} [{cite(citations, told.passage, told.quote)}]" for told in found))
    if more := sum(len(found[most:]) for _, found in sections):
        turn.say(f"\n\n({more} more sections are in one of them only.)")


def _sections(lines: Sequence[_Line]) -> list[list[_Line]]:
    """Lines that follow each other under one heading."""
    return [list(group) for _, group in groupby(lines, key=lambda line: (line.document.id, line.heading))]


def _is_long(lines: Sequence[_Line]) -> bool:
    return sum(len(line.text.split()) for line in lines) > QUOTED_WORDS


def _part(lines: Sequence[_Line]) -> Part:
    """What one side alone has in a section, as a part of its document."""
    passages = [replace(lines_[0].passage, text="\n".join(line.text for line in lines_)) for lines_ in _by_passage(lines)]
    return Part(lines[0].document, tuple(passages))


def _by_passage(lines: Sequence[_Line]) -> list[list[_Line]]:
    return [list(group) for _, group in groupby(lines, key=lambda line: line.passage.id)]
