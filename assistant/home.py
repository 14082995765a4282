"""The home: one folder, mode 0700, versioned, used by one process at a time."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from stores.errors import StoreUnavailable

VERSION = 1
_VERSION_FILE = "version"


class Home:
    """An opened home folder; `close` lets the next process in.

    Raises `StoreUnavailable` where it cannot be made, is in use, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.name == "posix":
                self.path.chmod(0o700)
            self._lock = FileLock(self.path / "lock", timeout=0)
            self._lock.acquire()
        except Timeout:
            raise StoreUnavailable(
                f"{self.path} is in use by another assistant. Use its page, stop it first, or name another folder with --home."
            ) from None
        except OSError as error:
            raise StoreUnavailable(
                f"The folder {self.path} cannot be used: {error.strerror or error}. Name another with --home."
            ) from error
        try:
            self._check_version()
        except BaseException:
            self.close()
            raise

    def _check_version(self) -> None:
        file = self.path / _VERSION_FILE
        try:
            found = int(file.read_text("ascii")) if file.exists() else VERSION
            if found > VERSION:
                raise StoreUnavailable(
                    f"{self.path} was written by a newer version (format {found}). Update the assistant, or name another folder with --home."
                )
            if not file.exists():
                file.write_text(f"{VERSION}\n", "ascii")
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"{file} cannot be read or written: {error}") from error

    @property
    def prefixes(self) -> Path:
        return self.path / "prefixes"

    @property
    def index(self) -> Path:
        return self.path / "index"

    @property
    def history(self) -> Path:
        return self.path / "history.sqlite"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints.sqlite"

    def drop(self, path: str) -> None:
        """Delete a file that lies in the home; a file anywhere else is its owner's and stays."""
        file = Path(path).resolve()
        if self.path.resolve() in file.parents:
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the folder."""
        self._lock.release()
