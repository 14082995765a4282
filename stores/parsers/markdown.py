"""Markdown and plain text, kept as they are written: what a citation quotes stands in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stores.parsers.section import Builder, Section

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
    builder = Builder()
    held: list[str] = []
    fence = ""
    position = first

    def flush() -> None:
        builder.add("\n".join(held).strip("\n"))
        held.clear()

    while position < len(lines):
        line = lines[position]
        following = lines[position + 1] if position + 1 < len(lines) else ""
        if found := _FENCE.match(line[:80]):
            if not fence:
                fence = found.group(1)[:3]
            elif found.group(1).startswith(fence):
                fence = ""
            held.append(line)
        elif fence:
            held.append(line)
        elif len(line) < 1000 and (found := _ATX.match(line)):
            flush()
            builder.heading(len(found.group(1)), plain_heading(found.group(2)))
        elif _is_underlined(line, following):
            flush()
            builder.heading(1 if "=" in following else 2, plain_heading(line))
            position += 1
        elif "|" in line and "|" in following and len(following) < 2000 and _DIVIDER.match(following):
            flush()
            end = next((n for n in range(position + 2, len(lines)) if "|" not in lines[n]), len(lines))
            builder.add("\n".join(lines[position + 2 : end]), header=f"{line.strip()}\n{following.strip()}")
            position = end - 1
        else:
            held.append(line)
        position += 1
    flush()
    return builder.finish()


def _is_underlined(line: str, following: str) -> bool:
    is_text = 0 < len(line.strip()) < 200 and not line.lstrip().startswith(("|", "-", ">", "#", "*"))
    return is_text and bool(_SETEXT.match(following[:200]))


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
