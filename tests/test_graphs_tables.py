"""Tables in passages, read by program."""

from __future__ import annotations

import pytest

from graphs.tables import read
from stores.values import Passage

TEXT = "Rent by bed:\n| Bed | Length | Rent a year |\n|---|---|---|\n| **Rose** | 4 metres | 30 euros |\n| Herb | 2 metres | |\n\nNothing | else"
BEDS = Passage("1", "garden.md", "d", "Garden › Beds", TEXT)


@pytest.mark.parametrize(
    ("thing", "columns", "rows"),
    [
        ("beds", ("name", "rent"), [("Rose", "30 euros"), ("Herb", "")]),
        ("", ("bed", "length"), [("Rose", "4 metres"), ("Herb", "2 metres")]),
        ("beds", ("length", "bed"), [("4 metres", "Rose"), ("2 metres", "Herb")]),
        ("boats", ("name", "length"), []),  # the table is about something else
        ("beds", ("name", "colour"), []),  # it lacks a column
        ("beds", ("bed", "name"), []),  # one column twice
    ],
)
def test_rows_of_the_columns_that_are_asked_for(thing: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    assert [cells for cells, _ in read(BEDS, thing, columns)] == rows


def test_each_row_comes_with_its_line() -> None:
    assert [line for _, line in read(BEDS, "beds", ("name",))] == ["| **Rose** | 4 metres | 30 euros |", "| Herb | 2 metres | |"]


def test_rows_without_strokes_at_their_ends_and_a_text_without_a_table() -> None:
    plain = Passage("1", "hours.csv", "d", "rows 1–2", "Day | Open\nMonday | closed\nTuesday | 10:00")
    assert [cells for cells, _ in read(plain, "", ("day", "open"))] == [("Monday", "closed"), ("Tuesday", "10:00")]
    assert read(Passage("1", "a.md", "d", "a", "No table. a |"), "", ("day",)) == []
