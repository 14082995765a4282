"""What a reader does with the evidence under an answer, in a real browser over an assistant that follows a script."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from assistant import Document
from tests.page_views import ordinary, size
from tests.stand_in_assistant import ATTACK, NOW, StandIn
from tests.test_ui_page import Page, browser, chromium, page, running, stand_in
from ui import originals
from ui.server import Running

__all__ = ["chromium", "page", "running", "stand_in"]  # fixtures

CELLS = "[...document.querySelectorAll('#main [data-rows] tbody tr:not([hidden])')].map(row => row.cells[{}].innerText)"


def column(page: Page, at: int) -> list[str]:
    return list(page.js(CELLS.format(at)))


def press(page: Page, *keys: str) -> None:
    page.chrome.switch_to.active_element.send_keys(*keys)


def focus(page: Page, selector: str) -> None:
    page.js(f"document.querySelector({selector!r}).focus()")


def write(page: Page, selector: str, text: str) -> None:
    """Puts a text where another may stand."""
    page.chrome.find_element("css selector", selector).send_keys("\ue009a\ue000", text)


# Rows


@browser
def test_rows_are_sorted_by_click_and_by_key_and_stay_sorted(page: Page) -> None:
    page.ask("how many of each")
    page.answered()
    given = column(page, 1)
    page.click("#live th:nth-child(2) .sort")
    numbers = [int(cell) for cell in column(page, 1)[:-1]]
    assert numbers == sorted(numbers)  # as numbers: 9 before 11
    assert column(page, 1)[-1] == "–"  # no value stands last
    assert page.js("document.querySelector('#live th:nth-child(2)').ariaSort") == "ascending"
    focus(page, "#live th:nth-child(2) .sort")
    press(page, "\ue007")
    numbers = [int(cell) for cell in column(page, 1)[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    assert column(page, 1)[-1] == "–"
    assert page.js("document.querySelectorAll('#live th[aria-sort]').length") == 1
    by_stock = column(page, 0)
    page.ask("hello")
    page.wait("document.querySelector('#thread th[aria-sort=descending]')")
    assert column(page, 0) == by_stock
    page.click("#thread th:nth-child(2) .sort")
    assert column(page, 1) == given
    page.click("#thread th:nth-child(1) .sort")
    assert column(page, 0)[:3] == ["part 1", "part 2", "part 3"]  # and numbers within words as numbers


@browser
def test_many_rows_are_searched(page: Page) -> None:
    page.ask("how many of each")
    page.answered()
    write(page, "#live .rows-find", "PART 2")
    page.wait(f"{CELLS.format(0)}.length === 11")
    assert page.text("#live .rows-note") == "11 of 30 rows hold that."
    page.click("#live th:nth-child(1) .sort")
    assert column(page, 0)[:2] == ["part 2", "part 20"]
    page.ask("hello")
    page.wait("document.querySelector('#thread .rows-find')?.value === 'PART 2'")
    assert len(column(page, 0)) == 11
    write(page, "#thread .rows-find", "nowhere")
    page.wait("document.querySelector('#thread .rows-note').innerText === '0 of 30 rows hold that.'")
    write(page, "#thread .rows-find", "\ue003")
    page.wait("document.querySelector('#thread .rows-note').innerText === '30 rows'")
    page.ask("Who ordered most last month?")
    page.answered()
    assert not page.js("document.querySelector('#live .rows-find')")  # five rows are seen at once


@browser
def test_the_kind_of_a_chart_is_chosen_and_stays(page: Page) -> None:
    page.ask("How many in these months?")
    page.answered()
    shown = "[...document.querySelectorAll('#main [data-kind]:not([hidden])')].map(e => e.dataset.kind)"
    assert page.js(shown) == ["line"]
    focus(page, "#live .kinds input")
    press(page, "\ue014")  # right
    assert page.js(shown) == ["bars"]
    assert page.js("document.querySelector('#live [data-kind=bars] svg').ariaLabel").startswith("Bar chart: ")
    page.ask("hello")
    page.wait("document.querySelector('#thread .kinds')")
    assert page.js(shown) == ["bars"]
    page.click("#thread .kinds input[value=none]")
    assert page.js(shown) == []


# The query


@browser
def test_a_query_is_run_changed_and_kept_as_the_right_one(page: Page, stand_in: StandIn) -> None:
    page.become("Ada Lovelace")
    page.ask("Who ordered most last month?")
    page.answered()
    page.click("#live .fold-sql > summary")
    page.click("#live .editor > summary")
    assert page.js("document.querySelector('#live .editor textarea').value").startswith("SELECT c.name")
    write(page, "#live .editor textarea", "DROP TABLE customers")
    page.click("#live .editor .go")
    page.wait("document.querySelector('#live .editor .notice')")
    assert page.text("#live .editor .notice") == "Only one statement that reads may run; this one is DROP. <b>&</b>"
    assert page.js("document.querySelector('#live .editor textarea').value") == "DROP TABLE customers"
    write(page, "#live .editor textarea", "SELECT city, n FROM cities")
    press(page, "\ue009\ue007")  # Ctrl+Enter
    page.wait("document.querySelector('#live .slot [data-rows]')")
    assert stand_in.queried == [("SELECT city, n FROM cities", "7")]
    assert "What this does: Looks at SELECT city" in page.text("#live .slot .explained")
    assert page.js("document.querySelector('#live .slot a[download]').download") == "rows.csv"
    assert page.text("#evidence-said") == "3 rows"
    page.click("#live .slot th:nth-child(2) .sort")
    page.click("#live [data-act=correct]")
    page.wait("document.querySelector('#live .kept')")
    assert stand_in.reasons == [(None, "SELECT city, n FROM cities")]
    assert page.js("document.querySelector('#live [data-score=\"-1\"]').ariaPressed") == "true"
    page.ask("hello")
    page.wait("document.querySelector('#thread .slot [data-rows]')")  # nothing of it is gone with the next question
    assert page.js("document.querySelector('#thread .editor textarea').value") == "SELECT city, n FROM cities"
    assert page.js("document.querySelector('#thread .slot th[aria-sort=ascending]').innerText").strip() == "n"
    assert "Kept on this machine" in page.text("#thread .kept")


@browser
def test_a_poor_answer_is_told_why_and_a_refused_correction_loses_nothing(page: Page, stand_in: StandIn) -> None:
    page.ask("Who ordered most last month?")
    page.answered()
    assert page.js("getComputedStyle(document.querySelector('#live .judge')).display") == "none"
    page.click("#live [data-score='-1']")
    page.wait("document.activeElement.name === 'reason'")
    press(page, " ")
    page.chrome.find_element("css selector", "#live .judge textarea[name=comment]").send_keys("last month was May")
    write(page, "#live .judge textarea[name=sql]", "DROP TABLE orders")
    page.click("#live .judge .go")
    page.wait("document.querySelector('#live .notice')")
    assert "this one is DROP" in page.text("#live .notice")
    assert stand_in.reasons == [(None, None)]  # the thumb itself
    assert page.js("document.querySelector('#live .judge textarea[name=comment]').value") == "last month was May"
    page.ask("hello")  # what was typed outlives even the next question
    page.wait("document.querySelector('#thread .judge[open]')")
    assert page.js("document.querySelector('#thread .judge [name=reason]').checked")
    write(page, "#thread .judge textarea[name=sql]", "SELECT 1")
    page.click("#thread .judge .go")
    page.wait("document.querySelector('#thread .kept')")
    assert stand_in.reasons[-1] == ("Wrong rows: last month was May", "SELECT 1")
    judged = len(stand_in.judged)
    page.click("#thread [data-score='-1']")  # pressed already: nothing new
    time.sleep(0.2)
    assert len(stand_in.judged) == judged


@browser
def test_an_empty_judgement_and_one_in_private_are_said(page: Page, stand_in: StandIn) -> None:
    page.ask("hello")
    page.answered()
    page.click("#live [data-score='-1']")
    page.click("#live .judge .go")
    page.wait("document.querySelector('#live .notice')")
    assert "Say what was wrong" in page.text("#live .notice")
    assert not page.js("document.querySelector('#live .judge [name=sql]')")
    page.click("#new-private")
    page.wait("document.querySelector('#thread .private')")
    page.ask("hello")
    page.wait("document.querySelector('#live .turn-foot')")
    judged = len(stand_in.judged)
    page.click("#live [data-score='1']")
    page.wait("document.querySelector('#live .notice')")
    assert "private" in page.text("#live .notice")
    assert page.js("document.querySelector('#live [data-score=\"1\"]').ariaPressed") == "false"
    assert len(stand_in.judged) == judged


# Memories


@browser
def test_a_memory_that_is_not_true_is_forgotten_and_brought_back(page: Page, stand_in: StandIn) -> None:
    page.ask("I always pay by card")
    page.answered()
    page.click("#new")
    page.wait("document.querySelector('#thread .welcome')")
    page.ask("What does the handbook say about refunds?")
    page.answered()
    page.click("#memories-section > button")
    page.wait("document.querySelectorAll('#memories .entry').length === 2")
    page.click("#live .fold-memories > summary")
    page.click("#live [data-act=forget]")
    page.wait("document.querySelectorAll('#memories .entry').length === 1")
    assert page.text("#live .fold-memories li") == "Forgotten. Undo"
    assert [memory.id for memory in stand_in.memories.all(user="local")] == ["m2"]
    page.click("#live .fold-memories [data-act=restore]")
    page.wait("document.querySelectorAll('#memories .entry').length === 2")
    assert page.text("#live .fold-memories li").startswith("I always pay by card 2025-03-04")
    page.wait("document.querySelector('#live [data-act=forget]')")


@browser
def test_a_memory_leads_to_where_it_was_said(page: Page) -> None:
    page.ask("I always pay by card")
    page.answered()
    page.click("#new")
    page.wait("document.querySelector('#thread .welcome')")
    page.ask("What does the handbook say about refunds?")
    page.answered()
    page.click("#live [data-act=said]")
    page.wait("document.querySelector('#thread .question')?.innerText.trim() === 'I always pay by card'")
    page.click("#new")
    page.wait("document.querySelector('#thread .welcome')")
    page.ask("What does the handbook say about refunds?")
    page.answered()
    for left in (2, 1):  # each goes when the next one does, or when its time is up
        page.click("#conversations .entry:last-child [data-act=delete]")
        page.wait(f"document.querySelectorAll('#conversations .entry').length === {left}")
    page.click("#live [data-act=said]")
    page.wait("document.body.innerText.includes('its conversation was deleted')")
    assert page.text("#live .question").strip() == "What does the handbook say about refunds?"


# Sources


@browser
def test_a_citation_shows_its_quote_to_pointer_and_keyboard(page: Page) -> None:
    page.ask("What does the handbook say about refunds?")
    page.answered()
    visible = "Boolean(document.querySelector('#tip') && !document.querySelector('#tip').hidden)"
    mark = page.chrome.find_element("css selector", "#live button[data-cite='1']")
    webdriver = pytest.importorskip("selenium.webdriver")
    webdriver.ActionChains(page.chrome).move_to_element(mark).perform()
    page.wait(visible)
    assert " ".join(page.text("#tip").split()) == (
        "handbook.md, Returns and refunds Unused parts may be returned within 30 days of purchase, with the receipt, for a full refund."
    )
    assert mark.get_attribute("aria-describedby") == "tip"
    tip = page.chrome.find_element("id", "tip")
    webdriver.ActionChains(page.chrome).move_to_element(tip).pause(0.4).perform()
    assert page.js(visible)  # the pointer may go over to it
    page.type("\ue00c")
    assert not page.js(visible)
    page.js("document.querySelector('#question textarea').focus()")
    press(page, "\ue008\ue004\ue000")  # Shift+Tab, back into the answer
    for _ in range(40):
        if page.js("document.activeElement.matches('[data-cite=\"2\"]')"):
            break
        press(page, "\ue008\ue004\ue000")
    page.wait(visible)
    assert "tubes of grease" in page.text("#tip")
    press(page, "\ue00c")
    assert not page.js(visible)
    assert page.js("document.activeElement.matches('[data-cite=\"2\"]')")


@browser
def test_the_quoted_words_are_marked_within_their_passage(page: Page) -> None:
    page.ask("What does the handbook say about refunds?")
    page.answered()
    page.click("#live button[data-cite='1']")
    page.click("#live [data-citation='1'] [data-act=passage]")
    page.wait("document.querySelector('#live .passage mark')")
    marked = " ".join(page.text("#live .passage mark").split())
    assert marked == "Unused parts may be returned within 30 days of purchase, with the receipt, for a full refund."
    assert "Keep the receipt." in page.text("#live .passage")
    assert "What stood before." in page.text("#live .passage .beyond")
    assert not page.js("document.querySelector('#live .sources a')")  # the stand-in's files are nowhere
    page.ask("hello")
    page.wait("document.querySelector('#thread [data-citation=\"1\"][open] .passage mark')")


@browser
def test_hostile_text_in_what_is_asked_for_later_runs_nowhere(page: Page) -> None:
    page.ask("attack")
    page.answered()
    page.js("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    page.click("#live [data-act=passage]")
    page.wait("document.querySelector('#live .passage mark')")
    write(page, "#live .editor textarea", f"attack {ATTACK}")
    page.click("#live .editor .go")
    page.wait("document.querySelector('#live .slot [data-rows]')")
    page.click("#live .slot .sort")
    page.click("#live [data-act=correct]")
    page.wait("document.querySelector('#live .kept')")
    page.js("document.querySelector('#live button[data-cite]').dispatchEvent(new MouseEvent('mouseover', {bubbles: true}))")
    page.wait("document.querySelector('#tip p').innerText.includes('onerror')")
    page.click("#live [data-score='-1']")
    page.ask("hello")
    page.wait("document.querySelector('#thread .slot [data-rows]')")
    assert page.js("document.querySelectorAll('#main img, #tip img').length") == 0
    time.sleep(0.3)


# The documents themselves


@pytest.fixture
def kept(stand_in: StandIn, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Files that the stand-in's index names, one of them Ada's."""
    pytest.importorskip("reportlab")
    from reportlab.pdfgen.canvas import Canvas

    files = {name: tmp_path / name for name in ("guide.pdf", "notes.md", "page.html", "fake.pdf", "ada.txt")}
    canvas = Canvas(str(files["guide.pdf"]))
    for number in range(1, 14):
        canvas.drawString(72, 720, f"This is page {number}.")
        canvas.showPage()
    canvas.save()
    for name in ("notes.md", "page.html", "fake.pdf", "ada.txt"):
        files[name].write_text(f"<script>window.__x=1</script> {name}", encoding="utf-8")
    stand_in.documents._kept = [
        Document(f"d{at}", name, str(path), "7" if name == "ada.txt" else None, 1, NOW) for at, (name, path) in enumerate(files.items())
    ]
    return files


def fetch(running: Running, path: str) -> tuple[int, dict[str, str], bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", urlsplit(running.url).port or 80, timeout=10)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()


def address(html: str) -> str:
    return "/" + html.partition('href="')[2].partition('"')[0].partition("#")[0]


def test_a_document_is_shown_as_it_is_and_runs_nothing(running: Running, stand_in: StandIn, kept: dict[str, Path]) -> None:
    links = originals.Originals(stand_in)  # type: ignore[arg-type]
    assert links.link("d2", user="local") == ""  # HTML is not shown
    assert links.link("d4", user="local") == ""  # Ada's
    assert "ada.txt" in links.link("d4", user="7")
    assert "#page=12" in links.link("d0", user="local", location="pages 12–13")
    route = next(route for route in running._server.config.app.routes if getattr(route, "name", "") == "_open")  # type: ignore[union-attr]
    links = route.endpoint.__self__
    status, headers, body = fetch(running, address(links.link("d0", user="local")))
    assert (status, headers["content-type"], body[:5]) == (200, "application/pdf", b"%PDF-")
    assert headers["content-disposition"].startswith("inline; filename")
    assert headers["content-security-policy"].endswith("; sandbox")
    status, headers, body = fetch(running, address(links.link("d1", user="local")))
    assert (status, headers["content-type"], headers["x-content-type-options"]) == (200, "text/plain; charset=utf-8", "nosniff")
    assert headers["content-security-policy"].endswith("; sandbox")
    assert headers["cache-control"] == "private, no-store"
    assert b"<script>" in body
    assert fetch(running, address(links.link("d3", user="local")))[0] == 404  # not what it is called
    ada = address(links.link("d4", user="7"))
    assert fetch(running, ada)[0] == 200
    stand_in.documents._kept = [entry for entry in stand_in.documents._kept if entry.id != "d4"]
    assert fetch(running, ada)[0] == 404  # not hers any more
    for wrong in ("/original/d0", "/original/", "/original/..%2f..%2fnotes.md"):
        assert fetch(running, wrong)[0] == 404, wrong


@browser
def test_the_page_of_a_document_is_a_link_beside_its_passage(page: Page, stand_in: StandIn, kept: dict[str, Path]) -> None:
    stand_in.documents._kept = [Document("d2", "guide.pdf", str(kept["guide.pdf"]), None, 1, NOW), Document("d1", "notes.md", str(kept["notes.md"]), None, 1, NOW)]
    page.ask("What does the handbook say about refunds?")
    page.answered()
    for number in (1, 2):
        page.click(f"#live button[data-cite='{number}']")
        page.click(f"#live [data-citation='{number}'] [data-act=passage]")
        page.wait(f"document.querySelector('#live [data-citation=\"{number}\"] a')")
    assert page.text("#live [data-citation='2'] a") == "Open page 12 of guide.pdf"
    assert page.js("document.querySelector('#live [data-citation=\"2\"] a').href").endswith("#page=12")
    first = page.chrome.current_window_handle
    page.click("#live [data-citation='1'] a")
    page.chrome.switch_to.window(next(handle for handle in page.chrome.window_handles if handle != first))
    try:
        page.wait("document.body.innerText.includes('<script>window.__x=1</script> notes.md')")
        assert page.js("typeof window.__x") == "undefined"
        assert page.js("window.opener") is None
    finally:
        page.chrome.close()
        page.chrome.switch_to.window(first)


@browser
def test_the_evidence_stands_beside_the_answer_where_there_is_room_and_moves_no_word(page: Page, stand_in: StandIn) -> None:
    box = "(() => {{ const b = document.querySelector('{}').getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom].map(Math.round) }})()"
    try:
        for width, beside in ((1920, True), (1400, True), (1399, False), (390, False)):
            size(page.chrome, width)
            page.reload()
            stand_in.pause = 0.1
            page.ask("Who ordered most last month?")
            page.wait("document.querySelector('#live .turn.running .prose-text')")
            before = page.js(box.format("#live .turn.running .prose-text"))
            stand_in.pause = 0.0
            page.answered()
            words, evidence, foot = (page.js(box.format(f"#live {part}")) for part in (".prose-text", ".evidence", ".turn-foot"))
            assert (words[0], words[2]) == (before[0], before[2]), width
            if beside:
                assert evidence[0] > words[2]
                assert evidence[1] < words[3]
                assert 0 < foot[1] - words[3] < 40  # not at the end of a long table
                assert (page.js(box.format("#composer"))[0] + 16, page.js(box.format("#composer"))[2] - 16) == (words[0], words[2])
            else:
                assert words[3] < evidence[1] < evidence[3] <= foot[1]
                assert (evidence[0], evidence[2]) <= (words[0], words[2])
    finally:
        ordinary(page.chrome)
