"""Passwords, card numbers and keys: never kept in passing, only where the user asks for it."""

from __future__ import annotations

import re

_CALLED = re.compile(
    r"\b(pass(word|phrase|code)s?|pwd|pins?( code| number)?|cvv|cvc|(api|secret|access|private|license|licence|recovery)[ -]?(keys?|tokens?|codes?)|tokens?|credentials?|ibans?|log-?ins?"
    r"|(credit |debit |bank )?card( number)?|account number|social security( number)?|ssn|(door|alarm|safe|gate|entry|locker)[ -]code|combination)\b",
    re.IGNORECASE,
)
_VALUE = re.compile(r"\S*\d\S*|[:=]\s*\S+|\b(is|are)\s+\S+|(?<=\s)\w+-\w+-\w+")
_LOOKS = re.compile(
    r"(?<!\w)(?:\d[ -]?){13,19}(?!\w)|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,}|\b(sk|pk|ghp|gho|xox[bp]|AKIA|glpat)[-_]?[A-Za-z0-9_-]{10,}"
    r"|\b(?=[A-Za-z0-9+/_-]*\d)(?=[A-Za-z0-9+/_-]*[A-Za-z])[A-Za-z0-9+/_]{24,}\b|\b\d{3}-\d{2}-\d{4}\b|-----BEGIN"
)


def holds_secret(text: str) -> bool:
    """Whether a text looks as if it held a password, a PIN, a card or account number, or a key."""
    called = _CALLED.search(text)
    return bool(_LOOKS.search(text) or (called and _VALUE.search(text, called.end())))
