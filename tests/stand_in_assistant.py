"""An `Assistant` that says what a script tells it: the same interface, no model, no store. The page's tests drive it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from assistant import (
    Answer,
    AssistantError,
    Citation,
    ColumnInfo,
    Conversation,
    Document,
    Done,
    Event,
    IngestProgress,
    IngestReport,
    Memory,
    Message,
    ModelOffer,
    NotFound,
    Passage,
    QueryRejected,
    Refusal,
    Route,
    Schema,
    Settings,
    State,
    StepFinished,
    StepStarted,
    Table,
    TableInfo,
    Token,
    TurnRecord,
    Usage,
    answer_to_json,
)
from assistant.accounts import FILE, Accounts

NOW = datetime(2025, 3, 4, 9, 30, tzinfo=UTC)
ATTACK = '<img src=x onerror="window.__x=1"><script>window.__x=1</script>${window.__x=1}{{value}}'
SQL = "SELECT c.name, SUM(o.total) AS spent\nFROM customers c JOIN orders o ON o.customer_id = c.id\nGROUP BY c.name ORDER BY spent DESC"


class Closing(Iterator[Event]):
    """A stream that can be closed from another thread, as the real one can; `closed` is set when it was."""

    def __init__(self, events: Iterator[Event], closed: threading.Event) -> None:
        self._events = events
        self._closed = closed

    def __next__(self) -> Event:
        if self._closed.is_set():
            raise StopIteration
        return next(self._events)

    def listen(self, tell: Callable[[Event | BaseException | None], None]) -> None:
        def read() -> None:
            try:
                for event in self:
                    tell(event)
                tell(None)
            except BaseException as error:  # noqa: BLE001 - handed on, whatever it is
                tell(error)

        threading.Thread(target=read, daemon=True).start()

    def close(self) -> None:
        self._closed.set()


@dataclass
class StandIn:
    """Answers by the words of the question: orders, refunds, forever, choose, attack, fail, hello; anything else is echoed."""

    pause: float = 0.01
    settings: Settings = field(default_factory=lambda: Settings(sample=False))
    watch: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(metrics=lambda: b"", ready=lambda: {"model": True}))
    closed: threading.Event = field(default_factory=threading.Event)
    judged: list[tuple[str, str, int]] = field(default_factory=list)
    reasons: list[tuple[str | None, str | None]] = field(default_factory=list)
    queried: list[tuple[str, str]] = field(default_factory=list)

    private: list[bool] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conversations = StandInConversations()
        self.documents = StandInDocuments()
        self.memories = StandInMemories()
        self.data = StandInData()
        self.setup = StandInSetup()
        self.accounts = Accounts(self.settings.home.expanduser() / FILE)
        self._ids = count(1)

    def users(self) -> list[tuple[str, str]]:
        return [("local", "Just me"), ("7", "Ada Lovelace"), ("8", "Grace Hopper")]

    def suggestions(self) -> tuple[str, ...]:
        return ("Who ordered most last month?", "What does the handbook say about refunds?", "Please remember that …")

    def state(self) -> State:
        return State(ready=True, model="qwen2.5-coder-1.5b", model_loaded=True, database="shop.db", documents=2)

    def activity(self, *, user: str, turns: int = 500) -> list[TurnRecord]:
        usage = Usage(1200, 900, 40, 2, 0.4, 3.2, {"sql": 1.2, "answer": 2.0})
        asked = [message for kept in self.conversations.all(user=user) for message in self.conversations.messages(kept.id, user=user)]
        return [TurnRecord(m.conversation, m.text, m.created, "sql", usage, 1) for m in asked if m.role == "user"][:turns]

    def feedback(
        self, answer_id: str, *, user: str, score: int, comment: str | None = None, corrected_sql: str | None = None
    ) -> None:
        if corrected_sql:
            self._checked(corrected_sql)
        self.judged.append((answer_id, user, score))
        self.reasons.append((comment, corrected_sql))
        self.conversations.judge(answer_id, score)

    def query(self, sql: str, *, user: str = "local") -> Table:
        self._checked(sql)
        self.queried.append((sql, user))
        if "attack" in sql:
            return Table((ATTACK, "n"), ((ATTACK, 1), (ATTACK, 2)))
        return Table(("city", "n"), (("London", 4), ("Paris", 11), ("Rome", 9)))

    def explain(self, sql: str) -> str:
        return f"Looks at `{sql}`."

    def _checked(self, sql: str) -> None:
        if "DROP" in sql.upper():
            raise QueryRejected("Only one statement that reads may run; this one is DROP. <b>&</b>")

    def export_all(self, *, user: str) -> str:
        return json.dumps({"version": 1, "user": user})

    def forget_all(self, *, user: str) -> None:
        self.erased.append(user)

    def stream(
        self, question: str, *, user: str = "local", conversation: str | None = None, words: bool = True, private: bool = False,
        instead_of: str | None = None,
    ) -> Closing:
        self.private.append(private)
        self.closed = threading.Event()
        return Closing(self._events(question, user, conversation or f"c{next(self._ids)}"), self.closed)

    def _events(self, question: str, user: str, conversation: str) -> Iterator[Event]:
        self.conversations.say(conversation, user, "user", question)
        yield StepStarted("recall")
        yield StepFinished("recall", 0.04, "nothing told before")
        yield StepStarted("relevance")
        time.sleep(self.pause)
        answer = self._answer(question, user, conversation)
        yield StepFinished("relevance", 0.31, f"{answer.route} (0.94)")
        step = answer.route if answer.route in ("sql", "documents") else "answer"
        yield StepStarted(step)
        if "fail" in question:
            raise AssistantError(
                "The database shop.db went away. Check that the file is there, then ask again. <b>&</b>"
            )
        if "forever" in question:
            while not self.closed.is_set():
                time.sleep(0.02)
                yield Token("word ")
            return
        time.sleep(self.pause * 4)
        yield StepFinished(step, 1.21, answer.sql or "5 passages from 2 documents")
        yield StepStarted("answer")
        for word in answer.text.split(" "):
            time.sleep(self.pause)
            yield Token(word + " ")
        yield StepFinished("answer", 0.84)
        answer = replace(
            answer,
            usage=Usage(1204, 980, 85, 3, 0.7, 2.41, {"recall": 0.04, "relevance": 0.31, step: 1.21, "answer": 0.84}),
        )
        self.conversations.say(conversation, user, "assistant", answer.text, answer_to_json(answer))
        yield Done(answer)

    def _answer(self, question: str, user: str, conversation: str) -> Answer:
        def make(text: str, route: Route = "chat", **more: Any) -> Answer:
            return Answer(f"a{next(self._ids)}", text, route, conversation, **more)

        if "attack" in question:
            memory = Memory("m9", user, ATTACK, NOW, ATTACK)
            return make(
                f"{ATTACK} ![x](http://example.invalid/x.png) [go](javascript:window.__x=1) [1]", "both", sql=f"SELECT '{ATTACK}'", grounded=True,
                table=Table((ATTACK, "n"), ((ATTACK, 1),)), citations=(Citation(ATTACK, ATTACK, ATTACK, 0.5, passage=ATTACK),), memories=(memory,), choices=(ATTACK,),
            )  # fmt: skip
        if "ordered" in question or "orders" in question:
            rows = tuple((name, city, orders, spent) for name, city, orders, spent in _CUSTOMERS)
            return make(
                "**Ada Lovelace** ordered most last month: 14 orders for 1,892.40 in all, followed by Grace Hopper with 11.",
                "sql", sql=SQL, grounded=True, table=Table(("name", "city", "orders", "spent"), rows, truncated=True),
                explanation="Looks at customers together with their orders. For each name, adds up `o.total`.",
            )  # fmt: skip
        if "of each" in question:
            many = tuple((f"part {n}", None if n == 7 else (n * 37) % 100, f"2025-01-{n:02}") for n in range(1, 31))
            return make("I found 30.", "sql", sql="SELECT part, stock, seen FROM parts", grounded=True, table=Table(("part", "stock", "seen"), many))
        if "months" in question:
            months = tuple((f"2025-{month:02}", 100 + month * month) for month in range(1, 13))
            return make("I found 12.", "sql", sql="SELECT month, n FROM months", grounded=True, table=Table(("month", ATTACK), months))
        if "refund" in question:
            return make(
                "Unused parts can be returned within **30 days** with the receipt [1]. Opened consumables are not refunded, but a faulty one is replaced [2].\n\n"
                "- Bring the part and the receipt\n- Refunds go back to the card that paid",
                "documents", grounded=True, citations=(
                    Citation("handbook.md", "Returns and refunds", "Unused parts may be returned within 30 days of purchase, with the receipt, for a full refund.", 0.91, passage="d1:4"),
                    Citation("workshop-guide.pdf", "page 12", "Opened consumables (tubes of grease, patches) are not refunded; where faulty, they are replaced free of charge.", 0.78, passage="d2:11"),
                ), memories=(Memory("m1", user, "I always pay by card", NOW, self.conversations.first(user)),),
            )  # fmt: skip
        if "choose" in question:
            return make(
                "Do you mean the orders in the database, or what the handbook says about them?",
                choices=("The orders in the database", "What the handbook says"),
            )
        return make(f"You said: {question}")


_CUSTOMERS = (
    ("Ada Lovelace", "London", 14, 1892.4), ("Grace Hopper", "New York", 11, 1410.0), ("Alan Turing", "Manchester", 9, 988.25),
    ("Edsger Dijkstra", None, 7, 640.1), ("Barbara Liskov", "Boston", 6, 512.99),
)  # fmt: skip


class StandInConversations:
    def __init__(self) -> None:
        self._kept: dict[str, tuple[Conversation, list[Message]]] = {}

    def say(self, key: str, user: str, role: str, text: str, answer: str | None = None) -> None:
        conversation, messages = self._kept.setdefault(
            key, (Conversation(key, user, text[:60], NOW, datetime.now(UTC), 0), [])
        )
        messages.append(
            Message(f"{key}-{len(messages)}", key, "user" if role == "user" else "assistant", text, NOW, answer)
        )
        self._kept[key] = (replace(conversation, updated=datetime.now(UTC), messages=len(messages)), messages)

    def judge(self, answer_id: str, score: int) -> None:
        for _, messages in self._kept.values():
            messages[:] = [
                replace(m, score=1 if score == 1 else -1) if m.answer and answer_id in m.answer else m for m in messages
            ]

    def first(self, user: str) -> str | None:
        """The first thing that a user said."""
        return next((said[0].id for kept, said in self._kept.values() if kept.user == user), None)

    def message(self, id: str, *, user: str = "local") -> Message:  # noqa: A002
        for kept, said in self._kept.values():
            for message in said:
                if (message.id, kept.user) == (id, user):
                    return message
        raise NotFound("What was said there is gone: its conversation was deleted.")

    def all(self, *, user: str = "local", query: str | None = None) -> list[Conversation]:
        return [c for c, said in self._kept.values() if c.user == user and any((query or "") in m.text for m in said)]

    def messages(self, id: str, *, user: str = "local", turns: int | None = None) -> list[Message]:  # noqa: A002
        return list(self._own(id, user)[1])[-2 * turns if turns else None :]

    def unfinished(self, id: str, *, user: str = "local") -> Message | None:  # noqa: A002
        return None

    def rename(self, id: str, title: str, *, user: str = "local") -> None:  # noqa: A002
        conversation, messages = self._own(id, user)
        self._kept[id] = (replace(conversation, title=title), messages)

    def delete(self, id: str, *, user: str = "local") -> None:  # noqa: A002
        self._own(id, user)
        del self._kept[id]

    def export(self, id: str, *, user: str = "local", format: str = "markdown") -> str:  # noqa: A002
        return "\n\n".join(f"**{message.role}** {message.text}" for message in self._own(id, user)[1])

    def _own(self, key: str, user: str) -> tuple[Conversation, list[Message]]:
        if key not in self._kept or self._kept[key][0].user != user:
            raise NotFound(f"There is no conversation {key}.")
        return self._kept[key]


class StandInData:
    def __init__(self) -> None:
        self.notes: dict[tuple[str, str | None], str] = {}

    def schema(self) -> Schema:
        def column(table: str, name: str, **more: Any) -> ColumnInfo:
            return ColumnInfo(name, "INTEGER", comment=self.notes.get((table, name)), **more)

        customers = (column("customers", "id", primary_key=True), column("customers", "name"))
        orders = (column("orders", "id", primary_key=True), column("orders", "customer_id", references="customers.id"))
        tables = (TableInfo("customers", customers, (), 3), TableInfo("orders", orders, (), 5), TableInfo(ATTACK, (column("x", ATTACK),)))
        return Schema("sqlite", tuple(replace(t, comment=self.notes.get((t.name, None))) for t in tables), "f")

    def rows(self, table: str, *, user: str) -> Table:
        return Table(("id", "name"), ((1, f"{table} of {user}"), (2, ATTACK)))

    def note(self, table: str, column: str | None, text: str) -> None:
        self.notes[table, column] = text


class StandInSetup:
    def __init__(self) -> None:
        self.connected, self.used, self.changed = "", "small", ("", "")
        self.here = {"small", "words"}
        self.models = self

    def test_connection(self, url: str) -> int:
        if "missing" in url:
            raise AssistantError(f"There is no database at {url}. Check the path.")
        return 2

    def connect(self, url: str) -> None:
        self.test_connection(url)
        self.connected = url

    def all(self) -> list[ModelOffer]:
        def offer(name: str, kind: Any, size: int, **more: Any) -> ModelOffer:
            state: Any = "present" if name in self.here else "absent"
            return ModelOffer(name, kind, f"The {name} one. {ATTACK}", "apache-2.0", state, 0, size, used=name in (self.used, "words"), **more)

        return [
            offer("small", "chat", 400_000_000, memory_gb=1.0, fits=True),
            offer("large", "chat", 4_000_000_000, memory_gb=60.0, fits=False),
            offer("words", "embedding", 90_000_000, memory_gb=0.2, fits=True),
        ]

    def fetch(self, name: str, progress: Any = None, cancelled: Any = None) -> None:
        for done in range(1, 100):
            progress(SimpleNamespace(name=name, file=f"{name}.gguf", done_bytes=done * 10**7, total_bytes=10**9, phase="download"))
            time.sleep(0.02)
            if cancelled():
                raise AssistantError(f"Fetching {name} was stopped. What came is kept.")
        self.here.add(name)

    def remove(self, name: str) -> None:
        self.here.discard(name)

    def use(self, name: str) -> None:
        self.used = name

    def change(self, name: str, text: str) -> bool:
        if text == "wrong":
            raise AssistantError(f"{name} cannot be 'wrong'.")
        self.changed = (name, text)
        return name.startswith("model.")


class StandInDocuments:
    def __init__(self) -> None:
        self._kept = [
            Document("d1", "handbook.md", "/handbook.md", None, 42, NOW),
            Document("d2", "workshop-guide.pdf", "/workshop-guide.pdf", None, 118, NOW),
        ]
        self.read: dict[str, str] = {}

    def add(
        self, *paths: str | Path, user: str | None = None, progress: Callable[[IngestProgress], None] | None = None
    ) -> IngestReport:
        new, refused = [], []
        for at, path in enumerate(map(Path, paths)):
            if progress:
                progress(IngestProgress(at, len(paths), str(path)))
            time.sleep(0.2)
            if path.suffix == ".exe":
                refused.append(Refusal(path.name, "this kind of file cannot be read"))
                continue
            self.read[path.name] = path.read_text(encoding="utf-8")
            self._kept.append(Document(f"d{len(self._kept) + 1}", path.name, str(path), user, 3, NOW))
            new.append(path.name)
        return IngestReport(new=tuple(new), refused=tuple(refused), passages=3 * len(new))

    def all(self, *, user: str = "local") -> list[Document]:
        return [document for document in self._kept if document.user in (None, user)]

    def around(self, passage_id: str, *, user: str = "local") -> list[Passage]:
        texts = {
            "d1:4": "Keep the receipt.\n\nUnused parts may be returned within\n30 days of purchase, with the receipt, for a full refund. Ask at the counter.",
            "d2:11": "Opened consumables (tubes of grease, patches) are not refunded; where faulty, they are replaced free of charge.",
            ATTACK: f"before {ATTACK} after",
        }
        if passage_id not in texts:
            return []
        key = passage_id.split(":")[0]
        document = next((d for d in self._kept if d.id == key), None)
        name, location = (document.name, "page 12") if document else (ATTACK, "page 1")
        before = Passage("before", name, key, "page 11", f"What stood before. {ATTACK}")
        return [before, Passage(passage_id, name, key, location, texts[passage_id])]

    def contents(self, id: str, *, user: str = "local") -> list[Passage]:  # noqa: A002
        return [Passage(f"{id}:{at}", "handbook.md", id, f"page {at}", f"Words of page {at}. {ATTACK}") for at in range(3)]

    def sync(self, progress: Callable[[IngestProgress], None] | None = None) -> IngestReport:
        return IngestReport(unchanged=tuple(document.name for document in self._kept))

    def remove(self, id: str, *, user: str | None = None) -> None:  # noqa: A002
        self._kept = [document for document in self._kept if document.id != id]


class StandInMemories:
    def __init__(self) -> None:
        self._kept = [
            Memory("m1", "local", "I always pay by card", NOW),
            Memory("m2", "local", "My bicycle is a Brompton from 2019", NOW),
            Memory("m3", "7", "Ada's secret", NOW),
        ]

    def add(self, text: str, *, user: str) -> None:
        self._kept.append(Memory(f"m{len(self._kept) + 1}", user, text, NOW))

    def all(self, *, user: str) -> list[Memory]:
        return [memory for memory in self._kept if memory.user == user]

    def forget(self, id: str, *, user: str) -> Memory:  # noqa: A002
        found = next((memory for memory in self._kept if (memory.id, memory.user) == (id, user)), None)
        if found is None:
            raise NotFound(f"There is no memory {id}.")
        self._kept.remove(found)
        return found

    def restore(self, memory: Memory) -> Memory:
        self._kept.append(memory)
        return memory

    def edit(self, id: str, text: str, *, user: str) -> Memory:  # noqa: A002
        changed = replace(self.forget(id, user=user), text=text)
        return self.restore(changed)

    def search(self, query: str, *, user: str, k: int = 5) -> list[Memory]:
        return [memory for memory in self.all(user=user) if query.lower() in memory.text.lower()][:k]
