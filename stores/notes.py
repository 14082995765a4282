"""What people write about tables and columns: one TOML file, read as if the database itself had said it."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from stores.errors import StoreUnavailable
from stores.values import TableInfo

LONGEST = 300
"""Characters of a note: all of them are read by the model with each new schema."""


class Notes:
    """Notes in a file of two tables: `[tables]` with `name = "note"`, `[columns]` with `"table.column" = "note"`.

    The file may be edited by hand at any time. Raises `StoreUnavailable` where it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def revision(self) -> Hashable:
        """Changes when the file does."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def put(self, table: str, column: str | None, text: str) -> None:
        """Keep a note on a table, or on one of its columns; an empty text takes it away. Everything else in the file stays as it is."""
        text = " ".join(text.split())[:LONGEST]
        section, key = ("columns", f"{table}.{column}") if column else ("tables", table)
        with self._lock:
            document = self._document()
            notes = document.setdefault(section, tomlkit.table())
            if text:
                notes[key] = text
            else:
                notes.pop(key, None)
            try:
                # Written beside and then put in place: killed in between, the old file is still whole.
                beside = self._path.with_name(f"{self._path.name}.new")
                beside.write_text(tomlkit.dumps(document), encoding="utf-8")
                os.replace(beside, self._path)
            except OSError as error:
                raise StoreUnavailable(f"The notes {self._path} cannot be written: {error.strerror or error}.") from error

    def applied(self, tables: tuple[TableInfo, ...]) -> tuple[TableInfo, ...]:
        """The tables with their notes in place of the database's own comments."""
        document = self._document()
        of_tables, of_columns = (_lowered(document.get(section)) for section in ("tables", "columns"))
        return tuple(
            replace(
                table,
                comment=of_tables.get(table.name.lower(), table.comment),
                columns=tuple(replace(c, comment=of_columns.get(f"{table.name}.{c.name}".lower(), c.comment)) for c in table.columns),
            )
            for table in tables
        )

    def _document(self) -> tomlkit.TOMLDocument:
        try:
            return tomlkit.parse(self._path.read_text(encoding="utf-8")) if self._path.exists() else tomlkit.document()
        except (OSError, UnicodeDecodeError, TOMLKitError) as error:
            raise StoreUnavailable(f"The notes {self._path} cannot be read: {error}. Mend the file, or take it away.") from error


def _lowered(notes: object) -> dict[str, str]:
    """The notes by name in lower case; what is no text is left out."""
    found = notes.items() if isinstance(notes, Mapping) else ()
    return {str(name).lower(): " ".join(str(text).split())[:LONGEST] for name, text in found if isinstance(text, str) and text.strip()}
