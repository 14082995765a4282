"""What `assistant doctor` says of where things are kept: the database, the servers, the home."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from assistant.settings import Settings
from stores.errors import AssistantError


@dataclass(frozen=True)
class Check:
    """One line of the doctor; `todo` says what to do where it is not ok."""

    name: str
    ok: bool
    detail: str
    todo: str = ""


def database(settings: Settings) -> Check:
    """The user's database."""
    from assistant.wiring import open_database, workspace_database

    url, _ = workspace_database(settings, settings.home)
    if url is None:
        return Check("database", True, "none; the setting database.url names one")
    try:
        with closing(open_database(settings, url)) as opened:
            count = len(opened.schema().tables)
    except AssistantError as error:
        return Check(
            "database", False, str(error), "Check the setting database.url, and that the database can be reached."
        )
    whose = "" if settings.database.url else " (the sample)"
    if not count:
        return Check(
            "database",
            False,
            f"opens{whose}, and has no table that may be seen",
            "Check the settings database.url and database.tables.",
        )
    return Check("database", True, f"opens{whose}: {count} table{'s' if count != 1 else ''}")


def state(settings: Settings) -> Iterator[Check]:
    """The server that keeps the conversations, where there is one."""
    if not settings.state.url:
        return
    from stores.server import reached

    try:
        yield Check("state", True, f"on the server {reached(settings.state.url)[1]}")
    except AssistantError as error:
        yield Check("state", False, str(error), "Start it, or mend the setting state.url.")


def index(settings: Settings) -> Iterator[Check]:
    """The server that keeps passages, memories and examples, where there is one."""
    if settings.index.url:
        from assistant.wiring import index_server  # heavy
        try:
            with closing(index_server(settings.index)) as server:
                yield Check("index server", True, f"{server.name} answers, version {server.call(lambda client: client.get_version())}")
        except AssistantError as error:
            yield Check("index server", False, str(error), "Start it, or mend the settings index.url and index.token.")


def home(home: Path) -> Check:
    """The folder that everything is kept in."""
    there = nearest(home)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Check(
            "index",
            False,
            f"{there} cannot be written: {error.strerror}",
            "Let --home, or ASSISTANT_HOME, name a folder that can.",
        )
    if there != home:
        return Check("index", True, f"{home} will be made at the first start")
    mode = stat.S_IMODE(home.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        return Check(
            "index", False, f"{home} can be opened by other users (mode {mode:04o})", f"Run: chmod 700 '{home}'"
        )
    return Check(
        "index", True, f"{home} can be written, by you alone" if os.name == "posix" else f"{home} can be written"
    )


def nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    path = path.expanduser().absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
