"""Models and settings changed while the assistant runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant import Assistant, AssistantError, ModelUnavailable, Settings, SettingsError
from assistant.settings_file import changed, typed
from assistant.settings_sources import sources


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", sample=False, model={"name": "smollm2-135m"})


@pytest.fixture
def assistant(settings: Settings) -> Iterator[Assistant]:
    with Assistant(settings) as made:
        yield made


def test_a_setting_is_kept_and_comes_back_to_its_default(settings: Settings) -> None:
    new = changed(settings, "documents.passages", " 7 ")
    assert new.documents.passages == 7
    assert new.model.name == "smollm2-135m"  # what was given stays
    assert Settings(home=settings.home).documents.passages == 7
    assert ("documents.passages", 7, str(settings.home / "assistant.toml")) in [(n, v, w) for n, _, v, w in sources(new)]
    assert changed(new, "documents.passages", "").documents.passages == Settings().documents.passages
    assert Settings(home=settings.home).documents.passages == Settings().documents.passages


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("documents.passages", "many"),
        ("documents.passages", "0"),
        ("documents.nothing", "1"),
        ("home", "x"),
        ("nothing.at_all", "1"),
        ("page.port", "1\nhost = 2"),
    ],
)
def test_what_is_no_value_changes_nothing(settings: Settings, name: str, text: str) -> None:
    with pytest.raises(SettingsError):
        changed(settings, name, text)
    assert not (settings.home / "assistant.toml").exists()


@pytest.mark.parametrize("value", [("a.b", 'c "d"'), {"orders": "customer = :user"}, True, 3, 0.5, "words"])
def test_what_is_shown_can_be_typed_again(value: Any) -> None:
    from assistant.settings_file import _read

    back = _read(typed(value))
    assert (tuple(back) if isinstance(back, list) else back) == value


def test_what_no_file_names_was_given(settings: Settings) -> None:
    where = {name: source for name, _, _, source in sources(settings)}
    assert (where["model.name"], where["home"], where["model.context"]) == ("given", "given", "default")


def test_only_a_model_that_is_here_and_talks_is_used(assistant: Assistant) -> None:
    offers = {offer.name: offer for offer in assistant.setup.models.all()}
    assert offers["smollm2-135m"].used
    assert offers["qwen2.5-coder-7b"].state == "absent"
    with pytest.raises(ModelUnavailable, match="Fetch it"):
        assistant.setup.use("qwen2.5-coder-7b")
    with pytest.raises(AssistantError, match="chat model"):
        assistant.setup.use("all-minilm-l6-v2")
    with pytest.raises(ModelUnavailable, match="in use"):
        assistant.setup.models.remove("smollm2-135m")


def test_turns_go_by_what_was_changed(assistant: Assistant) -> None:
    assert assistant.setup.change("sampling.max_tokens", "77")
    assert assistant.setup.change("model.queue", "1")
    assert assistant._turns._settings is assistant.settings
    assert assistant.settings.sampling.max_tokens == 77
    assert assistant._turns._line._bound == 1


def test_another_model_answers_without_a_restart(tmp_path: Path, models_directory: Path, fetched: Callable[[str], Path]) -> None:
    """The vocabulary tells which model it is: a prompt of the one counts other tokens than a prompt of the other."""
    first, second = fetched("smollm2-135m"), fetched("qwen2.5-coder-0.5b")
    model = {"name": str(first), "directory": models_directory, "context": 4096, "prefix_cache_mb": 64}
    with Assistant(Settings(home=tmp_path / "home", sample=False, model=model, sampling={"max_tokens": 64})) as assistant:
        counted = [assistant.ask("Thank you, that helped!").usage.prompt_tokens]
        assistant.setup.use(str(second))
        assert assistant.state().model == str(second)
        counted.append(assistant.ask("Thank you, that helped!").usage.prompt_tokens)
        assert assistant.setup.change("sampling.max_tokens", "16")
        assert assistant.ask("Tell me more about it.").usage.completion_tokens <= 32
    assert all(counted)
    assert counted[0] != counted[1]
    assert Settings(home=tmp_path / "home").model.name == str(second)
