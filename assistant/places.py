"""Where conversations are kept: on the disk or on a server, or, for private ones, in memory alone."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from graphs.errors import TurnCancelled
from graphs.graph import Graph, build
from stores.erasure import erase_free_pages
from stores.history import History
from stores.leases import Leases

if TYPE_CHECKING:
    from stores.server import Server

# What may stand in a checkpoint besides plain values.
_CHECKPOINTED = [("stores.values", name) for name in ("Memory", "Message", "Passage", "Table", "ValueMatch")] + [
    ("graphs.values", name) for name in ("Attempt", "Citation")
]


@dataclass(frozen=True)
class Place:
    """The messages of conversations, and the graph with where their turns stand; on a server also which turns run where."""

    history: History
    graph: Graph
    saver: BaseCheckpointSaver[str]
    server: Server | None = None
    leases: Leases | None = None

    @contextmanager
    def turn(self, user: str, conversation: str, cancelled: threading.Event) -> Iterator[None]:
        """One turn of a conversation at a time, whichever replica runs it: the others wait. Raises `TurnCancelled`."""
        if self.leases is None:
            yield
            return
        if not self.leases.take(conversation, user, cancelled):
            raise TurnCancelled("The reader went away before the turn began.")
        try:
            yield
        finally:
            self.leases.leave(conversation, user)

    def elsewhere(self, user: str, conversation: str) -> bool:
        """Whether another replica answers in the conversation just now."""
        return self.leases is not None and self.leases.elsewhere(conversation, user)

    def forget(self, user: str, conversations: Iterable[str]) -> None:
        """Drop where the turns of conversations stand, from the bytes on the disk too."""
        for conversation in conversations:
            self.end_turn(user, conversation)
        self._erase()

    def end_turn(self, user: str, conversation: str) -> None:
        """Drop where a turn stands: one that is over has nothing to go on from."""
        self.saver.delete_thread(thread(user, conversation))

    def drop_memories(self, ids: Sequence[str], user: str) -> None:
        """Drop the copies of memories that were forgotten: in answers, and where a user's turn waits for a reply."""
        self.history.drop_memories(ids, user=user)
        self._drop({name for name in self._threads() if _owner(name) == user})

    def sweep(self) -> None:
        """Drop what belongs to no conversation: a process was killed between two deletions, or wrote it in an older way."""
        self._drop(self._threads() - {thread(user, conversation) for user, conversation in self.history.owners()})
        if self.leases:
            self.leases.sweep()

    def _threads(self) -> set[str]:
        if self.server:
            with self.server.reading() as tables:
                found = tables.execute("SELECT thread_id FROM checkpoints UNION SELECT thread_id FROM checkpoint_writes UNION SELECT thread_id FROM checkpoint_blobs")
                return {name for (name,) in found}
        if not isinstance(self.saver, SqliteSaver):
            return set()
        with self.saver.cursor(transaction=False) as db:
            return {name for (name,) in db.execute("SELECT thread_id FROM checkpoints UNION SELECT thread_id FROM writes")}

    def _drop(self, threads: set[str]) -> None:
        for name in threads:
            self.saver.delete_thread(name)
        if threads:
            self._erase()

    def _erase(self) -> None:
        if isinstance(self.saver, SqliteSaver):
            with self.saver.cursor():
                erase_free_pages(self.saver.conn)

    def close(self) -> None:
        """Close what is open."""
        self.history.close()
        if isinstance(self.saver, SqliteSaver):
            self.saver.conn.close()
        if self.leases:
            self.leases.close()
        if self.server:
            self.server.close()


def thread(user: str, conversation: str) -> str:
    """The name under which the graph keeps a conversation: its user is part of it."""
    return json.dumps([user, conversation])


def _owner(name: str) -> str | None:
    """Whose a thread is; None for a name that an older program gave."""
    try:
        user, _ = json.loads(name)
    except (ValueError, TypeError):
        return None
    return str(user)


def on_disk(history: Path, checkpoints: Path) -> Place:
    """The place of conversations that are kept."""
    connection = sqlite3.connect(checkpoints, check_same_thread=False)
    connection.execute("PRAGMA secure_delete = ON")
    return _place(History(history), SqliteSaver(connection, serde=serde()))


def on_server(server: Server) -> Place:
    """The place of conversations that several replicas keep together; it closes the server."""
    from assistant.checkpoints import ServerSaver

    saver = ServerSaver(server.pool, serde=serde())
    with server.alone():
        saver.setup()
    return Place(History(server), build(saver), saver, server, Leases(server))


def in_memory() -> Place:
    """The place of private conversations: nothing of them is written anywhere."""
    return _place(History(None), InMemorySaver(serde=serde()))


def _place(history: History, saver: BaseCheckpointSaver[str]) -> Place:
    return Place(history, build(saver), saver)


def serde() -> JsonPlusSerializer:
    """How checkpoints are written: plain values, and this project's own."""
    return JsonPlusSerializer(allowed_msgpack_modules=_CHECKPOINTED)
