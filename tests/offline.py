"""Run Python with the network taken away, and learn what would have left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.network_guard import LOG

# Some libraries hold their tongue where they see one of these, so that a test would prove nothing.
MUTING = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_RUNNING_UNIT_TESTS", "PYTEST_CURRENT_TEST", "PYTEST_VERSION")
GUARD = Path(__file__).with_name("network_guard.py")

# Runs first inside the namespace: brings its loopback up (without iproute2), runs the command, then reports how often the
# kernel found no route. That also counts what compiled code tried, and what ignored the patched socket module.
INSIDE = """
import fcntl, socket, struct, subprocess, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    flags = struct.unpack("16xh", fcntl.ioctl(s, 0x8913, struct.pack("16sh", b"lo", 0))[:18])[0]
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", flags | 1))
def unroutable():
    names, values = [line.split() for line in open("/proc/net/snmp") if line.startswith("Ip:")]
    old = int(dict(zip(names, values))["OutNoRoutes"])
    new = dict(line.split() for line in open("/proc/net/snmp6") if len(line.split()) == 2)
    return old + int(new.get("Ip6OutNoRoutes", 0))
before = unroutable()
code = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(unroutable() - before))
sys.exit(code if code >= 0 else 128 - code)
"""


@dataclass(frozen=True)
class OfflineRun:
    """How a run without a network ended; `attempts` is empty when nothing tried to leave."""

    returncode: int
    stdout: str
    stderr: str
    attempts: tuple[str, ...]


@cache
def namespace() -> tuple[str, ...] | None:
    """The command that starts another in an empty network namespace, or None where that is not permitted."""
    for command in (("unshare", "-n"), ("unshare", "-rn")):
        if shutil.which("unshare") and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
            return command
    return None


def run_offline(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 300.0,
) -> OfflineRun:
    """Run `python <arguments>` with loopback only; `env` is added to this process's environment.

    Its Python code, and that of its children, is refused and recorded by `tests.network_guard`. On Linux the kernel
    also takes the network away, and counts what compiled code tried.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(f"import runpy\nrunpy.run_path({str(GUARD)!r})\n", encoding="utf-8")
        log, count = folder / "attempts.txt", folder / "unroutable.txt"
        inherited = {name: value for name, value in os.environ.items() if name not in MUTING}
        environment = {**inherited, **(env or {}), LOG: str(log)}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (name, environment.get("PYTHONPATH"))))
        command = [sys.executable, *arguments]
        if prefix := namespace():
            command = [*prefix, sys.executable, "-I", "-c", INSIDE, str(count), *command]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=timeout, check=False)
        attempts = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        unroutable = int(count.read_text()) if count.exists() else 0
    if unroutable:
        attempts.append(f"the kernel found no route {unroutable} times")
    return OfflineRun(run.returncode, run.stdout, run.stderr, tuple(attempts))
