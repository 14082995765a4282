"""Printing: answers to stdout, progress and complaints to stderr, nothing that could steer the terminal."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

Report = Callable[[int, "int | None", str], None]
"""Called with how much is done, of how much (None: unknown), and what is under way."""

# A document, a cell or a model's word may hold escape sequences that move the cursor, retitle the window
# or fill the clipboard; a terminal obeys them, so they are taken out. Tabs and line ends stay.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SECONDS_BETWEEN_LINES = 5.0
_MAX_CELL = 60


def speak_utf8() -> None:
    """UTF-8 in and out whatever the platform's code page; what cannot be shown becomes a question mark."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def flush() -> None:
    """Write out what is buffered; a reader who has gone away (`assistant … | head`) is no error."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # Else the interpreter tries again at its end, and complains.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.__stdout__.fileno() if sys.__stdout__ else 1)


def clean(text: str) -> str:
    """A text without control characters."""
    return _CONTROLS.sub("", text)


def say(text: str = "", *, end: str = "\n") -> None:
    """Print a piece of the answer to stdout at once."""
    sys.stdout.write(clean(text) + end)
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a line about what is going on to stderr."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def columns(lines: Sequence[Sequence[object]], *, header: Sequence[str] = ()) -> str:
    """Lines of cells set under each other; a long cell is cut, numbers stand to the right."""
    cells = [[_cell(value) for value in line] for line in ([header, *lines] if header else lines)]
    if not cells:
        return ""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    numeric = [bool(lines) and all(isinstance(line[column], int | float) for line in lines) for column in range(len(widths))]
    shown = [
        "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(line, widths, numeric, strict=True))
        for line in cells
    ]
    if header:
        shown.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in shown)


def megabytes(count: int | None) -> str:
    """A size for a reader."""
    return "?" if count is None else f"{count / 1e6:,.{0 if count >= 1e7 else 1}f} MB"


@contextmanager
def progress(title: str, *, bytes_: bool = False) -> Iterator[Report]:
    """Progress on stderr: a bar on a terminal, now and then a plain line elsewhere. `bytes_`: what is counted."""
    if sys.stderr.isatty():
        with _bar(title, bytes_) as report:
            yield report
    else:
        yield _lines(title, bytes_)


@contextmanager
def _bar(title: str, bytes_: bool) -> Iterator[Report]:
    """A bar that appears with the first report: where nothing is to be done nothing is shown."""
    with ExitStack() as shown:
        update: Report | None = None

        def report(done: int, total: int | None, doing: str) -> None:
            nonlocal update
            update = update or _drawn(title, bytes_, shown)
            update(done, total, doing)

        yield report


def _drawn(title: str, bytes_: bool, shown: ExitStack) -> Report:
    # rich is imported where it draws: the quick commands do without it.
    from rich import progress as bars
    from rich.console import Console

    amount = [bars.DownloadColumn(), bars.TransferSpeedColumn()] if bytes_ else [bars.MofNCompleteColumn()]
    parts = [bars.TextColumn("{task.description}", markup=False), bars.BarColumn(), *amount, bars.TimeRemainingColumn()]
    drawn = shown.enter_context(bars.Progress(*parts, console=Console(stderr=True), transient=True))
    task = drawn.add_task(title, total=None)

    def update(done: int, total: int | None, doing: str) -> None:
        if total != drawn.tasks[0].total:
            drawn.reset(task, total=total)  # the next of several things: its time is reckoned anew
        drawn.update(task, completed=done, description=clean(doing or title)[:40])

    return update


class StepLine:
    """The running step on the last line of a terminal, until there is an answer to be shown in its place."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def show(self, step: str) -> None:
        """Name a step."""
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{clean(step)} …")
            sys.stderr.flush()
            self._shown = True

    def end(self) -> None:
        """Take the line away; what is said from now on is not drawn over."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._terminal = self._shown = False


def _lines(title: str, bytes_: bool) -> Report:
    """A line now and then; what is over at once needs none."""
    said, at = "", time.monotonic()

    def report(done: int, total: int | None, doing: str) -> None:
        nonlocal said, at
        now = time.monotonic()
        finished = total is not None and done >= total
        if now - at < _SECONDS_BETWEEN_LINES and not (finished and said):
            return
        amount = f"{megabytes(done)} of {megabytes(total)}" if bytes_ else f"{done} of {'?' if total is None else total}"
        line = f"{title}: {amount}{f' ({doing})' if doing and not finished else ''}"
        if line != said:
            note(line)
        said, at = line, now

    return report


def _cell(value: object) -> str:
    from ui.rows import cell_text  # heavy

    text = "NULL" if value is None else " ".join(clean(cell_text(value)).split())
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 1] + "…"
