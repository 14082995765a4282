"""`assistant doctor`: what the assistant stands on, each line ok or what to do."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from assistant import machine
from assistant.errors import ModelUnavailable
from assistant.models.build import FASTER, built_for, rebuild, supported_by
from assistant.models.catalogue import CATALOGUE, find_entry
from assistant.models.files import ModelFiles
from assistant.models.sources import readable
from assistant.settings import Settings
from stores.errors import AssistantError

_LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
_SPARE_BYTES = 500_000_000
"""What the index, the history and the kept prefixes may grow to before somebody looks again."""


@dataclass(frozen=True)
class Check:
    """One line of the doctor; `todo` says what to do where it is not ok."""

    name: str
    ok: bool
    detail: str
    todo: str = ""


def checks(settings: Settings) -> Iterator[Check]:
    """Look at this machine and this set-up, the quick things first. Nothing is changed or fetched."""
    files = ModelFiles(settings.models_directory, sources=settings.model.sources)
    yield _processor(settings)
    yield _memory(settings)
    yield _gpu(settings)
    yield _disk(settings, files)
    yield _chat_model(settings, files)
    yield _model_file("embedding model", settings.embedding.name, files)
    yield _database(settings)
    yield _home(settings.home)
    yield _network(settings)


def _processor(settings: Settings) -> Check:
    found = machine.processor()
    detail = f"{found.name}, {found.cores} core{'s' if found.cores != 1 else ''}"
    if settings.model.server_url:
        return Check("processor", True, detail)
    try:
        built = built_for()
    except (ImportError, OSError, RuntimeError) as error:
        return Check(
            "processor", False, f"{detail}; llama.cpp cannot be loaded: {error}",
            f"Build it again: {rebuild(())}",
        )  # fmt: skip
    able = supported_by(found.flags)
    lacking = [name for name in built if able and name not in able]
    if lacking:
        return Check(
            "processor", False, f"{detail}; llama.cpp was built for {', '.join(lacking)}, which this processor lacks: it will crash",
            f"Build it again: {rebuild((), without=tuple(lacking))}",
        )  # fmt: skip
    unused = tuple(name for name in FASTER if name in able and name not in built)
    detail = f"{detail}; llama.cpp uses {', '.join(built) or 'no extensions'}"
    if "AVX512" in unused:
        detail += f"; it could use {', '.join(unused)} and read questions about 1.6 times as fast, if built by: {rebuild(unused)}"
    return Check("processor", True, detail)


def _memory(settings: Settings) -> Check:
    found = machine.memory()
    needed = _memory_needed(settings)
    detail = f"{readable(found.total)}, {readable(found.available)} free"
    if found.available >= needed:
        return Check("memory", True, detail)
    smaller = "qwen2.5-coder-0.5b"
    todo = f"The models need about {readable(needed)}: close other programs"
    return Check(
        "memory",
        False,
        detail,
        todo + (f", or run `assistant models use {smaller}`." if settings.model.name != smaller else "."),
    )


def _memory_needed(settings: Settings) -> int:
    """Bytes that the models in use need; 0 for those that nobody measured."""
    names = (settings.embedding.name,) if settings.model.server_url else (settings.model.name, settings.embedding.name)
    return sum(int((CATALOGUE[name].memory_gb or 0) * 1e9) for name in names if name in CATALOGUE)


def _gpu(settings: Settings) -> Check:
    if settings.model.server_url:
        return Check("GPU", True, "not needed: a server runs the model")
    try:
        import llama_cpp

        able = llama_cpp.llama_supports_gpu_offload()
    except (ImportError, OSError, RuntimeError) as error:
        return Check("GPU", False, f"llama.cpp cannot be loaded: {error}", f"Build it again: {rebuild(())}")
    wanted = settings.model.gpu_layers
    if able:
        return Check("GPU", True, "used" if wanted != 0 else "could be used; model.gpu_layers is 0")
    if wanted:
        return Check(
            "GPU", False, f"model.gpu_layers is {wanted}, and llama.cpp was built for the processor alone",
            "Set model.gpu_layers to 0, or build llama.cpp for your GPU (its manual: CUDA, Metal, Vulkan).",
        )  # fmt: skip
    return Check("GPU", True, "not used: llama.cpp was built for the processor alone")


def _disk(settings: Settings, files: ModelFiles) -> Check:
    directory = _nearest(files.directory)
    free, needed = shutil.disk_usage(directory).free, _SPARE_BYTES
    for name in (settings.model.name, settings.embedding.name):
        try:
            status = files.status(name)
        except AssistantError:
            continue  # said by the line of that model
        if status.state != "present" and status.total_bytes:
            needed += max(0, status.total_bytes - (status.bytes if status.state == "partial" else 0))
    if free >= needed:
        return Check("disk", True, f"{readable(free)} free at {directory}")
    return Check(
        "disk", False, f"{readable(free)} free at {directory}, {readable(needed)} needed",
        "Free some space, or let the settings model.directory and home name another disk.",
    )  # fmt: skip


def _chat_model(settings: Settings, files: ModelFiles) -> Check:
    if settings.model.server_url:
        return Check(
            "model", True, f"{settings.model.server_model} on the server {_address(settings.model.server_url)}"
        )
    return _model_file("model", settings.model.name, files)


def _model_file(label: str, name: str, files: ModelFiles) -> Check:
    try:
        status = files.status(name)
    except ModelUnavailable as error:
        return Check(label, False, str(error), "Run `assistant models list`, then `assistant models use NAME`.")
    except AssistantError as error:
        return Check(label, False, str(error), "Mend that, or let the setting model.directory name another folder.")
    known = _from_catalogue(name)
    if status.state == "present":
        return Check(
            label,
            True,
            f"{name} ({readable(status.bytes)}), {'verified' if known else 'your own file'}, at {status.path}",
        )
    what = {"absent": "is not here", "partial": "is here in part", "corrupt": "is damaged"}[status.state]
    todo = f"Run `assistant models pull {name}`." if known else f"Put a model at {status.path}, or name another."
    return Check(label, False, f"{name} {what} ({status.path})", todo)


def _from_catalogue(name: str) -> bool:
    try:
        find_entry(name)
    except ModelUnavailable:
        return False
    return True


def _database(settings: Settings) -> Check:
    from assistant.wiring import open_database, workspace_database

    url, _ = workspace_database(settings, settings.home)
    if url is None:
        return Check("database", True, "none; the setting database.url names one")
    try:
        database = open_database(settings, url)
        try:
            count = len(database.schema().tables)
        finally:
            database.close()
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


def _home(home: Path) -> Check:
    there = _nearest(home)
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


def _network(settings: Settings) -> Check:
    """What leaves this machine: only what the user has configured."""
    server = settings.model.server_url
    if server is None:
        return Check("network", True, "not used: nothing is sent anywhere")
    if urlsplit(server).hostname in _LOCAL_HOSTS:
        return Check("network", True, f"not used but for the model server on this machine ({_address(server)})")
    return Check(
        "network",
        True,
        f"questions, rows and passages are sent to {_address(server)}, as the setting model.server_url says",
    )


def _address(url: str) -> str:
    """Host and port of a URL, without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    path = path.expanduser().absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
