"""What does each part of the SQL agent contribute? `assistant eval nl2sql` with one part left out.

uv run python scripts/measure_parts.py PART eval nl2sql --questions … --databases … [--ids …] [--predictions …]
uv run python scripts/measure_parts.py compare WITH.jsonl WITHOUT.jsonl     paired: won, lost, the difference and its 95 % interval

PART is one of `mend` (queries mended by program), `values` (words found in the data), `retries` (drafts drawn anew and repairs), `all` of
these, or `none`. On stderr, at the end: what the first query of a turn took, which is a single unconstrained pass on a prefix as warm.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from statistics import median

from langchain_core.messages import BaseMessage

import graphs.recall
import graphs.sql
from graphs.turn import Turn
from stores.database import Database
from ui.cli import run

PARTS = ("mend", "values", "retries")


def leave_out(parts: Sequence[str]) -> None:
    """Takes parts of the SQL agent away, in this process."""
    if "mend" in parts:
        Database.mend = lambda *_, **__: None  # type: ignore[method-assign]
    if "values" in parts:
        graphs.recall.named_values = lambda *_, **__: []
    if "retries" in parts:
        os.environ["ASSISTANT_DATABASE__REPAIRS"] = "0"


def time_first() -> dict[str, float]:
    """Seconds of the first query that each turn writes, by its question's id, filled in as they are asked."""
    took: dict[str, float] = {}
    write = graphs.sql.write

    def timed(turn: Turn, messages: Sequence[BaseMessage]) -> str:
        started = time.perf_counter()
        query = write(turn, messages)
        took.setdefault(turn.question_id, time.perf_counter() - started)
        return query

    graphs.sql.write = timed
    return took


def compare(first: Path, second: Path) -> None:
    """How two runs over the same questions differ (interval: Wald for paired shares, Agresti and Min 2005, half a pair added)."""
    one, other = ({line["id"]: bool(line["right"]) for line in map(json.loads, path.read_text("utf-8").splitlines())} for path in (first, second))
    both = [key for key in one if key in other]
    won = sum(one[key] and not other[key] for key in both)
    lost = sum(other[key] and not one[key] for key in both)
    n, b, c = len(both) + 2, won + 0.5, lost + 0.5
    half = 1.96 * sqrt(b + c - (b - c) ** 2 / n) / n
    print(f"{len(both)} questions: {sum(one[k] for k in both) / len(both):.3f} with, {sum(other[k] for k in both) / len(both):.3f} without")
    print(f"won {won}, lost {lost}: {(b - c) / n:+.3f} ({(b - c) / n - half:+.3f} to {(b - c) / n + half:+.3f})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        compare(*map(Path, sys.argv[2:4]))
        sys.exit()
    if len(sys.argv) < 2 or sys.argv[1] not in (*PARTS, "all", "none"):
        sys.exit(__doc__)
    leave_out(PARTS if sys.argv[1] == "all" else sys.argv[1:2])
    took = time_first()
    done = run(sys.argv[2:])
    if took:
        print(f"The first query took {median(took.values()):.2f} s at the median, over {len(took)} turns.", file=sys.stderr)
    sys.exit(done)
