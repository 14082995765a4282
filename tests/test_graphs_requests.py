"""What is a request about whole documents, and what stays a question."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from graphs.library import Library
from graphs.requests import Request, understood
from stores.values import Document

NAMES = (
    "shelf/contract-2023.pdf", "shelf/contract-2024.pdf", "shelf/opening_hours.md", "house/kitchen-rules.md", "house/garden.md", "house/tariffs.docx",
)  # fmt: skip
TITLES = {"house/garden.md": "The garden and its gate"}


def library(*paths: str, common: frozenset[str] = frozenset()) -> Library:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    found = [Document(path, path.rsplit("/", 1)[-1], f"/x/{path}", None, 3, now, TITLES.get(path, "")) for path in paths or NAMES]
    return Library(found, common)


def asked(question: str) -> Request | None:
    return understood(question, library())


def labels(request: Request | None) -> list[list[str]]:
    assert request is not None
    return [[target.label for target in choices] for choices in request.named]


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Summarise opening_hours.md", ["opening_hours.md"]),
        ("Please summarize the opening hours for me.", ["opening_hours.md"]),
        ("could you give me a short overview of the garden document?", ["garden.md"]),
        ("Give me the key points of kitchen-rules.md in three sentences", ["kitchen-rules.md"]),
        ("What is garden.md about?", ["garden.md"]),
        ("What does tariffs.docx say?", ["tariffs.docx"]),
        ("Sum up the kitchn rules", ["kitchen-rules.md"]),
        ("Summarise the garden and its gate", ["garden.md"]),
        ("Summarise the 2024 contract", ["contract-2024.pdf"]),
        ("Summarise the contract", ["contract-2023.pdf", "contract-2024.pdf"]),
        ("Summarise the house folder", ["house (3 documents)"]),
        ("tl;dr of all documents, please", ["all 6 documents"]),
        ("Summarise travel.pdf", []),
    ],
)
def test_a_summary_of_what_is_named(question: str, named: list[str]) -> None:
    request = asked(question)
    assert request is not None
    assert request.kind == "summary"
    assert labels(request) == [named]


def test_a_length_that_is_asked_for_counts() -> None:
    for question, sentences in [("Summarise garden.md in 3 sentences", 3), ("Sum up garden.md in five bullet points.", 5), ("Summarise garden.md", None)]:
        request = asked(question)
        assert request is not None
        assert request.sentences == sentences


@pytest.mark.parametrize(
    "question",
    [
        "When does the kitchen open?",
        "What does the contract say about late fees?",
        "Summarise what garden.md says about the gate",
        "Summarise our sales by month",
        "Summarise this text: the garden is closed.",
        "Summarise it in one sentence",
        "Give me an overview of our customers",
        "Summarise our conversation",
        "Compare the sales of 2023 with those of 2024",
        "Compare apples with pears",
        "Translate this into German: the garden is closed.",
        "Translate that into French",
        "Translate the last paragraph into French",
        "List all rules in kitchen-rules.md",
        "Make a table of all customers with name and city",
        "What is the garden gate code?",
        "What is the difference between a tariff and a fee?",
        "How do I leave the house?",
        "Remember that contract-2023.pdf is signed.",
        "Thanks!",
        "",
    ],
)
def test_what_is_no_request_about_a_whole_document(question: str) -> None:
    assert asked(question) is None


def test_a_table_of_the_database_is_not_taken_for_a_document() -> None:
    shelf = library(common=frozenset({"tariff"}))
    assert understood("Summarise the tariffs", shelf) is None
    assert understood("Summarise tariffs.docx", shelf) is not None


def test_without_documents_nothing_is_about_them() -> None:
    assert understood("Summarise garden.md", Library([])) is None


@pytest.mark.parametrize(
    "question",
    [
        "Compare the 2023 contract with the 2024 one",
        "compare contract-2023.pdf and contract-2024.pdf please",
        "What changed between contract-2023.pdf and contract-2024.pdf?",
        "What is the difference between the 2023 contract and the 2024 contract?",
        "How does the 2023 contract differ from the 2024 contract?",
        "Compare the two contracts",
    ],
)
def test_two_documents_beside_each_other(question: str) -> None:
    request = asked(question)
    assert request is not None
    assert request.kind == "comparison"
    assert labels(request) == [["contract-2023.pdf"], ["contract-2024.pdf"]]


def test_a_document_that_is_missing_beside_one_that_is_there() -> None:
    assert labels(asked("Compare the 2023 contract with the 2025 contract")) == [["contract-2023.pdf"], []]


@pytest.mark.parametrize(
    ("question", "thing", "columns"),
    [
        ("Make a table of all tariffs with name and price from tariffs.docx", "tariffs", ("name", "price")),
        ("Extract name and monthly price of each tariff from tariffs.docx into a table", "tariff", ("name", "monthly price")),
        ("List all tariffs in tariffs.docx with name, price and notice period", "tariffs", ("name", "price", "notice period")),
        ("Create a table with the columns name, price and notice period from tariffs.docx", "", ("name", "price", "notice period")),
        ("Extract all dates and amounts from tariffs.docx", "", ("dates", "amounts")),
    ],
)
def test_a_table_by_columns(question: str, thing: str, columns: tuple[str, ...]) -> None:
    request = asked(question)
    assert request is not None
    assert (request.kind, request.thing, request.columns) == ("table", thing, columns)
    assert labels(request) == [["tariffs.docx"]]


@pytest.mark.parametrize(
    ("question", "named", "topic", "language"),
    [
        ("Translate the section about the gate in garden.md into German", [["garden.md"]], "the gate", "German"),
        ("Translate the section about cancellation to French, please", [], "cancellation", "French"),
        ("translate garden.md into spanish", [["garden.md"]], "", "Spanish"),
        ("Translate the cancellation section of the 2023 contract into Italian", [["contract-2023.pdf"]], "cancellation", "Italian"),
    ],
)
def test_a_translation(question: str, named: list[list[str]], topic: str, language: str) -> None:
    request = asked(question)
    assert request is not None
    assert (request.kind, request.topic, request.language) == ("translation", topic, language)
    assert labels(request) == named


def test_documents_of_one_name_are_told_apart_by_their_folder() -> None:
    found = library("a/rules.md", "b/rules.md").find("rules.md")
    assert found is not None
    assert [target.label for target in found] == ["rules.md (a)", "rules.md (b)"]
