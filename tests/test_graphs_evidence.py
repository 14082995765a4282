"""What the stores and the wording say about the route."""

from datetime import UTC, datetime

import pytest

from graphs.evidence import gather, weigh
from graphs.recall import is_elliptic, leans
from stores.values import ColumnInfo, Memory, Passage, Schema, TableInfo

SCHEMA = Schema("sqlite", (TableInfo("order_lines", (ColumnInfo("OrderId", "INTEGER"), ColumnInfo("city", "TEXT"))),), "f")
NEAR = [Passage("1", "a.md", "d", "1", "text", 1.0, 0.7)]
FAR = [Passage("1", "a.md", "d", "1", "text", 1.0, 0.1)]
EVEN = dict.fromkeys(("sql", "documents", "both", "memory", "chat", "off_topic"), 1 / 6)


@pytest.mark.parametrize(
    ("question", "nearest", "route"),
    [
        ("Orders by city", FAR, "sql"),
        ("How long is the guarantee?", NEAR, "documents"),
        ("Who was the first man on the moon?", FAR, "off_topic"),
        ("Please translate this: good evening", FAR, "chat"),
        ("What did I tell you about my brother?", FAR, "memory"),
    ],
)
def test_evidence_decides_where_the_model_wavers(question: str, nearest: list[Passage], route: str) -> None:
    rival = "chat" if route == "documents" else "documents"
    # As a small model wavers: a good part on the right route, as much on another, hardly any on "off_topic".
    wavering = {**{r: 0.35 if r in (rival, route) else 0.05 for r in EVEN}, "off_topic": 0.1 if route == "off_topic" else 0.01}
    found = weigh(wavering, gather(question, schema=SCHEMA, values=[], nearest=nearest))
    assert max(found, key=lambda r: found[r]) == route
    assert sum(found.values()) == pytest.approx(1)


def test_a_question_in_two_parts_leans_to_both() -> None:
    one = gather("How many orders are late?", schema=SCHEMA, values=[], nearest=NEAR)
    two = gather("How many orders are late, and what does the contract say about it?", schema=SCHEMA, values=[], nearest=NEAR)
    assert weigh(EVEN, two)["both"] > 1.5 * weigh(EVEN, one)["both"]
    assert gather("How many orders are late, and what do they add up to?", schema=SCHEMA, values=[], nearest=NEAR)["twofold"] == 0
    assert gather("And what do I have to bring?", schema=SCHEMA, values=[], nearest=NEAR)["twofold"] == 0


@pytest.mark.parametrize(
    ("question", "same"),
    [
        ("and in 2025?", True),
        ("And only for Leeds?", True),
        ("what about 2024?", True),
        ("by city?", False),
        ("What about the warranty?", False),
        ("And what does the contract say?", False),
        ("and show it as a chart", False),
    ],
)
def test_what_asks_the_same_of_something_else_stays_where_it_was(question: str, same: bool) -> None:
    assert is_elliptic(question) == same
    towards_documents = {**EVEN, "documents": 0.6}
    found = weigh(towards_documents, gather(question, schema=SCHEMA, values=[], nearest=NEAR), "sql", same=same)
    assert (max(found, key=lambda r: found[r]) == "sql") == same


def test_a_sure_model_is_not_overruled_by_weak_evidence() -> None:
    sure = {**dict.fromkeys(EVEN, 0.01), "sql": 0.95}
    found = weigh(sure, gather("Total turnover?", schema=SCHEMA, values=[], nearest=[]))
    assert max(found, key=lambda r: found[r]) == "sql"


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("Shorten this: we are closed on Monday", {"talk", "carried"}),
        ('Is there a typo in "We look forwrad to it"?', {"talk", "carried"}),
        ("Are you sure?", {"you"}),
        ("Okay, understood", {"talk"}),
        ("Remember this: my boss is called Kim", {"told", "mine"}),
        ("Call me Kim", {"told"}),
        ("Call me a taxi", {"errand"}),
        ("Please recommend a film", {"errand"}),
        ("Order the lines by city", {"known"}),
        ("How old is my son?", {"mine"}),
        ("How do I get a refund?", set()),
        ("What is the capital of Peru?", set()),
    ],
)
def test_the_wording_tells_talk_from_an_errand_and_from_what_is_told(question: str, kinds: set[str]) -> None:
    found = gather(question, schema=SCHEMA, values=[], nearest=[])
    wording = ("told", "talk", "you", "mine", "carried", "errand", "known")
    assert {kind for kind in wording if found[kind]} == kinds


def test_words_that_stand_in_the_passage_count_unless_the_schema_has_them_too() -> None:
    passage = [Passage("1", "a.md", "d", "1", "A broken bell is replaced; an order in the city takes a day.", 1.0, 0.3)]
    assert gather("Who pays for a broken bell?", schema=None, values=[], nearest=passage)["shared"] == pytest.approx(2 / 3)
    assert gather("Orders by city", schema=SCHEMA, values=[], nearest=passage)["shared"] == 0


def test_what_the_user_told_is_looked_for_in_their_memory() -> None:
    told = [Memory("m", "7", "I prefer short answers and my shift ends at 17:00.", datetime(2026, 1, 1, tzinfo=UTC))]
    wavering = {"sql": 0.3, "documents": 0.1, "memory": 0.1, "chat": 0.1, "off_topic": 0.4}
    for question, route in (("When does my shift end?", "memory"), ("When does the museum open?", "off_topic")):
        found = weigh(wavering, gather(question, schema=SCHEMA, values=[], nearest=[], memories=told))
        assert max(found, key=lambda r: found[r]) == route


@pytest.mark.parametrize(
    ("question", "leaning"),
    [
        ("How many of them were Plus members?", True),
        ("and in 2025?", True),
        ("Which of those live in Porto and what do they pay?", True),
        ("Thanks. And what does it cost?", True),
        ("How many were there in the year before?", True),
        ("Which invoices are overdue, and who owes them?", False),
        ("How many overdue invoices are there and what do they add up to?", False),
        ("Which members left, and what does our contract say about that?", False),
        ("How many bookings were there this year?", False),
        ("Which parts have to be reordered soon?", False),
    ],
)
def test_what_a_question_leans_on(question: str, leaning: bool) -> None:
    assert leans(question) == leaning
