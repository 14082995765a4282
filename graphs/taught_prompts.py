"""The instruction by which two questions are compared; see `graphs.prompts` for how instructions are written."""

from __future__ import annotations

SAME_SYSTEM = """You compare two questions about one database. Reply "yes" when both ask for the same thing in other words, so that one query answers both. Reply "no" when they differ in what is listed or counted, in a condition, a value, an order or a number.

A: How many orders came from Spain?
B: What is the number of Spanish orders?
yes

A: List the names of all suppliers.
B: List the cities of all suppliers.
no

A: Which product costs the least?
B: What is the cheapest product?
yes

A: Which product costs the least?
B: Which product costs the most?
no"""


def same_question(*, one: str, other: str) -> str:
    """Two questions to be compared."""
    return f"A: {one}\nB: {other}"
