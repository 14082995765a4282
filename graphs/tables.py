"""Tables that stand in a passage, read by program: their lines hold cells between strokes, the header above them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from graphs.grounding import words
from stores.values import Passage

_DIVIDER = re.compile(r"[|:\s-]+")
_NAMING = words("name title item kind which")
"""What people call the column that says which thing a row is about."""


def read(passage: Passage, thing: str, columns: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """(cells of the columns, line) of each row of the passage's tables that are about the thing and have all the columns."""
    found: list[tuple[tuple[str, ...], str]] = []
    for is_table, lines in groupby(passage.text.splitlines(), key=lambda line: "|" in line):
        if not is_table:
            continue
        header, *rows = [line for line in lines if not _DIVIDER.fullmatch(line)]
        places = _places(_cells(header), passage.location, thing, columns)
        for line in rows if places else ():
            cells = _cells(line)
            if len(cells) > max(places) and cells[places[0]]:
                found.append((tuple(cells[place] for place in places), line.strip()))
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip(" *_`") for cell in line.strip().strip("|").split("|")]


def _places(header: Sequence[str], location: str, thing: str, columns: Sequence[str]) -> list[int]:
    """Where each of the columns stands; nothing where one is missing or the table is about something else."""
    about = words(thing)
    if about and not about & words(f"{' '.join(header)} {location}"):
        return []
    places: list[int] = []
    for column in columns:
        asked = words(column)
        shared = [len(asked & words(cell)) for cell in header]
        place = shared.index(max(shared)) if any(shared) else 0 if asked <= _NAMING | about else -1
        if place < 0 or place in places:
            return []
        places.append(place)
    return places
