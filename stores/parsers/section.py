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
