"""What a turn costs, and a replica holds, as conversations and passages grow: a table, and a plot.

    python -m scripts.measure_growth docs/growth.svg [--chunks 1000,10000,100000] [--conversations 10,100,1000]

Starts what `tests/team.py` starts: PostgreSQL, `chroma run`, a scripted model server that answers at once, so that the seconds are the
program's own, two replicas and nginx; one such team for each number of passages, all at once. The passages are prose with vectors of 384
dimensions made by hashing words. A crowd holds the conversations; then QUESTIONS are asked of each team's documents, one at a time, the teams in
turn. More than half must be answered with a citation: then their two searches ran.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path

import httpx
import psutil

from tests import prose
from tests.load import Load
from tests.postgres import admin
from tests.rule_server import SAYS
from tests.team import Team, team
from ui.chart import Chart
from ui.drawing import HEIGHT, WIDTH, figure

QUESTIONS = 40
TURNS = 2
"""Of each conversation of the crowd."""
PER_DOCUMENT = 8
"""Passages that `tests/prose.py` makes of a document, about."""
DIMENSIONS = 384
"""As the default embedding model's."""


@dataclass(frozen=True)
class Point:
    """What was found with so many passages and conversations, at the median of the questions; `busy` are seconds of processor time of a turn."""

    chunks: int
    conversations: int
    seconds: float
    busy: dict[str, float]
    megabytes: float
    """That a replica holds for itself (USS), the larger of the two."""


def main() -> None:
    """Measure all levels and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--chunks", type=_levels, default=(1000, 10_000, 100_000))
    parser.add_argument("--conversations", type=_levels, default=(10, 100, 1000))
    given = parser.parse_args()
    print("| passages | conversations | seconds a turn | processor, ms a turn | a replica's memory | load |\n| --- | --- | --- | --- | --- | --- |")
    with ExitStack() as opened:
        places = [opened.enter_context(place(chunks)) for chunks in given.chunks]
        points = [found for level in given.conversations for found in measured(places, level)]
    given.out.write_text(drawn(points), "utf-8")


def _levels(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part.replace("_", "")) for part in text.split(",")))


@contextmanager
def place(chunks: int) -> Iterator[Place]:
    """A team whose index holds so many passages, and that was asked some questions: what is made at the first is made."""
    with tempfile.TemporaryDirectory() as name, team(Path(name), dimensions=DIMENSIONS) as running:
        began = time.monotonic()
        running.desk.run("ingest", str(prose.write(Path(name) / "files", round(chunks / PER_DOCUMENT))))
        with httpx.Client(base_url=running.url, headers=running.headers("asker"), timeout=120) as door:
            made = Place(chunks, running, door, random.Random(chunks))
            for _ in range(QUESTIONS // 2):
                made.ask()
            [(passages,)] = admin(running.state.url, "postgres", "SELECT count(*) FROM chunks")
            print(f"<!-- {passages:,} passages taken in within {time.monotonic() - began:.0f} s -->", flush=True)
            yield made


def measured(places: Sequence[Place], conversations: int) -> list[Point]:
    """A crowd at each place until it holds so many conversations, then the questions in turns, so that what else the machine does is shared."""
    for each in places:
        asyncio.run(Load(conversations - each.conversations, TURNS).run(each.team, f"c{each.conversations}-"))
        each.conversations = conversations
    before = [each.busy() for each in places]
    took = list(zip(*([each.ask() for each in places] for _ in range(QUESTIONS)), strict=True))
    found = []
    for each, start, seconds in zip(places, before, took, strict=True):
        assert each.cited > each.asked / 2, "the passages were not found"
        busy = {name: (end - start[name]) / QUESTIONS for name, end in each.busy().items()}
        found.append(Point(each.chunks, conversations, statistics.median(seconds), busy, each.megabytes()))
        spent = ", ".join(f"{name} {1000 * used:.0f}" for name, used in busy.items())
        print(f"| {each.chunks:,} | {conversations:,} | {found[-1].seconds:.3f} | {spent} | {found[-1].megabytes:.0f} MB | {os.getloadavg()[0]:.0f} |", flush=True)
    return found


@dataclass
class Place:
    """A team, and what it was asked."""

    chunks: int
    team: Team
    door: httpx.Client
    words: random.Random
    conversations: int = 0
    asked: int = 0
    cited: int = 0

    def ask(self) -> float:
        """Seconds of a question to the documents, in a conversation of its own."""
        sentence = prose.paragraphs(self.words, 1)[0].split()[:9]
        question = f'{SAYS} "{" ".join(sentence).strip(".,;")}"?'
        self.asked += 1
        began = time.perf_counter()
        said = self.door.post("/api/v1/ask", json={"question": question, "conversation": f"asked-{self.asked}"})
        seconds = time.perf_counter() - began
        answer = said.raise_for_status().json()
        assert answer["route"] == "documents", (question, answer)
        self.cited += bool(answer["citations"])
        return seconds

    def busy(self) -> dict[str, float]:
        """Seconds of processor time that the parts have used, with what they started."""
        tops = {"replicas": [r.process for r in self.team.replicas], "PostgreSQL": [self.team.state.process], "Chroma": [self.team.index.process]}
        return {name: sum(_busy(process) for top in found for process in (top, *top.children(recursive=True))) for name, found in tops.items()}

    def megabytes(self) -> float:
        """That the larger replica holds for itself (USS)."""
        return max(float(replica.process.memory_full_info().uss) for replica in self.team.replicas) / 1e6


def _busy(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(sum(process.cpu_times()[:2]))
    return 0.0


# The plot

STYLE = """text { font: 11px system-ui, sans-serif; fill: #555 } .head { font-size: 13px; fill: #111 } .axis { fill: none; stroke: #ddd }
.series-1 { fill: #0f766e } .series-2 { fill: #b45309 } .series-3 { fill: #6d4bc4 }
.line { fill: none; stroke-width: 2 } .line.series-1 { stroke: #0f766e } .line.series-2 { stroke: #b45309; stroke-dasharray: 6 4 }
.line.series-3 { stroke: #6d4bc4; stroke-dasharray: 1 4 } .series-4 { display: none }"""


def drawn(points: Sequence[Point]) -> str:
    """Seconds and memory, by conversations and by passages; both of these grow tenfold a step, so a straight line is logarithmic."""
    shown = (
        ("seconds a turn", lambda p: p.seconds),
        ("processor time of all parts, ms a turn", lambda p: 1000 * sum(p.busy.values())),
        ("megabytes of a replica", lambda p: p.megabytes),
    )
    axes = (("conversations", lambda p: p.conversations, lambda p: p.chunks, "passages"), ("passages", lambda p: p.chunks, lambda p: p.conversations, "conversations"))
    parts = []
    for row, (what, value) in enumerate(shown):
        for column, (axis, along, line, lines) in enumerate(axes):
            steps, kinds = sorted({along(p) for p in points}), sorted({line(p) for p in points})
            found = {(along(p), line(p)): value(p) for p in points}
            series = tuple(tuple(found.get((step, kind)) for step in steps) for kind in kinds)
            zero = (0.0, *[None] * (len(steps) - 1))  # not seen: the scale is to begin there
            names = tuple(f"{kind:,} {lines}" for kind in kinds)
            chart = Chart("line", axis, (*names, "zero"), tuple(f"{step:,}" for step in steps), tuple(float(n) for n in range(len(steps))), (*series, zero))
            parts.append(_panel(chart, f"{what} by {axis}", names, column * (WIDTH + 40), row * (HEIGHT + 80)))
    wide, high = 2 * WIDTH + 90, len(shown) * (HEIGHT + 80)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 {wide} {high}" width="{wide}" height="{high}"><style>{STYLE}</style>'
        f'<rect x="-10" width="{wide}" height="{high}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _panel(chart: Chart, head: str, names: Sequence[str], across: int, down: int) -> str:
    found = re.search(r"<svg[^>]*>(.*)</svg>", figure(chart), re.DOTALL)
    assert found
    legend = "".join(
        f'<path class="line series-{at}" d="M{(at - 1) * 130} {HEIGHT + 44}h16"/><text x="{(at - 1) * 130 + 20}" y="{HEIGHT + 48}">{escape(name)}</text>'
        for at, name in enumerate(names, 1)
    )
    return f'<g transform="translate({across} {down})"><text class="head" y="18">{escape(head)}</text><g transform="translate(0 26)">{found[1]}</g>{legend}</g>'


if __name__ == "__main__":
    main()
