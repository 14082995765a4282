"""The GPUs of this machine, as their own tools name them: a quiet look that never fails."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

_SECONDS = 5.0


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, the interface that llama.cpp would use (its build option GGML_…), and what a build needs for it."""

    name: str
    interface: str
    needs: str


def gpu() -> Gpu | None:
    """The first GPU that one of the tools at hand names; None where there is none, or no tool to tell."""
    if sys.platform == "darwin":
        return Gpu("Apple's", "METAL", "Xcode's command line tools") if platform.machine() == "arm64" else None
    # In the order of their speed in llama.cpp: Vulkan runs on all of them.
    for command, name_in, interface, needs in _TOOLS:
        if name := name_in(_said(command)):
            return Gpu(name, interface, needs)
    return None


def _said(command: tuple[str, ...]) -> str:
    """What a tool prints; nothing where it is missing, fails or does not answer."""
    path = shutil.which(command[0])
    if path is None:
        return ""
    try:
        done = subprocess.run(
            [path, *command[1:]], capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _nvidia(said: str) -> str:
    """nvidia-smi prints a name a line, or "No devices were found"."""
    return next((line.strip() for line in said.splitlines() if line.strip() and not line.startswith("No devices")), "")


def _rocm(said: str) -> str:
    """rocminfo lists agents, the processor first; each has its marketing name and then its device type."""
    for agent in said.split("*******"):
        if re.search(r"^\s*Device Type:\s*GPU\b", agent, re.MULTILINE):
            name = re.search(r"^\s*Marketing Name:[ \t]*(\S.*?)\s*$", agent, re.MULTILINE)
            return name[1] if name else "AMD GPU"
    return ""


def _vulkan(said: str) -> str:
    """vulkaninfo lists devices, programs that only play a GPU among them (type CPU)."""
    found = re.search(r"deviceType\s*=\s*PHYSICAL_DEVICE_TYPE_(?:DISCRETE|INTEGRATED)_GPU\s+deviceName\s*=\s*(\S.*?)\s*$", said, re.MULTILINE)
    return found[1] if found else ""


_TOOLS: tuple[tuple[tuple[str, ...], Callable[[str], str], str, str], ...] = (
    (("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"), _nvidia, "CUDA", "NVIDIA's CUDA toolkit"),
    (("rocminfo",), _rocm, "HIP", "AMD's ROCm and its compiler"),
    (("vulkaninfo", "--summary"), _vulkan, "VULKAN", "the Vulkan SDK"),
)
