"""Keys for other programs: whose each is and what it may do. What is kept is its hash; the key itself is shown once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from stores import tables
from stores.errors import AssistantError, NotFound

if TYPE_CHECKING:
    from stores.history_file import Speaks
    from stores.server import Server

SCOPES = {
    "ask": "ask questions; conversations and feedback",
    "documents": "list, search and add its user's documents",
    "memories": "see, add and forget its user's memories",
    "query": "run its own reading SQL",
    "people": "ask for people it names, each kept apart (a gateway such as Open WebUI)",
    "admin": "add and remove documents for everybody",
}
USUAL = ("ask", "documents", "memories", "query")
"""What a key may do where nothing else is said."""
MARK = "ak-"
_NOTED = timedelta(minutes=1)
"""How exactly the last use is kept: a write for each request would be too many."""

TABLE = (
    "CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,"
    " scopes TEXT NOT NULL, created TEXT NOT NULL, used TEXT)"
)
_ROW = "id, name, owner, scopes, created, used"


@dataclass(frozen=True)
class Key:
    """What a key is good for: everything it does is done as `user`. `used` is when it last was, to the minute."""

    id: str
    name: str
    user: str
    scopes: frozenset[str]
    created: datetime
    used: datetime | None = None


class Keys:
    """The keys beside the accounts, in their file or on their server. Safe for several processes. Raises `StoreUnavailable` where it cannot be read or written.

    Kept is the SHA-256 of a key: 256 random bits need no slow hash, nobody can try them all.
    """

    def __init__(self, place: Path | Server) -> None:
        self._place = place

    def all(self) -> list[Key]:
        """The keys by name."""
        return self._rows(f"SELECT {_ROW} FROM keys ORDER BY name")

    def add(self, name: str, *, user: str = "local", scopes: Iterable[str] = USUAL) -> tuple[Key, str]:
        """A new key, and the words to send, which nobody can show again."""
        name, user, wanted = name.strip(), user.strip(), frozenset(scopes)
        if not name or len(name) > 100 or not user:
            raise AssistantError("A key has a name of 1 to 100 characters, and a user.")
        if unknown := wanted - SCOPES.keys():
            raise AssistantError(f"There is no scope {', '.join(sorted(unknown))}. There are: {', '.join(SCOPES)}.")
        if not wanted:
            raise AssistantError(f"A key that may do nothing opens nothing. Name a scope: {', '.join(SCOPES)}.")
        token, now = MARK + secrets.token_urlsafe(32), datetime.now(UTC)
        key = Key(secrets.token_hex(4), name, user, wanted, now)
        values = (key.id, _hashed(token), name, user, " ".join(sorted(wanted)), now.isoformat())
        with self._open() as db:
            if not db.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING", values).rowcount:
                raise AssistantError(f"There is a key {name!r} already. Revoke it first, or choose another name.")
        return key, token

    def revoke(self, name: str) -> Key:
        """End a key, by its name or id, from its next request on. Raises `NotFound`."""
        found = next((key for key in self.all() if name in (key.name, key.id)), None)
        if found is None:
            raise NotFound(f"There is no key {name!r}. See `assistant keys list`.")
        with self._open() as db:
            db.execute("DELETE FROM keys WHERE id = ?", (found.id,))
        return found

    def revoke_all(self, *, user: str) -> int:
        """End all keys of a user; gives how many."""
        if self._empty():
            return 0
        with self._open() as db:
            return db.execute("DELETE FROM keys WHERE owner = ?", (user,)).rowcount

    def find(self, token: str) -> Key | None:
        """The key that was sent; None where there is no such one."""
        found = self._rows(f"SELECT {_ROW} FROM keys WHERE hash = ?", _hashed(token))
        now = datetime.now(UTC)
        if found and (found[0].used is None or now - found[0].used > _NOTED):
            with self._open() as db:
                db.execute("UPDATE keys SET used = ? WHERE id = ?", (now.isoformat(), found[0].id))
        return found[0] if found else None

    def _rows(self, sql: str, *values: str) -> list[Key]:
        if self._empty():
            return []
        with self._open() as db:
            return [_key(*row) for row in db.execute(sql, values)]

    def _empty(self) -> bool:
        return isinstance(self._place, Path) and not self._place.exists()

    def _open(self) -> AbstractContextManager[Speaks]:
        return tables.opened(self._place, TABLE, what="keys")


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _key(id: str, name: str, user: str, scopes: str, created: str, used: str | None) -> Key:  # noqa: A002
    return Key(id, name, user, frozenset(scopes.split()), datetime.fromisoformat(created), datetime.fromisoformat(used) if used else None)
