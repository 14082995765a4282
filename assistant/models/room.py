"""How many tokens a context may hold where memory is short."""

from __future__ import annotations

LEAST = 4096
"""Fewer are never chosen: a schema, passages and a conversation need that much room."""
RESERVE = 1_000_000_000
"""Bytes left for what else grows: kept prefixes (384 MB), the embedding model, working memory, the user's other programs."""


def affordable(wanted: int, cell_bytes: int, available: int) -> int:
    """`wanted` tokens, halved (down to `LEAST`) until their keys and values leave `RESERVE` of the `available` bytes."""
    cells = wanted
    while cells // 2 >= LEAST and cells * cell_bytes > available - RESERVE:
        cells //= 2
    return cells
