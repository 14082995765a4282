"""What every test stands on: no network, no developer's settings, models fetched once, and in CI no silent skip."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.chroma import chroma, chroma_server  # noqa: F401  (fixtures)
from tests.network_guard import Guard
from tests.postgres import cluster, server, state_url  # noqa: F401  (fixtures)

if TYPE_CHECKING:
    from assistant.models.embeddings import OnnxEmbedder

KEPT = {"ASSISTANT_TEST_MODELS", "ASSISTANT_REQUIRE_ALL"}
CHAT_SMALL, CHAT_DEFAULT, EMBEDDING = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "all-minilm-l6-v2"

# What CI's machine (Linux, root) cannot do whatever is installed; any other skip fails the run there.
PLATFORM_SKIPS = ("root may write everywhere", "Windows only", "macOS only")

guard = Guard()
skipped: dict[str, str] = {}
models = Path()
outer_data: tempfile.TemporaryDirectory[str] | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Forget the developer's settings and data folder, close the network, leave out what takes long."""
    global models, outer_data
    for name in [name for name in os.environ if name.startswith("ASSISTANT_") and name not in KEPT]:
        del os.environ[name]
    from assistant.settings import default_home

    models = Path(os.environ.get("ASSISTANT_TEST_MODELS") or default_home() / "models").expanduser()
    # A test that forgets to name a home must not write into the developer's own.
    outer_data = tempfile.TemporaryDirectory(prefix="assistant-tests-", ignore_cleanup_errors=True)
    os.environ["XDG_DATA_HOME"] = outer_data.name
    guard.install()
    if not config.option.markexpr:
        config.option.markexpr = "not measure"


def pytest_unconfigure() -> None:
    if outer_data:
        outer_data.cleanup()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note_skip(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything must run, a skip is a failure: it hides a missing install step."""
    if skipped and _everything_must_run() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if skipped and _everything_must_run():
        terminalreporter.section("skipped, which fails the run here", red=True)
        for test, reason in skipped.items():
            terminalreporter.line(f"{test}: {reason}")


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix("Skipped: ")
    if not reason.startswith(PLATFORM_SKIPS):
        skipped[report.nodeid] = reason


def _everything_must_run() -> bool:
    return os.environ.get("CI") == "true" or os.environ.get("ASSISTANT_REQUIRE_ALL") == "1"


@pytest.fixture(autouse=True)
def no_network() -> Iterator[Guard]:
    """Fail a test that tried to reach beyond this machine, also where the product swallowed the refusal."""
    before = len(guard.attempts)
    yield guard
    tried = guard.attempts[before:]
    assert not tried, f"this test tried to leave the machine: {', '.join(tried)}"


@pytest.fixture(scope="session")
def models_directory() -> Path:
    """Where model files lie: ASSISTANT_TEST_MODELS, else the product's own folder, so that they are fetched once."""
    return models


@pytest.fixture(scope="session")
def fetched(models_directory: Path) -> Callable[[str], Path]:
    """Model name to path, fetched first when it is not there: the one thing in the tests that uses the network."""
    from assistant.models.files import ModelFiles

    def fetch(name: str) -> Path:
        with guard.lifted():
            return ModelFiles(models_directory).ensure(name)

    return fetch


@pytest.fixture(scope="session")
def embed(fetched: Callable[[str], Path]) -> OnnxEmbedder:
    """The real embedding model."""
    from assistant.models.load import load_embedder
    from assistant.settings import Settings

    return load_embedder(Settings(), fetched(EMBEDDING))


@pytest.fixture(scope="session")
def chat_model_05(fetched: Callable[[str], Path]) -> Iterator[Any]:
    """The 0.5B chat model: quick, and wrong more often."""
    yield from _chat(CHAT_SMALL, fetched)


@pytest.fixture(scope="session")
def default_chat(fetched: Callable[[str], Path]) -> Iterator[Any]:
    """The default chat model."""
    yield from _chat(CHAT_DEFAULT, fetched)


def _chat(name: str, fetched: Callable[[str], Path]) -> Iterator[Any]:
    from assistant.models.load import load_chat
    from assistant.settings import ModelSettings, Settings

    chat = load_chat(Settings(model=ModelSettings(name=name, context=4096)), fetched(name), prefixes=None)
    yield chat
    chat.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test's own, named by ASSISTANT_HOME."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ASSISTANT_HOME", str(folder))
    return folder
