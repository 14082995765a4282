"""Pin every package, transitive ones too, in `[tool.uv] constraint-dependencies` of pyproject.toml.

uv run scripts/pin.py             keep the pins that hold, add what is missing, drop what nobody needs any more
uv run scripts/pin.py --upgrade   forget the pins and take the newest versions that fit together
uv run scripts/pin.py --check     change nothing; exit 1 and say what is off when the pins are not current

A lock file would do the same, but it names the registry it was made from, and this project runs behind many.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tomlkit.items import Array

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
TIMEOUT = 600.0


class PinError(Exception):
    """uv found no versions that fit together; the message is uv's own."""


def main() -> int:
    """Write the pins, or with --check compare them."""
    arguments = _arguments()
    text = PYPROJECT.read_text(encoding="utf-8")
    try:
        pins = resolve(text, upgrade=arguments.upgrade)
    except PinError as error:
        print(f"{error}\nThe pins stand in the way, or the dependencies do; --upgrade forgets the pins.", file=sys.stderr)
        return 1
    pinned = with_pins(text, pins)
    if arguments.check:
        return _report(current_pins(text), pins)
    if pinned != text:
        PYPROJECT.write_text(pinned, encoding="utf-8", newline="\n")
    print(f"{len(pins)} pins, {'unchanged' if pinned == text else 'written'}.")
    return 0


def resolve(text: str, *, upgrade: bool = False) -> list[str]:
    """Sorted exact requirements of everything that the project in `text` needs, on every platform and Python.

    A marker is kept only where versions differ by platform or Python. Raises `PinError`.
    """
    source = without_pins(text) if upgrade else text
    lock = PYPROJECT.with_name("uv.lock")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(source, encoding="utf-8")
        if lock.exists():  # what is not pinned yet gets the version that this checkout runs with, and uv asks less
            shutil.copy(lock, folder)
        _uv("lock", "--quiet", "--project", folder, *(["--upgrade"] if upgrade else []))
        exported = _uv(
            "export", "--quiet", "--frozen", "--project", folder, "--all-groups", "--all-extras",
            "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header",
        )  # fmt: skip
    return exact(exported)


def exact(exported: str) -> list[str]:
    """The lines of `uv export`, one for each name and version, sorted."""
    versions: dict[str, dict[str, Requirement]] = defaultdict(dict)
    for line in exported.splitlines():
        if line.strip() and not line.startswith(("#", "-")):
            requirement = Requirement(line)
            versions[canonicalize_name(requirement.name)][str(requirement.specifier)] = requirement
    pins = []
    for name, of_name in versions.items():
        for specifier, requirement in of_name.items():
            differs = len(of_name) > 1 and requirement.marker is not None
            pins.append(f"{name}{specifier} ; {requirement.marker}" if differs else f"{name}{specifier}")
    return sorted(pins)


def current_pins(text: str) -> list[str]:
    """The pins that stand in `text`."""
    return [str(pin) for pin in tomlkit.parse(text).unwrap().get("tool", {}).get("uv", {}).get("constraint-dependencies", [])]


def with_pins(text: str, pins: list[str]) -> str:
    """`text` with `pins` in place of those that stand there; comments and order stay."""
    document = tomlkit.parse(text)
    array = tomlkit.array()
    array.extend(pins)
    _uv_table(document)["constraint-dependencies"] = array.multiline(True)
    return tomlkit.dumps(document)


def without_pins(text: str) -> str:
    """`text` with an empty list of pins."""
    document = tomlkit.parse(text)
    table = _uv_table(document)
    if isinstance(table.get("constraint-dependencies"), Array):
        table["constraint-dependencies"] = tomlkit.array()
    return tomlkit.dumps(document)


def _uv_table(document: tomlkit.TOMLDocument) -> tomlkit.items.Table:
    table = document["tool"]["uv"]  # type: ignore[index]
    assert isinstance(table, tomlkit.items.Table), "[tool.uv] is not a table"
    return table


def _uv(*arguments: str) -> str:
    """What uv printed; raises `PinError` with what it complained about."""
    run = subprocess.run(["uv", *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if run.returncode:
        raise PinError(run.stderr.strip())
    return run.stdout


def _report(now: list[str], wanted: list[str]) -> int:
    """Print how the pins differ; 1 when they do."""
    for pin in sorted(set(wanted) - set(now)):
        print(f"missing: {pin}")
    for pin in sorted(set(now) - set(wanted)):
        print(f"not needed: {pin}")
    if now == wanted:
        print(f"{len(now)} pins, current.")
        return 0
    print("The pins are not current: run `uv run scripts/pin.py`.")
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Pin every package in pyproject.toml.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the pins are not current")
    parser.add_argument("--upgrade", action="store_true", help="forget the pins and take the newest versions that fit")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
