"""What a short calibration found on this machine, what is chosen from it, and where it is remembered."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, TypeAdapter, ValidationError

from assistant import machine
from assistant.models.build import system_info
from assistant.models.drafting import BREAK_EVEN
from assistant.models.weights import fingerprint

log = logging.getLogger(__name__)

FILE = "calibration.json"
"""Its name in the home."""
NOISE = 1.1
"""What is not this many times as fast as the default is not chosen: so much do repeated measurements differ."""
DISTURBED = 0.2
"""Share of the processor that other programs may take while it is measured."""

_Threads = Annotated[int, Field(ge=1, le=256)]
_Measured = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Key:
    """What a calibration holds for: where one of these has changed it is made anew."""

    model: str
    """The model file's fingerprint."""
    processor: str
    threads: int
    """Hardware threads that this process may use."""
    llama_cpp: str
    build: str
    """What llama.cpp was built for, a GPU included."""
    gpu_layers: int | None
    """As the user set it; None where it is ours to choose."""

    @classmethod
    def of(cls, path: Path, gpu_layers: int | None) -> Self:
        """The key for a model file on this machine. Raises `OSError`, or what loading llama.cpp raises."""
        return cls(
            fingerprint(path), machine.processor().name, machine.usable_threads(), version("llama-cpp-python"), system_info(), gpu_layers
        )


@dataclass(frozen=True)
class Speed:
    """Tokens a second, read in a batch and written one by one, with so many threads."""

    threads: _Threads
    read: _Measured
    write: _Measured


@dataclass(frozen=True)
class Choice:
    """What the engine is set to; `gpu_layers` is None for the build's own way, all layers where it can offload."""

    threads: int
    read_threads: int
    drafting: bool
    gpu_layers: int | None


@dataclass(frozen=True)
class Calibration:
    """Medians of one calibration."""

    key: Key
    at: str
    """When, as ISO 8601 in UTC."""
    speeds: Annotated[tuple[Speed, ...], Field(min_length=1)]
    """With each number of threads, the default first."""
    batches: dict[int, _Measured]
    """Seconds to read so many tokens in one batch, each with its logits."""
    without_gpu: Speed | None
    """With the default threads and no layer on the GPU; None where no layer was there, or memory for a second copy was short."""
    cell_bytes: int
    """Keys and values of one token."""
    others: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """The share of the machine's processor time that other programs took during the trials."""

    @property
    def draft_cost(self) -> float | None:
        """How many times one token's time a token with three guesses after it takes."""
        return self.batches[4] / self.batches[1] if {1, 4} <= self.batches.keys() else None

    @property
    def offload_pays(self) -> bool:
        """Whether the GPU was measured to be faster, over a turn that reads 200 tokens and writes 50."""
        return self.without_gpu is None or _turn_seconds(self.without_gpu) > _turn_seconds(self.speeds[0]) * NOISE

    @property
    def disturbed(self) -> bool:
        """Whether other programs took so much that threads and batches cannot be judged."""
        return self.others > DISTURBED

    def choice(self) -> Choice:
        """The fastest setting, or the default where nothing is faster by more than `NOISE` or others disturbed."""
        cost, speeds = self.draft_cost, self.speeds[:1] if self.disturbed else self.speeds
        return Choice(
            threads=_fastest(speeds, lambda speed: speed.write),
            read_threads=_fastest(speeds, lambda speed: speed.read),
            drafting=cost is None or cost < BREAK_EVEN or self.disturbed,
            gpu_layers=None if self.offload_pays else 0,
        )


def recall(file: Path, key: Key) -> Calibration | None:
    """The calibration of that key, if there is one."""
    return next((found for found in _read(file) if found.key == key), None)


def remember(file: Path, calibration: Calibration) -> None:
    """Keep a calibration in place of an earlier one of the same model. Where it cannot be written, it is made again one day."""
    kept = [found for found in _read(file) if found.key.model != calibration.key.model]
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(_FILE.dump_json((calibration, *kept), indent=1))
        os.replace(beside, file)
    except OSError as error:
        log.warning("The calibration could not be kept in %s: %s", file, error)


_FILE = TypeAdapter(tuple[Calibration, ...])


def _read(file: Path) -> tuple[Calibration, ...]:
    """What is remembered; nothing where the file is not there, broken, or not ours."""
    try:
        return _FILE.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return ()


def _fastest(speeds: tuple[Speed, ...], of: Callable[[Speed], float]) -> int:
    best = max(speeds, key=of)
    return best.threads if of(best) > of(speeds[0]) * NOISE else speeds[0].threads


def _turn_seconds(speed: Speed) -> float:
    return 200 / speed.read + 50 / speed.write
