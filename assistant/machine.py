"""What this machine is: its processor, what that can do, and its memory."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Processor:
    """A processor; `flags` are Linux's names of its instruction sets, empty where the system does not tell."""

    name: str
    cores: int
    """Physical cores, or threads where the system does not tell them apart."""
    flags: frozenset[str]


@dataclass(frozen=True)
class Memory:
    """Memory in bytes; `available` is what programs can still get without swapping, None where unknown."""

    total: int
    available: int | None


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
    if sys.platform == "win32":
        return _windows_memory()
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = re.search(r"^MemAvailable:\s*(\d+) kB$", _read(MEMINFO), re.MULTILINE)
    return Memory(total, int(found[1]) * 1024 if found else None)


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API (sysinfoapi.h)."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("page_total", ctypes.c_uint64),
        ("page_available", ctypes.c_uint64),
        ("virtual_total", ctypes.c_uint64),
        ("virtual_available", ctypes.c_uint64),
        ("extended_available", ctypes.c_uint64),
    )


def _windows_memory() -> Memory:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined, unused-ignore]
    return Memory(status.total, status.available)


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
