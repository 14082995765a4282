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
    # The reader's own query goes the model's way, and kept it becomes an example.
    page.click("#live .editor > summary")
    box = page.chrome.find_element("css selector", "#live .editor textarea")
    box.send_keys("\ue009a\ue000", "DELETE FROM members", "\ue009\ue007")
    page.wait("document.querySelector('#live .editor .notice')", 30)
    box.send_keys("\ue009a\ue000", "SELECT tier, COUNT(*) AS members FROM members GROUP BY tier", "\ue009\ue007")
    page.wait("document.querySelector('#live .slot [data-rows]')", 30)
    assert "counts the rows" in page.text("#live .slot .explained")
    page.click("#live [data-act=correct]")
    page.wait("document.querySelector('#live .kept')", 30)
    assert "is an example for questions like this" in page.text("#live .kept")
    assert page.js("document.querySelector('#live [data-score=\"-1\"]').ariaPressed") == "true"
