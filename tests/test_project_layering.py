"""ui → assistant → graphs → stores: the imports say so, and the public names are those that were promised."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import assistant

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ui", "assistant", "graphs", "stores")
MAY_IMPORT = {"ui": {"assistant"}, "assistant": {"graphs", "stores"}, "graphs": {"stores"}, "stores": set()}
NEVER = {
    "graphs": {"chromadb", "sqlalchemy", "llama_cpp", "gradio", "onnxruntime", "sqlite3"},
    "stores": {"langchain_core", "openai", "langgraph", "llama_cpp", "gradio", "pydantic_settings"},
    "assistant": {"gradio", "typer"},
    "ui": {"chromadb", "sqlalchemy", "llama_cpp", "langchain_core", "langgraph"},
}
LONGEST = 300


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """(top-level package, line) of every import, wherever it stands: inside a function counts too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{path}:{node.lineno} imports relatively; name the package")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0], node.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_downward(package):
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(package)
        for name, line in imported(path)
        if (name in PACKAGES and name != package and name not in MAY_IMPORT[package]) or name in NEVER[package]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_that_ships_imports_the_tests_or_a_development_tool(package):
    tools = {"tests", "pytest", "selenium", "reportlab", "mypy", "ruff"}
    wrong = [f"{path.relative_to(ROOT)}:{line}" for path in modules(package) for name, line in imported(path) if name in tools]
    assert not wrong, "\n".join(wrong)


def test_the_page_takes_public_names_alone():
    """Every X of `from assistant import X` is public; what is not stands in a submodule, and is named with it."""
    wrong = []
    for path in modules("ui"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "assistant":
                wrong += [f"{path.name}:{node.lineno} {alias.name}" for alias in node.names if alias.name not in PUBLIC]
    assert not wrong, "\n".join(wrong)


def test_modules_stay_short():
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for package in (*PACKAGES, "scripts")
        for path in modules(package)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    assert not long, f"longer than {LONGEST} lines, so doing two things:\n" + "\n".join(long)


PUBLIC = {
    "ColumnInfo",
    "ModelOffer",
    "Schema",
    "TableInfo",
    "TurnRecord", "Within",
    "Answer",
    "Assistant",
    "AssistantError",
    "Attempt",
    "Citation",
    "Conversation",
    "DatabaseUnavailable",
    "Document",
    "DocumentUnreadable",
    "IndexUnreachable",
    "Done",
    "Event",
    "Example",
    "IngestProgress",
    "IngestReport",
    "Memory",
    "Message",
    "ModelBusy",
    "ModelFileCorrupt",
    "ModelUnavailable",
    "NotFound",
    "Passage",
    "QueryFailed",
    "QueryRejected",
    "QueryTimeout",
    "QuestionTooLong",
    "Refusal",
    "Route",
    "Settings",
    "SettingsError",
    "State",
    "StepFinished",
    "StepStarted",
    "StoreUnavailable",
    "Stream",
    "Table",
    "Token",
    "TurnCancelled",
    "Usage",
    "answer_from_json",
    "answer_to_json",
}


def test_the_public_names_are_those_promised():
    assert set(assistant.__all__) == PUBLIC
    assert len(assistant.__all__) == len(PUBLIC), "a name stands twice in __all__"


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_can_be_imported(name):
    value = getattr(assistant, name)
    assert value is getattr(sys.modules["assistant"], name)
    assert name in dir(assistant)


def test_every_public_error_has_the_one_root():
    errors = [value for name in PUBLIC if isinstance(value := getattr(assistant, name), type) and issubclass(value, BaseException)]
    assert len(errors) > 10
    assert all(issubclass(error, assistant.AssistantError) for error in errors)


def test_every_error_of_the_project_is_public():
    """An error that a user can meet can be caught by name from `assistant`."""
    from assistant.errors import AssistantError

    def subclasses(cls: type) -> Iterator[type]:
        for sub in cls.__subclasses__():
            yield sub
            yield from subclasses(sub)

    hidden = {cls.__name__ for cls in subclasses(AssistantError) if cls.__module__ in ("stores.errors", "graphs.errors", "assistant.errors")}
    assert hidden <= PUBLIC
