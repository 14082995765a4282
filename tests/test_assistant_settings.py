"""Settings: where they come from, and one clear error when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.errors import SettingsError
from assistant.settings import Settings
from assistant.settings_sources import sources


def test_the_last_source_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "assistant.toml").write_text('[model]\ncontext = 2048\nthreads = 3\n[sampling]\ntop_k = 5\n')
    monkeypatch.setenv("ASSISTANT_MODEL__THREADS", "4")
    settings = Settings(home=tmp_path, sampling={"top_k": 7})
    assert (settings.model.context, settings.model.threads, settings.sampling.top_k) == (2048, 4, 7)
    where = {name: source for name, _, _, source in sources(settings, {"sampling": {"top_k": 7}})}
    assert where["model.context"] == str(tmp_path / "assistant.toml")
    assert where["model.threads"] == "environment"
    assert where["sampling.top_k"] == "given"
    assert where["model.name"] == "default"


def test_a_file_in_the_working_directory_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "assistant.toml").write_text("[model]\ncontext = 2048\n")
    monkeypatch.chdir(tmp_path)
    assert Settings(home=tmp_path / "home").model.context == 8192


@pytest.mark.parametrize(
    ("given", "named"),
    [({"model": {"contxt": 1}}, "model.contxt"), ({"sampling": {"top_p": 3}}, "sampling.top_p"), ({"nope": 1}, "nope")],
)
def test_a_wrong_setting_is_named(tmp_path: Path, given: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings(home=tmp_path, **given)


def test_a_broken_or_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "assistant.toml").write_text("[model\n")
    with pytest.raises(SettingsError, match="could not be read"):
        Settings(home=tmp_path)
    with pytest.raises(SettingsError, match="no settings file"):
        Settings(home=tmp_path, config=tmp_path / "gone.toml")


def test_secrets_are_masked_and_everything_is_described(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database={"url": "postgresql://me:hunter2@db/shop"}, model={"server_api_key": "hunter2"})
    shown = list(sources(settings))
    assert "hunter2" not in str(shown)
    assert all(description for _, description, _, _ in shown)
