"""What every parser gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A stretch of a document under one heading path.

    `location` is a page, lines or rows, or empty where the headings say it. Where `header` is not empty the section is a table: `text` holds a row a line, and `header` is the line that names its columns.
    """

    headings: tuple[str, ...]
    location: str
    text: str
    header: str = ""


class Builder:
    """Puts stretches of text under the headings that are open above them."""

    def __init__(self, *above: str) -> None:
        self.sections: list[Section] = []
        self._open: list[tuple[int, str]] = [(-1, title) for title in above]
        self._is_silent = False

    def heading(self, level: int, title: str) -> None:
        """Opens a heading, and closes those of its level and below it."""
        if not title:
            return
        if self._is_silent and level <= self._open[-1][0]:
            self._speak()
        self._open = [(depth, name) for depth, name in self._open if depth < level]
        self._open.append((level, title[:200]))
        self._is_silent = True

    def add(self, text: str, header: str = "") -> None:
        """Text, or a table with its header, under the open headings."""
        if text.strip() or header:
            self.sections.append(Section(self._path(), "", text, header))
            self._is_silent = False

    def finish(self) -> list[Section]:
        """All sections."""
        if self._is_silent:
            self._speak()
        return self.sections

    def _path(self) -> tuple[str, ...]:
        names = [name for _, name in self._open]
        return tuple(names[1:] if names[:1] == names[1:2] else names)

    def _speak(self) -> None:
        """A heading with nothing below it is text itself."""
        *above, last = self._path()
        self.sections.append(Section(tuple(above), "", last))
        self._is_silent = False
