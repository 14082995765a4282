"""`assistant migrate`: what a home keeps is carried over to a server, counted and hashed on both sides; the home stays as it is.

Each step may be run again: what has arrived is not sent twice, so that a move which was cut off goes on when it is begun anew.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver

from assistant.accounts import FILE, TABLE
from assistant.checkpoints import ServerSaver
from assistant.home import Home
from assistant.keys import TABLE as KEYS_TABLE
from assistant.places import on_server, serde
from stores.errors import AssistantError, StoreUnavailable, sqlite_advice
from stores.migrations import migrate
from stores.server import Server

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from stores.chroma_server import ChromaServer

BATCH = 200
"""Rows that arrive together, or not at all."""

Tell = Callable[[int, int, str], None]
"""Progress: so many are done, of so many, of what."""
Digests = Mapping[str, str]
"""Of each thing that a home holds its name and its hash."""


@dataclass(frozen=True)
class Step:
    """One kind of thing. `copy` sends what is missing; `here` and `there` hash what the home holds, as it lies on each side, in its order."""

    name: str
    copy: Callable[[Tell], None]
    here: Callable[[], Digests]
    there: Callable[[], Digests]


@dataclass(frozen=True)
class Moved:
    """What was found to be the same on both sides: how many, and one hash of all."""

    name: str
    count: int
    sha256: str


def move(steps: Iterator[Step], tell: Tell) -> Iterator[Moved]:
    """Carry each kind over, and compare before the next. Raises `AssistantError` where the server holds something else under the same name."""
    for step in steps:
        step.copy(tell)
        here, there = step.here(), step.there()
        if list(here.items()) != list(there.items()):
            other = next((name for name in here if here[name] != there.get(name)), "their order")
            raise AssistantError(
                f"{step.name}: the server holds something else than the home ({other}): it was changed since, or is another's of the same name. "
                "Take it away on one side and begin again. The home is as it was, and nothing newer on the server was overwritten."
            )
        yield Moved(step.name, len(here), digest(list(here.values())))


@contextmanager
def home_to_server(home: Path, url: str, index: ChromaServer | None = None) -> Iterator[Iterator[Step]]:
    """The steps from a home, which nobody else may use meanwhile, to a server, and where there is one to Chroma's. Raises `StoreUnavailable`."""
    if not home.is_dir():
        raise AssistantError(f"There is no home {home} to move. Name one with --home.")
    with ExitStack() as open_:
        open_.enter_context(closing(Home(home)))
        server = Server(url)
        open_.callback(on_server(server).close)  # makes the tables, too
        yield _steps(home, server, index, open_)


def _steps(home: Path, server: Server, index: ChromaServer | None, open_: ExitStack) -> Iterator[Step]:
    """What each step needs is opened when its turn comes."""
    if (home / "history.sqlite").exists():
        history = open_.enter_context(closing(in_memory(home / "history.sqlite")))
        migrate(history, str(home / "history.sqlite"))
        yield from (table.step(history, server) for table in (CONVERSATIONS, MESSAGES, FEEDBACK))
    if (home / "checkpoints.sqlite").exists():
        waiting = SqliteSaver(open_.enter_context(closing(in_memory(home / "checkpoints.sqlite"))), serde=serde())
        yield _checkpoints(waiting, ServerSaver(server.pool, serde=serde()))
    if (home / FILE).exists():
        accounts = open_.enter_context(closing(in_memory(home / FILE)))
        for table, step in ((TABLE, ACCOUNTS), (KEYS_TABLE, KEYS)):
            accounts.execute(table)
            yield step.step(accounts, server)
    if index:
        from assistant.moving_index import index_steps

        yield from index_steps(home / "index", server, index, open_)


def in_memory(path: Path) -> sqlite3.Connection:
    """A copy in memory: to open the file itself would change it, and so would bringing it forward."""
    log = path.with_name(f"{path.name}-wal")
    left = log.exists() and log.stat().st_size  # a program was killed: what it wrote last stands in the log alone
    memory = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{'mode=ro' if left else 'immutable=1'}", uri=True)) as source:
            source.backup(memory)
    except sqlite3.Error as error:
        memory.close()
        raise StoreUnavailable(f"{path} cannot be read: {error}. {sqlite_advice(getattr(error, 'sqlite_errorname', '') or '')}") from error
    return memory


@dataclass(frozen=True)
class Table:
    """A table that both sides have, with what names a row, and which of two rows of one name is the newer."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    order: str
    newer: str | None = None

    def step(self, home: sqlite3.Connection, server: Server) -> Step:
        """How it is carried over."""
        return Step(self.name, lambda tell: self._copy(home, server, tell), lambda: self._here(home), lambda: self._there(home, server))

    def _copy(self, home: sqlite3.Connection, server: Server, tell: Tell) -> None:
        rows, done = self._rows(home), 0
        total = home.execute(f"SELECT count(*) FROM {self.name}").fetchone()[0]
        sql = f"INSERT INTO {self.name} ({', '.join(self.columns)}) VALUES ({', '.join('?' * len(self.columns))}) {self._twice()}"
        while batch := list(islice(rows, BATCH)):
            with server.writing() as db:
                for row in batch:
                    db.execute(sql, row)
            done += len(batch)
            tell(done, total, self.name)
        with server.reading() as db:
            db.execute(f"ANALYZE {self.name}")  # so many rows at once, and the server would look at them in a minute only

    def _twice(self) -> str:
        """What the home changed since a move that was cut off goes over, too; what the server changed since stays."""
        if not self.newer:
            return "ON CONFLICT DO NOTHING"
        changed = ", ".join(f"{column} = excluded.{column}" for column in self.columns if column not in self.key)
        return f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {changed} WHERE {self.name}.{self.newer} < excluded.{self.newer}"

    def _rows(self, home: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
        for row in home.execute(f"SELECT {', '.join(self.columns)} FROM {self.name} ORDER BY {self.order}"):
            values = (value.replace("\0", "") if isinstance(value, str) else value for value in row)
            yield tuple(bool(value) if column == "admin" else value for column, value in zip(self.columns, values, strict=True))

    def _here(self, home: sqlite3.Connection) -> Digests:
        return self._digests(self._rows(home))

    def _there(self, home: sqlite3.Connection, server: Server) -> Digests:
        keys = [list(column) for column in zip(*(row[: len(self.key)] for row in self._rows(home)), strict=True)]
        if not keys:
            return {}
        lists = ", ".join("?::text[]" for _ in self.key)
        sql = f"SELECT {', '.join(self.columns)} FROM {self.name} WHERE ({', '.join(self.key)}) IN (SELECT * FROM unnest({lists})) ORDER BY {self.order}"
        with server.reading() as db:
            return self._digests(db.execute(sql, tuple(keys)))

    def _digests(self, rows: Iterator[tuple[Any, ...]]) -> Digests:
        return {json.dumps(row[: len(self.key)], ensure_ascii=False): digest(row) for row in rows}


# What names a row stands first.
CONVERSATIONS = Table("conversations", ("user", "id"), ("user", "id", "title", "created", "updated", "head"), "user, id", newer="updated")
MESSAGES = Table("messages", ("id",), ("id", "user", "conversation", "role", "text", "created", "answer", "question", "parent"), "number")
FEEDBACK = Table("feedback", ("answer",), ("answer", "user", "score", "comment", "corrected_sql", "created"), "answer", newer="created")
ACCOUNTS = Table("accounts", ("name",), ("name", "hash", "user", "admin"), "name")
KEYS = Table("keys", ("id",), ("id", "hash", "name", "owner", "scopes", "created"), "id")


def _checkpoints(home: SqliteSaver, server: ServerSaver) -> Step:
    """Where turns that asked back go on."""
    threads = [name for (name,) in home.conn.execute("SELECT DISTINCT thread_id FROM checkpoints ORDER BY thread_id")]

    def copy(tell: Tell) -> None:
        for done, name in enumerate(threads, 1):
            for kept in reversed(list(home.list(_of(name)))):
                before = kept.parent_config or _of(name, checkpoint_ns=kept.config["configurable"]["checkpoint_ns"])
                server.put(before, kept.checkpoint, kept.metadata, kept.checkpoint["channel_versions"])
                writes: defaultdict[str, list[tuple[str, Any]]] = defaultdict(list)
                for task, channel, value in kept.pending_writes or ():
                    writes[task].append((channel, value))
                for task, values in writes.items():
                    server.put_writes(kept.config, values, task)
            tell(done, len(threads), "checkpoints")

    return Step("checkpoints", copy, lambda: _states(home, threads), lambda: _states(server, threads))


def _states(saver: BaseCheckpointSaver[str], threads: list[str]) -> Digests:
    def state(name: str) -> str:
        kept = [(k.checkpoint["id"], sorted(k.checkpoint["channel_values"].items()), sorted(map(repr, k.pending_writes or ()))) for k in saver.list(_of(name))]
        return digest(repr(kept).replace("\\x00", ""))

    return {name: state(name) for name in threads}


def _of(thread: str, **more: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, **more}}


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, default=bytes.hex).encode("utf-8", "surrogatepass")).hexdigest()
