"""What this machine is: its processor, what that can do, and its memory."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Processor:
    """A processor; `flags` are Linux's names of its instruction sets, empty where the system does not tell."""

    name: str
    cores: int
    """Physical cores, or threads where the system does not tell them apart."""
    flags: frozenset[str]


@dataclass(frozen=True)
class Memory:
    """Memory in bytes; `available` is what programs can still get without swapping."""

    total: int
    available: int


def processor() -> Processor:
    """The processor of this machine."""
    if sys.platform == "linux":
        text = _read(CPUINFO)
        cores = set(re.findall(r"physical id\s*: (\d+)[\s\S]*?core id\s*: (\d+)", text))
        name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
        flags = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.MULTILINE)
        return Processor(
            name[1].strip() if name else platform.machine(),
            min(len(cores), usable_threads()) or usable_threads(),
            frozenset(flags[1].split()) if flags else frozenset(),
        )
    if sys.platform == "darwin":
        listed = _sysctl("machdep.cpu.features") + _sysctl("machdep.cpu.leaf7_features")
        cores_text = "".join(_sysctl("hw.physicalcpu"))
        return Processor(
            " ".join(_sysctl("machdep.cpu.brand_string")) or platform.machine(),
            int(cores_text) if cores_text.isdigit() else usable_threads(),
            # Apple writes AVX1.0 and AVX512F where Linux writes avx and avx512f.
            frozenset("avx" if flag == "AVX1.0" else flag.lower() for flag in listed),
        )
    return Processor(platform.processor() or platform.machine(), usable_threads(), frozenset())


def usable_threads() -> int:
    """Hardware threads that this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> Memory:
    """The memory of this machine."""
    found = psutil.virtual_memory()
    return Memory(found.total, found.available)


def busy_seconds() -> float:
    """Processor time that all programs together have had since the machine started, over all hardware threads."""
    found = psutil.cpu_times()
    # "guest" is part of "user"; Windows has no more than user and system.
    return float(sum(getattr(found, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal")))


def resident_bytes() -> int:
    """Memory that this process and those that it started hold, a mapped model file included.

    What several of them map, such as Python itself, counts for each.
    """
    own = psutil.Process()
    held = int(own.memory_info().rss)
    for child in own.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended just now
            held += int(child.memory_info().rss)
    return held


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _sysctl(name: str) -> list[str]:
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split()
