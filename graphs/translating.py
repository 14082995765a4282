"""A translation of a document or of its sections about something, part by part, with the words that it is of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphs import prompts
from graphs.grounding import cite
from graphs.parts import CHARACTERS_PER_TOKEN, about, nothing_in, reading, work, write
from graphs.turn import Turn
from graphs.values import Citation
from stores.values import Document

LONGER = 1.6
"""Tokens of a translation for one of its text, at the most: most languages take more of them than English."""


def translate(turn: Turn, documents: Sequence[Document], *, topic: str, language: str) -> dict[str, object]:
    """Say the translation with its source. Only its numbers can be checked, so that it does not count as grounded."""
    todo = about(turn, documents, topic) if topic else work(turn, documents)
    if not todo.parts:
        turn.say(nothing_in(documents, topic))
        return {"grounded": False}
    citations: list[Citation] = []
    for number, part in enumerate(todo.parts, 1):
        with reading(turn, number, len(todo.parts), part):
            most = int(LONGER * len(part.text) / CHARACTERS_PER_TOKEN) + 40
            human = prompts.translate_part(text=part.text, language=language)
            text = write(turn, part.document, prompts.TRANSLATE_SYSTEM, human, most, opening=f"{prompts.QUOTES}\n", stop=prompts.QUOTES)
        mark = cite(citations, part.passages[0], " ".join(part.text.split()))
        turn.say(f"{chr(10) * 2 if turn.text else ''}{text} [{mark}]")
        if _digits(text) != _digits(part.text):
            turn.say(" (Not all numbers are those of the text: compare with the source.)")
    if todo.cut:
        turn.say(f"\n\n{todo.cut}")
    return {"citations": citations, "grounded": False}


def _digits(text: str) -> list[str]:
    """The numbers of a text by their digits: languages write 1,250.50 as 1.250,50."""
    return sorted(re.sub(r"\D", "", number) for number in re.findall(r"\d[\d.,'\u00a0\u202f]*", text))
