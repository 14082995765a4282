"""Model files on this machine: where they lie, whether they are whole, and how they get here."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from assistant.errors import ModelFileCorrupt, ModelUnavailable
from assistant.models.catalogue import CATALOGUE, HUB_PREFIX, Entry, File, find_entry, local_path
from assistant.models.fetching import Fetch, Progress, Report, discard, disk_errors, partials, reporter
from assistant.models.hub import HubSource
from assistant.models.index import IndexSource
from assistant.models.sources import DownloadCancelled, Source
from assistant.models.verification import defect, record_path

__all__ = ["DownloadCancelled", "ModelFiles", "Progress", "Report", "Status"]

logger = logging.getLogger(__name__)

EMBEDDING_FILES = ("model.onnx", "tokenizer.json")


@dataclass(frozen=True)
class Status:
    """What lies here of a model; `bytes` counts what is on the disk, whole or not."""

    name: str
    state: Literal["present", "absent", "partial", "corrupt"]
    bytes: int
    total_bytes: int | None
    path: Path


class ModelFiles:
    """The models in one folder. Everything but `ensure` works without a network; many processes may share a folder."""

    def __init__(
        self,
        directory: Path,
        *,
        sources: Sequence[Literal["hub", "index"] | Source] = ("hub", "index"),
        hub_endpoint: str | None = None,
        catalogue: Mapping[str, Entry] = CATALOGUE,
        lock_seconds: float = 7200.0,
    ) -> None:
        """`sources` are asked in this order; `lock_seconds`: how long to wait for another process that fetches the same."""
        self.directory = directory.expanduser()
        self._catalogue = dict(catalogue)
        self._lock_seconds = lock_seconds
        self._sources = [_source(source, hub_endpoint) for source in sources]

    def path(self, name: str) -> Path | None:
        """The .gguf file, or the folder of an embedding model, when it is here and whole; None otherwise.

        A file that changed since it was last verified is hashed first (about a second for each gigabyte).
        """
        if local := self._local(name):
            return local if _local_defect(local) is None else None
        entry = self._entry(name)
        with disk_errors(self.directory):
            whole = all(place.is_file() and defect(place, file) is None for file, place in self._places(entry))
        return self._home_of(entry) if whole else None

    def ensure(self, name: str, progress: Report | None = None, cancelled: Callable[[], bool] | None = None) -> Path:
        """The path of a model, fetched and verified first where that is needed.

        Raises `ModelUnavailable` (no source has it, or `DownloadCancelled`), `ModelFileCorrupt`, `StoreUnavailable`.
        """
        if local := self._local(name):
            if problem := _local_defect(local):
                raise ModelUnavailable(
                    f"{local} cannot be used: {problem}. Name another file, or a model of the catalogue."
                )
            return local
        if path := self.path(name):
            return path
        entry, stop = self._entry(name), cancelled or (lambda: False)
        with disk_errors(self.directory), self._locked(entry, stop):
            for file, place in self._places(entry):
                problem = defect(place, file) if place.is_file() else None
                if problem:
                    logger.warning("%s is not whole (%s); it is fetched again.", place, problem)
                if problem or not place.is_file():
                    Fetch(entry, file, place, progress, stop).run(self._sources)
        return self._home_of(entry)

    def verify(self, name: str, progress: Report | None = None) -> None:
        """Hash every file of a model again; raises `ModelFileCorrupt`, or `ModelUnavailable` when it is not here."""
        if local := self._local(name):
            if problem := _local_defect(local):
                raise ModelFileCorrupt(f"{local} is no model: {problem}. Name another file.")
            return
        entry = self._entry(name)
        for file, place in self._places(entry):
            if not place.is_file():
                raise ModelUnavailable(f"{file.name} of {name} is not here. Run `assistant models pull {name}`.")
            report = reporter(entry, file, progress, "verify")
            with disk_errors(self.directory):
                problem = defect(place, file, again=True, report=report)
            if problem:
                raise ModelFileCorrupt(
                    f"{place} is damaged: {problem}. Run `assistant models pull {name}` to fetch it again."
                )

    def status(self, name: str) -> Status:
        """What lies here of a model."""
        if local := self._local(name):
            size = _size(local)
            state: Literal["present", "absent", "corrupt"] = "absent" if not local.exists() else "present"
            return Status(name, "corrupt" if size and _local_defect(local) else state, size, size or None, local)
        entry = self._entry(name)
        files = self._places(entry)
        with disk_errors(self.directory):
            here = [(file, place) for file, place in files if place.is_file()]
            size = sum(place.stat().st_size for _, place in here)
            rest = sum(_size(path) for _, place in files for path in partials(place))
            if any(defect(place, file) for file, place in here):
                return Status(name, "corrupt", size, entry.bytes, self._home_of(entry))
        if len(here) == len(files):
            return Status(name, "present", size, entry.bytes, self._home_of(entry))
        return Status(name, "partial" if size + rest else "absent", size + rest, entry.bytes, self._home_of(entry))

    def remove(self, name: str) -> None:
        """Delete a model's files, what is kept of a download, and the hash that was recorded for it."""
        if local := self._local(name):
            raise ModelUnavailable(f"{local} is your own file and not one that was fetched: delete it yourself.")
        entry = self._entry(name)
        with disk_errors(self.directory), self._locked(entry, lambda: False):
            for _, place in self._places(entry):
                discard(place, record_path(place), *partials(place))
                with contextlib.suppress(OSError):  # the folder of an embedding model; not empty, it stays
                    place.parent.rmdir()

    def _entry(self, name: str) -> Entry:
        return find_entry(name, self._catalogue)

    def _local(self, name: str) -> Path | None:
        return None if name in self._catalogue or name.startswith(HUB_PREFIX) else local_path(name)

    def _home_of(self, entry: Entry) -> Path:
        """The path that a user of the model is given."""
        if entry.kind == "embedding":
            return self.directory / entry.name
        return self._places(entry)[0][1]

    def _places(self, entry: Entry) -> list[tuple[File, Path]]:
        """Each file with where it lies."""
        if entry.name.startswith(HUB_PREFIX):
            return [(entry.files[0], self.directory / "hf" / entry.name.removeprefix(HUB_PREFIX))]
        folder = self.directory / entry.name if entry.kind == "embedding" else self.directory
        return [(file, folder / file.name) for file in entry.files]

    @contextmanager
    def _locked(self, entry: Entry, cancelled: Callable[[], bool]) -> Iterator[None]:
        """Hold an entry against other processes and threads."""
        # Where the folder above is the home and this comes before the first start, it is made for this user alone.
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.mkdir(exist_ok=True)
        lock = FileLock(self.directory / f".{entry.name.replace('/', '_').replace(':', '_')}.lock")
        try:
            lock.acquire(self._lock_seconds, poll_interval=0.1, cancel_check=cancelled)
        except Timeout as error:
            if cancelled():
                raise DownloadCancelled(f"Waiting for {entry.name} was stopped.") from error
            raise ModelUnavailable(
                f"Another process has been fetching {entry.name} for long. Try again when it is done."
            ) from error
        try:
            yield
        finally:
            lock.release()


def _source(source: Literal["hub", "index"] | Source, hub_endpoint: str | None) -> Source:
    if source == "hub":
        return HubSource(hub_endpoint)
    return IndexSource() if source == "index" else source


def _local_defect(path: Path) -> str | None:
    """Why a user's own file or folder is no model; its bytes are the user's business."""
    if path.is_dir():
        missing = [name for name in EMBEDDING_FILES if not (path / name).is_file()]
        return f"the folder lacks {' and '.join(missing)}" if missing else None
    try:
        with path.open("rb") as file:
            return None if file.read(4) == b"GGUF" else "it is not a GGUF file"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def identity(name: str, files: ModelFiles) -> str:
    """An embedding model's name and the beginning of its hash: of a catalogue model the one that its bytes must have, else of its file."""
    if name in CATALOGUE and (sha256 := CATALOGUE[name].files[0].sha256):
        return f"{name} {sha256[:16]}"
    path = files.path(name)
    if path is None:
        return name
    with (path / EMBEDDING_FILES[0]).open("rb") as file:
        return f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(inner.stat().st_size for inner in path.rglob("*") if inner.is_file())
    return path.stat().st_size if path.is_file() else 0
