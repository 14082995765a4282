"""A summary: each part condensed, what is too much condensed again, and each sentence checked against the part it is from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from graphs.grounding import cite
from graphs.parts import Note, Part, about, notes, nothing_in, reading, shorter, work
from graphs.turn import Turn
from graphs.values import Citation
from stores.values import Document

MOST_OF_ONE = 5
"""Sentences about one part, at the most; more of one reading repeat each other."""
FEW = 2
"""Sentences about each of several parts, before they are condensed together."""


def summarise(turn: Turn, documents: Sequence[Document], *, topic: str, sentences: int | None) -> dict[str, object]:
    """Say what the documents, or their sections about the topic, tell in at most so many sentences, each cited."""
    todo = about(turn, documents, topic) if topic else work(turn, documents)
    if not todo.parts:
        turn.say(nothing_in(documents, topic))
        return {"grounded": False}
    citations: list[Citation] = []
    several = len({part.document.id for part in todo.parts}) > 1
    done = 0
    for group, quota in _groups(todo.parts, sentences or turn.bounds.summary_sentences):
        found: list[Note] = []
        for part in group:
            done += 1
            with reading(turn, done, len(todo.parts), part):
                found += notes(turn, part, quota if len(group) == 1 else FEW)
        if len(found) > quota:
            with turn.step("answer"):
                found = shorter(turn, found, group, quota)
        _say(turn, found, citations, group[0].document.name if several else None)
    if todo.cut:
        turn.say(f"\n\n{todo.cut}")
    return {"citations": citations, "grounded": bool(citations)}


def _groups(parts: Sequence[Part], sentences: int) -> Iterator[tuple[Sequence[Part], int]]:
    """Parts that are summed up together, and in how many sentences: each document by itself, a long one in stretches."""
    documents = [list(group) for _, group in groupby(parts, key=lambda part: part.document.id)]
    if len(documents) > 1:
        for group in documents:
            yield group, min(MOST_OF_ONE, max(1, sentences // len(documents)))
        return
    stretches = min(len(parts), max(1, sentences // FEW))
    for n in range(stretches):
        stretch = parts[n * len(parts) // stretches : (n + 1) * len(parts) // stretches]
        # What does not divide goes to the first.
        yield stretch, min(MOST_OF_ONE, sentences // stretches + (n < sentences % stretches))


def _say(turn: Turn, found: Sequence[Note], citations: list[Citation], heading: str | None) -> None:
    said = " ".join(f"{note.sentence} [{cite(citations, note.passage, note.quote)}]" for note in found)
    if said and heading:
        turn.say(f"{chr(10) if turn.text else ''}- **{heading}**: {said}")
    elif said:
        turn.say(f"{' ' if turn.text else ''}{said}")
