"""Thirty questions on the sample workspace, on the default model, with the network taken away."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.offline import run_offline
from tests.thirty import questions, report

ENOUGH = 26


@pytest.mark.model
@pytest.mark.timeout(2400)
def test_thirty_questions_without_a_network(fetched: Callable[[str], Path], tmp_path: Path) -> None:
    models = fetched("qwen2.5-coder-1.5b").parent
    fetched("all-minilm-l6-v2")
    home, out = tmp_path / "home", tmp_path / "answers.jsonl"
    arguments = ["-m", "tests.thirty", str(home), str(out), str(models)]
    run = run_offline(arguments, cwd=Path(__file__).parent.parent, timeout=2300)
    assert run.returncode == 0, run.stderr
    judged = report(out, home)
    wrong = [f"{name}: {problems} | {text[:200]}" for name, problems, text in judged if problems]
    sys.stderr.write("\n".join([f"{len(judged) - len(wrong)} of {len(judged)} right", *wrong, ""]))
    assert len(judged) == len(questions()) == 30
    assert len(judged) - len(wrong) >= ENOUGH, "\n".join(wrong)
    assert run.attempts == ()


def test_the_thirty_are_spread_as_promised() -> None:
    asked = questions()
    routes = [q["route"] for q in asked]
    assert all(routes.count(route) >= 4 for route in ("sql", "documents", "both", "memory", "chat", "off_topic"))
    assert sum("after" in q for q in asked) >= 4
