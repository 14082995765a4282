"""Who looks at the page, and at which conversation: one value for each browser tab."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.accounts import Account

TURNS = 30
"""Turns of a long conversation that are shown at first."""
LOCAL = "local"
"""The user of somebody who did not say who they are."""


def new_conversation() -> str:
    """An id that no conversation has."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Session:
    """What one tab remembers; it lives in the tab's own state and nowhere else. Of a `private` conversation nothing is kept.

    `signed_in` is the name of the account, where there are accounts; an `admin` may change what everybody uses. `turns` are as many
    of the last as are shown.
    """

    user: str = LOCAL
    conversation: str = field(default_factory=new_conversation)
    private: bool = False
    signed_in: str | None = None
    admin: bool = True
    turns: int = TURNS

    def fresh(self, *, private: bool = False) -> Session:
        """The same user in a new conversation."""
        return replace(self, conversation=new_conversation(), private=private, turns=TURNS)

    def opened(self, conversation: str) -> Session:
        """The same user in that conversation."""
        return replace(self, conversation=conversation, private=False, turns=TURNS)


def begun(text: str | None, account: Account | None) -> Session:
    """The session that a tab kept over a reload, as far as it is this account's."""
    kept = remembered(text)
    if account is None:
        return kept
    mine = kept if kept.user == account.user else Session(account.user)
    return replace(mine, signed_in=account.name, admin=account.admin)


def remembered(text: str | None) -> Session:
    """The session that a tab kept over a reload, or a new one where what it kept is not understood."""
    try:
        kept = json.loads(text or "{}")
    except ValueError:
        return Session()
    if not isinstance(kept, dict):
        return Session()
    user, conversation = kept.get("user"), kept.get("conversation")
    session = Session(user) if isinstance(user, str) and user.strip() else Session()
    if kept.get("private") == "true":  # what was said is gone, and what is said next is to be private as well
        return session.fresh(private=True)
    return session.opened(conversation) if isinstance(conversation, str) and conversation else session
