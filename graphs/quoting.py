"""How a sentence that stands on a passage is shown: with the passage's words where these say more, without what only wishes to be said."""

from __future__ import annotations

import re

from graphs.grounding import Support, numbers, words
from stores.orders import wishes
from stores.telling import about_telling, clauses

QUOTED_WORDS = 40
"""The longest passage sentence that is quoted within the answer; the citation always has it."""
TELLING = 3
"""A quotation is worth its place when it brings at least so many content words that the answer lacks."""
LEAST = 3
"""Content words that must be left of a sentence when clauses are taken out of it."""

_QUOTATION = re.compile(r"\s*[\"“„«][^\"“”„«»]*[\"”“»]?")
_MARKS = re.compile(r"\s*\[\d{1,3}\]")
_PREAMBLE = re.compile(
    r"^(according to the (passages?|documents?),?\s+|the (passages?|documents?|rows) (only )?(states?|says?|mentions?)( that|:)?\s+)",
    re.IGNORECASE,
)


# Not of time: "daily", "monthly" and "p.a." say the same in other words.
_RATE = re.compile(
    r"(?P<amount>\d[\d.,]*(?:\s+[^\W\d]+)?)\s+(?:per|a|an|each|every)\s+(?P<unit>mile|kilomet\w+|km|met(?:er|re)|guest|item|piece|unit)s?\b",
    re.IGNORECASE,
)


def without_rates(sentence: str, known: str) -> str:
    """The sentence without "per mile" after an amount where nothing known has that unit: what a small model adds to a bare number."""
    there = words(known)
    return _RATE.sub(lambda found: found[0] if words(found["unit"]) <= there else found["amount"], sentence)


def told(sentence: str, found: Support, passage: str, question: str, *, quoting: bool) -> str:
    """A sentence that stands on a passage as it is shown; `quoting` allows it the passage's own words beside it."""
    sentence = without_telling(sentence, question)
    if not _QUOTATION.search(sentence):  # quoted words stay as they are
        sentence = without_rates(sentence, f"{passage} {question}")
    source = without_telling(_MARKS.sub("", found.quote), question)  # a footnote's number would be taken for a citation
    if found.echo:
        # What only says the question again ("Yes, you can …") cannot be checked: the passage's words can.
        return f'The documents say: "{quoted(source)}"'
    more = words(source) - words(sentence) - words(question)
    plain = "|" not in source and len(source.split()) <= QUOTED_WORDS
    if quoting and plain and len(more) >= TELLING:
        return f'{sentence} In the document\'s words: "{quoted(source)}"'
    return sentence


def without_telling(sentence: str, question: str) -> str:
    """The sentence without clauses about how it is to be told, and without what hangs on them; whole where the question is about that.

    What a question asks for stands in the clause that shares most with it; of the others, those stay that have more of it, or numbers.
    """
    asked, parts = words(question), clauses(sentence)
    if len(parts) < 2:
        return sentence
    texts = [sentence[first:last] for first, last in parts]
    main = max(range(len(texts)), key=lambda n: (not about_telling(texts[n]), len(words(texts[n]) & asked)))
    known = asked & words(texts[main])
    if not any(about_telling(text) and not asked & words(text) - known for n, text in enumerate(texts) if n != main):
        return sentence
    kept = [n == main or bool(asked & words(text) - known) or (bool(numbers(text)) and not about_telling(text)) for n, text in enumerate(texts)]
    rest = "".join(text for text, stays in zip(texts, kept, strict=True) if stays)
    rest = _QUOTATION.sub(lambda found: found[0] if asked & words(found[0]) else "", rest).strip(" ,;:–—(")
    if len(words(rest)) < LEAST:
        return sentence
    return rest if rest.endswith((".", "!", "?", "。")) else f"{rest}."


def strays(sentence: str, found: Support, question: str) -> bool:
    """Whether a sentence says nothing of the question, from words that may be somebody's wish to have it said."""
    return not words(question) & (words(sentence) | words(found.quote)) and wishes(found.quote)


def quoted(text: str) -> str:
    """A document's words to stand in quotation marks, which they cannot end themselves."""
    return re.sub("[\"“”„«»]", "'", text)


def without_preamble(sentence: str) -> str:
    """The sentence without "The passage states that": which passage it is, the citation says."""
    rest = _MARKS.sub("", _PREAMBLE.sub("", sentence))  # a citation is made by program; one that was written is copied, or forged
    return rest[:1].upper() + rest[1:]
