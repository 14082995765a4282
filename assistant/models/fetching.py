"""One model file on its way from the first source that has it, through its hash, to its place."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.errors import ModelFileCorrupt, ModelUnavailable
from assistant.models.catalogue import Entry, File
from assistant.models.sources import Order, Source, SourceFailed, is_disk_full, readable
from assistant.models.verification import accept, read_record, sha256_of
from stores.errors import StoreUnavailable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a file is on its way."""

    name: str
    file: str
    done_bytes: int
    total_bytes: int | None
    phase: Literal["download", "verify"]


Report = Callable[[Progress], None]


class Fetch:
    """One file on its way from the first source that has it to its place."""

    def __init__(
        self, entry: Entry, file: File, place: Path, progress: Report | None, cancelled: Callable[[], bool]
    ) -> None:
        self._entry, self._file, self._place, self._progress = entry, file, place, progress
        self._order = Order(file, place, reporter(entry, file, progress, "download"), cancelled)
        self._first = file.sha256 or read_record(place).first

    def run(self, sources: Sequence[Source]) -> None:
        """Ask the sources in turn; raises when none gives the right bytes."""
        self._place.parent.mkdir(parents=True, exist_ok=True)
        failures: list[tuple[str, SourceFailed | ModelFileCorrupt]] = []
        for source in sources:
            try:
                self._from(source)
            except (SourceFailed, ModelFileCorrupt) as error:
                logger.info("%s: %s: %s", self._file.name, source.name, error)
                failures.append((source.name, error))
            else:
                discard(*partials(self._place))
                return
        raise self._exhausted(failures)

    def _from(self, source: Source) -> None:
        """Fetch, verify, place; what was resumed and turns out wrong is fetched once more from the start."""
        for _ in range(2):
            fetched = source.fetch(self._order)
            expected = self._first or fetched.sha256
            report = reporter(self._entry, self._file, self._progress, "verify")
            found = sha256_of(fetched.path, report, self._order.stop_if_cancelled)
            if expected is None or found == expected:
                os.replace(fetched.path, self._place)
                accept(self._place, found, expected)
                return
            discard(fetched.path, *fetched.leftovers)
            if not fetched.resumed:
                break
        raise ModelFileCorrupt(_wrong_bytes(self._file, expected, found))

    def _exhausted(
        self, failures: list[tuple[str, SourceFailed | ModelFileCorrupt]]
    ) -> ModelUnavailable | ModelFileCorrupt:
        size = f" ({readable(self._file.bytes)})" if self._file.bytes else ""
        reasons = (
            "; ".join(f"{name}: {error}" for name, error in failures) or "no source is set (setting model.sources)"
        )
        sha256 = f" (SHA-256 {self._first})" if self._first else ""
        text = (
            f"{self._file.name}{size} of {self._entry.name} could not be had. {reasons}. "
            f"If this machine is offline, put the file{sha256} at {self._place} yourself, or name another model."
        )
        if failures and all(isinstance(error, ModelFileCorrupt) for _, error in failures):
            return ModelFileCorrupt(text)
        return ModelUnavailable(text)


def _wrong_bytes(file: File, expected: str | None, found: str) -> str:
    """What a source got wrong, in a line."""
    if file.sha256 is None:
        return (
            f"expected SHA-256 {expected}, recorded at the first download, and found {found}: thrown away. "
            "Where the hub has a new version, remove the model first to accept it"
        )
    return f"expected SHA-256 {expected}, found {found}: thrown away"


def reporter(
    entry: Entry, file: File, progress: Report | None, phase: Literal["download", "verify"]
) -> Callable[[int, int | None], None]:
    """A callback of bytes that tells `progress`."""

    def report(done: int, total: int | None) -> None:
        if progress:
            progress(Progress(entry.name, file.name, done, total, phase))

    return report


def partials(place: Path) -> list[Path]:
    """What the sources keep of a file that is not whole yet."""
    if not place.parent.is_dir():
        return []
    return [
        path for path in place.parent.iterdir() if path.name.startswith((f"{place.name}.hub-", f"{place.name}.index."))
    ]


def discard(*paths: Path) -> None:
    """Delete files and folders that may or may not be there."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def disk_errors(directory: Path) -> Iterator[None]:
    """Say an error of the disk as `StoreUnavailable`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            free = readable(shutil.disk_usage(directory).free)
            raise StoreUnavailable(
                f"The disk of {directory} is full ({free} free). What was fetched is kept: free some space and ask again, "
                "or let the setting model.directory name another disk."
            ) from error
        raise StoreUnavailable(f"{directory} cannot be used: {error}. Check that you may write there.") from error
