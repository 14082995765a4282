"""What llama.cpp was built for, and how to build it for more."""

from __future__ import annotations

import os
import re
from importlib.metadata import version

# llama.cpp's name of an instruction set in its system info and build options: Linux's name of it in /proc/cpuinfo.
_INSTRUCTIONS = {
    "AVX": "avx",
    "AVX2": "avx2",
    "FMA": "fma",
    "F16C": "f16c",
    "BMI2": "bmi2",
    "AVX_VNNI": "avx_vnni",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
}
FASTER = ("AVX512", "AVX512_VNNI", "AVX512_VBMI", "AVX512_BF16", "AVX_VNNI")
"""Those that made reading prompts 1.6 times as fast, 69 tokens a second and not 42 (1.5B model, 2 cores)."""


def built_for() -> list[str]:
    """The instruction sets that llama.cpp was built for; raises what loading a library can raise."""
    import llama_cpp

    info = llama_cpp.llama_print_system_info().decode("utf-8", errors="replace")
    return [name for name in re.findall(r"(\w+) = 1\b", info) if name in _INSTRUCTIONS]


def supported_by(flags: frozenset[str]) -> set[str]:
    """llama.cpp's names of the instruction sets that a processor has; empty where its flags are unknown."""
    return {name for name, flag in _INSTRUCTIONS.items() if flag in flags}


def rebuild(instructions: tuple[str, ...], *, without: tuple[str, ...] = ()) -> str:
    """The line to type that builds llama.cpp again, portably but for the instruction sets named."""
    options = [
        "-DGGML_NATIVE=OFF",
        *(f"-DGGML_{name}=ON" for name in instructions),
        *(f"-DGGML_{name}=OFF" for name in without),
    ]
    package = "llama-cpp-python"
    command = (
        f"uv pip install --no-cache --reinstall-package {package} --no-binary {package} {package}=={version(package)}"
    )
    if os.name == "nt":
        return f"$env:CMAKE_ARGS='{' '.join(options)}'; {command}"
    return f"CMAKE_ARGS='{' '.join(options)}' {command}"
