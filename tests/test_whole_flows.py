"""What a person does on the page, one thing after another, on the real small model and the sample workspace.

Each flow looks at what can be seen, never at a model's exact words, and leaves a picture in `artifacts/flows`.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from assistant import Assistant
from assistant.accounts import FILE, Accounts
from tests.conftest import CHAT_SMALL
from tests.flows import OTHER, QUESTIONS, Person, assistant, folder, page, rows, served, sources, tab, talk
from tests.page_views import colours, size
from tests.payloads import PAYLOADS
from tests.test_ui_access import axe
from tests.test_ui_page import chromium
from ui.server import serve

__all__ = ["assistant", "chromium", "folder", "page", "rows", "served", "sources", "tab", "talk"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.timeout(900)]


# Chat


def test_the_page_is_there_before_the_model_and_says_so(page: Person) -> None:
    assert page.js("document.activeElement === document.querySelector('#question textarea')")
    page.reads("#status .model-name", CHAT_SMALL)
    page.reads("#status", "Nothing leaves this machine")
    assert not page.js("document.querySelector('#status .state')") or "loads with the first question" in page.text("#status .state")


def test_questions_to_begin_with_come_from_the_workspace(page: Person) -> None:
    page.wait("document.querySelectorAll('#thread .chip').length >= 4")
    page.click("#thread .chip[data-ask$='…'], #thread .chip[data-ask^='Please remember']")
    page.wait("document.querySelector('#live .question') || document.querySelector('#question textarea').value")


def test_an_answer_comes_word_by_word_with_its_steps_and_its_cost(page: Person) -> None:
    page.ask("Who signs the list when the tandem is taken out?")
    page.wait("document.querySelector('#live .turn.running [role=status]')?.innerText")
    page.wait("document.querySelector('#live .turn-foot')")
    page.click("#live .steps summary")
    page.wait("document.querySelectorAll('#live .steps li .seconds').length >= 3")
    assert page.text("#live .prose-text").strip()
    assert " s · read " in page.text("#live .cost")
    page.sees("#conversations .entry[aria-current=true]")


def test_stop_ends_a_turn_and_offers_it_again(page: Person) -> None:
    page.ask("How many bikes of each brand are there?")
    page.wait("document.querySelector('#live .turn.running')")
    page.click("#stop")
    page.wait("document.querySelector('#live .turn.stopped')")
    page.sees("#live .stopped-line [data-ask]")
    page.sees("#send")


def test_escape_ends_a_turn(page: Person) -> None:
    page.ask("Which courses were held this year?")
    page.wait("document.querySelector('#live .turn.running')")
    page.type(Keys.ESCAPE)
    page.wait("document.querySelector('#live .turn.stopped')")


def test_shift_and_enter_is_a_new_line(page: Person) -> None:
    page.type("one" + Keys.SHIFT + Keys.ENTER + Keys.NULL + "two")
    page.wait("document.querySelector('#question textarea').value === 'one\\ntwo'")


def test_the_arrow_up_edits_the_last_question_and_both_versions_stay(page: Person, talk: str) -> None:
    page.open(talk)
    page.type(Keys.ARROW_UP)
    page.write(".question .edit textarea", "Thank you very much!" + Keys.ENTER)
    page.wait("document.querySelector('#live .turn-foot')")
    page.reads("#live .versions", "/")
    page.click("#live [aria-label='Earlier version']")
    page.reads("#thread .question", QUESTIONS["talk"])


def test_an_answer_is_made_again(page: Person, talk: str) -> None:
    page.open(talk)
    before = page.js("document.querySelector('#thread [data-answer]').dataset.answer")
    page.click("#thread [data-anew]")
    page.wait("document.querySelector('#live .turn-foot')")
    assert page.js("document.querySelector('#live [data-answer]').dataset.answer") != before
    page.reads("#live .versions", "/")


def test_an_answer_is_copied(page: Person, talk: str) -> None:
    page.chrome.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    page.open(talk)
    page.click("#thread .turn-foot [data-copy]")
    copied = "navigator.clipboard.readText().then(arguments[0], () => arguments[0](''))"
    said = page.js("document.querySelector('#thread .turn-foot [data-copy]').dataset.copy")
    until(lambda: page.chrome.execute_async_script(copied) == said)


def test_a_poor_answer_gets_a_reason_and_a_query_put_right(page: Person, rows: str) -> None:
    page.open(rows)
    page.click("#thread [data-score='-1']")
    page.click("#thread .judge .chip input")
    page.write("#thread .judge textarea[name=comment]", "The words are not what we call them.")
    page.write("#thread .judge textarea[name=sql]", "SELECT status, COUNT(*) AS repairs FROM repairs GROUP BY status")
    page.click("#thread .judge .go")
    page.reads("#thread .kept", "is an example for questions like this")


def test_a_good_answer_is_judged_and_stays_so(page: Person, sources: str) -> None:
    page.open(sources)
    page.click("#thread [data-score='1']")
    page.wait("document.querySelector('#thread [data-score=\"1\"]').ariaPressed === 'true'")
    page.open(sources)
    page.wait("document.querySelector('#thread [data-score=\"1\"]').ariaPressed === 'true'")


def test_what_is_too_long_is_refused_in_words_and_comes_back(page: Person, assistant: Assistant) -> None:
    long = "word " * (assistant.settings.conversation.max_question // 5 + 10)
    page.js("(() => { const box = document.querySelector('#question textarea'); box.value = arguments[0]; box.dispatchEvent(new Event('input')); })()", long)
    page.click("#send")
    page.reads("#live .failure", "Shorten it")
    page.wait("document.querySelector('#question textarea').value.startsWith('word')")


# Evidence


def test_the_rows_are_sorted_and_saved(page: Person, rows: str) -> None:
    page.open(rows)
    page.wait("document.querySelectorAll('#thread .rows tbody tr').length > 1")
    cells = "[...document.querySelectorAll('#thread .rows tbody tr')].map(row => row.cells[0].innerText)"
    came = page.js(cells)
    for order, direction in ((sorted(came), "ascending"), (sorted(came, reverse=True), "descending")):
        page.click("#thread .rows th .sort")
        page.wait(f"document.querySelector('#thread .rows th').ariaSort === {direction!r}")
        assert page.js(cells) == order
    saved = page.saved("#thread .rows a[download]").lstrip("\ufeff").splitlines()
    assert len(saved) == 1 + len(came)


def test_a_query_is_explained_changed_and_run_and_cannot_change_anything(page: Person, rows: str) -> None:
    page.open(rows)
    page.click("#thread .fold-sql > summary")
    page.reads("#thread .fold-sql .code", "SELECT")
    page.reads("#thread .fold-sql .explained", "What this does")
    page.click("#thread .editor > summary")
    page.write("#thread .editor textarea", "DELETE FROM repairs" + Keys.CONTROL + Keys.ENTER)
    page.sees("#thread .editor .notice")
    page.write("#thread .editor textarea", "SELECT part_name, price FROM parts ORDER BY price" + Keys.CONTROL + Keys.ENTER)
    page.sees("#thread .editor .rows-find")
    page.write("#thread .editor .rows-find", "brake")
    page.wait("document.querySelectorAll('#thread .editor tbody tr[hidden]').length > 0")
    page.reads("#thread .editor .rows-note", "rows hold that")


def test_a_chart_is_drawn_and_its_kind_is_changed(page: Person, rows: str) -> None:
    page.open(rows)
    page.click("#thread .fold-sql > summary")
    page.click("#thread .editor > summary")
    page.write("#thread .editor textarea", "SELECT status, COUNT(*) AS repairs FROM repairs GROUP BY status" + Keys.CONTROL + Keys.ENTER)
    page.sees("#thread .editor .chart svg")
    assert page.js("document.querySelector('#thread .editor .chart svg').ariaLabel")
    page.click("#thread .editor .kinds input[value=none]")
    page.sees("#thread .editor .chart svg", 0)
    page.click("#thread .editor .kinds input:not([value=none])")
    page.sees("#thread .editor .chart svg")


def test_a_passage_is_shown_with_the_quoted_words_marked_and_a_link_to_its_page(page: Person, sources: str) -> None:
    page.open(sources)
    page.click("#thread .sources summary")
    page.sees("#thread .sources blockquote")
    page.click("#thread .sources details[open] [data-act=passage]")
    page.wait("document.querySelector('#thread .passage mark')?.innerText")
    link = page.js("document.querySelector('#thread .sources details[open] a.text-button')?.href")
    if link:  # a browser shows PDF and text; the others are quoted only
        got = page.chrome.execute_async_script("const [url, done] = arguments; fetch(url).then(r => done([r.status, r.headers.get('content-security-policy')]))", link)
        assert got[0] == 200
        assert "sandbox" in got[1]


def test_the_pointer_on_a_citation_shows_its_quotation(page: Person, sources: str) -> None:
    page.open(sources)
    mark = page.wait("document.querySelector('#thread button.mark')")
    ActionChains(page.chrome).move_to_element(mark).perform()
    page.sees("#tip")
    number = mark.get_attribute("data-cite")
    assert page.text("#tip p") == page.js(f"document.querySelector('#thread [data-citation=\"{number}\"] blockquote').textContent")
    mark.click()
    page.wait(f"document.querySelector('#thread [data-citation=\"{number}\"]').open")


def test_the_evidence_stands_beside_the_answer_on_a_wide_screen(page: Person, rows: str) -> None:
    left, under = ("document.querySelector('#thread .evidence').getBoundingClientRect().{} >= document.querySelector('#thread .words').getBoundingClientRect().{}".format(*edges) for edges in (("left", "right"), ("top", "bottom")))
    size(page.chrome, 1280, 800)
    page.open(rows)
    page.wait(under)
    size(page.chrome, 1920, 1080)
    page.wait(left)


# Memory


def test_what_is_to_be_remembered_is_there_with_where_it_was_said(page: Person) -> None:
    page.answer("Please remember that I ride an e-bike to work every day.")
    page.section("memories", "#memories .entry")
    page.reads("#memories .entry", "e-bike")
    page.answer("What have I told you?")
    page.click("#live .fold-memories > summary")
    page.reads("#live .fold-memories .memory", "e-bike")
    page.click("#live .fold-memories [data-act=said]")
    page.reads("#thread .question", "Please remember that I ride an e-bike")


def test_a_memory_is_found_changed_forgotten_and_brought_back(page: Person, assistant: Assistant) -> None:
    kept = assistant.memories.add("My tools are blue", user="local")
    page.reload()
    page.section("memories", f"#memories [data-id='{kept.id}']")
    page.click(f"#memories [data-id='{kept.id}'][data-act=edit]")
    page.write("#page-dialog input", "My tools are green" + Keys.ENTER)
    page.reads("#memories", "My tools are green")
    page.write("#find-memories textarea, #find-memories input", "colour of the tools")
    page.wait("document.querySelector('#memories .entry')?.innerText.includes('green')")
    page.click("#memories .entry [data-act=forget]")
    page.reads("#memories .undo", "My tools are green")
    page.click("#memories [data-act=undo]")
    page.wait("!document.querySelector('#memories .undo') && document.querySelector('#memories').innerText.includes('My tools are green')")


def test_everything_about_a_person_is_saved_and_deleted(page: Person, assistant: Assistant) -> None:
    page.become("7")
    page.wait("document.querySelector('#conversations [data-user=\"7\"]')")
    assistant.memories.add("I have a dog", user="7")
    page.section("memories", "#memories [data-act=take]")
    page.click("#memories [data-act=take]")
    assert "I have a dog" in page.saved("#download a")
    page.click("#memories [data-act=erase]")
    page.confirm()
    page.sees("#thread .welcome")
    until(lambda: not assistant.memories.all(user="7"))
    page.reads("#memories .empty", "Nothing yet")


# Conversations


def test_conversations_are_found_by_what_was_said_and_named_anew(page: Person, rows: str, sources: str) -> None:
    page.reads("#conversations .day", "Today")
    page.write("#find-conversations textarea, #find-conversations input", "tandem kept")
    page.wait(f"!document.querySelector('#conversations [data-id={rows}]') && document.querySelector('#conversations [data-id={sources}]')")
    page.click(f"#conversations [data-act=rename][data-id={sources}]")
    page.write("#page-dialog input", "Store rooms" + Keys.ENTER)
    page.reads("#conversations .entry-open", "Store rooms")


def test_a_conversation_is_saved_as_a_file(page: Person, rows: str) -> None:
    page.click(f"#conversations [data-act=export][data-id={rows}]")
    assert QUESTIONS["rows"] in page.saved("#download a")


def test_a_conversation_is_deleted_and_brought_back(page: Person, talk: str) -> None:
    page.click(f"#conversations [data-act=delete][data-id={talk}]")
    page.sees("#conversations .undo")
    page.wait(f"!document.querySelector('#conversations [data-id={talk}]')")
    page.click("#conversations [data-act=undo]")
    page.wait(f"document.querySelector('#conversations [data-id={talk}]')")


def test_of_a_private_conversation_nothing_is_kept(page: Person, assistant: Assistant) -> None:
    page.click("#new-private")
    page.sees("#thread .private")
    page.answer("Thank you, and good night!")
    page.click("#new")
    page.wait("!document.querySelector('#thread .private')")
    assert "good night" not in page.text("#conversations")
    assert not assistant.conversations.all(user="local", query="good night")


def test_a_reload_comes_back_to_the_conversation(page: Person, rows: str) -> None:
    page.open(rows)
    page.chrome.refresh()
    page.reads("#thread .question", QUESTIONS["rows"])


# Documents


def drop(page: Person, **files: str) -> None:
    """Let files fall onto the page, their names with a dot for each underscore."""
    page.js(
        "(() => { const held = new DataTransfer(); for (const [name, text] of Object.entries(arguments[0])) held.items.add(new File([text], name.replaceAll('_', '.')));"
        "document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: held, bubbles: true, cancelable: true})) })()",
        files,
    )


def test_dropped_files_are_taken_in_or_refused_with_the_reason(page: Person) -> None:
    drop(page, minutes_md="# Minutes\n\nThe compressor is serviced in May.", tool_exe="MZ")
    page.reads("#report .report", "New minutes.md")
    page.reads("#report .refused", "tool.exe")
    page.reads("#documents .entry", "minutes.md")


def test_a_folder_is_taken_in_looked_into_and_removed(page: Person, folder: Path) -> None:
    (shelf := folder / "shelf").mkdir()
    (shelf / "ladder-rules.txt").write_text("Nobody stands on the top rung of the ladder.", encoding="utf-8")
    page.view("documents", "#index .offers li")
    page.click("#folder-section > button")
    page.write("#folder textarea, #folder input", str(shelf))
    page.click("#folder-add")
    page.reads("#index-report", "ladder-rules.txt")
    page.write("#find-documents textarea, #find-documents input", "LADDER")
    page.sees("#index .offers li")
    page.click("#index [data-act=preview]")
    page.reads("#preview .passage", "top rung")
    page.click("#index [data-act=remove]")
    page.confirm()
    page.reads("#index-report", "ladder-rules.txt was removed")


def test_all_documents_are_looked_at_again(page: Person) -> None:
    page.view("documents", "#index .offers li")
    page.click("#sync")
    page.reads("#index-report .report", "Unchanged")


# Data


def test_tables_keys_values_and_rows_are_shown_but_for_what_nobody_may_see(page: Person) -> None:
    page.view("data", "#data .chip")
    page.sees("#data .diagram svg")
    page.reads("#data .rules", "Never shown: members.email")
    page.click("#data .chip[data-id=members]")
    page.reads("#table .columns", "primary key")
    page.wait("document.querySelectorAll('#table .rows tbody tr').length > 3")
    assert "@" not in page.text("#table .rows tbody")
    page.click("#data .chip[data-id=repairs]")
    page.reads("#table .columns", "waiting for parts")
    page.reads("#table .columns", "→ members.member_id")


def test_a_note_on_a_table_is_kept(page: Person) -> None:
    page.view("data", "#data .chip")
    page.click("#data .chip[data-id=mechanics]")
    page.click("#table .note-line button")
    page.write("#page-dialog input", "those who repair" + Keys.ENTER)
    page.reads("#table .note-line", "those who repair")


def test_another_database_is_tried_before_it_is_connected(page: Person, folder: Path) -> None:
    database(folder / "club.sqlite", "boats")
    page.view("data", "#data .chip")
    page.click("#connect-section > button")
    for name, said in (("nowhere.sqlite", "[role=alert]"), ("club.sqlite", ".good")):
        page.write("#connect-where textarea, #connect-where input", str(folder / name))
        page.click("#connect-test")
        page.sees(f"#connect-said {said}")
    page.reads("#connect-said", "2 tables")
    assert "Traceback" not in page.text("body")


# Models and settings


def test_the_models_say_what_they_need_and_every_setting_where_it_comes_from(page: Person) -> None:
    page.view("models", "#models .offers li")
    page.reads("#models .offers li", "in use")
    page.reads("#models .offers li", "GB of memory")
    page.click("#settings [data-key='settings:sampling'] > summary")
    page.reads("#settings .settings", "sampling.temperature")
    page.reads("#settings .settings", "default")
    page.wait("document.querySelector('#settings [data-key=\"settings:model\"]').textContent.includes('gpu')")


def test_a_model_is_fetched_with_progress_and_the_fetching_stopped(page: Person) -> None:
    page.view("models", "#models [data-act=fetch]")
    page.click("#models [data-act=fetch]")
    page.sees("#fetching progress")
    page.reads("#fetching", " of ")
    page.click("#fetching [data-act=cancel]")
    page.sees("#fetching [role=alert]")
    page.reads("#models [data-act=fetch]", "Go on fetching")


def test_a_wrong_setting_is_refused_in_words_and_a_right_one_is_kept(page: Person, folder: Path) -> None:
    page.view("models", "#settings details")
    for value, said in (("lots", "cannot be"), ("60", "from the next start on")):
        page.click("#settings [data-key='settings:database'] > summary")
        page.js("document.querySelector('#settings [data-key=\"settings:database\"]').open = true")
        page.click("#settings [data-id='database.timeout']")
        page.write("#page-dialog input", value)
        page.confirm()
        page.reads("#fetching", said)
    assert "timeout = 60" in (folder / "home" / "assistant.toml").read_text(encoding="utf-8")


# Activity


def test_the_activity_shows_figures_plots_and_the_last_turns_and_is_saved(page: Person, rows: str, sources: str) -> None:
    page.view("activity", "#activity .figures")
    page.wait("document.querySelectorAll('#activity .plots svg').length >= 2")
    page.reads("#activity .turns", QUESTIONS["rows"])
    page.click("#activity .turns summary")
    page.wait("document.querySelector('#activity .turns details[open] ol li .seconds')")
    page.click("#activity [data-act=save]")
    assert page.saved("#activity-file a").startswith("asked,conversation,route,")


# Users


def test_a_person_signs_in_and_sees_only_their_own(page: Person, assistant: Assistant, folder: Path, rows: str) -> None:
    accounts = Accounts(folder / "home" / FILE)
    accounts.add("ada", "correct horse battery", user="8")
    running = serve(assistant, port=0, open_browser=False, block=False)
    try:
        page.chrome.get(running.url)
        for password in ("a wrong password", "correct horse battery"):
            page.write("input[name=name]", "ada")
            page.write("input[name=password]", password + Keys.ENTER)
            page.wait("document.querySelector('[role=alert], #account .account')")
        page.reads("#account", "ada")
        page.sees("#thread .welcome")
        page.reads("#conversations", "No conversations yet")
        assert not page.js("document.querySelector('#who input')")
        page.click("#account a")
        page.sees("input[name=password]")
    finally:
        accounts.remove("ada")
        running.close()


def test_other_names_and_other_sites_are_refused(page: Person) -> None:
    for header in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(page.url).port or 80, timeout=60)) as connection:
            connection.request("GET", "/", headers=header)
            assert connection.getresponse().status == 403


# Everywhere


def test_a_stranger_finds_empty_lists_that_explain_themselves(page: Person) -> None:
    page.become("nobody yet")
    page.reads("#conversations .empty", "No conversations yet")
    page.section("memories", "#memories .empty")
    page.reads("#memories .empty", "remember that")
    page.view("activity", "#activity .empty")
    page.chrome.back()
    page.sees("#question textarea")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_answer_is_for_everybody_in_light_and_dark(page: Person, rows: str, sources: str, scheme: str) -> None:
    colours(page.chrome, scheme)
    for conversation in (rows, sources):
        page.open(conversation)
        page.wait(f"document.body.classList.contains('dark') === {json.dumps(scheme == 'dark')}")
        page.js("document.querySelectorAll('#thread details:not(.menu)').forEach(fold => fold.open = true)")
        page.settled()
        assert [found for found in axe(page) if "(serious)" in found or "(critical)" in found] == []


def test_a_phone_has_the_side_bar_in_a_drawer(page: Person, rows: str) -> None:
    size(page.chrome, 390, 844)
    page.wait("getComputedStyle(document.querySelector('#side')).visibility === 'hidden'")
    page.click("#menu")
    page.wait("getComputedStyle(document.querySelector('#side')).visibility === 'visible'")
    page.open(rows)
    page.wait("getComputedStyle(document.querySelector('#side')).visibility === 'hidden'")
    assert page.js("document.documentElement.scrollWidth") <= 390


def test_the_keyboard_alone_opens_a_conversation_and_its_evidence(page: Person, rows: str) -> None:
    def walk(selector: str) -> None:
        for _ in range(150):
            page.chrome.switch_to.active_element.send_keys(Keys.SHIFT + Keys.TAB)
            if page.js("document.activeElement.matches(arguments[0])", selector):
                return
        raise AssertionError(selector)

    walk(f"#conversations [data-act=open][data-id={rows}]")
    page.chrome.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait("document.querySelector('#thread .turn-foot')")
    page.js("document.querySelector('#question textarea').focus()")
    walk("#thread .fold-sql > summary")
    page.chrome.switch_to.active_element.send_keys(Keys.ENTER)
    page.sees("#thread .fold-sql .code")


def test_hostile_text_stays_text(page: Person, assistant: Assistant, folder: Path) -> None:
    hostile = folder / "hostile.md"
    hostile.write_text("\n\n".join(PAYLOADS), encoding="utf-8")
    assistant.documents.add(hostile, user="local")
    memory = assistant.memories.add(PAYLOADS[0], user="local")
    page.reload()
    page.section("memories", f"#memories [data-id='{memory.id}']")
    page.view("documents", "#index .offers li")
    page.write("#find-documents textarea, #find-documents input", "hostile")
    page.sees("#index .offers li")
    page.click("#index [data-act=preview]")
    page.sees("#preview h3")
    assert page.js("document.querySelectorAll('#preview img, #preview script, #memories img, #memories script').length") == 0
    assistant.memories.forget(memory.id, user="local")


# Last, since they change what all the others stand on


def test_another_model_is_used_without_a_restart(page: Person) -> None:
    page.view("models", f"#models [data-act=use][data-id={OTHER}]")
    page.click(f"#models [data-act=use][data-id={OTHER}]")
    page.reads("#fetching", "answers from the next question on")
    page.click("[data-close-view]")
    page.answer("Thank you, and good morning!")
    page.reload()
    page.reads("#status .model-name", OTHER)


def test_another_database_is_connected_and_its_tables_are_there(page: Person, folder: Path) -> None:
    database(folder / "rowing.sqlite", "regattas")
    page.view("data", "#data .chip")
    page.click("#connect-section > button")
    page.write("#connect-where textarea, #connect-where input", str(folder / "rowing.sqlite"))
    page.click("#connect")
    page.reads("#connect-said", "Connected")
    page.reads("#data .chip", "regattas")


def database(path: Path, table: str) -> None:
    """A database with a table, and with the one whose column is masked: without that, nothing of it would be shown."""
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT)")
        made.execute("CREATE TABLE members (member_id INTEGER PRIMARY KEY, email TEXT)")


def until(true: Any) -> None:
    """Wait for what cannot be seen on the page."""
    deadline = time.monotonic() + 240
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
