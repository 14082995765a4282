"""What was approved once: a question that asks for the same in other words is answered by the approved SQL, one that is alike is written with it in sight."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from langchain_core.messages import HumanMessage, SystemMessage

from graphs.dates import moves, spans
from graphs.grounding import numbers
from graphs.recall import leans, named_values
from graphs.state import State
from graphs.taught_prompts import SAME_SYSTEM, same_question
from graphs.turn import Database, Turn
from stores.values import Example, ValueMatch

LIKE = 0.7
"""Least similarity (cosine) at which it is asked whether two questions are one."""
SAME = 0.8
"""Least probability of that. Of 40 pairs of questions that mean the same (each by another writer) 27 reach it; of 70 that do not and are
alike by 0.7 none, of 40 alike by 0.85 two: one differs in a column, one but in the order of its columns."""
ALIKE = 0.85
"""Similarity from which an example is shown though it names other things: then that is all in which the two questions differ."""
SHOWN = 3
"""Examples that the model sees, at most."""

_QUOTED = re.compile(r"[\"“'‘](\w[^\"”'’]*)[\"”'’]")
_LITERAL = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_OWN = re.compile(r"\b(i|me|my|mine|we|us|our)\b", re.IGNORECASE)


def taught(state: State, turn: Turn, database: Database) -> str | None:
    """The SQL that was approved for this question or for one that asks the same; None where there is none.

    Numbers, dates, values and quoted words must be the same; which of the rest matters, the model says with one token. What
    depends on the day, on the question before or on who asks is never taken from an example.
    """
    question, schema = state["question"], database.schema()
    if state["route"] != "sql" or (state["recent"] and leans(question)) or _OWN.search(question) or moves(question, turn.today):
        return None
    examples = turn.services.examples
    found = turn.reached(lambda: examples.search(question, fingerprint=schema.fingerprint, user=turn.user, k=1))
    if not found or found[0].score < LIKE or not _same_things(found[0], state, turn, database):
        return None
    example = found[0]
    if _plain(example.question) == _plain(question):
        return example.sql
    messages = [SystemMessage(SAME_SYSTEM), HumanMessage(same_question(one=example.question, other=question))]
    return example.sql if turn.speaker.choose(messages, ["yes", "no"])["yes"] >= SAME else None


def alike(question: str, state: State, turn: Turn, database: Database) -> list[Example]:
    """The examples to write by, nearest first: those that name the same things, and those that are the question but for what is named.

    Any other turned the model away from what it wrote rightly: with all that were alike by 0.5 in its prompt, 5 of 132 Spider questions were
    lost after 29 corrections, each by an example with a number or a value of its own.
    """
    examples, schema = turn.services.examples, database.schema()
    found = turn.reached(lambda: examples.search(question, fingerprint=schema.fingerprint, user=turn.user, k=SHOWN))
    return [example for example in found if example.score >= ALIKE or _same_things(example, state, turn, database)]


def _same_things(example: Example, state: State, turn: Turn, database: Database) -> bool:
    """Whether two questions name the same numbers, dates, quoted words and stored values; what the SQL names, the approved question may only have meant."""
    approved = _things(example.question, named_values(database, example.question, user=turn.user), turn.today)
    asked = _things(state["question"], state["values"], turn.today)
    return approved <= asked <= approved | _literals(example.sql)


def _things(question: str, values: Sequence[ValueMatch], today: date) -> set[str]:
    return {*_numbers(question), *spans(question, today), *(said.lower() for said in _QUOTED.findall(question)), *(match.value.lower() for match in values)}


def _literals(sql: str) -> set[str]:
    return {text.lower() for found in _LITERAL.findall(sql) for text in found} | numbers(sql)


def _numbers(question: str) -> set[str]:
    said = {word: str(number) for number, word in enumerate("two three four five six seven eight nine ten".split(), 2)}
    return numbers(" ".join(said.get(word.lower(), word) for word in re.findall(r"[\w.,]+", question)))


def _plain(question: str) -> str:
    return " ".join(re.findall(r"\w+", question.lower()))
