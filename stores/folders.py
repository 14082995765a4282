"""Which files a path names: a file, or a folder with all below it. Links and hidden files are passed over.

The paths in what is refused here are the files' own; whoever shows them cleans them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stores.parsers import EXTENSIONS, shown, why_not_read
from stores.values import Refusal


@dataclass(frozen=True)
class File:
    """A file as it was found. `name` is its path below the folder that was given."""

    path: str
    name: str
    size: int
    mtime_ns: int


def resolve(path: str | os.PathLike[str]) -> Path:
    """The absolute path of what the caller named, links in it followed: they named it."""
    return Path(os.path.realpath(os.path.expanduser(path)))


def find_files(root: Path) -> Iterator[File | Refusal]:
    """The files at or below `root` in a fixed order, and what is refused there."""
    try:
        found = root.stat()
    except OSError as error:
        yield Refusal(str(root), "there is nothing there (is its drive connected?); what was read from it before is kept" if isinstance(error, FileNotFoundError) else str(error))
        return
    if stat.S_ISDIR(found.st_mode):
        yield from _below(root, root)
    else:
        yield _file(root, root.name, found)


def _below(folder: Path, root: Path) -> Iterator[File | Refusal]:
    """Walks with a stack: a tree may be deeper than Python's."""
    pending = [folder]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Refusal(str(folder), f"the folder cannot be opened: {error.strerror or error}")
            continue
        folders = []
        for entry in entries:
            path = Path(entry.path)
            try:
                if entry.is_symlink():
                    if not path.resolve().is_relative_to(root):
                        yield Refusal(entry.path, "a link that leads out of the folder: not followed")
                    continue
                found = entry.stat(follow_symlinks=False)
            except OSError as error:
                yield Refusal(entry.path, str(error.strerror or error))
                continue
            if _is_hidden(entry.name, found):
                continue
            if stat.S_ISDIR(found.st_mode):
                folders.append(path)
            else:
                yield _file(path, path.relative_to(root).as_posix(), found)
        pending.extend(reversed(folders))


def _file(path: Path, name: str, found: os.stat_result) -> File | Refusal:
    if not stat.S_ISREG(found.st_mode):
        return Refusal(str(path), "not a regular file")
    if path.suffix.lower() not in EXTENSIONS:
        return Refusal(str(path), why_not_read(path.suffix))
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Refusal(str(path), "its name is not valid text: rename it")
    return File(str(path), shown(name), found.st_size, found.st_mtime_ns)


def _is_hidden(name: str, found: os.stat_result) -> bool:
    windows_hidden = getattr(found, "st_file_attributes", 0) & getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 0)
    return name.startswith((".", "~$")) or bool(windows_hidden)


def is_gone(root: Path) -> bool:
    """Whether the whole of `root` is missing, as when a drive is unplugged; a single deleted file is not."""
    return not root.exists() and not (root.suffix.lower() in EXTENSIONS and root.parent.is_dir())
