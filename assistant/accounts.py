"""Who may sign in to the page: names, hashed passwords, and which user each one is."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from stores import tables
from stores.errors import AssistantError, NotFound

if TYPE_CHECKING:
    from assistant.settings import Settings
    from stores.history_file import Speaks
    from stores.server import Server

SHORTEST, LONGEST = 10, 500
"""Characters of a password."""
TRIES, WITHIN = 5, 300.0
"""So many wrong passwords for one name within so many seconds, and the name has to wait."""
FILE = "accounts.sqlite"

TABLE = "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, hash TEXT NOT NULL, user TEXT NOT NULL, admin INTEGER NOT NULL)"


@dataclass(frozen=True)
class Account:
    """Somebody who may sign in as `name`; what they ask and keep is `user`'s. An `admin` may change the database, the
    models and the settings."""

    name: str
    user: str
    admin: bool


class TooManyTries(AssistantError):
    """Too many wrong passwords; `seconds` says how long to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Too many wrong passwords. Wait {max(1, round(seconds / 60))} min, then try again.")
        self.seconds = seconds


class Accounts:
    """The accounts in one file, or on a server. Safe for several processes. Raises `StoreUnavailable` where they cannot be read or written."""

    def __init__(self, place: Path | Server, *, hasher: PasswordHasher | None = None) -> None:
        self.place = place
        self._hasher = hasher or PasswordHasher()
        self._wrong: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=TRIES))

    def all(self) -> list[Account]:
        """The accounts by name; none where nobody has been added."""
        return self._found("name IS NOT NULL")

    def _found(self, condition: str, *values: str) -> list[Account]:
        if isinstance(self.place, Path) and not self.place.exists():
            return []
        with self._open() as db:
            rows = db.execute(f"SELECT name, user, admin FROM accounts WHERE {condition} ORDER BY name", values)
            return [Account(name, user, bool(admin)) for name, user, admin in rows]

    def add(self, name: str, password: str, *, user: str | None = None, admin: bool = False) -> Account:
        """Add somebody; the first is an administrator. `user` is the user they are, their name where it is left out."""
        name = name.strip()
        if not name or len(name) > 100:
            raise AssistantError("A name has between 1 and 100 characters.")
        hashed = self._hashed(password)
        with self._open() as db:
            first = db.execute("SELECT 1 FROM accounts").fetchone() is None
            account = Account(name, user or name, admin or first)
            added = db.execute("INSERT INTO accounts (name, hash, user, admin) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (name, hashed, account.user, account.admin))
            if not added.rowcount:
                raise AssistantError(f"There is an account {name!r} already. Change its password, or remove it first.")
        return account

    def set_password(self, name: str, password: str) -> None:
        """Give somebody another password. Raises `NotFound`."""
        hashed = self._hashed(password)
        with self._open() as db:
            if not db.execute("UPDATE accounts SET hash = ? WHERE name = ?", (hashed, name)).rowcount:
                raise NotFound(f"There is no account {name!r}. See `assistant users list`.")

    def remove(self, name: str) -> None:
        """Take somebody's account away; what they asked and kept stays. Raises `NotFound`."""
        with self._open() as db:
            if not db.execute("DELETE FROM accounts WHERE name = ?", (name,)).rowcount:
                raise NotFound(f"There is no account {name!r}. See `assistant users list`.")

    def find(self, name: str) -> Account | None:
        """The account of that name."""
        return next(iter(self._found("name = ?", name)), None)

    def check(self, name: str, password: str, *, now: float | None = None) -> Account | None:
        """The account, where name and password are right. Raises `TooManyTries`."""
        now = time.monotonic() if now is None else now
        wrong = self._wrong[name] if len(self._wrong) < 10_000 or name in self._wrong else deque(maxlen=TRIES)
        if len(wrong) == TRIES and now - wrong[0] < WITHIN:
            raise TooManyTries(WITHIN - (now - wrong[0]))
        nobody = self._nobody
        with self._open() as db:
            row = db.execute("SELECT hash, user, admin FROM accounts WHERE name = ?", (name,)).fetchone()
        try:
            self._hasher.verify(row[0] if row else nobody, password[: LONGEST + 1])
        except (Argon2Error, InvalidHashError):
            row = None
        if row is None:
            wrong.append(now)
            return None
        self._wrong.pop(name, None)
        return Account(name, row[1], bool(row[2]))

    @cached_property
    def _nobody(self) -> str:
        """A name that is not there takes as long as one that is. Made when somebody first signs in: most pages have no accounts."""
        return self._hasher.hash("nobody")

    def _hashed(self, password: str) -> str:
        if not SHORTEST <= len(password) <= LONGEST:
            raise AssistantError(f"A password has between {SHORTEST} and {LONGEST} characters.")
        return self._hasher.hash(password)

    def _open(self) -> AbstractContextManager[Speaks]:
        return tables.opened(self.place, TABLE, what="accounts")


@contextmanager
def opened(settings: Settings) -> Iterator[Path | Server]:
    """Where accounts and keys lie by these settings, for a program without an `Assistant`."""
    if not settings.state.url:
        yield settings.home.expanduser() / FILE
        return
    from stores.server import Server

    with closing(Server(settings.state.url, connections=2, seconds=settings.state.timeout)) as server:
        yield server
