"""The check of a sentence before it is shown."""

import pytest

from graphs.grounding import cite, numbers, sentences, split, stands_on_rows, support, without_currency, words
from graphs.quoting import without_rates
from graphs.values import Citation
from stores.values import Passage, Table

WARRANTY = Passage(
    "1",
    "warranty.md",
    "d1",
    "Repairs",
    "Every repair carries a warranty of 24 months. Wear parts such as brake pads are covered for six months. Dr. Berg signs each form.",
)
PRICES = Passage("2", "prices.md", "d2", "Prices", "A full service costs 79 euros. Truing a wheel costs 18 euros.")


def test_a_sentence_is_released_when_the_next_begins() -> None:
    pieces = iter(["It costs 79", " euros. Mr. Berg", " signs. Done"])
    found = sentences(pieces)
    assert next(found) == "It costs 79 euros."
    assert list(found) == ["Mr. Berg signs.", "Done"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It costs 1,250.50 euros. Ask Dr. Berg.", ["It costs 1,250.50 euros.", "Ask Dr. Berg."]),
        ("", []),
        ("- a\n- b", ["- a", "- b"]),
        ("Bring the bike\nwithin 14 days.\nThen wait.", ["Bring the bike\nwithin 14 days.", "Then wait."]),
    ],
)
def test_split(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_numbers_are_written_one_way() -> None:
    assert numbers("1,250.50 and 1250.5, 007 and 18.00, on 2026-10-31") == {"1250.5", "7", "18", "2026", "10", "31"}


def test_endings_do_not_matter() -> None:
    assert words("the repairs were covered") == words("a repair covers")


def test_a_sentence_is_carried_by_its_passage_and_quotes_it() -> None:
    found = support("Repairs have a warranty of 24 months.", [PRICES, WARRANTY], "How long is the warranty?")
    assert found is not None
    assert found.passage == 1
    assert found.quote == "Every repair carries a warranty of 24 months."


def test_a_citation_names_its_passage_and_counts_once() -> None:
    citations: list[Citation] = []
    assert [cite(citations, passage, "words") for passage in (WARRANTY, PRICES, WARRANTY)] == [1, 2, 1]
    assert [citation.passage for citation in citations] == ["1", "2"]


@pytest.mark.parametrize(
    "invented",
    [
        "The warranty is 36 months.",  # a number that stands nowhere
        "Bikes are insured against theft by the city council.",
        "How long is the warranty?",  # the question again says nothing
    ],
)
def test_what_no_passage_carries_is_not_supported(invented: str) -> None:
    assert support(invented, [WARRANTY, PRICES], "How long is the warranty on bikes?") is None


def test_numbers_of_a_sentence_must_be_in_the_rows() -> None:
    table = Table(("city", "total"), (("Porto", 1250.456), ("Lisbon", 3)))
    assert stands_on_rows("Porto has 1,250.46 and Lisbon 3.", table, "totals?")
    assert stands_on_rows("There are 2 cities, since 2024.", table, "totals since 2024?")
    assert not stands_on_rows("Porto has 1,300.", table, "totals?")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1. Members may bring a guest. 2. Dogs stay outside.", ["1. Members may bring a guest.", "2. Dogs stay outside."]),
        ("Η πύλη κλείνει στις εννέα. Το κλειδί είναι μέσα.", ["Η πύλη κλείνει στις εννέα.", "Το κλειδί είναι μέσα."]),
        ("Ключ у сторожа. Он живёт рядом.", ["Ключ у сторожа.", "Он живёт рядом."]),
        ("门在九点关闭。钥匙在里面。", ["门在九点关闭。", "钥匙在里面。"]),
        ("It costs 3.50 euros, e.g. for a bell. Ask first.", ["It costs 3.50 euros, e.g. for a bell.", "Ask first."]),
    ],
)
def test_sentences_end_in_every_script_and_a_list_keeps_its_numbers(text: str, parts: list[str]) -> None:
    assert split(text) == parts
    assert list(sentences(text)) == parts  # letter by letter, as the model writes


def test_of_a_table_a_row_is_quoted_not_its_head() -> None:
    text = "Item | Weekend rate 2026 (GBP) | Weekend rate 2027 (GBP)\nDance floor | 290 | 310\nMarquee | 400 | 420"
    prices = Passage("3", "prices.xlsx", "d3", "rows 1-2", text)
    found = support("The 2027 weekend rate for the dance floor is 310 GBP.", [prices], "What is the weekend rate for the dance floor in 2027?")
    assert found is not None
    assert found.quote == "Dance floor | 290 | 310"


def test_a_currency_that_nothing_known_has_is_not_said() -> None:
    assert without_currency("We invoiced $10,399.40.", "('SUM(amount)',) ((10399.4,),)") == "We invoiced 10,399.40."
    assert without_currency("It costs $12.", "How many $ is it?") == "It costs $12."


@pytest.mark.parametrize(
    ("sentence", "known", "said"),
    [
        ("The fee is 40 pounds per mile.", "C | Harrogate | 40", "The fee is 40 pounds."),
        ("A city bike costs 8 euros a day.", "8 euros a day", "A city bike costs 8 euros a day."),
        ("The deposit is 50 euros for each person.", "50 euros", "The deposit is 50 euros for each person."),
    ],
)
def test_a_rate_that_nothing_known_has_is_not_said(sentence: str, known: str, said: str) -> None:
    assert without_rates(sentence, known) == said
