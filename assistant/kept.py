"""What is kept about a user: to see, take along and delete."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from assistant.naming import name_of
from assistant.serialise import answer_to_json
from graphs.values import Answer
from stores.errors import AssistantError, NotFound
from stores.values import Conversation, Message

if TYPE_CHECKING:
    from assistant.settings import ConversationSettings
    from assistant.turns import Turns
    from assistant.wiring import Parts

log = logging.getLogger(__name__)

VERSION = 1
DAY = 24 * 60 * 60.0
"""Seconds between two looks for what is too old."""


class Conversations:
    """The conversations of each user; another's are not found. A private one is not listed, and ends with `delete`."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def all(self, *, user: str = "local", query: str | None = None) -> list[Conversation]:
        """This user's kept conversations, the latest first; `query` searches titles and messages."""
        return self._turns.kept.history.all(user=user, query=query)

    def messages(self, id: str, *, user: str = "local", turns: int | None = None) -> list[Message]:  # noqa: A002 - the public name
        """The messages of a conversation, oldest first, or those of its last `turns`. Raises `NotFound`.

        Of versions (see `instead_of` of `Assistant.stream`) they are those of the one that is shown.
        """
        return self._turns.place(id, user).history.messages(id, user=user, turns=turns)

    def unfinished(self, id: str, *, user: str = "local") -> Message | None:  # noqa: A002
        """The last question where its turn was broken off, by a stop, a failure or the end of the program; given as
        `instead_of`, it is asked again in its place. One that another replica answers just now is none. Raises `NotFound`."""
        place = self._turns.place(id, user)
        left = place.history.unfinished(id, user=user)
        return None if left and place.elsewhere(user, id) else left

    def begin(self, id: str, turns: Iterable[tuple[str, str]], *, user: str = "local", private: bool = False) -> None:  # noqa: A002
        """A new conversation that begins with what was said elsewhere: (question, answer) of each turn; nothing is remembered of it."""
        history = self._turns.place_for(id, user, private).history
        if history.holds(id, user=user):
            raise AssistantError(f"There is a conversation {id!r} already. Begin one under another id.")
        for question, text in turns:
            asked = history.begin(id, user=user, question=question, title=name_of(question))
            if text:
                answer = Answer(uuid4().hex, text, "chat", id)
                history.finish(asked, user=user, answer_id=answer.id, text=text, answer_json=answer_to_json(answer))

    def branch(self, id: str, message_id: str, *, user: str = "local") -> Conversation:  # noqa: A002
        """A new conversation that begins with what was said up to a message, and the answer to it. Raises `NotFound`."""
        return self._turns.place(id, user).history.branch(id, message_id, user=user)

    def restore(self, id: str, message_id: str, *, user: str = "local") -> None:  # noqa: A002
        """Go back to the version of a conversation that a message belongs to; the one shown so far is kept. Raises `NotFound`."""
        place = self._turns.place(id, user)
        place.history.restore(id, message_id, user=user)
        place.end_turn(user, id)  # what waited for a reply did so in the other version

    def message(self, id: str, *, user: str = "local") -> Message:  # noqa: A002
        """One kept message, the source of a memory for one. Raises `NotFound`."""
        return self._turns.kept.history.message(id, user=user)

    def rename(self, id: str, title: str, *, user: str = "local") -> None:  # noqa: A002
        """Give a conversation another title. Raises `NotFound`."""
        self._turns.place(id, user).history.rename(id, title, user=user)

    def delete(self, id: str, *, user: str = "local") -> None:  # noqa: A002
        """Delete a conversation with everything the graph kept of it, from the bytes on the disk too. Raises `NotFound`."""
        place = self._turns.place(id, user)
        place.history.delete(id, user=user)
        self._turns.forget(place, [id], user)

    def export(self, id: str, *, user: str = "local", format: Literal["markdown", "json"] = "markdown") -> str:  # noqa: A002
        """A conversation as text. Raises `NotFound`."""
        return self._turns.place(id, user).history.export(id, user=user, format=format)


def export_all(parts: Parts, user: str) -> str:
    """Everything that is kept about a user as one JSON object with `version`."""
    _named(user)
    history = parts.kept.history
    memories = [
        {"id": m.id, "text": m.text, "said_at": m.said_at.isoformat(), "source": m.source, "until": m.until.isoformat() if m.until else None}
        for m in parts.memories.all(user=user)
    ]
    examples = [
        {"id": e.id, "question": e.question, "sql": e.sql, "created": e.created.isoformat()}
        for e in parts.examples.all(user=user)
    ]
    documents = [
        {"id": d.id, "name": d.name, "path": d.path, "added": d.added.isoformat()}
        for d in parts.documents.all(user=user)
        if d.user == user
    ]
    conversations = [json.loads(history.export(c.id, user=user, format="json")) for c in history.all(user=user)]
    whole: dict[str, Any] = {
        "version": VERSION,
        "user": user,
        "memories": memories,
        "conversations": conversations,
        "examples": examples,
        "documents": documents,
    }
    return json.dumps(whole, ensure_ascii=False, indent=2)


def forget_all(parts: Parts, turns: Turns, user: str) -> None:
    """Delete everything that is kept about a user, from the bytes on the disk too."""
    _named(user)
    for place in (parts.kept, parts.private):
        turns.forget(place, place.history.delete_all(user=user), user)
    parts.memories.forget_all(user=user)
    parts.examples.forget_all(user=user)
    for document in parts.documents.forget_all(user=user):
        parts.home.drop(document.path)


class Retention:
    """Deletes what is older than the settings say, at the start and once a day, and finishes what a kill left undone."""

    def __init__(self, parts: Parts, turns: Turns, settings: ConversationSettings) -> None:
        self._parts = parts
        self._turns = turns
        self._settings = settings
        self._stopped = threading.Event()

    def start(self) -> None:
        """Look now, and each day where there is a limit."""
        self._look()
        if self._settings.keep_days or self._settings.keep_memories_days:
            threading.Thread(target=self._daily, name="retention", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _daily(self) -> None:
        while not self._stopped.wait(DAY):
            self._look()

    def _look(self) -> None:
        try:
            self.apply(datetime.now(UTC))
        except AssistantError as error:  # a damaged store is told to whoever needs it
            log.warning("%s", error)

    def apply(self, now: datetime) -> None:
        """Delete what is too old at that moment."""
        parts, limits = self._parts, self._settings
        if limits.keep_days:
            gone = parts.kept.history.delete_older(now - timedelta(days=limits.keep_days))
            for user in {user for user, _ in gone}:
                self._turns.forget(parts.kept, [id_ for owner, id_ in gone if owner == user], user)
        if limits.keep_memories_days:
            parts.memories.forget_older(now - timedelta(days=limits.keep_memories_days))
        parts.kept.sweep()


def _named(user: str) -> None:
    if not user.strip():
        raise NotFound("What is kept belongs to a user: name one.")
