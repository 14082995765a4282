"""Markdown and plain text, kept as they are written: what a citation quotes stands in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stores.parsers.section import Section

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_DIVIDER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINES_PER_SECTION = 40


def parse_markdown(text: str) -> list[Section]:
    """Sections by heading; a table is a section of its own."""
    lines = _COMMENT.sub(lambda found: "\n" * found.group().count("\n"), text).split("\n")
    first = _after_front_matter(lines)
    builder = _Builder()
    fence = ""
    position = first
    while position < len(lines):
        line = lines[position]
        following = lines[position + 1] if position + 1 < len(lines) else ""
        if found := _FENCE.match(line[:80]):
            if not fence:
                fence = found.group(1)[:3]
            elif found.group(1).startswith(fence):
                fence = ""
            builder.lines.append(line)
        elif fence:
            builder.lines.append(line)
        elif len(line) < 1000 and (found := _ATX.match(line)):
            builder.heading(len(found.group(1)), found.group(2))
        elif 0 < len(line.strip()) < 200 and not line.lstrip().startswith(("|", "-", ">", "#", "*")) and _SETEXT.match(following[:200]):
            builder.heading(1 if "=" in following else 2, line)
            position += 1
        elif "|" in line and "|" in following and len(following) < 2000 and _DIVIDER.match(following):
            position = builder.table(lines, position)
            continue
        else:
            builder.lines.append(line)
        position += 1
    builder.flush()
    return builder.sections


class _Builder:
    """Collects lines under the headings that are open."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.lines: list[str] = []
        self._open: list[tuple[int, str]] = []

    def heading(self, level: int, title: str) -> None:
        self.flush()
        self._open = [(depth, name) for depth, name in self._open if depth < level]
        if title.strip():
            self._open.append((level, plain_heading(title)))

    def table(self, lines: list[str], position: int) -> int:
        """Takes the table whose header is at `position`; gives the position after it."""
        self.flush()
        end = position + 2
        while end < len(lines) and "|" in lines[end]:
            end += 1
        self._add("\n".join(lines[position + 2 : end]), header="\n".join(line.strip() for line in lines[position : position + 2]))
        return end

    def flush(self) -> None:
        self._add("\n".join(self.lines))
        self.lines = []

    def _add(self, text: str, header: str = "") -> None:
        if text.strip() or header:
            self.sections.append(Section(tuple(name for _, name in self._open), "", text.strip("\n"), header))


def plain_heading(title: str) -> str:
    """A heading without emphasis, links or line breaks, at most 200 characters."""
    title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title[:1000])
    return re.sub(r"\s+", " ", re.sub(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}", "", title)).strip()[:200]


def _after_front_matter(lines: list[str]) -> int:
    """The line after a leading YAML block, which is about the file and not part of its text."""
    if lines and lines[0].strip() == "---":
        for number, line in enumerate(lines[1:60], start=1):
            if line.strip() in ("---", "..."):
                return number + 1
    return 0


def parse_text(text: str) -> list[Section]:
    """Plain text as paragraphs, several to a section, with the lines where they stand."""
    sections = []
    for first, last, block in _blocks(text.split("\n")):
        sections.append(Section((), f"lines {first}–{last}" if last > first else f"line {first}", block))
    return sections


def _blocks(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, text) of paragraphs, joined up to some forty lines."""
    start = 0
    for number in range(len(lines) + 1):
        ended = number == len(lines)
        long_enough = number - start >= _LINES_PER_SECTION
        if not ended and not (long_enough and not lines[number].strip()):
            continue
        block = "\n".join(lines[start:number])
        if block.strip():
            leading = next(offset for offset, line in enumerate(lines[start:number]) if line.strip())
            yield start + leading + 1, start + len(block.rstrip().split("\n")), block.strip("\n").rstrip()
        start = number
