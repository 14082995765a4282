"""Taking documents in: which files are new or changed, reading and embedding them in batches, writing them to both stores."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stores.chunks import RULES, Chunk, split
from stores.errors import DocumentUnreadable
from stores.folders import File, find_files, is_gone
from stores.parsers import read_bytes, shown
from stores.reading import Reader
from stores.registry import Draft, Entry, Registry, chunk_id, digest
from stores.values import Embed, IngestProgress, IngestReport, Refusal
from stores.vectors import Collection

if TYPE_CHECKING:
    import numpy.typing as npt

Progress = Callable[[IngestProgress], None]
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Limits:
    """What bounds reading. `batch` is how many chunks are embedded and written together."""

    max_megabytes: float = 50.0
    max_pages: int = 2000
    chunk_tokens: int = 220
    batch: int = 256
    max_seconds: float = 600.0
    max_memory_megabytes: float = 2000.0
    ocr: bool = True

    @property
    def recipe(self) -> str:
        """How documents are cut; those that were cut otherwise are read again."""
        return f"{RULES}:{self.chunk_tokens}"


@dataclass(frozen=True)
class _Read:
    """A file that has been read and cut, and waits to be embedded with others."""

    entry: Entry
    chunks: list[Chunk]
    replaces: str | None


class _Known:
    """What one user's index holds before a run, by path and by content."""

    def __init__(self, registry: Registry, user: str) -> None:
        self.by_path = registry.entries(user)
        self.refused = registry.refused(user)
        self._by_content: dict[str, list[Entry]] = {}
        for entry in self.by_path.values():
            self._by_content.setdefault(entry.sha256, []).append(entry)

    def same(self, path: str, sha256: str) -> Entry | None:
        """The document at that path if it has these bytes, else one with these bytes whose file is no longer where it was."""
        alike = self._by_content.get(sha256, [])
        found = next((e for e in alike if e.path == path), None) or next((e for e in alike if not Path(e.path).exists()), None)
        if found:
            alike.remove(found)
        return found


@dataclass
class Ingestion:
    """One run over some roots; its lists become the report."""

    registry: Registry
    collection: Collection
    embed: Embed
    limits: Limits
    progress: Progress | None = None
    cancelled: Cancelled | None = None
    retry_refused: bool = True
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    passages: int = 0
    _waiting: list[_Read] = field(default_factory=list)
    _relocated: list[Entry] = field(default_factory=list)
    _newly_refused: list[tuple[str, str, int, int, str]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        self._reader = Reader(
            max_pages=limits.max_pages, max_seconds=limits.max_seconds, max_memory_megabytes=limits.max_memory_megabytes, ocr=limits.ocr
        )

    def run(self, roots: Sequence[tuple[str, str]], *, remove_missing: bool = False) -> IngestReport:
        """Reads what lies under the roots, each a (path, user); removes what no longer does, where asked to."""
        seen: set[tuple[str, str]] = set()
        # A single file that was deleted is no news; a whole folder that is missing is.
        present = [(path, user) for path, user in roots if not remove_missing or is_gone(Path(path)) or Path(path).exists()]
        work = [(file, user) for path, user in present for file in self._files(path, user, seen)]
        known = {user: _Known(self.registry, user) for user in {user for _, user in roots}}
        with self._reader:
            for done, (file, user) in enumerate(work):
                self._tell(done, len(work), file.path)
                if self._is_cancelled():
                    return self._end()
                self._take(file, user, known[user])
                if sum(len(read.chunks) for read in self._waiting) >= self.limits.batch and not self._flush():
                    return self._end()
        if self._flush():
            self._note()
            if remove_missing:
                self._remove_missing(roots, seen)
            self._tell(len(work), len(work), "")
        return self._end()

    def _end(self) -> IngestReport:
        """Notes what is still to be noted; gives the report of what has been done."""
        self._note()
        lists = (self.new, self.changed, self.unchanged, self.removed)
        new, changed, unchanged, removed = (tuple(sorted(names)) for names in lists)
        refused = tuple(Refusal(shown(refusal.path), refusal.reason) for refusal in self.refused)
        return IngestReport(new, changed, unchanged, removed, refused, self.passages, time.monotonic() - self._started)

    def _note(self) -> None:
        """Writes down, in one go, what was only found out about files."""
        if self._relocated:
            self.registry.relocate(self._relocated)
        if self._newly_refused:
            self.registry.refuse(self._newly_refused)
        self._relocated, self._newly_refused = [], []

    def _tell(self, done: int, total: int, path: str) -> None:
        if self.progress:
            self.progress(IngestProgress(done, total, shown(path)))

    def _is_cancelled(self) -> bool:
        return self.cancelled is not None and self.cancelled()

    def _files(self, root: str, user: str, seen: set[tuple[str, str]]) -> Iterator[File]:
        excluded = self.registry.excluded(user)
        for found in find_files(Path(root)):
            if isinstance(found, Refusal):
                self.refused.append(found)
            elif found.path not in excluded and (found.path, user) not in seen:
                seen.add((found.path, user))
                yield found

    def _take(self, file: File, user: str, known: _Known) -> None:
        entry = known.by_path.get(file.path)
        current = ("", self.limits.recipe)
        if entry and (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns) and entry.recipe in current:
            self.unchanged.append(file.name)
            return
        earlier = known.refused.get(file.path)
        if earlier and not self.retry_refused and earlier[:2] == (file.size, file.mtime_ns):
            self.refused.append(Refusal(file.path, earlier[2]))
            return
        try:
            data = read_bytes(Path(file.path), max_megabytes=self.limits.max_megabytes)
            sha256 = hashlib.sha256(data).hexdigest()
            same = known.same(file.path, sha256)
            # A file that took the place of another, and reads like a third that is gone, replaces the one whose path it has.
            if same and (entry is None or same.id == entry.id) and same.recipe in current:
                self._relocated.append(replace(same, name=file.name, path=file.path, size=file.size, mtime_ns=file.mtime_ns))
                self.unchanged.append(file.name)
            else:
                self._read(file, user, data, sha256, entry or same)
        except DocumentUnreadable as error:
            if self._is_cancelled():  # perhaps in the middle of this file
                return
            self._newly_refused.append((file.path, user, file.size, file.mtime_ns, str(error)))
            self.refused.append(Refusal(file.path, str(error)))

    def _read(self, file: File, user: str, data: bytes, sha256: str, replaces: Entry | None) -> None:
        sections = self._reader.parse(data, Path(file.path).name, cancelled=self._is_cancelled)
        count_tokens = getattr(self.embed, "count_tokens", None)
        chunks = split(sections, name=file.name, chunk_tokens=self.limits.chunk_tokens, count_tokens=count_tokens)
        entry = Entry(str(uuid.uuid4()), file.name, file.path, user, file.size, file.mtime_ns, sha256, self.limits.recipe)
        self._waiting.append(_Read(entry, chunks, replaces.id if replaces else None))

    def _flush(self) -> bool:
        """Embeds and writes what waits; False, with nothing written, where it was cancelled meanwhile."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return True
        vectors = self._embedded([(read.entry.user, chunk.embedded) for read in waiting for chunk in read.chunks])
        if vectors is None:
            return False
        drafts, start = [], 0
        for read in waiting:
            drafts.append(Draft(read.entry, read.chunks, vectors[start : start + len(read.chunks)]))
            start += len(read.chunks)
        ids = [read.entry.id for read in waiting]
        replaced = [read.replaces for read in waiting if read.replaces]
        self.registry.begin(drafts)
        self.collection.upsert(
            [chunk_id(draft.entry.id, n) for draft in drafts for n in range(len(draft.chunks))],
            vectors,
            [{"user": draft.entry.user, "document": draft.entry.id} for draft in drafts for _ in draft.chunks],
        )
        self.registry.publish(ids, replaced=replaced)
        discard(self.registry, self.collection, replaced)
        for read in waiting:
            (self.changed if read.replaces else self.new).append(read.entry.name)
            self.passages += len(read.chunks)
        return True

    def _embedded(self, texts: Sequence[tuple[str, str]]) -> npt.NDArray[np.float32] | None:
        """The vectors of texts, each a (user, text); what stands in that user's index already is not embedded again."""
        keys = [digest(user, text) for user, text in texts]
        known = {key: np.frombuffer(vector, np.float32) for key, vector in self.registry.vectors_of(list(dict.fromkeys(keys))).items()}
        missing = {key: text for key, (_, text) in zip(keys, texts, strict=True) if key not in known}
        for start in range(0, len(missing), self.limits.batch):
            if self._is_cancelled():
                return None
            part = list(missing.items())[start : start + self.limits.batch]
            vectors = np.ascontiguousarray(self.embed([text for _, text in part]), dtype=np.float32)
            known.update(zip((key for key, _ in part), vectors, strict=True))
        return np.stack([known[key] for key in keys])

    def _remove_missing(self, roots: Sequence[tuple[str, str]], seen: set[tuple[str, str]]) -> None:
        """Removes documents whose file is gone, but keeps all in a folder that is missing or cannot be looked into."""
        kept = [Path(refusal.path) for refusal in self.refused]
        gone = []
        for user in {user for _, user in roots}:
            for path, entry in self.registry.entries(user).items():
                unreadable = any(Path(path).is_relative_to(root) for root in kept)
                if (path, user) not in seen and not unreadable and self._was_below(path, user, roots):
                    gone.append(entry)
        self.registry.publish([], replaced=[entry.id for entry in gone])
        discard(self.registry, self.collection, [entry.id for entry in gone])
        self.removed.extend(entry.name for entry in gone)

    @staticmethod
    def _was_below(path: str, user: str, roots: Sequence[tuple[str, str]]) -> bool:
        return any(owner == user and Path(path).is_relative_to(root) and not is_gone(Path(root)) for root, owner in roots)


def discard(registry: Registry, collection: Collection, ids: Sequence[str]) -> None:
    """Deletes documents that are marked as going from both stores, the derived one first."""
    if ids:
        collection.delete(registry.chunk_ids(ids))
        registry.purge(ids)
