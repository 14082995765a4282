"""A turn over real stores of plain Python, with the model scripted."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from graphs.answer import listed
from graphs.chat import query_meant
from graphs.documents import relevant
from graphs.errors import TurnCancelled
from graphs.graph import build
from graphs.remember import remember
from graphs.sql import READ_ONLY
from graphs.tellers import of_those_named, told_of_others
from graphs.turn import Bounds, Services, Turn
from graphs.values import Event, StepFinished, StepStarted, Token
from stores.errors import NotFound, QueryFailed, QueryRejected
from stores.values import (
    ColumnInfo,
    Conversation,
    Document,
    Example,
    Memory,
    Message,
    Passage,
    Schema,
    Table,
    TableInfo,
    ValueMatch,
)
from stores.within import Within
from tests.scripted import ScriptedChat

WARRANTY = Passage("p1", "warranty.md", "d1", "Repairs", "Every repair carries a warranty of 24 months.", 0.9, 0.6)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class FakeDatabase:
    """Answers SQL from a dictionary; what is not in it fails as a database would."""

    answers: dict[str, Table | Exception]
    ran: list[str] = field(default_factory=list)

    def schema(self) -> Schema:
        columns = (ColumnInfo("id", "INTEGER", primary_key=True), ColumnInfo("city", "TEXT"), ColumnInfo("joined_on", "DATE"))
        return Schema("sqlite", (TableInfo("members", columns, ((1, "Porto", "2025-01-02"), (2, "Ghent", "2025-03-04")), 2),), "f1")

    def run(self, sql: str, *, user: str | None = None) -> Table:
        self.ran.append(sql)
        found = self.answers.get(sql, QueryFailed("no such column: nope"))
        if isinstance(found, Exception):
            raise found
        return found

    def mend(self, sql: str, question: str = "", *, user: str | None = None) -> str | None:
        return sql.replace("cities", "city") if "cities" in sql else None

    def explain(self, sql: str) -> str:
        return f"Explained: {sql}."

    def find_values(self, question: str, *, user: str | None = None) -> list[ValueMatch]:
        return [ValueMatch("porto", "members", "city", "Porto")] if "porto" in question.lower() else []


@dataclass
class FakeDocuments:
    passages: list[Passage]
    titles: dict[str, str] = field(default_factory=dict)

    def search(self, query: str, *, user: str = "local", k: int = 5, mode: str = "reranked", within: Within | None = None) -> list[Passage]:
        near = 0.6 if "warranty" in query.lower() else 0.3
        there = {document.id for document in self.all() if within is None or within.holds(document)}
        return [replace(p, similarity=near, score=1.0 if p.text[:12] in query else p.score) for p in self.passages if p.document_id in there][:k]

    def alike(self, query: str, texts: Sequence[str]) -> list[float]:
        return [0.6] * len(texts)

    def all(self, *, user: str = "local") -> list[Document]:
        return [Document(p.document_id, p.document, p.document, None, 1, NOW, self.titles.get(p.document_id, "")) for p in self.passages]

    def outline(self, *, user: str = "local", limit: int = 40) -> list[str]:
        return [p.document for p in self.passages]


@dataclass
class FakeMemories:
    kept: list[Memory] = field(default_factory=list)

    def add(self, text: str, *, user: str, source: str | None = None, closing: Any = (), **_: Any) -> Memory:
        self.kept = [replace(m, until=NOW) if m.id in closing else m for m in self.kept]
        self.kept.insert(0, Memory(f"m{len(self.kept)}", user, text, NOW, source))
        return self.kept[0]

    def near(self, text: str, *, user: str, k: int = 8) -> list[Memory]:
        return [replace(m, score=0.6) for m in self.all(user=user) if not m.until][:k]

    def all(self, *, user: str) -> list[Memory]:
        return [m for m in self.kept if m.user == user]

    def search(self, query: str, *, user: str, k: int = 5, past: bool = False, during: Any = None) -> list[Memory]:
        return [m for m in self.all(user=user) if past or not m.until][:k]

    def forget(self, id: str, *, user: str) -> Memory:  # noqa: A002
        found = next((m for m in self.all(user=user) if m.id == id), None)
        if found is None:
            raise NotFound(id)
        self.kept.remove(found)
        return found

    def forget_all(self, *, user: str) -> int:
        own = self.all(user=user)
        self.kept = [m for m in self.kept if m not in own]
        return len(own)


@dataclass
class FakeHistory:
    messages: list[Message] = field(default_factory=list)

    def recent(self, id: str, *, user: str, turns: int) -> list[Message]:  # noqa: A002
        return self.messages

    def earlier(self, id: str, *, user: str, turns: int) -> list[Message]:  # noqa: A002
        return []

    def all(self, *, user: str, query: str | None = None) -> list[Conversation]:
        return []

    def said(self, start: date, end: date, *, user: str) -> list[Message]:
        return [m for m in self.messages if m.role == "user" and start <= m.created.date() <= end]


class NoExamples:
    def search(self, question: str, *, fingerprint: str, user: str, k: int = 3) -> list[Example]:
        return []


class Bench:
    """A graph with everything around it, ready to be asked."""

    def __init__(self, answers: dict[str, Table | Exception] | None = None, passages: list[Passage] | None = None) -> None:
        self.model = ScriptedChat()
        self.database = FakeDatabase(answers or {})
        self.memories = FakeMemories()
        self.history = FakeHistory()
        self.documents = FakeDocuments([WARRANTY] if passages is None else passages)
        self.events: list[Event] = []
        self.cancelled = threading.Event()
        self.graph = build(InMemorySaver())
        self.bounds = Bounds()

    def ask(self, question: Any, *, user: str = "7", **options: Any) -> Any:
        services = Services(
            self.model, self.documents, self.memories, self.history, NoExamples(), self.database, "members.id"
        )
        self.turn = Turn(
            services, user, "c1", "q1", self.events.append, self.cancelled, date(2026, 11, 21), self.bounds, **options
        )
        given = question if isinstance(question, Command) else {"question": question}
        return self.graph.invoke(given, {"configurable": {"thread_id": "c1"}}, context=self.turn)

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, Token))

    @property
    def steps(self) -> list[str]:
        return [e.step for e in self.events if isinstance(e, StepStarted)]


COUNT = "SELECT count(*) FROM members"


def test_sql_writes_runs_and_says_the_rows() -> None:
    bench = Bench({COUNT: Table(("count(*)",), ((2,),))})
    bench.model.pick("sql").say(f"{COUNT};\n", "You have 2 members.")
    state = bench.ask("How many members do we have?")
    assert bench.text == "You have 2 members."
    assert (state["sql"], state["route"], state["grounded"]) == (COUNT, "sql", True)
    assert bench.steps == ["recall", "relevance", "sql", "answer"]
    usage = bench.turn.meter.usage()
    assert (usage.model_calls, usage.prompt_tokens, usage.cached_tokens) == (3, 30, 12)


NOPE = "SELECT nope FROM members"


def test_what_does_not_run_is_drawn_again_and_the_rows_that_most_find_are_taken() -> None:
    name, other = "SELECT name FROM members", "SELECT name FROM members LIMIT 1"
    bench = Bench({COUNT: Table(("n",), ((2,),)), name: Table(("n",), (("Ada",),)), other: Table(("n",), (("Ada",),))})
    bench.model.pick("sql").say(NOPE, COUNT, NOPE, name, other, "Ada.")
    state = bench.ask("Who is a member?")
    assert state["sql"] == name
    assert [a.error for a in state["attempts"]] == ["no such column: nope", None, None, None]
    assert state["attempts"][-1].sql == name
    assert bench.text == "Ada."


def test_a_query_that_several_drafts_come_to_is_run_once() -> None:
    empty = "SELECT city FROM members"
    bench = Bench({empty: Table(("city",), ())})
    bench.model.pick("sql", "no").say("SELECT cities FROM members", *["SELECT cities FROM members "] * 2, empty, NOPE)
    state = bench.ask("Which city?")
    assert [a.sql for a in state["attempts"]] == ["SELECT cities FROM members", NOPE, empty]


def test_no_rows_are_doubted_but_kept_where_most_drafts_find_none() -> None:
    none, some = "SELECT name FROM members WHERE 0", "SELECT name FROM members"
    rows = {none: Table(("name",), ()), some: Table(("name",), (("Ada",),))}
    bench = Bench(rows)
    bench.model.pick("sql", "no").say(none, none, none, none, some)
    assert bench.ask("Who left?")["sql"] == none
    assert bench.text == "Nothing in the database matches that."
    bench = Bench(rows)
    bench.model.pick("sql").say(none, some, some, none, none, "Ada.")
    assert bench.ask("Who left?")["sql"] == some


def test_where_the_database_has_nothing_the_documents_are_asked() -> None:
    none = "SELECT name FROM members WHERE 0"
    bench = Bench({none: Table(("name",), ())})
    bench.model.pick("sql", "yes").say(*[none] * 5, "It is 24 months.")
    state = bench.ask("How long does the guarantee run?")
    assert bench.steps == ["recall", "relevance", "sql", "documents", "answer"]
    assert (state["route"], state["table"], state["grounded"]) == ("documents", None, True)
    assert bench.text.startswith("It is 24 months.")


def test_only_passages_near_the_best_are_read() -> None:
    passages = [replace(WARRANTY, id=str(n), score=score) for n, score in enumerate((0.8, 0.7, 0.5, 0.1))]
    assert [p.score for p in relevant(passages)] == [0.8, 0.7]
    assert relevant([]) == []


@pytest.mark.parametrize(("question", "said"), [("Is it 24 months?", True), ("How long is the warranty?", False)])
def test_a_no_among_the_answers_draws_from_the_yes(question: str, said: bool) -> None:
    bench = Bench()
    bench.model.pick("documents", {"yes": 0.5, "no": 0.5}).say("The warranty on repairs is 24 months.")
    assert bool(bench.ask(question)["citations"]) is said


def test_first_and_last_names_are_said_as_one() -> None:
    rows = (("Ada", "Lovelace", 3), ("Bo", "Holm", 2))
    assert listed(Table(("first_name", "last_name", "visits"), rows)) == "I found 2: Ada Lovelace (3), Bo Holm (2)."
    assert listed(Table(("visits", "name"), ((3, "Ada"), (2, "Bo")))) == "I found 2: 3 (Ada), 2 (Bo)."
    assert listed(Table(("tier", "amount"), (("Plus", 72.0),) * 200, truncated=True)) == "I found more than 200, all the same: Plus (72)."


def test_sql_is_repaired_with_the_databases_own_error() -> None:
    bench = Bench({COUNT: Table(("n",), ((2,),))})
    bench.model.pick("sql").say(NOPE, NOPE, NOPE, NOPE, NOPE, COUNT, "There are 2.")
    state = bench.ask("How many members?")
    assert [a.error for a in state["attempts"]] == ["no such column: nope", None]
    assert "no such column: nope" in str(bench.model.history[3][-2].content)


def test_a_misplaced_column_is_mended_without_the_model() -> None:
    bench = Bench({"SELECT city FROM members": Table(("city",), (("Porto",),))})
    bench.model.pick("sql").say("SELECT cities FROM members", "Porto.")
    state = bench.ask("Which city?")
    assert [a.error for a in state["attempts"]] == [None]
    assert state["sql"] == "SELECT city FROM members"
    assert bench.turn.meter.model_calls == 3


def test_after_three_repairs_it_gives_up_and_says_so() -> None:
    bench = Bench()
    bench.model.pick("sql").say("SELECT a", *["SELECT b"] * 4, "SELECT c", "SELECT d")
    state = bench.ask("How many members?")
    assert [a.sql for a in state["attempts"]] == ["SELECT a", "SELECT b", "SELECT c", "SELECT d"]
    assert state["table"] is None
    assert not state["grounded"]
    assert "no such column: nope" in bench.text


def test_a_number_that_is_not_in_the_rows_is_not_said() -> None:
    bench = Bench({COUNT: Table(("n",), ((2,),))})
    bench.model.pick("sql").say(COUNT, "There are 17 members.")
    bench.ask("How many members?")
    assert bench.text == "2."


def test_a_write_is_refused_without_a_second_try() -> None:
    bench = Bench({"DELETE FROM members": QueryRejected("only SELECT")})
    bench.model.pick("sql").say("DELETE FROM members")
    bench.ask("Delete all members")
    assert bench.text == READ_ONLY


@pytest.mark.parametrize(
    ("question", "whole"),
    [
        ("What was my last order?", True),
        ("Show me my most recent bike repair", True),
        ("When was my last order?", False),
        ("How many orders did I place?", False),
        ("What is the price of my last order of the year 2020?", False),
    ],
)
def test_a_record_itself_is_selected_whole(question: str, whole: bool) -> None:
    bench = Bench({COUNT: Table(("n",), ((1,),))})
    bench.model.pick("sql").say(COUNT, "1.")
    bench.ask(question)
    assert ("with *" in str(bench.model.history[1][-2].content)) is whole


def test_the_current_user_and_stored_values_reach_the_sql_agent() -> None:
    bench = Bench({COUNT: Table(("n",), ((1,),))})
    bench.model.pick("sql").say(COUNT, "1.")
    bench.ask("How often was I in Porto this year?")
    asked = str(bench.model.history[1][-2].content)
    assert "members.id = 7" in asked
    assert "members.city has the value 'Porto'" in asked
    assert "2026-01-01 to 2026-12-31" in asked
    assert "2026" not in str(bench.model.history[1][0].content), "the shared prefix must hold no date"


def test_a_hostile_user_id_stays_a_value() -> None:
    bench = Bench({COUNT: Table(("n",), ((1,),))})
    bench.model.pick("sql").say(COUNT, "1.")
    bench.ask("my visits", user="7' OR '1'='1")
    assert "'7'' OR ''1''=''1'" in str(bench.model.history[1][-2].content)


def test_documents_are_cited_with_their_own_words() -> None:
    bench = Bench()
    bench.model.pick("documents", "yes").say("The warranty on repairs is 24 months. It is insured by Acme.")
    state = bench.ask("How long is the warranty?")
    assert bench.text.startswith("The warranty on repairs is 24 months. [1]")
    assert "Acme" not in bench.text
    assert state["citations"][0].quote == WARRANTY.text
    assert state["citations"][0].document == "warranty.md"


def test_it_does_not_know_what_no_passage_says() -> None:
    bench = Bench()
    bench.model.pick("documents", "no")
    state = bench.ask("Who founded the shop?")
    assert bench.text.startswith("I don't know")
    assert "warranty.md" in bench.text
    assert state["citations"] == []


def test_both_says_rows_and_passages() -> None:
    query = "SELECT city FROM members"
    bench = Bench({query: Table(("city",), (("Porto",),))})
    bench.model.pick("both", "yes").say(query, "Your city is Porto.", "Every repair carries a warranty of 24 months.")
    state = bench.ask("Where do I live and how long is the warranty?")
    assert bench.text == "Your city is Porto. Every repair carries a warranty of 24 months. [1]"
    assert state["sql"] == query
    assert len(state["citations"]) == 1


def test_both_routes_are_followed_when_unsure_and_the_reply_resumes_the_turn() -> None:
    bench = Bench({COUNT: Table(("n",), ((2,),))})
    bench.bounds = Bounds(clarify=1.0)  # always in doubt
    bench.model.pick({"sql": 0.7, "documents": 0.29, "chat": 0.01}).say(COUNT, "There are 2.")
    state = bench.ask("What about members?")
    asked = state["__interrupt__"][0].value
    assert "In the database" in asked["choices"]
    state = bench.ask(Command(resume="in the database"))
    assert state["route"] == "sql"
    assert bench.text == "There are 2."


def test_a_reply_that_is_no_choice_is_a_new_question() -> None:
    bench = Bench()
    bench.bounds = Bounds(clarify=1.0)
    bench.model.pick({"sql": 0.7, "documents": 0.29, "chat": 0.01}, "chat").say("Hello!")
    bench.ask("What about members?")
    state = bench.ask(Command(resume="Good morning to you, dear assistant"))
    assert state["route"] == "chat"
    assert bench.text.strip() == "Hello!"


def test_remember_recall_forget() -> None:
    bench = Bench()
    bench.model.pick("memory", "yes").say("Scandinavia.")  # only the question is sorted: the two commands say what they are
    bench.ask("Please remember that my sales region is Scandinavia.")
    assert [m.text for m in bench.memories.kept] == ["My sales region is Scandinavia."]
    state = bench.ask("What is my sales region?")
    assert state["used_memories"][0].text == "My sales region is Scandinavia."
    bench.ask("Forget my sales region")
    assert bench.memories.kept == []
    assert "To undo that" in bench.text


def test_what_was_not_told_is_not_known_and_the_nearest_is_named() -> None:
    bench = Bench()
    bench.memories.add("My bike is red", user="7")
    bench.model.pick("memory", "no")
    state = bench.ask("Where did I buy my bike?")
    assert bench.text == 'I don\'t know: you have not told me that. The nearest that I remember: "My bike is red"'
    assert not state["grounded"]


def test_what_another_said_of_themselves_is_declined_without_the_model() -> None:
    bench = Bench()
    for text in ("Leo (3 May 2026): I have a cat", "Ana (3 May 2026): I bought a boat in Rome"):
        bench.memories.add(text, user="7")
    bench.model.pick("memory")
    bench.ask("Where did Leo buy the boat?")
    assert bench.text.startswith("I don't know: you have not told me that.")
    assert "Ana (3 May 2026)" in bench.text


@pytest.mark.parametrize(("question", "route"), [("Where did Leo buy the boat?", "memory"), ("Where do I buy a boat?", "chat"), ("Leo has a boat now, hurray.", "chat")])
def test_a_question_that_names_who_told_is_for_the_memory(question: str, route: str) -> None:
    bench = Bench()
    for text in ("Leo (3 May 2026): I have a cat", "Ana (3 May 2026): I bought a boat in Rome"):
        bench.memories.add(text, user="7")
    bench.model.pick("chat")
    bench.model.say("Hm.")
    assert bench.ask(question)["route"] == route


@pytest.mark.parametrize(("question", "sure", "declined"), [("Where does Leo have a cat?", 0.3, False), ("Where does Leo have a cat?", 0.2, True), ("Where is a cat?", 0.3, True)])
def test_where_it_is_known_of_whom_a_list_tells_less_is_enough(question: str, sure: float, declined: bool) -> None:
    bench = Bench()
    for text in ("Leo (3 May 2026): I have a cat in Graz", "Ana (3 May 2026): I bought a boat in Rome"):
        bench.memories.add(text, user="7")
    bench.model.pick("memory", {"yes": sure, "no": 1 - sure}).say("In Graz.")
    bench.ask(question)
    assert bench.text.startswith("I don't know") is declined


def test_what_one_says_of_themselves_is_not_said_of_another() -> None:
    said = ("Ana (3 May 2026): I moved to Rome, Leo!", "Leo (3 May 2026): We moved to Bern", "Leo (3 May 2026): Rome is large", "Ana has a dog")
    memories = [Memory(str(n), "7", text, datetime.now(UTC)) for n, text in enumerate(said)]
    assert [m.id for m in of_those_named("Where did Leo move?", memories)] == ["1", "2", "3"]
    assert [m.id for m in of_those_named("Where did Ana and Leo move?", memories)] == ["0", "1", "2", "3"]
    assert of_those_named("Where did Zoe move?", memories) == memories


@pytest.mark.parametrize(
    ("question", "others"),
    [
        ("Where did Leo buy a boat?", True),
        ("Where did Ana buy a boat?", False),
        ("What did Ana bake for the party?", True),  # Ana says it, of Leo
        ("What did Leo bake for the party?", False),
        ("What did Ana and Leo bake?", None),
        ("Who bought a boat?", None),
    ],
)
def test_what_is_said_to_somebody_tells_of_them(question: str, others: bool | None) -> None:
    said = (
        "Leo (3 May 2026): I have a cat",
        "Ana (3 May 2026): I bought a boat in Rome",
        "Ana (4 May 2026): Your cake for the party was wonderful, how did you bake it?",
        "I live in Linz",
    )
    memories = [Memory(str(n), "7", text, datetime.now(UTC)) for n, text in enumerate(said)]
    assert told_of_others(question, memories, FakeDocuments([])) is others


def test_forget_asks_which_when_several_fit() -> None:
    bench = Bench()
    for text in ("My bike is red", "My bike is new"):
        bench.memories.add(text, user="7")
    state = bench.ask("Forget my bike")
    assert state["__interrupt__"][0].value["choices"] == ["My bike is new", "My bike is red", "None of these"]
    bench.ask(Command(resume="My bike is red"))
    assert [m.text for m in bench.memories.kept] == ["My bike is new"]


def test_facts_said_in_passing_are_kept_and_small_talk_is_not() -> None:
    bench = Bench()
    bench.model.pick("chat").say("Hi!")
    bench.ask("Good morning, how are you?")
    assert remember("Good morning, how are you? I'll be right back.", bench.turn, ask=False)
    assert bench.memories.kept == []
    assert remember("My name is Ines. What a day!", bench.turn, ask=False), "the wording tells: no model is asked"
    assert [m.text for m in bench.memories.kept] == ["My name is Ines."]
    assert not remember("I drive a green van to the market.", bench.turn, ask=False), "the wording does not tell"
    bench.model.pick("passing", "lasting")
    assert remember("My tea is bitter.", bench.turn, ask=True)
    assert remember("My aunt is Greta, what is the total?", bench.turn, ask=True)
    assert [m.text for m in bench.memories.kept] == ["My aunt is Greta", "My name is Ines."]


def test_a_change_closes_the_older_and_a_secret_is_not_kept() -> None:
    bench = Bench()
    bench.ask("Remember that I live in Lisbon.")
    bench.ask("Remember that I live in Porto.")
    assert [(m.text, bool(m.until)) for m in bench.memories.kept] == [("I live in Porto.", False), ("I live in Lisbon.", True)]
    assert 'takes the place of: "I live in Lisbon."' in bench.text
    bench.model.pick("lasting", "over")
    assert remember("I moved to Faro.", bench.turn, ask=True)
    assert [m.until is None for m in bench.memories.kept] == [True, False, False]
    assert remember("My password is zebra77.", bench.turn, ask=True)
    assert len(bench.memories.kept) == 3
    bench.ask("Remember that my password is zebra77.")
    assert bench.memories.kept[0].text == "My password is zebra77."


def test_what_was_said_in_a_time_is_told_from_its_turns() -> None:
    bench = Bench()
    said = datetime(2026, 3, 12, 9, tzinfo=UTC)
    bench.history.messages = [
        Message("a", "c0", "user", "We decided to paint the hall blue.", said),
        Message("b", "c0", "user", "What did we decide?", said),
        Message("c", "c0", "user", "We decided to sell the van.", said.replace(month=5)),
    ]
    bench.model.pick("memory", "yes").say("To paint the hall blue.")
    bench.ask("What did we decide in March?")
    told = str(bench.model.history[-1][-2].content)
    assert "on 12 March 2026 the user said: We decided to paint the hall blue." in told
    assert "van" not in told
    assert "What did we decide?" not in told


def test_off_topic_gets_a_joke_and_a_way_back_without_the_model() -> None:
    bench = Bench()
    bench.model.pick("off_topic")
    bench.ask("What is the capital of Mongolia?")
    assert "members" in bench.text
    assert "warranty.md" in bench.text
    assert bench.turn.meter.model_calls == 1


@dataclass
class Nearby(FakeDocuments):
    """Documents of which the last that is found is as near to every question as is said, and the others are not near."""

    near: float = 0.4

    def search(self, query: str, **options: Any) -> list[Passage]:
        passages = super().search(query, **options)
        return [replace(passage, similarity=self.near if passage is passages[-1] else 0.1) for passage in passages]


@pytest.mark.parametrize(("near", "told", "calls"), [(0.4, "yes", 4), (0.4, "no", 2), (0.3, "yes", 1)])
def test_what_seems_off_topic_is_looked_up_where_a_passage_is_near(near: float, told: str, calls: int) -> None:
    bench = Bench()
    bench.documents = Nearby([replace(WARRANTY, id="0", text="Bells are loud."), WARRANTY], near=near)
    bench.model.pick("off_topic", told, told).say("Every repair carries a warranty of 24 months.")
    state = bench.ask("How long does the guarantee of a mechanic run?")
    assert bench.turn.meter.model_calls == calls
    assert state["route"] == ("documents" if calls == 4 else "off_topic")
    assert ("24 months" in bench.text) == (calls == 4)


def test_what_follows_on_something_and_what_has_no_text_is_not_looked_up() -> None:
    bench = Bench()
    bench.documents = Nearby([replace(WARRANTY, text="")])
    bench.model.pick("off_topic")
    assert bench.ask("How long does the guarantee of a mechanic run?")["route"] == "off_topic"
    bench.documents = Nearby([WARRANTY])
    bench.history.messages = _answered(None)
    bench.model.pick("off_topic")
    assert bench.ask("And how tall is that?")["route"] == "off_topic"
    assert bench.turn.meter.model_calls == 1


def _answered(sql: str | None) -> list[Message]:
    return [
        Message("m1", "c1", "user", "How many members?", NOW),
        Message("m2", "c1", "assistant", "There are 2.", NOW, json.dumps({"sql": sql, "route": "sql" if sql else "chat"})),
    ]


@pytest.mark.parametrize(
    "question",
    [
        "Explain that query", "what does that query do?", "Can you explain to me what your last query does?", "How does this SQL work?",
        "What does the SQL query mean, in plain words?", "Put that query in simple words please.", "Walk me through the query",
    ],
)  # fmt: skip
def test_a_query_is_explained_without_the_model(question: str) -> None:
    bench = Bench()
    bench.history.messages = [*_answered(COUNT), *_answered(None)]
    state = bench.ask(question)
    assert bench.text == f"What that query does: Explained: {COUNT}."
    assert state["route"] == "chat"
    assert state["grounded"]
    assert bench.model.history == []


@pytest.mark.parametrize(
    "question",
    ["What does the SQL course cost?", "Explain the query about late orders", "What was the query?", "Explain that", "Explain your first SQL of 2024"],
)
def test_what_is_no_question_about_the_query_goes_to_the_model(question: str) -> None:
    assert query_meant(question, _answered(COUNT)) is None


def test_without_a_query_there_is_none_to_explain() -> None:
    bench = Bench()
    bench.history.messages = _answered(None)
    bench.model.pick("chat").say("Which one?")
    bench.ask("Explain that query")
    assert bench.text.strip() == "Which one?"


def test_only_looking_up_runs_no_wording() -> None:
    bench = Bench({COUNT: Table(("n",), ((2,),))})
    bench.model.pick("sql").say(COUNT)
    state = bench.ask("How many members?", words=False)
    assert state["table"] is not None
    assert bench.text == ""


def test_nothing_of_an_earlier_turn_leaks_into_the_next() -> None:
    bench = Bench({COUNT: Table(("n",), ((2,),))})
    bench.model.pick("sql", "chat").say(COUNT, "There are 2.", "Hello.")
    bench.ask("How many members?")
    state = bench.ask("Thank you so much for this, it is great")
    assert state["sql"] is None
    assert state["table"] is None


def test_a_cancelled_turn_stops_at_the_next_step() -> None:
    bench = Bench()
    bench.cancelled.set()
    with pytest.raises(TurnCancelled):
        bench.ask("Hello")
    assert bench.model.history == []


def test_every_step_that_starts_ends() -> None:
    bench = Bench()
    bench.model.pick("chat").say("Hi.")
    bench.ask("Hello")
    assert bench.steps == [e.step for e in bench.events if isinstance(e, StepFinished)]


def test_nothing_is_kept_of_a_private_turn() -> None:
    bench = Bench()
    bench.ask("Please remember that I live in Porto", private=True)
    assert "private" in bench.text
    assert bench.memories.kept == []


LOANS = Passage("p2", "loans.md", "d2", "Costs", "Your tier includes free days; how many is told in Tiers, section 2.", 0.9, 0.6)
TIERS = Passage("p3", "tiers.md", "d3", "Benefits", "Plus has 5 free days a year.", 0.5, 0.4)


def test_where_the_passages_only_point_to_the_answer_they_are_followed() -> None:
    bench = Bench(passages=[LOANS, TIERS])
    bench.documents.titles = {"d3": "Tiers"}
    bench.model.pick("documents", "no", "yes").say("Plus has 5 free days a year.")
    state = bench.ask("How many free days does Plus have before the warranty of a loan bike ends?")
    assert "Plus has 5 free days a year" in bench.text
    assert [citation.document for citation in state["citations"]] == ["tiers.md"]
    finished = [(e.step, e.detail) for e in bench.events if isinstance(e, StepFinished)][-3:]
    assert [step for step, _ in finished] == ["answer", "documents", "answer"]
    assert finished[1][1] == "looked further for tiers.md: 1 passages"


def test_somebody_whom_the_first_passage_names_is_looked_for() -> None:
    lead = replace(WARRANTY, text="The workshop is led by Odile Brandt.", score=0.9)
    bench = Bench(passages=[lead, replace(TIERS, text="Odile Brandt: extension 21")])
    bench.model.pick("documents", "no", "yes").say("Odile Brandt has extension 21.")
    bench.ask("What is the extension of the person who leads the workshop?")
    assert bench.text.startswith("Odile Brandt has extension 21.")


def test_where_they_point_nowhere_or_to_nothing_new_it_says_what_it_looked_at() -> None:
    bench = Bench(passages=[LOANS])
    bench.model.pick("documents", "no")
    bench.ask("How long is the warranty on a bell?")
    assert bench.text.startswith("I don't know")
    assert [e.step for e in bench.events if isinstance(e, StepFinished)].count("answer") == 1


def test_a_search_that_the_question_limits_says_so() -> None:
    bench = Bench(passages=[replace(WARRANTY, document="warranty.pdf"), TIERS])
    bench.model.pick("documents", "yes").say("Every repair carries a warranty of 24 months.")
    state = bench.ask("How long is the warranty, according to the PDF?")
    assert [passage.document for passage in state["passages"]] == ["warranty.pdf"]
    details = [e.detail for e in bench.events if isinstance(e, StepFinished) and e.step == "documents"]
    assert details == ["searched PDF files only; 1 passages from warranty.pdf"]
