"""What stands in the repository: nothing secret, nothing of one machine, and documents that are true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.offline import run_offline
from tests.test_project_licences import shipped

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BINARY = {".pdf", ".docx", ".png", ".db", ".ico", ".gguf", ".onnx", ".npz"}

# Written so that this file does not match itself.
REGISTRIES = r"py[p]i\.org|pythonhosted[.]org|registry\.npm[j]s|deb\.debian[.]org|conda\.anaconda[.]org"
MACHINE_PATHS = r"(?<![\w.~/-])/(?:work|root)/\w"
TEMPORARY_PATHS = r"(?<![\w.~/-])/tmp/\w"
SECRETS = (
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30}|\bhf_[A-Za-z]{30}|\bsk-[A-Za-z0-9_-]{24}|xox[bpars]-[0-9A-Za-z-]{10}|py[p]i-AgE"
    r"|BEGIN [A-Z ]*PRIVATE[ ]KEY"
)
TEST_BLOCK = re.compile(r"<!-- test -->\s*```python\n(.*?)```", re.S)
LINK = re.compile(r"\[[^\]]+\]\((?!https?://|#|mailto:)([^)#\s]+)")
NAMED_TEST = re.compile(r"(tests/\w+\.py)::(\w+)")
COMMAND = re.compile(r"`assistant ([a-z][^`]*)`")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def found(pattern: str, paths: list[Path] | None = None) -> list[str]:
    places = []
    for path in tracked() if paths is None else paths:
        if path.suffix not in BINARY:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if re.search(pattern, line):
                    places.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    return places


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS, SECRETS], ids=["registries", "machine paths", "secrets"])
def test_nothing_of_one_machine_or_person_is_tracked(pattern):
    assert found(pattern) == []


def test_nothing_that_ships_names_a_temporary_file():
    """Tests may: the texts of attackers do."""
    assert found(TEMPORARY_PATHS, [path for path in tracked() if not path.is_relative_to(ROOT / "tests")]) == []


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (REGISTRIES, "index-url = https://" + "pypi" + ".org/simple", True),
        (REGISTRIES, "the Python package index", False),
        (MACHINE_PATHS, 'open("' + "/ro" + 'ot/x")', True),
        (TEMPORARY_PATHS, "see ../tmp/x and tmp_path, https://a.example/tmp/x", False),
        (SECRETS, "AKIA" + "A" * 16, True),
        (SECRETS, "-----BEGIN RSA PRIVATE" + " KEY-----", True),
        (SECRETS, "task-skipping", False),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern, text, matches):
    assert bool(re.search(pattern, text)) == matches


def test_the_lock_file_is_not_tracked():
    """It names the registry that it was made from; the pins in pyproject.toml take its place."""
    assert ROOT / "uv.lock" not in tracked()
    assert "uv.lock" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_nothing_large_is_tracked():
    large = [f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes" for path in tracked() if path.stat().st_size > 2_000_000]
    assert large == []


def test_every_package_is_pinned_to_what_is_installed():
    pins = [Requirement(line) for line in PROJECT["tool"]["uv"]["constraint-dependencies"]]
    here = {pin.name: str(pin.specifier) for pin in pins if not pin.marker or pin.marker.evaluate()}
    wrong = [f"{name} {dist.version}" for name, dist in shipped().items() if here.get(name) != f"=={dist.version}"]
    assert not wrong, f"not pinned to what is installed: {', '.join(wrong)}. Run `uv run scripts/pin.py`, then `uv sync`."


def test_every_pin_is_exact():
    for line in PROJECT["tool"]["uv"]["constraint-dependencies"]:
        (specifier,) = Requirement(line).specifier
        assert specifier.operator == "==", line
        assert "*" not in specifier.version, line


def test_the_changelog_knows_this_version():
    assert f"## [{PROJECT['project']['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_contributing_fits_on_a_page():
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 70


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    missing = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if not (document.parent / link).exists()]
    assert missing == []


def test_every_test_that_a_document_names_is_there():
    missing = []
    for document in documents():
        for file, name in NAMED_TEST.findall(document.read_text(encoding="utf-8")):
            path = ROOT / file
            if not path.is_file() or not re.search(rf"^(?:async )?def {name}\(", path.read_text(encoding="utf-8"), re.M):
                missing.append(f"{document.name}: {file}::{name}")
    assert missing == []


def marked_blocks() -> list[tuple[str, str]]:
    """(name, code) of each python block that a document asks to have run."""
    return [
        (f"{path.name}-{number}", code)
        for path in documents()
        for number, code in enumerate(TEST_BLOCK.findall(path.read_text(encoding="utf-8")), 1)
    ]


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in marked_blocks()])
def test_a_marked_block_runs(code, tmp_path):
    """In an empty folder, with a home of its own and no network."""
    run = run_offline(["-c", code], env={"ASSISTANT_HOME": str(tmp_path / "home")}, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.attempts == ()


def test_python_blocks_compile():
    """Also those that are not run, for want of a model or a shop."""
    for path in documents():
        for block in re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S):
            compile(block, str(path), "exec")


def commands() -> dict[str, set[str]]:
    """Each command of the program with its own commands."""
    from typer.main import get_command

    from ui.cli import app

    return {name: set(getattr(command, "commands", {})) for name, command in get_command(app).commands.items()}


def test_the_readme_lists_the_commands_that_there_are():
    """`assistant models list|pull`: the first word is a command, the words between bars are its own."""
    listed: dict[str, set[str]] = {}
    for line in COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        name, *rest = line.replace("\\|", "|").split()
        listed.setdefault(name, set()).update(rest[0].split("|") if rest and re.fullmatch(r"[a-z0-9|]+", rest[0]) else ())
    real = commands()
    assert set(listed) == set(real)
    for name, own in listed.items():
        assert own == real[name], name


@pytest.mark.parametrize(("environment", "code"), [({"CI": "true"}, 1), ({"ASSISTANT_REQUIRE_ALL": "1"}, 1), ({}, 0)])
def test_where_everything_must_run_a_skip_fails_the_run(environment, code, tmp_path):
    tests = tmp_path / "test_skips.py"
    tests.write_text(
        "import pytest\n"
        "def test_runs(): pass\n"
        "def test_skips(): pytest.skip('no such program')\n"
        "@pytest.mark.skip(reason='Windows only')\n"
        "def test_elsewhere(): pass\n",
        encoding="utf-8",
    )
    without = {name: value for name, value in os.environ.items() if name not in ("CI", "ASSISTANT_REQUIRE_ALL", "PYTEST_ADDOPTS")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(tmp_path), "-p", "no:cacheprovider", str(tests)],
        cwd=ROOT, env={**without, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == code, run.stdout + run.stderr
    listing = run.stdout.partition("skipped, which fails")[2]
    assert ("test_skips: no such program" in listing) == bool(code)
    assert "test_elsewhere:" not in listing
