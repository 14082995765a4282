"""`assistant bench`: every figure is there, from a real model, and a release that got slower is caught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.evaluation.bench import BARS, measure, worse
from assistant.evaluation.conversation import Measured
from assistant.evaluation.run import Identity, Run
from assistant.settings import Settings
from ui.cli_machine import OWN


@pytest.mark.model
def test_a_short_bench_gives_every_figure(tmp_path: Path, fetched: Callable[[str], Path]) -> None:
    model, _ = fetched("smollm2-135m"), fetched("all-minilm-l6-v2")
    settings = Settings(home=tmp_path, model={"name": "smollm2-135m", "directory": model.parent, "context": 4096})
    told: list[str] = []
    run = Run(settings, Identity("tiny", "aa11"), Identity("mini", "bb22"), progress=lambda done, total, doing: told.append(doing))
    report = measure(run, command=OWN, turns=4)
    found = dict(report.groups["found"])
    assert set(BARS) <= set(found)
    for name in ("restart_first_token", "tokens_read_anew", "four_at_once_speed", "ask_to_first_token", "turn_seconds"):
        assert (found[name] or 0) > 0, (name, found)
    assert 0 < (found["outside_models_share"] or 0) < 1
    assert "after a restart" in told
    assert "bar" in report.to_text()
    assert not list(tmp_path.iterdir()), "the user's own home was touched"


def test_what_is_measured_runs_in_this_process_whatever_the_settings_say(tmp_path: Path) -> None:
    with Measured(Settings(home=tmp_path / "home", sample=False, model={"worker": True})) as assistant:
        assert assistant.settings.model.worker is False


def test_a_figure_that_got_worse_is_named_and_noise_is_not() -> None:
    before = {"follow_up_first_token": 30.0, "tokens_read_anew": 100.0, "documents_first_token": None}
    assert worse({"follow_up_first_token": 27.0, "tokens_read_anew": 110.0, "documents_first_token": 2.0}, before) == []
    assert worse({"follow_up_first_token": 60.0, "tokens_read_anew": 10.0}, before) == []
    found = worse({"follow_up_first_token": 15.0, "tokens_read_anew": 200.0}, before)
    assert found == ["follow_up_first_token was 30 and is 15", "tokens_read_anew was 100 and is 200"]
