"""Whom a statement tells of, where conversations of several people were taken over ("Ana (8 May 2023): I went …"): the one who speaks or the one spoken to."""

from __future__ import annotations

import re

from graphs.grounding import words
from graphs.turn import Documents
from stores.values import Memory

# "Ana (8 May 2023): I went …": somebody's own words.
_SPOKEN = re.compile(r"([A-ZÀ-Þ][\w'’. -]{0,40}?)(?: \([^)]*\))?: (.*)", re.DOTALL)
_I = re.compile(r"\b(i|my|mine|we|our|me|us|i['’]\w+|we['’]\w+)\b", re.IGNORECASE)
_YOU = re.compile(r"\b(you|your|yours|y['’]all|you['’]\w+)\b", re.IGNORECASE)


def names_a_teller(question: str, memories: list[Memory]) -> bool:
    """Whether a question names one of those who speak in what was remembered: it is for the memory, which tells them apart."""
    return question.rstrip().endswith("?") and bool(_asked(question, memories)[0])


def of_those_named(question: str, memories: list[Memory]) -> list[Memory]:
    """The memories without what others than those whom a question names said of themselves: what Ana did is not what Leo did."""
    asked, _ = _asked(question, memories)
    return [m for m in memories if not asked or not (said := _SPOKEN.match(m.text)) or not _I.search(said[2]) or words(said[1]) & asked]


def told_of_others(question: str, memories: list[Memory], documents: Documents) -> bool | None:
    """Whether what is asked of one of the speakers was told of another: the statement that fits best without the names is not of the one named.

    None where no one of them is named.

    Of LoCoMo, outside its sample, so it was of 0.72 of 210 questions that were never answered, and of 0.13 of 654 that were (counted in a script over
    `remembered`, without the model).
    """
    asked, speakers = _asked(question, memories)
    if len(asked) != 1:
        return None
    nameless = " ".join("they" if words(word) & speakers else word for word in question.split())
    wanted = words(question) - speakers
    said = [found for memory in memories if (found := _SPOKEN.match(memory.text))]
    best = {True: 0.0, False: 0.0}
    for one, near in zip(said, documents.alike(nameless, [one[2] for one in said]), strict=True):
        own, others = len(_I.findall(one[2])), len(_YOU.findall(one[2]))
        if own != others:  # else it may tell of either
            of_asked = (own > others) == bool(words(one[1]) & asked)
            best[of_asked] = max(best[of_asked], near + len(wanted & words(one[2])) / max(1, len(wanted)))
    return best[False] > best[True]


def _asked(question: str, memories: list[Memory]) -> tuple[frozenset[str], frozenset[str]]:
    """(those of the speakers whom a question names, all speakers), as words."""
    speakers = frozenset(word for memory in memories if (said := _SPOKEN.match(memory.text)) for word in words(said[1]))
    return frozenset(words(question)) & speakers, speakers
