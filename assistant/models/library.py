"""llama.cpp's C functions: imported once, silent unless asked."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from assistant.errors import ModelUnavailable

_ERROR_LEVEL = 4  # GGML_LOG_LEVEL_ERROR in ggml.h
_complaints: deque[str] = deque(maxlen=4)
_state: dict[str, Any] = {"verbose": False}


def llama(*, verbose: bool = False) -> Any:
    """The bindings of `llama_cpp.llama_cpp`, with llama.cpp's log kept off stderr unless `verbose`."""
    _state["verbose"] = verbose or _state["verbose"]
    return _bindings()


@functools.cache
def _bindings() -> Any:
    # A failed assertion inside ggml would otherwise start a debugger on this process.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    # Threads that wait for each other spin for milliseconds by default, which starves them when other programs run too.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        from llama_cpp import llama_cpp as bindings
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelUnavailable(
            f"llama.cpp could not be loaded ({error}). Reinstall llama-cpp-python, or set model.server_url to use a model server."
        ) from error

    @bindings.llama_log_callback  # type: ignore[untyped-decorator, unused-ignore]
    def log(level: int, text: bytes, _: Any) -> None:
        line = text.decode("utf-8", "replace")
        if level == _ERROR_LEVEL:
            _complaints.append(line.strip())
        if _state["verbose"]:
            sys.stderr.write(line)

    _state["log"] = log  # llama.cpp keeps only the address: the callback must outlive this function
    bindings.llama_log_set(log, ctypes.c_void_p(0))
    bindings.llama_backend_init()
    return bindings


def last_complaint() -> str:
    """What llama.cpp said last when something failed; empty when it said nothing. Forgotten once read."""
    said = "; ".join(line for line in _complaints if line)
    _complaints.clear()
    return said


@functools.cache
def byte_is_set() -> ctypes._FuncPointer:
    """A C function `bool f(void *flag)` that is true when the byte at `flag` is not 0: libc's `strlen`.

    llama.cpp asks its abort callback at every node of its graph, hundreds of times a token. A callback in Python would
    wait for the interpreter's lock each time; this one never does.
    """
    libc = ctypes.CDLL("msvcrt") if sys.platform == "win32" else ctypes.CDLL(None)
    return libc.strlen


def physical_cores() -> int:
    """Cores that this process may use, each counted once however many threads it runs."""
    if sys.platform == "linux":
        allowed = os.sched_getaffinity(0)
        siblings = set()
        for cpu in allowed:
            try:
                siblings.add(
                    Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
                )
            except OSError:
                return len(allowed)
        return max(1, len(siblings))
    if sys.platform == "darwin":
        # Efficiency cores slow the others down: every step waits for the last core.
        for name in ("hw.perflevel0.physicalcpu", "hw.physicalcpu"):
            done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False)
            if done.returncode == 0 and done.stdout.strip().isdigit():
                return max(1, int(done.stdout))
    return max(1, (os.cpu_count() or 2) // 2)


def granted_cores() -> int | None:
    """Cores' worth of time that a container is granted (cgroup v2), None for no limit."""
    limit = Path("/sys/fs/cgroup/cpu.max")
    if not limit.is_file():
        return None
    quota, _, period = limit.read_text().strip().partition(" ")
    return max(1, round(int(quota) / int(period))) if quota.isdigit() and period.isdigit() else None
