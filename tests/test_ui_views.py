"""The views beside the conversation, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assistant import ColumnInfo, TableInfo, TurnRecord, Usage
from tests.stand_in_assistant import ATTACK, StandIn
from tests.test_ui_page import Page, chromium, running, stand_in
from ui.diagram import diagram
from ui.rows import to_csv
from ui.server import Running
from ui.view_activity import activity, table
from ui.view_data import url

__all__ = ["chromium", "running", "stand_in"]  # fixtures
browser = pytest.mark.browser
NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


@browser
def test_a_view_opens_beside_the_conversation_and_the_back_button_leaves_it(chromium: Any, running: Running) -> None:
    page = Page(chromium, running.url)
    page.ask("orders please")
    page.answered()
    page.click("#open-activity")
    page.wait("document.querySelector('#activity .turns li')")
    assert "orders please" in page.text("#activity .turns")
    assert page.js("getComputedStyle(document.querySelector('#main')).display") == "none"
    assert page.js("document.activeElement.textContent") == "Activity"
    page.chrome.back()
    page.wait("getComputedStyle(document.querySelector('#main')).display !== 'none'")
    assert page.js("getComputedStyle(document.querySelector('#view-activity')).display") == "none"
    page.close()


@browser
def test_a_view_stays_over_a_reload_and_a_conversation_that_is_opened_closes_it(chromium: Any, running: Running) -> None:
    page = Page(chromium, running.url)
    page.ask("orders please")
    page.answered()
    page.click("#open-activity")
    page.wait("location.hash === '#activity'")
    page.chrome.refresh()
    page.wait("document.querySelector('#activity .turns li')")
    page.click("#conversations .entry-open")
    page.wait("getComputedStyle(document.querySelector('#main')).display !== 'none'")
    assert page.js("location.hash") == ""
    page.close()


@browser
def test_escape_leaves_a_view(chromium: Any, running: Running) -> None:
    page = Page(chromium, running.url)
    page.click("#open-activity")
    page.wait("document.querySelector('#activity').textContent.includes('Nothing yet')")
    assert page.js("document.body.dataset.view") == "activity"
    page.chrome.find_element("css selector", "body").send_keys("\ue00c")
    page.wait("document.body.dataset.view === ''")
    page.close()


def test_turns_that_failed_are_counted_apart_and_words_from_outside_are_text() -> None:
    usage = Usage(1000, 750, 20, 2, 0.5, 4.0, {"sql": 4.0})
    turns = [TurnRecord("c", ATTACK, NOW), TurnRecord("c", "how many?", NOW, "sql", usage, -1)]
    drawn = activity(turns)
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "<dd>75%</dd>" in drawn
    assert "<dt>failed or stopped</dt><dd>1</dd>" in drawn
    assert "<dd>0 / 1</dd>" in drawn
    lines = to_csv(table(turns))[0].splitlines()
    assert lines[1].endswith(",,,,,,,,")
    assert lines[2].split(",")[2:] == ["sql", "4", "0.5", "1000", "750", "20", "2", "-1"]


@browser
def test_a_table_is_opened_and_a_note_is_kept(chromium: Any, running: Running, stand_in: StandIn) -> None:
    page = Page(chromium, running.url)
    page.click("#open-data")
    page.wait("document.querySelectorAll('#data .chip').length === 3")
    assert "orders refers to customers" in page.js("document.querySelector('.diagram svg').getAttribute('aria-label')")
    page.click("#data .chip[data-id=customers]")
    page.wait("document.querySelector('#table .rows')")
    assert "customers of local" in page.text("#table")
    page.click("#table .note-line button")
    page.chrome.find_element("css selector", "#page-dialog input").send_keys("people who buy")
    page.confirm()
    page.wait("document.querySelector('#table .note-line').textContent.includes('people who buy')")
    assert stand_in.data.notes == {("customers", None): "people who buy"}
    page.close()


@browser
def test_a_database_is_tested_and_connected_by_its_form(chromium: Any, running: Running, stand_in: StandIn) -> None:
    page = Page(chromium, running.url)
    page.click("#open-data")
    page.click("#connect-section > button")
    page.wait("document.querySelector('#connect-where textarea, #connect-where input')")
    field = page.chrome.find_element("css selector", "#connect-where textarea, #connect-where input")
    field.send_keys("/tmp/missing.db")
    page.click("#connect-test")
    page.wait("document.querySelector('#connect-said [role=alert]')")
    field.send_keys("\ue009a\ue000", "/tmp/shop.db")
    page.click("#connect-test")
    page.wait("document.querySelector('#connect-said .good')")
    page.click("#connect")
    page.wait("document.querySelector('#connect-said').textContent.includes('Connected')")
    assert stand_in.setup.connected == "sqlite:////tmp/shop.db"
    page.close()


def test_the_form_makes_urls() -> None:
    assert url("SQLite file", " shop.db ", "", "", "") == "sqlite:///shop.db"
    assert url("PostgreSQL", "db:5433", "shop", "ada", "p@ss:/") == "postgresql://ada:p%40ss%3A%2F@db:5433/shop"
    assert url("URL", "mysql://x/y", "", "", "") == "mysql://x/y"


def test_the_diagram_draws_circles_and_keys_to_oneself() -> None:
    def made(name: str, *references: str) -> TableInfo:
        return TableInfo(name, tuple(ColumnInfo(f"k{at}", "INT", references=f"{to}.id") for at, to in enumerate(references)))

    drawn = diagram([made("a", "b"), made("b", "c"), made("c", "a", "c"), made("alone"), made(ATTACK, "a", "gone")])
    assert drawn.count("<rect") == 4
    assert drawn.count("key-line") == 4
    assert "<script" not in drawn
    assert diagram([made("alone")]) == ""


@browser
def test_a_model_is_fetched_with_progress_stopped_and_used(chromium: Any, running: Running, stand_in: StandIn) -> None:
    page = Page(chromium, running.url)
    page.click("#open-models")
    page.wait("document.querySelectorAll('#models .offers li').length === 3")
    assert "more than this machine has" in page.text("#models")
    page.click("#models [data-act=fetch][data-id=large]")
    page.wait("document.querySelector('#fetching progress')")
    page.click("#fetching [data-act=cancel]")
    page.wait("document.querySelector('#fetching [role=alert]')")
    assert "large" not in stand_in.setup.here
    page.click("#models [data-act=fetch][data-id=large]")
    page.wait("document.querySelector('#fetching .good')")
    page.click("#models [data-act=use][data-id=large]")
    page.wait("document.querySelector('#fetching').textContent.includes('answers from the next question on')")
    assert stand_in.setup.used == "large"
    page.click("#models [data-act=delete][data-id=small]")
    page.confirm()
    page.wait("document.querySelector('#fetching').textContent.includes('small was deleted')")
    page.close()


@browser
def test_a_setting_is_changed_and_a_wrong_value_is_one_clear_error(chromium: Any, running: Running, stand_in: StandIn) -> None:
    page = Page(chromium, running.url)
    page.click("#open-models")
    for value, came in (("wrong", "cannot be"), ("4", "from the next start on")):
        page.wait("document.querySelector('#settings details')")
        page.js("[...document.querySelectorAll('#settings details')].forEach(fold => fold.open = true)")
        page.click("#settings [data-id='documents.passages']")
        field = page.chrome.find_element("css selector", "#page-dialog input")
        field.send_keys("\ue009a\ue000", value)
        page.confirm()
        page.wait(f"document.querySelector('#fetching').textContent.includes({came!r})")
    assert stand_in.setup.changed == ("documents.passages", "4")
    page.close()


@browser
def test_documents_are_found_looked_into_and_a_folder_is_taken_in(chromium: Any, running: Running, stand_in: StandIn, tmp_path: Path) -> None:
    folder = tmp_path / "minutes.txt"
    folder.write_text("We meet on Monday.", encoding="utf-8")
    page = Page(chromium, running.url)
    page.click("#open-documents")
    page.wait("document.querySelectorAll('#index .offers li').length === 2")
    page.click("#index [data-act=preview][data-id=d1]")
    page.wait("document.querySelectorAll('#preview .passage').length === 3")
    page.chrome.find_element("css selector", "#find-documents textarea, #find-documents input").send_keys("WORKSHOP")
    page.wait("document.querySelectorAll('#index .offers li').length === 1")
    page.chrome.find_element("css selector", "#find-documents textarea, #find-documents input").send_keys("\ue009a\ue000\ue003")
    page.wait("document.querySelectorAll('#index .offers li').length === 2")
    page.click("#folder-section > button")
    page.wait("document.querySelector('#folder textarea, #folder input')")
    page.click("#folder-add")
    page.wait("document.querySelector('#index-report [role=alert]')")
    page.chrome.find_element("css selector", "#folder textarea, #folder input").send_keys(str(folder))
    page.click("#folder-add")
    page.wait("document.querySelectorAll('#index .offers li').length === 3")
    assert stand_in.documents.read == {"minutes.txt": "We meet on Monday."}
    page.click("#index [data-act=remove][data-id=d2]")
    page.confirm()
    page.wait("document.querySelectorAll('#index .offers li').length === 2")
    page.click("#sync")
    page.wait("document.querySelector('#index-report').textContent.includes('Unchanged')")
    page.close()
