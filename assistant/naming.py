"""What a conversation is called until somebody names it: its first question without the courtesies, by program."""

from __future__ import annotations

import re

LONGEST = 50
"""Characters of a name."""

_COURTESY = re.compile(
    r"(hi|hello|hey|dear|good (morning|afternoon|evening|day)|thank you|thanks?|ok(ay)?|please|so|well|now|and|there|again|assistant"
    r"|(can|could|would|will) you( please| kindly)?|(tell|show|give) me|let me know"
    r"|i('d| would) like to know|i (want|need) to know|do you know|i have a question|i was wondering)(?![\w'])[\s,.;:!?–—-]*",
    re.IGNORECASE,
)


def name_of(question: str) -> str:
    """A short name for a conversation that begins with a question; empty where it says nothing but a greeting."""
    rest = " ".join(question.split())
    while found := _COURTESY.match(rest):
        rest = rest[found.end() :]
    first = re.split(r"(?<=[.?!])\s", rest, maxsplit=1)[0].rstrip(" .?!,;:")
    if len(first) > LONGEST:
        first = first[: LONGEST - 1]
        first = (first[: first.rfind(" ")] if " " in first[LONGEST // 2 :] else first).rstrip(" ,;:") + "…"
    return first[:1].upper() + first[1:]
