"""Where a question says that it is to be looked, and that nothing else is taken for that."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from graphs.limits import asked
from stores.values import Document
from stores.within import Within

TODAY = date(2026, 11, 21)


def document(path: str, changed: datetime) -> Document:
    return Document(path, path.rsplit("/", 1)[1], f"/home/ann/{path}", None, 1, datetime(2026, 11, 1, tzinfo=UTC), changed=changed)


SHELF = [
    document("contracts/2023/rent.pdf", datetime(2023, 5, 2)),
    document("contracts/2024/rent.pdf", datetime(2024, 5, 2)),
    document("contracts/2024/lease-car.docx", datetime(2026, 3, 9)),
    document("letters/bank.eml", datetime(2026, 3, 30)),
    document("letters/insurance-2025.pdf", datetime(2026, 10, 1)),
    document("price_lists/spring.xlsx", datetime(2026, 10, 12)),
]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much is the rent in the 2023 contracts folder?", ["contracts/2023/rent.pdf"]),
        ("In the contracts folder, who pays for repairs?", ["contracts/2023/rent.pdf", "contracts/2024/rent.pdf", "contracts/2024/lease-car.docx"]),
        ("What is the notice period in the folder letters?", ["letters/bank.eml", "letters/insurance-2025.pdf"]),
        ("What does the helmet cost according to the price lists folder?", ["price_lists/spring.xlsx"]),
        ("What does a tube cost in the spreadsheet?", ["price_lists/spring.xlsx"]),
        ("What is said about mileage in the Word document?", ["contracts/2024/lease-car.docx"]),
        ("What do they want in the e-mail from March?", ["letters/bank.eml"]),
        ("Who signed, according to the document from March 2026?", ["contracts/2024/lease-car.docx", "letters/bank.eml"]),
        ("What is insured in the PDF from 2025?", ["letters/insurance-2025.pdf"]),
        ("What is insured in the PDFs from last month?", ["letters/insurance-2025.pdf"]),
        ("How much is the rent in the PDFs in the contracts folder?", ["contracts/2023/rent.pdf", "contracts/2024/rent.pdf"]),
    ],
)  # fmt: skip
def test_a_folder_a_type_and_a_time_are_understood(question: str, expected: list[str]) -> None:
    within = asked(question, SHELF, TODAY)
    assert within is not None
    assert [d.id for d in SHELF if within.holds(d)] == expected
    assert within.said


@pytest.mark.parametrize(
    "question",
    [
        "How much is the rent in the tenancy folder?",
        "What happened in March?",
        "What do they want in the e-mail from 2011?",
        "What does the word warranty mean?",
        "What does the presentation say about sales?",
        "How can I reach you by e-mail?",
        "What is the rent from January on?",
        "How do I open a folder?",
    ],
)
def test_what_names_nothing_that_is_there_limits_nothing(question: str) -> None:
    assert asked(question, SHELF, TODAY) is None


def test_a_search_is_limited_by_path_type_and_day() -> None:
    found = [d.id for d in SHELF if Within(folders=("/home/ann/contracts",), types=(".PDF",), since=date(2024, 1, 1)).holds(d)]
    assert found == ["contracts/2024/rent.pdf"]
    assert [d.id for d in SHELF if Within(folders=("Letters",), until=date(2026, 3, 30)).holds(d)] == ["letters/bank.eml"]
