"""`assistant doctor`: what the assistant stands on, each line ok or what to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

from assistant import doctor_stores, machine
from assistant.doctor_stores import Check as Check
from assistant.doctor_stores import nearest
from assistant.errors import ModelUnavailable
from assistant.models import advice
from assistant.models.build import built_for, rebuild, supported_by, unused
from assistant.models.calibrating import Progress
from assistant.models.calibrating import calibrate as measure
from assistant.models.calibration import FILE, Calibration, Key, recall, remember
from assistant.models.catalogue import CATALOGUE, find_entry
from assistant.models.files import ModelFiles
from assistant.models.sources import readable
from assistant.models.weights import Weights
from assistant.settings import Settings, addresses
from stores.errors import AssistantError

_LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
_SPARE_BYTES = 500_000_000
"""What the index, the history and the kept prefixes may grow to before somebody looks again."""


def checks(settings: Settings) -> Iterator[Check]:
    """Look at this machine and this set-up, the quick things first. Nothing is changed or fetched."""
    files = ModelFiles(settings.models_directory, sources=settings.model.sources)
    yield _processor(settings)
    yield _memory(settings)
    yield from _engine(settings, files)
    yield _disk(settings, files)
    yield _chat_model(settings, files)
    yield _embedding_model(settings, files)
    yield doctor_stores.database(settings)
    yield from doctor_stores.state(settings)
    yield from doctor_stores.index(settings)
    yield doctor_stores.home(settings.home)
    yield _network(settings)


def _processor(settings: Settings) -> Check:
    found = machine.processor()
    detail = f"{found.name}, {found.cores} core{'s' if found.cores != 1 else ''}"
    if settings.model.server_url:
        return Check("processor", True, detail)
    try:
        built = built_for()
    except ModelUnavailable as error:
        return Check("processor", False, f"{detail}; {error}", f"Build it again: {rebuild(())}")
    able = supported_by(found.flags)
    lacking = [name for name in built if able and name not in able]
    if lacking:
        return Check(
            "processor", False, f"{detail}; llama.cpp was built for {', '.join(lacking)}, which this processor lacks: it will crash",
            f"Build it again: {rebuild((), without=tuple(lacking))}",
        )  # fmt: skip
    detail = f"{detail}; llama.cpp uses {', '.join(built) or 'no extensions'}"
    faster = unused(found.flags, built)
    if "AVX512" in faster:
        detail += f"; it could use {', '.join(faster)} and read questions about 1.6 times as fast, if built by: {rebuild(faster)}"
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
    return sum(int((CATALOGUE[name].memory_gb or 0) * 1e9) for name in settings.local_models() if name in CATALOGUE)


def _engine(settings: Settings, files: ModelFiles) -> Iterator[Check]:
    """What the model runs on, and how it was set."""
    if settings.model.server_url:
        yield Check("GPU", True, "not needed: a server runs the model")
        return
    found = _calibration(settings, files)
    try:
        detail, todo = advice.gpu(settings.model, found)
        yield Check("GPU", not todo, detail, todo)
    except ModelUnavailable as error:
        yield Check("GPU", False, str(error), f"Build it again: {rebuild(())}")
    yield Check("threads", True, advice.threads(settings.model, found))
    yield Check("drafting", True, advice.drafting(settings.model, found))
    yield Check("context", True, advice.context(settings.model, found))


def _calibration(settings: Settings, files: ModelFiles) -> Calibration | None:
    """What was measured with this model on this machine as it is now."""
    try:
        status = files.status(settings.model.name)
        key = Key.of(status.path, settings.model.gpu_layers) if status.state == "present" else None
    except (AssistantError, OSError):
        return None  # said by the lines of the model and of the processor
    return recall(settings.home.expanduser() / FILE, key) if key else None


def calibrate(settings: Settings, progress: Progress) -> None:
    """Measure this machine with the model in use, and remember what was found for the next load.

    Raises `ModelUnavailable` where the model is not here or a server runs it, `ModelFileCorrupt`.
    """
    if settings.model.server_url:
        raise ModelUnavailable("A server runs the model, so there is nothing to measure here: leave --calibrate out.")
    name = settings.model.name
    path = ModelFiles(settings.models_directory, sources=settings.model.sources).path(name)
    if path is None:
        raise ModelUnavailable(f"The model {name} is not on this machine. Fetch it with: assistant models pull {name}")
    key = Key.of(path, settings.model.gpu_layers)
    weights = Weights(path, gpu_layers=settings.model.gpu_layers)
    try:
        remember(settings.home.expanduser() / FILE, measure(weights, key, progress=progress))
    finally:
        weights.close()


def _disk(settings: Settings, files: ModelFiles) -> Check:
    directory = nearest(files.directory)
    free, needed = shutil.disk_usage(directory).free, _SPARE_BYTES
    for name in settings.local_models():
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
            "model", True, f"{settings.model.server_model} on the server {_hosts(settings.model.server_url)}"
        )
    return _model_file("model", settings.model.name, files)


def _embedding_model(settings: Settings, files: ModelFiles) -> Check:
    served = settings.embedding
    if served.server_url:
        return Check("embedding model", True, f"{served.server_model} on the server {_hosts(served.server_url)}")
    return _model_file("embedding model", served.name, files)


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


def _network(settings: Settings) -> Check:
    """What leaves this machine: only what the user has configured."""
    sent = {
        "model.server_url": (settings.model.server_url, "questions, rows and passages"),
        "embedding.server_url": (settings.embedding.server_url, "questions, passages and memories"),
        "state.url": (settings.state.url, "conversations and accounts"),
        "index.url": (settings.index.url, "passages and memories"),
        "watching.otlp_url": (settings.watching.otlp_url, "the steps of each turn"),
    }
    used = {name: (urls, what) for name, (urls, what) in sent.items() if urls}
    away = [
        f"{what} are sent to {_hosts(urls)}, as the setting {name} says"
        for name, (urls, what) in used.items()
        if any(urlsplit(url).hostname not in _LOCAL_HOSTS for url in addresses(urls))
    ]
    if away:
        return Check("network", True, "; ".join(away))
    if not used:
        return Check("network", True, "not used: nothing is sent anywhere")
    here = _hosts(",".join(urls for urls, _ in used.values()))
    return Check("network", True, f"not used but for what runs on this machine ({here})")


def _hosts(urls: str) -> str:
    """Host and port of each URL, without what may be secret in it."""
    parts = [urlsplit(url) for url in addresses(urls)]
    return ", ".join(f"{part.hostname}:{part.port}" if part.port else str(part.hostname) for part in parts)
