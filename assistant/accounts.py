"""Who may sign in to the page: names, hashed passwords, and which user each one is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from assistant.tries import Tries, network_of
from stores import tables
from stores.errors import AssistantError, NotFound, StoreUnavailable

if TYPE_CHECKING:
    from assistant.settings import Settings
    from stores.history_file import Speaks
    from stores.server import Server

SHORTEST, LONGEST = 10, 500
"""Characters of a password."""
LONGEST_NAME = 100
TRIES, WITHIN = 5, 300.0
"""So many wrong passwords for one name within so many seconds, and the name has to wait."""
TRIES_FROM = 20
"""The same for one address, from which several people may sign in."""
SETTLED = 2_000_000_000
"""Nanoseconds after which a change of the file shows in its time: file systems count as coarsely as two seconds."""
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
        self._tried, self._tried_from = Tries(TRIES, WITHIN), Tries(TRIES_FROM, WITHIN)
        self._read: tuple[tuple[int, ...], list[Account]] | None = None

    def all(self) -> list[Account]:
        """The accounts by name; none where nobody has been added."""
        return self._of_file(self.place) if isinstance(self.place, Path) else self._found("name IS NOT NULL")

    def _of_file(self, path: Path) -> list[Account]:
        """All of a file's, read again once it has changed: each request asks."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreUnavailable(f"The accounts {path} cannot be opened: {error.strerror or error}.") from error
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._read and self._read[0] == stamp:
            return list(self._read[1])
        accounts = self._found("name IS NOT NULL")
        # What was written just now may be written again within the same tick of the file system's clock.
        if time.time_ns() - found.st_mtime_ns > SETTLED:
            self._read = stamp, accounts
        return list(accounts)

    def _found(self, condition: str, *values: str) -> list[Account]:
        with self._open() as db:
            rows = db.execute(f"SELECT name, user, admin FROM accounts WHERE {condition} ORDER BY name", values)
            return [Account(name, user, bool(admin)) for name, user, admin in rows]

    def add(self, name: str, password: str, *, user: str | None = None, admin: bool = False) -> Account:
        """Add somebody; the first is an administrator. `user` is the user they are, their name where it is left out."""
        name = name.strip()
        if not 1 <= len(name) <= LONGEST_NAME:
            raise AssistantError(f"A name has between 1 and {LONGEST_NAME} characters.")
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
        among = self.all() if isinstance(self.place, Path) else self._found("name = ?", name)
        return next((account for account in among if account.name == name), None)

    def check(self, name: str, password: str, *, address: str = "", now: float | None = None) -> Account | None:
        """The account, where name and password are right; `address` is where they came from. Raises `TooManyTries`."""
        now = time.monotonic() if now is None else now
        name, origin = name[:LONGEST_NAME], network_of(address)
        if wait := self._tried_from.begin(origin, now):
            raise TooManyTries(wait)
        if wait := self._tried.begin(name, now):
            raise TooManyTries(wait)
        nobody = self._nobody
        with self._open() as db:
            row = db.execute("SELECT hash, user, admin FROM accounts WHERE name = ?", (name,)).fetchone()
        try:
            self._hasher.verify(row[0] if row else nobody, password[: LONGEST + 1])
        except (Argon2Error, InvalidHashError):
            row = None
        if row is None:
            return None
        self._tried.forget(name)
        self._tried_from.undo(origin, now)  # and no more: who has an account is not to begin anew by it
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
