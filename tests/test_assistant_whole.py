"""Work on whole documents through the public door: what is kept of it and how it goes, and with a real model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant import Assistant, Done, Settings, StepStarted
from tests.scripted import ScriptedChat
from tests.scripted_models import RuleModels
from tests.test_assistant_kept import held

PLAN = "# Plan\n\nThe locker of zqplan has the code zqcode and stands in the cellar.\n"


class ScriptedModels(RuleModels):
    """Real stores and a scripted model."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.scripted = ScriptedChat().say(*texts)

    def chat(self) -> ScriptedChat:  # type: ignore[override]
        return self.scripted


@pytest.fixture
def models() -> ScriptedModels:
    return ScriptedModels("The locker of zqplan stands in the cellar.")


@pytest.fixture
def one(tmp_path: Path, models: ScriptedModels) -> Iterator[Assistant]:
    (tmp_path / "plan.md").write_text(PLAN, encoding="utf-8")
    with Assistant(Settings(home=tmp_path / "home", sample=False), models=models) as assistant:  # type: ignore[arg-type]
        yield assistant


def kept(assistant: Assistant) -> list[Any]:
    return assistant.documents._registry.rows("SELECT text FROM condensed")


def test_what_was_made_of_a_users_document_is_gone_to_the_last_byte(one: Assistant, tmp_path: Path) -> None:
    one.documents.add(tmp_path / "plan.md", user="7")
    answer = one.ask("Summarise plan.md", user="7")
    assert answer.text == "The locker of zqplan stands in the cellar. [1]"
    assert kept(one) == [("The locker of zqplan stands in the cellar.",)]
    one.forget_all(user="7")
    assert kept(one) == []
    assert held(tmp_path / "home", "zqplan") == []


def test_a_private_conversation_leaves_nothing_beside_a_document_of_everybody(one: Assistant, tmp_path: Path) -> None:
    one.documents.add(tmp_path / "plan.md")
    answer = one.ask("Summarise plan.md", user="7", private=True)
    assert answer.citations[0].document == "plan.md"
    assert kept(one) == []


def test_the_bounds_are_settings(tmp_path: Path) -> None:
    (tmp_path / "log.md").write_text("# Log\n\n" + "\n\n".join(f"## Day {n}\n\n" + f"The crew sailed {n} miles. " * 40 for n in range(4)), encoding="utf-8")
    models = ScriptedModels("The crew sailed 0 miles.", "The crew sailed 1 miles.")
    settings = Settings(home=tmp_path / "home", sample=False, documents={"whole_parts": 2, "part_tokens": 300})
    with Assistant(settings, models=models) as assistant:  # type: ignore[arg-type]
        assistant.documents.add(tmp_path / "log.md")
        events = list(assistant.stream("Summarise log.md"))
        assert [e.step for e in events if isinstance(e, StepStarted) and "part" in e.step] == ["part 1 of 2", "part 2 of 2"]
        done = events[-1]
        assert isinstance(done, Done)
        assert "first 2 of " in done.answer.text
        assert "part 2 of 2" in done.answer.usage.steps


GARDEN = """# The garden

## Gate

The gate closes at 21:00. Mrs. Olsen keeps the key and lends it for two days against 15 euros.

## Beds

| Bed | Length | Rent |
|---|---|---|
| Rose | 4 metres | 30 euros |
| Herb | 2 metres | 18 euros |
"""


def test_a_real_model_sums_up_and_makes_a_table(fetched: Callable[[str], Path], tmp_path: Path) -> None:
    folder = fetched("qwen2.5-coder-0.5b").parent
    fetched("all-minilm-l6-v2")
    settings = Settings(home=tmp_path / "home", sample=False, model={"name": "qwen2.5-coder-0.5b", "directory": folder, "context": 2048})
    (tmp_path / "garden.md").write_text(GARDEN, encoding="utf-8")
    with Assistant(settings) as assistant:
        assistant.documents.add(tmp_path / "garden.md")
        first = assistant.ask("Summarise garden.md")
        assert first.route == "documents"
        assert first.grounded
        assert first.citations
        again = assistant.ask("Summarise garden.md")
        assert (again.text, again.usage.model_calls) == (first.text, 0)
        drawn = assistant.ask("Make a table of all people with name and place from garden.md")
        assert drawn.usage.model_calls == 1, "the grammar is one that llama.cpp takes"
        for row in drawn.table.rows if drawn.table else ():
            assert all(str(cell).casefold() in GARDEN.casefold() for cell in row[:-1])
