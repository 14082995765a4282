"""Lines of a printed page."""

from __future__ import annotations

import re

# A line that ends within a sentence, and goes on in small letters on the next.
_WRAP = re.compile(r"(?<=[^\s.!?:;|–•*-])\n(?=[a-zß-ÿ])")


def unwrapped(text: str) -> str:
    """The text without the line breaks that only the width of the page made: a sentence is quoted whole."""
    return _WRAP.sub(" ", text)
