"""Whether two statements that are close in meaning say the same."""

from __future__ import annotations

import re

# Two statements that differ in one of these say different things, however close their vectors are.
_NEGATIONS = frozenset("no not never none nobody nothing without cannot can't don't doesn't didn't isn't aren't wasn't won't".split())
_NUMBERS = frozenset("one two three four five six seven eight nine ten eleven twelve hundred thousand first second third half".split())


def says_the_same(one: str, other: str) -> bool:
    """Whether two statements that are close in meaning also agree in numbers, names and negations."""
    return _telling(one) == _telling(other)


def _telling(text: str) -> list[str]:
    """The numbers, negations and names of a statement, in their order (a word with a capital is a name, the first apart)."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.replace("’", "'"))
    telling = []
    for number, word in enumerate(words):
        is_name = number > 0 and word[0].isupper() and word.split("'")[0] != "I"
        if is_name or any(c.isdigit() for c in word) or word.lower() in _NEGATIONS | _NUMBERS:
            telling.append(word.removesuffix("'s").lower())
    return telling
