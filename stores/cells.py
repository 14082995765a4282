"""A database's own values as the `Value` of this project."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Decimal

from stores.values import Value

MAX_CHARACTERS = 10_000


def to_value(cell: object, max_characters: int = MAX_CHARACTERS) -> Value:
    """Numbers stay numbers, dates become ISO text, bytes a short note; longer text is cut and ends in "…"."""
    if cell is None or isinstance(cell, (bool, int)):
        return cell
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else str(cell)  # JSON has no word for infinity
    if isinstance(cell, str):
        return cut(cell, max_characters)
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return f"<{len(cell)} bytes>"
    if isinstance(cell, Decimal):
        return _number(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, (list, dict, tuple)):
        return cut(json.dumps(cell, default=str, ensure_ascii=False), max_characters)
    return cut(str(cell), max_characters)


def cut(text: str, max_characters: int) -> str:
    """The text, or its beginning and "…" where it is longer."""
    return text if len(text) <= max_characters else text[: max_characters - 1] + "…"


def _number(cell: Decimal) -> Value:
    if not cell.is_finite():
        return str(cell)
    return int(cell) if cell == cell.to_integral_value() and cell.as_tuple().exponent == 0 else float(cell)
