"""Draw the graph of a turn into docs/architecture.md, between its marks.

uv run python scripts/draw_graph.py           write the drawing
uv run python scripts/draw_graph.py --check   change nothing; exit 1 when the drawing is not current
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from graphs.graph import build

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"
MARKS = re.compile(r"(<!-- graph:begin -->\n).*?(<!-- graph:end -->)", re.DOTALL)


def drawn(page: str) -> str:
    """The page with the current drawing."""
    mermaid = build().get_graph().draw_mermaid()
    return MARKS.sub(lambda m: f"{m[1]}```mermaid\n{mermaid.strip()}\n```\n{m[2]}", page)


def main() -> int:
    """Write the drawing, or with --check compare it."""
    page = PAGE.read_text(encoding="utf-8")
    current = drawn(page)
    if "--check" in sys.argv:
        if page != current:
            print("The drawing is not current: uv run python scripts/draw_graph.py", file=sys.stderr)
        return int(page != current)
    PAGE.write_text(current, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
