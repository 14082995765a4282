"""The sample workspace in the home: the cooperative's database and its handbook."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.sample import database
from stores.errors import StoreUnavailable
from stores.folders import resolve

if TYPE_CHECKING:
    from stores.documents import Documents
    from stores.values import Document

VERSION = 1
"""Counts up with every change to the rows or to the handbook, so that an older sample is replaced."""

FOLDER = "sample"
DATABASE = "cooperative.sqlite"
HANDBOOK = "handbook"
USER_COLUMN = "members.member_id"
_VERSION_FILE = "version"
_SQLITE_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True)
class Sample:
    """Where the sample lies: a SQLite file and a folder of documents."""

    database: Path
    handbook: Path


def set_up(home: Path) -> Sample:
    """Put the sample under `home`; what is there, whole and of this version is left alone, edited documents too.

    Raises `StoreUnavailable` where the folder cannot be written.
    """
    folder = home / FOLDER
    sample = Sample(folder / DATABASE, folder / HANDBOOK)
    try:
        current = _version(folder) == VERSION
        if not current or not _is_whole(sample.database):
            database.create(sample.database)
        _copy_handbook(sample.handbook, replace=not current)
        if not current:
            # Last, so that a run that was killed half-way starts over.
            _write(folder / _VERSION_FILE, f"{VERSION}\n".encode())
    except OSError as error:
        raise StoreUnavailable(
            f"The sample workspace cannot be written to {folder}: {error.strerror or error}. Free some space or close what uses it, or name another folder with --home."
        ) from error
    return sample


def documents_of(documents: Documents, home: Path) -> list[Document]:
    """The sample's documents that are in the index, for everybody."""
    handbook = resolve(home / FOLDER / HANDBOOK)
    if not handbook.is_dir():  # never set up: all the others need not be listed at each start
        return []
    return [document for document in documents.all(user="") if document.user is None and handbook in Path(document.path).parents]


def take_out(documents: Documents, home: Path) -> None:
    """Take the sample's documents out of the index: whoever brings their own workspace is not to be answered from the sample."""
    for document in documents_of(documents, home):
        documents.remove(document.id)


def suggestions() -> tuple[str, ...]:
    """Six questions for an empty page: two to the database, two to the documents, one to both, one to the memory."""
    return (
        "Which parts are low in stock?",
        "What was our revenue per month in 2026?",
        "How long is the warranty on a repair?",
        "What do I have to do after an accident in the workshop?",
        "How many members left in 2026, and when do they get their share back?",
        "Please remember that I ride an e-bike to work every day.",
    )


def _copy_handbook(target: Path, *, replace: bool) -> None:
    """Every document of the package into `target`: all of them, or only those that are missing or empty."""
    target.mkdir(parents=True, exist_ok=True)
    shipped = [entry for entry in files("assistant.sample").joinpath(HANDBOOK).iterdir() if entry.is_file()]
    for entry in shipped:
        path = target / entry.name
        if replace or not path.is_file() or not path.stat().st_size:
            _write(path, entry.read_bytes())


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _version(folder: Path) -> int | None:
    try:
        return int((folder / _VERSION_FILE).read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return None


def _is_whole(path: Path) -> bool:
    """Whether a SQLite file is as long as its header says (page size at byte 16, number of pages at byte 28: sqlite.org/fileformat2.html)."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_SQLITE_MAGIC):
        return False
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    return path.stat().st_size == (65536 if page == 1 else page) * pages
