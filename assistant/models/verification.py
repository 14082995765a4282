"""Whether a model file is what its SHA-256 says, remembered so that a start costs a look and not a hash."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from assistant.models.catalogue import File

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Record:
    """What is known of a file: the hash it was first seen with, and the hash of the bytes that lie there now."""

    first: str | None = None
    """The hash at the first download, for files whose hash no catalogue names."""
    found: str | None = None
    bytes: int = -1
    mtime_ns: int = -1
    """Size and time of change that `found` was computed at."""


def record_path(path: Path) -> Path:
    """Where the record of a file lies: next to it."""
    return path.with_name(f"{path.name}.verified.json")


def read_record(path: Path) -> Record:
    """The record of a file; an empty one where there is none or it cannot be read."""
    try:
        return Record(**json.loads(record_path(path).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return Record()


def write_record(path: Path, record: Record) -> None:
    """Keep the record of a file."""
    new = record_path(path).with_suffix(f".{os.getpid()}.new")
    # A folder that may only be read (models shared by many users) costs a hash at each start, and works.
    with contextlib.suppress(OSError):
        new.write_text(json.dumps(asdict(record)), "utf-8")
        os.replace(new, record_path(path))


def sha256_of(path: Path, report: Callable[[int, int], None], check: Callable[[], None]) -> str:
    """The SHA-256 of a file, in hexadecimal; `report` gets (bytes done, bytes in all), `check` may raise to stop."""
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    buffer = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            report(done, total)
            check()
    return digest.hexdigest()


def accept(path: Path, sha256: str, first: str | None) -> None:
    """Record that the file was hashed just now."""
    status = path.stat()
    write_record(path, Record(first or sha256, sha256, status.st_size, status.st_mtime_ns))


def defect(
    path: Path,
    file: File,
    *,
    again: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
    check: Callable[[], None] = lambda: None,
) -> str | None:
    """What is wrong with a file that is there, or None; hashes it when it changed since the last time, or `again`."""
    status, record = path.stat(), read_record(path)
    if file.bytes is not None and status.st_size != file.bytes:
        return f"expected {file.bytes:,} bytes, found {status.st_size:,}"
    known = (record.bytes, record.mtime_ns) == (status.st_size, status.st_mtime_ns)
    found = record.found if known and not again else None
    expected = file.sha256 or record.first
    if found is None:
        found = sha256_of(path, report, check)
        write_record(path, Record(expected or found, found, status.st_size, status.st_mtime_ns))
    if expected and found != expected:
        return f"expected SHA-256 {expected}, found {found}"
    return None
