"""What a source of model files is given and gives back, and how it fails."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assistant.errors import ModelUnavailable
from assistant.models.catalogue import File
from stores.errors import StoreUnavailable

# Windows reports a full disk as ERROR_DISK_FULL or ERROR_HANDLE_DISK_FULL in `winerror`.
_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_FULL_ON_WINDOWS = {39, 112}


class SourceFailed(Exception):
    """This source has not got the file; the message is the reason, and the next source is tried."""


class DownloadCancelled(ModelUnavailable):
    """The user stopped a download; what was fetched is kept for the next time."""


@dataclass(frozen=True)
class Order:
    """One file to fetch: where its partial files lie, whom to tell, when to stop."""

    file: File
    partial: Path
    """The path that partial files of this file start with; a source adds its own ending."""
    report: Callable[[int, int | None], None]
    """Called with the bytes done so far and, where known, the bytes in all."""
    cancelled: Callable[[], bool]

    def stop_if_cancelled(self) -> None:
        """Raise `DownloadCancelled` once the user has asked to stop."""
        if self.cancelled():
            raise DownloadCancelled(
                f"The download of {self.file.name} was stopped. What was fetched is kept; ask again to go on with it."
            )


@dataclass(frozen=True)
class Fetched:
    """A whole file that a source has put down, not yet checked."""

    path: Path
    resumed: bool
    """Whether bytes of an earlier attempt are in it."""
    sha256: str | None
    """The hash that the source itself names, if it does."""
    leftovers: tuple[Path, ...] = ()
    """What the source keeps beside the file, to be thrown away with it."""


class Source(Protocol):
    """Somewhere that model files come from."""

    name: str

    def fetch(self, order: Order) -> Fetched:
        """Fetch a file, resuming an earlier attempt; raises `SourceFailed`, `DownloadCancelled`, `StoreUnavailable`."""
        ...


def require_space(directory: Path, needed: int, what: str) -> None:
    """Raise `StoreUnavailable` when fewer than `needed` bytes are free where `directory` lies."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise StoreUnavailable(
            f"{what} needs {readable(needed)} more on the disk of {directory}, and {readable(free)} are free. "
            "Free some space, or let the setting model.directory name another disk."
        )


def is_disk_full(error: OSError) -> bool:
    """Whether an error means that the disk, or the user's share of it, is full."""
    return error.errno in _FULL or getattr(error, "winerror", None) in _FULL_ON_WINDOWS


def readable(count: int) -> str:
    """A number of bytes as people write it: 491 MB, 1.12 GB."""
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.0f} MB" if count < 1_000_000_000 else f"{count / 1_000_000_000:.2f} GB"


def without_credentials(text: str) -> str:
    """Text with the user and password of every address in it masked."""
    return re.sub(r"://[^@/\s]+@", "://***@", text)
