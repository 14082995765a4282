"""Conversations that are deleted in a moment, unless that is taken back."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant import AssistantError, NotFound

if TYPE_CHECKING:
    from assistant import Assistant

log = logging.getLogger(__name__)

WAIT = 10.0
"""Seconds in which a deletion can be taken back."""


@dataclass(frozen=True)
class _Pending:
    conversation: str
    title: str
    timer: threading.Timer


class Deleting:
    """The last conversation that each user deleted: out of sight at once, out of the files when its time is up.

    A program that is killed meanwhile has not deleted it, and shows it again.
    """

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._pending: dict[str, _Pending] = {}
        self._lock = threading.Lock()

    def begin(self, conversation: str, title: str, *, user: str) -> None:
        """Delete a conversation after a moment; what this user deleted before it goes now."""
        self.settle(user)
        timer = threading.Timer(WAIT, self.settle, (user, conversation))
        timer.daemon = True
        with self._lock:
            self._pending[user] = _Pending(conversation, title, timer)
        timer.start()

    def undo(self, user: str) -> bool:
        """Take the last deletion back; False where its time was up."""
        with self._lock:
            found = self._pending.pop(user, None)
        if found:
            found.timer.cancel()
        return found is not None

    def waiting(self, user: str) -> tuple[str, str] | None:
        """(id, title) of the conversation that can still be brought back."""
        with self._lock:
            found = self._pending.get(user)
        return (found.conversation, found.title) if found else None

    def settle(self, user: str, conversation: str | None = None) -> None:
        """Delete now what waits of a user's: that conversation, or whichever it is."""
        with self._lock:
            found = self._pending.get(user)
            if found is None or conversation not in (None, found.conversation):
                return
            del self._pending[user]
        found.timer.cancel()
        try:
            self._assistant.conversations.delete(found.conversation, user=user)
        except NotFound:
            pass  # it went with everything else
        except AssistantError as error:
            log.warning("The conversation %s was not deleted: %s", found.conversation, error)

    def close(self) -> None:
        """Delete now all that waits."""
        for user in list(self._pending):
            self.settle(user)
