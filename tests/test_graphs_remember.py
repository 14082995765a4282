"""What a message states, what ends an older statement, when something was, and what is a secret: by program."""

from __future__ import annotations

from datetime import date

import pytest

from graphs import when
from graphs.changes import verdict
from graphs.memory import commanded
from graphs.secrets import holds_secret
from graphs.statements import stated, sure
from graphs.when import dated

WEDNESDAY = date(2026, 5, 20)


@pytest.mark.parametrize(
    "text",
    [
        "How many orders are open?", "show me the list of my orders", "Thanks, that helps a lot!", "I need the second one.", "I think that is wrong.",
        "Translate into German: my brother lives in Rome.", "Summarise: “I have lived in Bern for ten years, she said.”", "We have two of that name, which one is older?",
        "We have 12 of those, right?", "I am tired.", "My screen is too dark.", "I'm on the phone right now.", "Ok", "",
        "So we have to pay them.", "The total is 300 then.", "Every January, as I expected.", "The invoice number starts with 12.", "Great, I'll send it.", "We should ask the bank.",
        "Her name is Mrs. Hall.", "Dear Mr Hall, our shop is moving to Leeds.", "My guess is March.", "Our rent is 900 euros?",
    ],
)  # fmt: skip
def test_what_holds_nothing_is_told_without_a_model(text: str) -> None:
    assert stated(text) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("I'm vegan, so which of the dishes can I have?", ["I'm vegan"]),
        ("By the way, my brother Leo keeps bees. How many jars are left?", ["my brother Leo keeps bees."]),
        ("I live in Graz and I need the list.", []),
        ("Our harvest festival is on 3 October.", ["Our harvest festival is on 3 October."]),
        ("Good, we will close for a week in August.", ["we will close for a week in August."]),
        ("So I moved to Leeds.", ["I moved to Leeds."]),
        ("My sister is Ana. She keeps bees.", ["My sister is Ana.", "Ana keeps bees."]),
    ],
)
def test_what_is_stated_is_kept_in_the_users_words(text: str, kept: list[str]) -> None:
    assert stated(text) == kept


def test_a_rule_or_a_wish_for_good_needs_no_model() -> None:
    assert sure("I always want totals in thousands.")
    assert sure("Please call me Jo.")
    assert not sure("My coffee is cold.")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("My trainer is Mr. Hall.", "My trainer is Ms. Young.", "over"),
        ("My trainer is Mr. Hall.", "Ms. Young is my new trainer.", "over"),
        ("The opening is on 4 October.", "The opening has been put off to 11 October.", "over"),
        ("I live in Graz.", "I live in Linz now.", "over"),
        ("I have two horses.", "I have three horses.", "over"),
        ("I own a boat.", "I sold the boat.", "doubt"),
        ("I drink wine.", "I don't drink wine.", "doubt"),
        ("My boat moved to Hull.", "My boat moved to Hull", "both"),
        ("I like plums.", "I also like pears.", "both"),
        ("I live in Graz.", "My aunt lives in Linz.", "both"),
        ("My trainer is Mr. Hall.", "My dentist is Ms. Young.", "both"),
        ("The opening of the shop is on 4 October.", "The opening of the museum is on 11 October.", "both"),
        ("I speak Dutch.", "I speak Danish.", "both"),
    ],
)
def test_what_ends_an_older_statement(old: str, new: str, expected: str) -> None:
    assert verdict(old, new, 0.5) == expected


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("I had a fall yesterday.", "yesterday (19 May 2026)"),
        ("I left the choir last March.", "last March (March 2026)"),
        ("I left the choir last June.", "last June (June 2025)"),
        ("We meet next Friday.", "next Friday (29 May 2026)"),
        ("We meet on Friday.", "on Friday (22 May 2026)"),
        ("We met on Friday.", "on Friday (15 May 2026)"),
        ("The course ends in three weeks.", "in three weeks (10 June 2026)"),
        ("I began two months ago.", "two months ago (20 March 2026)"),
        ("I run on Mondays.", "I run on Mondays."),
        ("We opened in March 2024.", "in March 2024."),
    ],
)
def test_time_words_get_the_date_that_they_meant(said: str, text: str) -> None:
    assert text in dated(said, WEDNESDAY)
    assert dated(dated(said, WEDNESDAY), date(2027, 1, 1)) == dated(said, WEDNESDAY), "once said, it stays"


def test_the_time_of_a_question_is_in_the_past() -> None:
    march = when.asked("What did we decide in March?", WEDNESDAY)
    assert march is not None
    assert (march.start, march.end, str(march)) == (date(2026, 3, 1), date(2026, 3, 31), "March 2026")
    ago = when.asked("What did I say a month ago?", WEDNESDAY)
    assert ago is not None
    assert ago.start < date(2026, 4, 20) < ago.end
    assert when.asked("What is my name?", WEDNESDAY) is None


@pytest.mark.parametrize("text", ["my PIN is 0815", "password: hunter2", "Our card number is 4111 1111 1111 1111", "use sk-live-0123456789abcdef", "My IBAN is DE89 3704 0044 0532 0130 00"])
def test_secrets_are_seen(text: str) -> None:
    assert holds_secret(text)


def test_what_only_speaks_of_secrets_is_none() -> None:
    assert not holds_secret("I keep my passwords in a notebook.")
    assert not holds_secret("My phone number is 0176 444 555.")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Please remember that I prefer answers in short sentences.", True),
        ("remember: the gate code is 12", True),
        ("Keep in mind that we close at five", True),
        ("Forget what I told you about the dog", True),
        ("Forget my phone number", True),
        ("Do you remember my name?", False),
        ("Remember that trip we took? Where was it?", False),
        ("Can you remember that for me?", False),
        ("What should members remember when they cancel?", False),
        ("Forget it, how many orders are there", False),
        ("I cannot remember which table holds the invoices", False),
    ],
)
def test_what_is_said_outright_goes_to_memory_whatever_was_talked_about(said: str, told: bool) -> None:
    assert commanded(said) is told
