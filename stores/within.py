"""Which documents are searched: those of a folder, of a type, of a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import PurePath

from stores.values import Document


@dataclass(frozen=True)
class Within:
    """What a search is limited to; what is empty does not limit.

    `folders`: paths or names, with all below them. `types`: endings of file names ("pdf"). `since` and `until`: the days between
    which the file was last changed, both included. `documents`: ids. `said` is how a reader is told of it.
    """

    folders: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    documents: tuple[str, ...] = ()
    said: str = ""

    def holds(self, document: Document) -> bool:
        """Whether a document is searched."""
        path = PurePath(document.path)
        changed = document.changed.date() if document.changed else None
        return (
            (not self.documents or document.id in self.documents)
            and (not self.types or path.suffix.lower().lstrip(".") in {kind.lower().lstrip(".") for kind in self.types})
            and (not self.folders or any(_below(path, folder) for folder in self.folders))
            and (self.since is None or (changed is not None and changed >= self.since))
            and (self.until is None or (changed is not None and changed <= self.until))
        )

    def __str__(self) -> str:
        return self.said


def _below(path: PurePath, folder: str) -> bool:
    named = PurePath(folder)
    if len(named.parts) == 1:
        return any(part.casefold() == folder.casefold() for part in path.parts[:-1])
    return named in path.parents
