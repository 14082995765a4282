"""The wheel ships the four packages and nothing else, and works outside the checkout; importing it is quick."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"assistant", "graphs", "stores", "ui"}
HEAVY = ("chromadb", "gradio", "huggingface_hub", "langchain_core", "langgraph", "llama_cpp", "numpy", "onnxruntime", "sqlalchemy", "tokenizers")
IMPORT_SECONDS = 0.5


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built as a front end would, but with the hatchling that is installed: without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    run = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def outside(unpacked: Path, code: str, cwd: Path) -> str:
    """What `code` prints, run in `cwd` on the unpacked wheel; the checkout, installed as editable, comes after it."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=cwd, env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    metadata = {name for name in top if name.endswith(".dist-info")}
    assert top - metadata == PACKAGES
    assert len(metadata) == 1
    assert not [name for name in names if "__pycache__" in name or "test" in Path(name).name]


def test_the_wheel_holds_every_tracked_file_of_the_packages(wheel):
    """What is read at run time (the handbook, the page's script and style) must ship too."""
    tracked = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    missing = set(filter(None, tracked.split("\0"))) - set(zipfile.ZipFile(wheel).namelist())
    assert not {name for name in missing if (ROOT / name).exists()}
    assert any(name.startswith("assistant/sample/handbook/") for name in zipfile.ZipFile(wheel).namelist())


def test_the_metadata_says_what_is_needed(unpacked):
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(re.findall(r"^Requires-Dist:", text, re.M)) == len(project["dependencies"])
    assert "License-Expression: Apache-2.0" in text
    assert (metadata.parent / "entry_points.txt").read_text(encoding="utf-8").split() == ["[console_scripts]", "assistant", "=", "ui.cli:main"]
    assert list(metadata.parent.glob("licenses/LICENSE"))


def test_it_is_imported_from_outside_the_checkout(unpacked, tmp_path):
    code = f"import importlib; print(*(importlib.import_module(name).__file__ for name in {sorted(PACKAGES)!r}), sep='\\n')"
    for line in outside(unpacked, code, tmp_path).splitlines():
        assert Path(line).is_relative_to(unpacked), f"{line} comes from the checkout"


def test_the_command_line_runs_from_the_wheel(unpacked, tmp_path):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    code = "import sys; sys.argv = ['assistant', '--version']; from ui.cli import main; main()"
    assert version in outside(unpacked, code, tmp_path)


def test_import_assistant_is_quick(unpacked, tmp_path):
    """Median of five, less what a bare Python needs to start: a machine under load slows both."""

    def seconds(code: str) -> float:
        started = time.perf_counter()
        outside(unpacked, code, tmp_path)
        return time.perf_counter() - started

    outside(unpacked, "import assistant", tmp_path)  # compiles
    taken = statistics.median(seconds("import assistant") - seconds("pass") for _ in range(5))
    assert taken < IMPORT_SECONDS, f"import assistant takes {taken:.2f} s"


def test_import_assistant_imports_nothing_heavy(unpacked, tmp_path):
    code = f"import sys, assistant; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert outside(unpacked, code, tmp_path) == ""
