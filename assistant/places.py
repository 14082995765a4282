"""Where conversations are kept: on the disk, or, for private ones, in memory alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from graphs.graph import Graph, build
from stores.erasure import erase_free_pages
from stores.history import History

# What may stand in a checkpoint besides plain values.
_CHECKPOINTED = [("stores.values", name) for name in ("Memory", "Message", "Passage", "Table", "ValueMatch")] + [
    ("graphs.values", name) for name in ("Attempt", "Citation")
]


@dataclass(frozen=True)
class Place:
    """The messages of conversations, and the graph with where their turns stand."""

    history: History
    graph: Graph
    saver: BaseCheckpointSaver[str]

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

    def _threads(self) -> set[str]:
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
    return _place(History(history), SqliteSaver(connection, serde=_serde()))


def in_memory() -> Place:
    """The place of private conversations: nothing of them is written anywhere."""
    return _place(History(None), InMemorySaver(serde=_serde()))


def _place(history: History, saver: BaseCheckpointSaver[str]) -> Place:
    return Place(history, build(saver), saver)


def _serde() -> JsonPlusSerializer:
    return JsonPlusSerializer(allowed_msgpack_modules=_CHECKPOINTED)
