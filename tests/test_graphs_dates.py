"""Dates said in words."""

from datetime import date

import pytest

from graphs.dates import spoken

TODAY = date(2026, 11, 21)  # a Saturday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("who left this year?", ['"this year" is 2026-01-01 to 2026-12-31.']),
        ("Last month's sales", ['"last month" is 2026-10-01 to 2026-10-31.']),
        ("the previous quarter", ['"previous quarter" is 2026-07-01 to 2026-09-30.']),
        ("next quarter", ['"next quarter" is 2027-01-01 to 2027-03-31.']),
        ("this week", ['"this week" is 2026-11-16 to 2026-11-22.']),
        ("in the last 30 days", ['"last 30 days" is 2026-10-22 to 2026-11-21.']),
        ("9 months ago", ['"9 months ago" is 2026-02-21.']),
        ("yesterday", ['"yesterday" is 2026-11-20.']),
        ("what is overdue now", ["Today is 2026-11-21."]),
        ("my last repair", []),
        ("sales in March 2025", ['"in march 2025" is 2025-03-01 to 2025-03-31.']),
        ("How many left in 2024?", ['"in 2024" is 2024-01-01 to 2024-12-31.']),
    ],
)
def test_time_words_become_dates(text: str, expected: list[str]) -> None:
    assert spoken(text, TODAY) == expected


def test_the_end_of_a_shorter_month_and_of_a_year() -> None:
    assert spoken("1 month ago", date(2026, 3, 31)) == ['"1 month ago" is 2026-02-28.']
    assert spoken("last month", date(2026, 1, 31)) == ['"last month" is 2025-12-01 to 2025-12-31.']
    assert spoken("1 year ago", date(2028, 2, 29)) == ['"1 year ago" is 2027-02-28.']
