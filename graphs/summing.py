"""A summary: each part condensed to a sentence, too many of these condensed again, and each sentence checked against the part it is from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from graphs.grounding import cite
from graphs.parts import Note, Part, about, notes, nothing_in, reading, shorter, work
from graphs.turn import Turn
from graphs.values import Citation
from stores.values import Document


def summarise(turn: Turn, documents: Sequence[Document], *, topic: str, sentences: int | None) -> dict[str, object]:
    """Say what the documents, or their section about the topic, tell in at most so many sentences, each cited; of each document one at least."""
    sentences = sentences or turn.bounds.summary_sentences
    todo = about(turn, documents, topic, sentences) if topic else work(turn, documents, sentences)
    if not todo.parts:
        turn.say(nothing_in(documents, topic))
        return {"grounded": False}
    # The model says at once what it thinks fit for a sentence; two are kept where there is room.
    most = max(1, min(2, sentences // len(todo.parts)))
    citations: list[Citation] = []
    done = 0
    headed = ""
    several = len({part.document.id for part in todo.parts}) > 1
    for group in _groups(todo.parts, sentences):
        found: list[Note] = []
        for part in group:
            done += 1
            with reading(turn, done, len(todo.parts), part):
                found += notes(turn, part, most)
        if len(group) > 1:
            with turn.step("answer"):
                found = shorter(turn, found, group)
        name = group[0].document.name
        if several and name != headed:
            headed = name
            turn.say(f"{chr(10) if turn.text else ''}- **{name}**:")
        for told in found:
            turn.say(f"{' ' if turn.text else ''}{told.sentence} [{cite(citations, told.passage, told.quote)}]")
    if todo.cut:
        turn.say(f"\n\n{todo.cut}")
    return {"citations": citations, "grounded": bool(citations)}


def _groups(parts: Sequence[Part], sentences: int) -> Iterator[Sequence[Part]]:
    """Parts that follow each other and become one sentence, each document by itself."""
    documents = [list(group) for _, group in groupby(parts, key=lambda part: part.document.id)]
    each = max(1, sentences // len(documents))
    for group in documents:
        count = min(each, len(group))
        yield from (group[n * len(group) // count : (n + 1) * len(group) // count] for n in range(count))
