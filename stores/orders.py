"""Text that gives orders to the machine that reads it: found by program, so that it cannot be talked round.

What a document, a heading, a file name or a cell says is data. A sentence in it that addresses the assistant is set aside before
the model reads, and can be quoted; nothing is deleted from what is stored. What counts as an order stands in `stores.order_phrases`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from stores.order_phrases import ELSEWHERE, ELSEWHERE_STEMS, compiled, english

LONGEST_NAME = 80
"""Characters of a file name or heading that the model is shown."""
ASIDE = "(addresses the assistant)"
"""Stands for a name, a heading or a cell that is an order."""

# Sentences, lines that begin anew, cells of a table: what is set aside without what stands beside it.
_ENDS = re.compile(r"(?<=[.!?…])[\"'”’»)\]*_]*\s+|(?<=[。！？؟।])|\s*\n\s*\n\s*|\n(?=[ \t]*(?:[-*•–>|#]|\d+[.)]\s|[^\W\d_a-zß-ÿ]))|\s*(?:(?<=\s)|^)\|(?=\s|$)|\t", re.MULTILINE)
_LONGEST_UNIT = 500
# Characters that show nothing: zero-width ones, marks of direction, and the tags by which text can be hidden in a text. The joiners of
# Persian, of Indian scripts and of emoji (U+200C, U+200D) are left to readers, not to the rules.
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufeff\uffa0\U000e0000-\U000e0fff]")
_JOINERS = re.compile("[\u200c\u200d\ufe00-\ufe0f]")
_LOOKALIKES = str.maketrans("авсԁеһіјкӏмпорԛгѕтуѵԝхѡᴀοαεικνρτυχωϲѐɡ", "abcdehijklmnopqrstuvwxwaoaeikvptuxwceg")
_LETTERS_LIKE = str.maketrans("ıłøđæœßŀ", "ilodaosl")
_DIGITS_LIKE = str.maketrans("0134578@$!|", "oieastbasil")
_DISGUISED = re.compile(r"\b(?=\w*[a-z@$!|])[a-z@$!|]*[0134578@$!|][\w@$!|]*[a-z]", re.IGNORECASE)
_SPACED = re.compile(r"(?<!\w)\w(?:[ ._*-]\w){7,}(?!\w)")
_SQUASHED = re.compile(r"ignor|disregard|instruction|assistant|prompt|answer|reply|respon|output|sayonly|language?model|forget", re.IGNORECASE)
_WISHES = re.compile(
    r"\b(?:say|said|spok|speak|talk|repl[iy]|respon|answer|mention|print|output|writ|add|append|includ|insert|finish|end|clos|conclu|begin|start|sign|greet|tell|told|messag"
    r"|instruct|obey|always|never|must|shall|please|kindly|appreciat|phras|sentence|word|user|reader|assistant|machine|model|remember|forget|ignor)",
    re.IGNORECASE,
)
_ENGLISH_WORDS = re.compile(r"\b(?:the|of|and|is|to|that|for|with|this|you|must|your|are|was|it|by|when)\b", re.IGNORECASE)


def visible(text: str) -> str:
    """The text without characters that show nothing."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def folded(text: str) -> str:
    """Text as the rules read it: without accents and what shows nothing, with plain letters, spaces and quotation marks."""
    if text.isascii():
        return " ".join(text.split())
    bare = unicodedata.normalize("NFKD", _JOINERS.sub("", visible(text)))
    plain = "".join(character for character in bare if unicodedata.category(character) != "Mn")
    return " ".join(unicodedata.normalize("NFKC", plain).translate(_LETTERS_LIKE).replace("’", "'").split())


_ELSEWHERE = compiled(tuple(re.sub(r"[^\x00-\x7f]+", lambda found: folded(found.group()), rule) for rule in ELSEWHERE))
_STEMS = tuple(folded(stem) for stem in ELSEWHERE_STEMS)


@dataclass(frozen=True)
class Reading:
    """A text without the orders in it, and these."""

    text: str
    orders: tuple[str, ...] = ()


def wishes(text: str) -> bool:
    """Whether a text has a word by which somebody might wish for something to be said: far too little to set it aside for."""
    return bool(_WISHES.search(folded(text)))


def without(text: str) -> str:
    """The text without the sentences, lines and cells that give orders to the machine."""
    return read(text).text


def aside(text: str) -> str:
    """A file name, a heading or a cell, or that it is an order."""
    return ASIDE if read(text).orders else text


def named(text: str) -> str:
    """A file name or a heading as the model is shown it before it decides anything: one line, not long, and no order."""
    line = " ".join("".join(c if c.isprintable() else " " for c in visible(text)).split())
    return aside(line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…")


@lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """What of a text can be read to the model, and the orders that it holds."""
    units = list(_units(text))
    found = [_is_order(text[first:last]) for first, last in units]
    for at in range(len(units) - 1):  # an order may run over two cells or lines
        apart = text[units[at][1] - 1] in ".!…。！"
        if not apart and not found[at] and not found[at + 1] and _is_order(f"{text[slice(*units[at])]} {text[slice(*units[at + 1])]}"):
            found[at] = found[at + 1] = True
    if not any(found):
        return Reading(text)
    kept, end = "", 0
    for (first, last), order in zip([*units, (len(text), len(text))], [*found, True], strict=True):
        if order:
            gap = text[end:first]
            kept = (kept.rstrip() if gap[:1].isspace() else kept) + gap
            end = last
    return Reading(kept.strip(), tuple(" ".join(text[slice(*unit)].split()) for unit, order in zip(units, found, strict=True) if order))


def _units(text: str) -> list[tuple[int, int]]:
    """Where the sentences, lines and cells of a text begin and end."""
    found: list[tuple[int, int]] = []
    start = 0
    for end, following in [*((match.start(), match.end()) for match in _ENDS.finditer(text)), (len(text), len(text))]:
        while end - start > _LONGEST_UNIT:
            cut = text.rfind(" ", start, start + _LONGEST_UNIT)
            cut = cut if cut > start else start + _LONGEST_UNIT
            found.append((start, cut))
            start = cut
        if re.search(r"\w", text[start:end]):
            found.append((start, end))
        start = following
    return found


def _is_order(unit: str) -> bool:
    plain = folded(unit)
    forms = {plain}
    if not plain.isascii() and re.search(r"[a-z]", plain, re.IGNORECASE):
        forms.add(plain.casefold().translate(_LOOKALIKES))
    if _DISGUISED.search(plain):
        forms.add(_DISGUISED.sub(lambda word: word.group().translate(_DIGITS_LIKE), plain))
    if any(_SQUASHED.search(re.sub(r"[ ._*-]", "", run.group())) for run in _SPACED.finditer(plain)):
        return True
    return any(english(form) or _elsewhere(form) for form in forms)


def _elsewhere(form: str) -> bool:
    low = form.lower()
    return any(stem in low for stem in _STEMS) and len(_ENGLISH_WORDS.findall(form)) < 2 and bool(_ELSEWHERE.search(form))
