"""Does a sentence stand on what was fetched? By program, so that it costs no model call and cannot be talked round."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from graphs.values import Citation
from stores.values import Passage, Table

SUPPORT = 0.6
"""Share of a sentence's content words that must stand in its passage (or in the question)."""

_STOP = frozenset(
    "a about above after all also am an and any are as at be because been before being below between both but by can could did do does "
    "doing down during each for from further had has have having he her here hers him his how i if in into is it its itself just me more most my "
    "no nor not of off on once only or other our ours out over own s same she should so some such t than that the their theirs them then there these "
    "they this those through to too under until up very was we were what when where which while who whom why will with would you your yours "
    "yes according passage passages document documents state states stated mention mentions mentioned say says said".split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+(?:[.,]\d+)*")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<=[^.!?:\s\"'“„(\[*-] )[A-ZÀ-Þ][^\W\d_]+")
_TITLE = re.compile(r"\b(Mr|Mrs|Ms|Dr|St|Prof)\.")
# The next sentence begins with what is no small Latin letter: other scripts have no capitals, or their own.
_SENTENCE_END = re.compile(r"(?<=[.!?।؟])[\"')\]]*\s+(?=[\"'(\[]?[^\W_a-zß-ÿ])|(?<=[。！？])|\n{2,}|\n(?=[\W\dA-ZÀ-Þ])")
_NUMBERED = re.compile(r"\W*\d{1,3}[.)]")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|Mr|Mrs|Ms|Dr|St|No|vs|approx|cf|U\.S|[A-Z])\.$")
_CURRENCIES = "$€£¥₹"
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "s", "ly")


@dataclass(frozen=True)
class Support:
    """How well the best passage carries a sentence: `share` of its content words, and the passage's own words.

    `echo`: the sentence brings no content word that the question does not have.
    """

    passage: int
    share: float
    quote: str
    echo: bool = False


def sentences(pieces: Iterable[str]) -> Iterator[str]:
    """Whole sentences from a stream of pieces, each as soon as the next one begins."""
    held = ""
    for piece in pieces:
        held += piece
        while (end := _boundary(held)) is not None:
            yield held[: end[0]].strip()
            held = held[end[1] :]
    if held.strip():
        yield held.strip()


def split(text: str) -> list[str]:
    """The sentences of a text."""
    return list(sentences([text]))


def _boundary(text: str) -> tuple[int, int] | None:
    for found in _SENTENCE_END.finditer(text):
        before = text[: found.start()].strip()
        if before and not _ABBREVIATION.search(before) and not _NUMBERED.fullmatch(before):  # the number of a list's entry goes with it
            return found.start(), found.end()
    return None


def words(text: str) -> set[str]:
    """The content words of a text, lower case, without endings; numbers without separators."""
    return {_normal(w) for w in _WORD.findall(text.lower()) if w not in _STOP}


def numbers(text: str) -> set[str]:
    """The numbers in a text, written one way: 1,250.50 and 1250.5 are the same."""
    return {_plain_number(n) for n in _NUMBER.findall(text)}


def names(text: str) -> set[str]:
    """The words that a capital marks as names, as `words` writes them; not the first of a sentence."""
    return words(" ".join(_NAME.findall(_TITLE.sub(r"\1", text))))


def _normal(word: str) -> str:
    if word[0].isdigit():
        return _plain_number(word)
    word = word.replace("’", "'").removesuffix("'s")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word.removesuffix(ending)
            break
    return word.removesuffix("e") if len(word) > 4 else word


def _plain_number(text: str) -> str:
    """A number without thousands separators, trailing zeros and sign."""
    text = text.strip("-.,")
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    text = text.replace(",", ".")
    if text.count(".") > 1:
        return text
    return text.rstrip("0").rstrip(".") if "." in text else text.lstrip("0") or "0"


def support(sentence: str, passages: Sequence[Passage], question: str) -> Support | None:
    """The passage that best carries a sentence, or None where none carries enough of it or lacks one of its numbers."""
    said, asked = words(sentence), words(question)
    if not said or sentence.rstrip().endswith("?"):
        return None  # a question claims nothing
    best: Support | None = None
    for n, passage in enumerate(passages):
        there = words(f"{passage.location} {passage.text}")
        if not numbers(sentence) <= numbers(passage.text) | numbers(question):
            continue
        own = said - asked
        share = len(said & (there | asked)) / len(said)
        # Words of the question alone carry nothing: the passage must bring something of the sentence itself.
        if share < SUPPORT or (own and not own & there) or (not own and not said & there):
            continue
        weight = share + len(own & there) / (len(own) or 1) + 0.01 * len(said & there)
        if best is None or weight > best.share:
            best = Support(n, weight, quote(passage, said, asked), echo=not own)
    return best


def quote(passage: Passage, said: set[str], asked: set[str]) -> str:
    """The sentence of the passage that shares most with what was said, then with what was asked; its own words."""

    def shared(candidate: str) -> tuple[float, int]:
        there = words(candidate)
        return len(said & there) + 0.3 * len((asked - said) & there), -len(candidate)

    candidates = split(passage.text) or [passage.text]
    if sum(" | " in candidate for candidate in candidates[:2]) == 2:  # a table's head names what is asked for, its rows tell it
        candidates = candidates[1:]
    best = max(candidates, key=shared)
    return " ".join(best.split())  # a line break of the page is not part of what it says


def stands_on_rows(sentence: str, table: Table, question: str) -> bool:
    """Whether every number of a sentence is in the rows, their count or the question (rounded to cents or whole)."""
    allowed = numbers(question) | {str(len(table.rows))}
    for row in table.rows:
        for cell in row:
            allowed |= numbers(str(cell))
            if isinstance(cell, float):
                allowed |= {_plain_number(f"{cell:.{digits}f}") for digits in (0, 1, 2)}
    return numbers(sentence) <= allowed


def without_currency(sentence: str, known: str) -> str:
    """The sentence without signs of a currency that nothing known has: a small model takes every amount for dollars."""
    return "".join(sign for sign in sentence if sign not in _CURRENCIES or sign in known)


def cite(citations: list[Citation], passage: Passage, words_quoted: str) -> int:
    """The number of a citation in the answer, added where it is new."""
    new = Citation(passage.document, passage.location, words_quoted, passage.score, bool(passage.orders), passage.id)
    if new not in citations:
        citations.append(new)
    return citations.index(new) + 1
