"""What was said before the turns that the model reads: shortened by program, and found again by its words.

Made anew from the history each time, so it holds what the shown version of the conversation holds, and is kept nowhere. No model
condenses it: what is asked for later are names and numbers, and these a small model loses.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from graphs.grounding import names, numbers, split, words
from graphs.turn import Turn
from stores.values import Message

CONDENSED = 800
"""Characters of the condensed turns, about 200 tokens."""
FIRST = 2
"""Turns from the beginning of a conversation that stay among them: what it is about."""
LOOKED = 20
"""Turns at either end of what was said earlier that are looked through for these: a long conversation takes no longer."""
FOUND, LONGEST = 2, 300
"""Turns that a question calls back, at most, and the characters of each side's words."""
CALLED = 0.5
"""The part of a question's words, rare ones counting more, that must stand in a turn that it calls back."""

_BACK = re.compile(
    r"\b(did|was|were|had|said|tell|told|gave|given|mention(ed)?|named|called|chose|chosen|decided?|agreed?|suggest(ed)?|wrote|asked|talk(ed)? about"
    r"|earlier|before|again|first|beginning|start|remember|recall|remind)\b",
    re.IGNORECASE,
)


_HAPPENED = re.compile(r"^\W*(who|what|which|where|when|how)\b.*\b\w{2,}ed\b", re.IGNORECASE)


@dataclass(frozen=True)
class Exchange:
    """A question and its answer, as they were said."""

    question: str
    answer: str

    def __str__(self) -> str:
        return f"the user said: {short(self.question, LONGEST)} You answered: {short(self.answer, LONGEST)}"


def before(turn: Turn, recent: Sequence[Message], read: Sequence[Message] = ()) -> list[Exchange]:
    """The turns of the conversation before the last messages, `read` of which are read as they are."""
    turns = turn.bounds.recent_turns
    # Before a window that is not full there is nothing.
    earlier = turn.services.history.earlier(turn.conversation, user=turn.user, turns=turns) if len(turn.recent) >= 2 * turns else []
    messages = [*earlier, *recent[: len(recent) - len(read)]]
    return [Exchange(one.text, two.text) for one, two in pairwise(messages) if (one.role, two.role) == ("user", "assistant")]


def condensed(earlier: Sequence[Exchange]) -> str:
    """The turns in a line each; where these are too long, those that name something, and of them the first and the last."""
    earlier = [*earlier[:-LOOKED][:LOOKED], *earlier[-LOOKED:]]
    lines = list(dict.fromkeys(map(_line, earlier)))
    if _length(lines) > CONDENSED:
        lines = list(dict.fromkeys(_line(exchange) for exchange in earlier if _names_something(exchange)))
    left_out = FIRST
    while _length([*lines[:FIRST], *lines[left_out:]]) > CONDENSED:
        left_out += 1
    return "\n".join([*lines[:FIRST], *["…"][: left_out - FIRST], *lines[left_out:]])


def recalled(question: str, turn: Turn, recent: Sequence[Message], read: Sequence[Message] = ()) -> list[Exchange]:
    """The turns before the last messages, `read` of which are read anyway, that a question calls back; none for one that does not look back."""
    back = len(question) <= LONGEST and (_BACK.search(question) or _HAPPENED.search(question))
    return called_back(question, before(turn, recent, read)) if back else []


def called_back(question: str, earlier: Sequence[Exchange]) -> list[Exchange]:
    """The turns that hold at least half of a question's words, oldest first."""
    wanted = words(_BACK.sub(" ", question))
    if not wanted:
        return []
    held = [words(f"{exchange.question} {exchange.answer}") for exchange in earlier]
    known = Counter(word for found in held for word in found & wanted)
    weights = {word: math.log(1 + len(held) / max(1, known[word])) for word in wanted}
    scores = {n: sum(weights[word] for word in found & wanted) / sum(weights.values()) for n, found in enumerate(held)}
    best = sorted((n for n in scores if scores[n] >= CALLED), key=lambda n: (-scores[n], -n))[:FOUND]
    return [earlier[n] for n in sorted(best)]


def short(text: str, most: int) -> str:
    """A text in one line, cut at a word."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[:most].rsplit(' ', 1)[0]} …"


def _length(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _line(exchange: Exchange) -> str:
    said = split(exchange.answer) or [""]
    telling = next((sentence for sentence in said if numbers(sentence) or names(sentence)), said[0])
    return f"- The user: {short(exchange.question, 90)} You: {short(telling, 110)}"


def _names_something(exchange: Exchange) -> bool:
    both = f"{exchange.question} {exchange.answer}"
    return bool(numbers(both) or names(both))
