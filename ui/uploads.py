"""Where uploaded files are kept: in the home, so that reading the documents again later still finds them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

FOLDER = "uploads"


def keep(paths: Sequence[str], *, home: Path, user: str | None) -> list[Path]:
    """Move uploaded files to the home, a folder for each user and one for everybody; the same name replaces.

    Raises OSError where the home cannot be written.
    """
    # A user's name may hold what a path may not.
    owner = "everybody" if user is None else hashlib.sha256(user.encode()).hexdigest()[:16]
    folder = home / FOLDER / owner
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = []
    for path in map(Path, paths):
        target = folder / path.name
        part = target.with_name(target.name + ".part")
        shutil.copyfile(path, part)
        os.replace(part, target)
        path.unlink(missing_ok=True)
        kept.append(target)
    return kept


def drop(path: str, *, home: Path) -> None:
    """Delete the kept copy of an uploaded file; a file anywhere else is its owner's and stays."""
    kept = Path(path)
    if (home / FOLDER).resolve() in kept.resolve().parents:
        kept.unlink(missing_ok=True)
