"""A person's first minute: the page in a real browser, over the sample workspace and a real model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant import Assistant, Settings
from tests.test_ui_page import Page, browser, chromium
from ui.server import serve

__all__ = ["chromium"]  # the fixture


@pytest.fixture
def page(fetched: Callable[[str], Path], tmp_path: Path, chromium: Any) -> Iterator[Page]:
    models = fetched("qwen2.5-coder-0.5b").parent
    fetched("all-minilm-l6-v2")
    with Assistant(Settings(home=tmp_path / "home", model={"name": "qwen2.5-coder-0.5b", "directory": models})) as assistant:
        assistant.prepare()
        running = serve(assistant, port=0, open_browser=False, block=False)
        opened = Page(chromium, running.url)
        yield opened
        opened.close()
        running.close()


@browser
@pytest.mark.model
def test_a_question_is_answered_with_its_sql_and_rows(page: Page) -> None:
    page.ask("How many members are there?")
    page.wait("document.querySelector('#live .turn-foot')", 240)
    assert "1800" in page.text("#live").replace(",", "")
    page.click("#live .fold-sql summary")
    assert "select" in page.text("#live .fold-sql pre").lower()
