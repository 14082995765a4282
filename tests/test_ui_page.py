"""The page in a real browser, over an assistant that follows a script; and the guard and the turn on their own."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from assistant import AssistantError, Done, Event, Settings, Token
from tests.stand_in_assistant import ATTACK, StandIn
from ui import deleting
from ui.guard import Guard
from ui.server import Running, serve
from ui.turn import BROKEN, Turn

webdriver = pytest.importorskip("selenium.webdriver")
browser = pytest.mark.browser
LONG = 15.0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    chrome = webdriver.Chrome(options=chromium_options(program), service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


def chromium_options(program: str) -> Any:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,860"):
        options.add_argument(argument)
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    return options


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(settings=Settings(home=tmp_path / "home", sample=False))


@pytest.fixture
def running(stand_in: StandIn) -> Iterator[Running]:
    served = serve(stand_in, port=0, open_browser=False, block=False)  # type: ignore[arg-type]
    yield served
    served.close()


class Page:
    """The page as a user drives it. `close` checks what every test must hold to: no request left, no script ran."""

    def __init__(self, chrome: Any, url: str) -> None:
        self.chrome = chrome
        self.url = url
        chrome.get_log("performance")
        chrome.get(url)
        chrome.execute_script("sessionStorage.clear()")
        self.reload()

    def reload(self) -> None:
        self.chrome.get(self.url)
        self.wait(
            "document.querySelector('#thread .welcome, #thread .question') && document.querySelector('#who input').value"
        )

    def js(self, expression: str, *arguments: object) -> Any:
        return self.chrome.execute_script(f"return {expression}", *arguments)

    def wait(self, expression: str, seconds: float = LONG) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := self.js(expression)):
            assert time.monotonic() < deadline, (
                f"not within {seconds} s: {expression}\n{self.js('document.body.innerText')}"
            )
            time.sleep(0.03)
        return value

    def text(self, selector: str) -> str:
        return str(self.js(f"[...document.querySelectorAll({selector!r})].map(e => e.innerText).join('\\n')"))

    def click(self, selector: str) -> None:
        self.wait(f"document.querySelector({selector!r})")
        self.js(f"document.querySelector({selector!r}).click()")

    def type(self, text: str) -> None:
        self.chrome.find_element("css selector", "#question textarea").send_keys(text)

    def ask(self, question: str) -> None:
        self.type(question + "\ue007")  # Enter
        self.wait(
            f"document.querySelector('#live .question') && document.querySelector('#live .question').innerText.trim() === {question!r}"
        )

    def answered(self) -> None:
        self.wait("document.querySelector('#live .turn-foot')")
        self.wait("document.querySelector('#conversations .entry')")

    def confirm(self) -> None:
        self.wait("document.querySelector('#page-dialog') && document.querySelector('#page-dialog').open")
        self.click("#page-dialog .yes")

    def become(self, user: str) -> None:
        box = self.chrome.find_element("css selector", "#who input")
        box.send_keys("\ue009a\ue000", user, "\ue007")
        self.wait("!document.querySelector('#thread .question')")

    def settled(self) -> None:
        """Wait until nothing moves any more (a spinner turns for ever)."""
        self.wait("document.getAnimations().every(a => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)")

    def requests(self) -> list[str]:
        entries = (json.loads(entry["message"])["message"] for entry in self.chrome.get_log("performance"))
        sent = []
        for entry in entries:
            if entry["method"] == "Network.requestWillBeSent":
                sent.append(entry["params"]["request"]["url"])
            elif entry["method"] in ("Network.webSocketCreated", "Network.webTransportCreated"):
                sent.append(entry["params"]["url"])
        return sent

    def close(self) -> None:
        assert self.js("typeof window.__x") == "undefined"
        sent = [url for url in self.requests() if not url.startswith(("data:", "blob:", "about:", "chrome:"))]
        assert sent
        assert {urlsplit(url).hostname for url in sent} == {"127.0.0.1"}


@pytest.fixture
def page(chromium: Any, running: Running) -> Iterator[Page]:
    opened = Page(chromium, running.url)
    yield opened
    opened.close()


@browser
def test_an_answer_streams_and_shows_its_sql_its_rows_and_its_cost(page: Page, stand_in: StandIn) -> None:
    stand_in.pause = 0.1
    page.ask("Who ordered most last month?")
    page.wait("document.querySelector('#live .turn.running .steps')")
    early = page.wait(
        "document.querySelector('#live .turn.running .prose-text') && document.querySelector('#live .prose-text').innerText"
    )
    assert "Grace" not in early
    page.answered()
    assert page.text("#live .prose-text").startswith("Ada Lovelace ordered most")
    assert page.js("document.querySelectorAll('#live .rows tbody tr').length") == 5
    assert "First 5 rows shown; there are more." in page.text("#live .rows-foot")
    page.click("#live .fold-sql summary")
    assert "GROUP BY c.name" in page.text("#live .fold-sql pre")
    assert page.text("#live .explained").startswith("What this does: Looks at customers together with their orders.")
    assert page.text("#live .cost") == "2.4 s · read 1,204 tokens (980 reused) · wrote 85"
    assert page.js("document.querySelector('#live a[download]').download") == "rows.csv"
    assert page.js("document.querySelector('#question textarea').value") == ""


@browser
def test_a_citation_opens_its_source_and_stays_open_over_the_next_turn(page: Page) -> None:
    page.ask("What does the handbook say about refunds?")
    page.answered()
    page.click("#live button[data-cite='2']")
    assert page.js("document.querySelector('#live [data-citation=\"2\"]').open")
    assert "tubes of grease" in page.text("#live [data-citation='2'] blockquote")
    page.ask("hello")
    page.wait(
        "document.querySelector('#thread [data-citation=\"2\"]') && document.querySelector('#thread [data-citation=\"2\"]').open"
    )


@browser
def test_stop_ends_the_turn_at_once(page: Page, stand_in: StandIn) -> None:
    page.ask("forever")
    page.wait("document.querySelector('#live .prose-text')")
    assert page.js("getComputedStyle(document.querySelector('#send')).display") == "none"
    started = time.monotonic()
    page.click("#stop")
    page.wait("document.querySelector('#live .turn.stopped')", 2.0)
    assert time.monotonic() - started < 1.5
    assert stand_in.closed.wait(1.0)
    page.ask("hello")
    page.wait("document.querySelector('#live .turn-foot')")


@browser
def test_escape_stops_and_a_second_question_waits_for_the_first(page: Page) -> None:
    page.ask("forever")
    page.wait("document.querySelector('#live .prose-text')")
    page.type("another\ue007")
    time.sleep(0.3)
    assert page.js("document.querySelector('#question textarea').value") == "another"
    page.type("\ue00c")  # Escape
    page.wait("document.querySelector('#live .turn.stopped')", 2.0)
    assert page.js("document.querySelectorAll('.question').length") == 1


@browser
def test_what_is_sent_the_moment_an_answer_stands_there_is_asked(page: Page) -> None:
    page.type("question 0")
    page.chrome.execute_script("""
        const area = document.querySelector('#question textarea');
        let asked = 0;
        new MutationObserver(() => {
            const answered = document.querySelector('#live .turn-foot') && document.querySelector('#live .question').innerText.trim();
            if (answered !== `question ${asked}` || asked === 5) return;
            area.value = `question ${++asked}`;
            area.dispatchEvent(new Event('input', {bubbles: true}));
            for (const kind of ['keydown', 'keypress']) area.dispatchEvent(new KeyboardEvent(kind, {key: 'Enter', bubbles: true, cancelable: true}));
        }).observe(document.querySelector('#live'), {childList: true, subtree: true, characterData: true});
    """)
    page.type("\ue007")
    page.wait("document.querySelector('#live .question') && document.querySelector('#live .question').innerText.trim() === 'question 5'")
    page.answered()
    assert page.js("[...document.querySelectorAll('.question p')].map(e => e.innerText)") == [f"question {n}" for n in range(6)]


@browser
def test_enter_pressed_twice_asks_once(page: Page) -> None:
    page.type("once\ue007\ue007")
    page.answered()
    time.sleep(0.5)
    assert page.js("document.querySelectorAll('.question').length") == 1


@browser
def test_shift_enter_is_a_new_line(page: Page) -> None:
    page.type("one\ue008\ue007\ue000two")  # Shift, Enter, release
    assert page.js("document.querySelector('#question textarea').value") == "one\ntwo"


@browser
def test_suggestions_and_choices_send_what_they_say(page: Page) -> None:
    page.click("button[data-ask='Please remember that …']")
    assert page.js("document.querySelector('#question textarea').value") == "Please remember that "
    page.chrome.find_element("css selector", "#question textarea").clear()
    page.click("button[data-ask='Who ordered most last month?']")
    page.answered()
    page.ask("choose")
    page.wait("document.querySelector('#live .choices button')")
    page.click("#live .choices button")
    page.wait("document.querySelector('#live .question').innerText.trim() === 'The orders in the database'")
    page.wait("document.querySelector('#live .turn-foot')")
    assert page.js("document.querySelector('#thread .choices button').disabled")


@browser
def test_a_failure_is_one_message_and_the_question_comes_back(page: Page) -> None:
    page.ask("please fail")
    page.wait("document.querySelector('#live .failure')")
    assert "The database shop.db went away. Check that the file is there, then ask again. <b>&</b>" in page.text(
        "#live .failure"
    )
    assert "Traceback" not in page.js("document.body.innerText")
    page.wait("document.querySelector('#question textarea').value === 'please fail'")


@browser
def test_stores_and_databases_that_cannot_be_read_are_messages(
    page: Page, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise AssistantError("The index cannot be opened. <i>Close the other program.</i>")

    monkeypatch.setattr(stand_in, "suggestions", broken)
    monkeypatch.setattr(stand_in, "stream", broken)
    monkeypatch.setattr(stand_in.conversations, "all", broken)
    page.reload()
    page.wait("document.querySelector('#thread .notice') && document.querySelector('#conversations .notice')")
    page.ask("hello")
    page.wait("document.querySelector('#live .failure')")
    assert "<i>Close the other program.</i>" in page.text("#live .failure")


@browser
def test_a_judgement_is_kept_and_shown_again(page: Page, stand_in: StandIn) -> None:
    page.ask("hello")
    page.answered()
    page.click("#live [data-score='-1']")
    assert page.js("document.querySelector('#live [data-score=\"-1\"]').ariaPressed") == "true"
    deadline = time.monotonic() + LONG
    while not stand_in.judged and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [(user, score) for _, user, score in stand_in.judged] == [("local", -1)]
    page.ask("hello again")
    page.wait("document.querySelector('#thread [data-score=\"-1\"][aria-pressed=true]')")


@browser
def test_conversations_are_opened_renamed_saved_and_deleted(page: Page, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    page.ask("hello there")
    page.answered()
    page.click("#new")
    page.wait("document.querySelector('#thread .welcome')")
    page.click("#conversations [data-act=open]")
    page.wait("document.querySelector('#thread .question')")
    assert "You said: hello there" in page.text("#thread")
    page.click("#conversations [data-act=rename]")
    page.wait("document.querySelector('#page-dialog').open")
    page.chrome.find_element("css selector", "#page-dialog input").send_keys("\ue009a\ue000", "Monday", "\ue007")
    page.wait("document.querySelector('#conversations .entry-open').innerText === 'Monday'")
    finding = page.chrome.find_element("css selector", "#find-conversations input, #find-conversations textarea")
    finding.send_keys("elsewhere")
    page.wait("document.querySelector('#conversations .empty')")
    finding.send_keys("\ue009a\ue000", "hello")
    page.wait("document.querySelector('#conversations .entry')")
    page.click("#conversations [data-act=export]")
    assert page.wait("document.querySelector('#download a')?.download").endswith(".md")
    page.click("#conversations [data-act=delete]")
    page.wait("document.querySelector('#conversations .undo') && document.querySelector('#conversations .empty')")
    page.wait("document.querySelector('#thread .welcome')")
    assert "Monday" in page.text("#conversations .undo")
    page.click("#conversations [data-act=undo]")
    page.wait("document.querySelector('#conversations .entry-open')?.innerText === 'Monday'")
    monkeypatch.setattr(deleting, "WAIT", 0.05)
    page.click("#conversations [data-act=delete]")
    deadline = time.monotonic() + LONG
    while stand_in.conversations.all(user="local"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    page.click("#conversations [data-act=undo]")  # too late
    page.wait("document.body.innerText.includes('Its time was up')")


@browser
def test_a_reload_comes_back_to_the_same_user_and_conversation(page: Page) -> None:
    page.become("Ada Lovelace")
    page.ask("hello there")
    page.answered()
    page.reload()
    assert "You said: hello there" in page.text("#thread")
    assert page.js("document.querySelector('#who input').value") == "Ada Lovelace"


@browser
def test_documents_are_uploaded_reported_and_removed(page: Page, stand_in: StandIn, tmp_path: Path) -> None:
    files = [tmp_path / "notes.md", tmp_path / "tool.exe"]
    for file in files:
        file.write_text("Bring the receipt.", encoding="utf-8")
    page.click("#documents-section > button")
    page.wait("document.querySelector('#documents .entry')")
    page.chrome.find_element("css selector", "#documents-section input[type=file]").send_keys(
        "\n".join(map(str, files))
    )
    page.wait("document.querySelector('#report progress')")
    page.wait("document.querySelector('#report .report')")
    assert page.text("#report").split("\n") == ["New notes.md", "Refused tool.exe: this kind of file cannot be read"]
    page.wait("document.querySelectorAll('#documents .entry').length === 3")
    assert stand_in.documents.read == {"notes.md": "Bring the receipt."}
    added = stand_in.documents.all()[-1]
    assert added.user == "local"
    assert Path(added.path).is_relative_to(stand_in.settings.home)
    assert Path(added.path).is_file()
    page.click(f"#documents [data-id='{added.id}']")
    page.confirm()
    page.wait("document.querySelectorAll('#documents .entry').length === 2")
    assert not Path(added.path).exists()


@browser
def test_a_memory_is_forgotten_brought_back_and_changed(page: Page, stand_in: StandIn) -> None:
    page.click("#memories-section > button")
    page.wait("document.querySelectorAll('#memories .entry').length === 2")
    page.click("#memories [data-id=m1][data-act=forget]")
    page.wait("document.querySelectorAll('#memories .entry').length === 1")
    assert [memory.id for memory in stand_in.memories.all(user="local")] == ["m2"]
    page.click("#memories [data-act=undo]")
    page.wait("document.querySelectorAll('#memories .entry').length === 2")
    assert not page.js("document.querySelector('#memories [data-act=undo]')")
    page.click("#memories [data-id=m1][data-act=edit]")
    page.wait("document.querySelector('#page-dialog').open")
    page.chrome.find_element("css selector", "#page-dialog input").send_keys("\ue009a\ue000", "I pay in cash", "\ue007")
    page.wait("document.querySelector('#memories').innerText.includes('I pay in cash')")
    page.chrome.find_element("css selector", "#find-memories input, #find-memories textarea").send_keys("brompton")
    page.wait("document.querySelectorAll('#memories .entry').length === 1")
    assert "Brompton" in page.text("#memories")


@browser
def test_what_was_just_forgotten_can_be_undone_whatever_is_found_after_it(page: Page, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    search, found = stand_in.memories.search, threading.Event()

    def late(*words: Any, **options: Any) -> Any:
        assert found.wait(LONG)
        return search(*words, **options)

    monkeypatch.setattr(stand_in.memories, "search", late)
    page.click("#memories-section > button")
    page.wait("document.querySelectorAll('#memories .entry').length === 2")
    page.chrome.find_element("css selector", "#find-memories input, #find-memories textarea").send_keys("brompton")
    page.click("#memories [data-id=m1][data-act=forget]")
    page.wait("document.querySelector('#memories [data-act=undo]')")
    found.set()
    time.sleep(1)
    assert page.js("Boolean(document.querySelector('#memories [data-act=undo]'))")


@browser
def test_everything_about_me_is_saved_and_deleted(page: Page, stand_in: StandIn) -> None:
    page.become("Ada Lovelace")
    page.ask("hello there")
    page.answered()
    page.click("#memories-section > button")
    page.click("#memories [data-act=take]")
    assert page.wait("document.querySelector('#download a')?.download") == "everything-about-me.json"
    page.click("#memories [data-act=erase]")
    page.confirm()
    page.wait("document.querySelector('#thread .welcome')")
    assert stand_in.erased == ["7"]


@browser
def test_a_private_conversation_says_so_and_is_left_behind(page: Page, stand_in: StandIn) -> None:
    page.click("#new-private")
    page.wait("document.querySelector('#thread .private')")
    page.ask("hello there")
    page.wait("document.querySelector('#live .turn-foot')")
    assert page.js("document.querySelector('#thread .private')")
    assert stand_in.private == [True]
    page.reload()
    page.wait("document.querySelector('#thread .private')")
    assert "hello there" not in page.text("#thread")
    page.ask("hello again")
    page.wait("document.querySelector('#live .turn-foot')")
    page.click("#new")
    page.wait("!document.querySelector('#thread .private')")
    page.ask("in the open")
    page.answered()
    assert stand_in.private == [True, True, False]
    page.wait("document.querySelectorAll('#conversations .entry').length === 1")
    assert "in the open" in page.text("#conversations")


@browser
def test_hostile_text_runs_nowhere(page: Page, stand_in: StandIn) -> None:
    stand_in.memories.add(ATTACK, user="local")
    page.ask("attack")
    page.answered()
    page.js("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    page.click("#memories-section > button")
    page.wait("document.querySelectorAll('#memories .entry').length === 3")
    assert page.text("#live").count("window.__x=1") >= 6
    page.js("document.querySelector('#conversations [data-act=rename]').click()")
    page.chrome.find_element("css selector", "#page-dialog input").send_keys("\ue009a\ue000", ATTACK, "\ue007")
    page.wait("document.querySelector('#conversations .entry-open').innerText.includes('onerror')")
    page.js("document.querySelector('#conversations [data-act=delete]').click()")
    page.wait("document.querySelector('#conversations .undo')")
    assert "onerror" in page.text("#conversations .undo")
    page.click("#conversations [data-act=undo]")
    page.wait("document.querySelector('#conversations .entry')")
    page.click("#conversations .entry-open")
    page.wait("document.querySelector('#thread .question')")
    page.reload()
    assert "onerror" in page.text("#thread")
    assert page.js("document.querySelectorAll('#main img, #side img, #page-dialog img').length") == 0
    time.sleep(0.3)  # a picture that fails to load would have run its handler by now


@browser
def test_two_tabs_with_two_users_see_their_own(page: Page, running: Running) -> None:
    page.ask("my own question")
    page.answered()
    first = page.chrome.current_window_handle
    page.chrome.switch_to.new_window("tab")
    try:
        other = Page(page.chrome, running.url)
        other.become("Ada Lovelace")
        other.click("#memories-section > button")
        other.wait("document.querySelector('#memories .entry')?.innerText.startsWith(\"Ada's secret\")")
        assert "my own question" not in other.js("document.body.innerHTML")
        other.ask("a question of Ada's")
        other.answered()
        assert "my own question" not in other.js("document.body.innerHTML")
        other.close()
    finally:
        page.chrome.close()
        page.chrome.switch_to.window(first)
    page.ask("once more")
    page.wait("document.querySelector('#live .turn-foot')")
    assert "Ada's" not in page.js("document.body.innerHTML")
    page.chrome.get_log("performance")
    page.reload()


@browser
def test_the_side_bar_is_a_drawer_on_a_phone(page: Page) -> None:
    page.chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        assert page.js("document.documentElement.scrollWidth") <= 390
        page.wait("getComputedStyle(document.querySelector('#side')).visibility === 'hidden'")
        page.click("#menu")
        page.wait("getComputedStyle(document.querySelector('#side')).visibility === 'visible'")
        assert page.js("document.querySelector('#menu').ariaExpanded") == "true"
        page.type("\ue00c")
        page.wait("getComputedStyle(document.querySelector('#side')).visibility === 'hidden'")
        page.ask("Who ordered most last month?")
        page.answered()
        assert page.js("document.documentElement.scrollWidth") <= 390
        assert page.js("document.querySelector('#live').getBoundingClientRect().right") <= 390
    finally:
        page.chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chart_is_drawn_in_the_colours_of_the_page(page: Page, theme: str) -> None:
    page.url = f"{page.url.rstrip('/')}/?__theme={theme}"
    page.reload()
    page.chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        page.ask("How many in these months?")
        page.answered()
        assert page.js("document.querySelector('#live .chart svg').getBoundingClientRect().right") <= 390
        # Text of 11 units that is drawn at nearly its size can be read.
        assert page.js("document.querySelector('#live .chart svg').getBoundingClientRect().width") >= 300
        accent = {"light": "rgb(15, 118, 110)", "dark": "rgb(79, 184, 171)"}[theme]
        assert page.js("getComputedStyle(document.querySelector('#live .chart path.line')).stroke") == accent
        assert page.js("document.querySelectorAll('#live .chart circle').length") == 12
        assert page.js("document.querySelector('#live .chart svg').ariaLabel").startswith("Line chart: ")
    finally:
        page.chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@browser
def test_every_control_has_a_name(page: Page) -> None:
    page.ask("What does the handbook say about refunds?")
    page.answered()
    page.click("#documents-section > button")
    page.wait("document.querySelector('#documents .entry')")
    unnamed = page.js(
        "[...document.querySelectorAll('button, a[href], input:not([type=file]), textarea, select')].filter(e => e.offsetParent && "
        "!(e.ariaLabel || e.textContent.trim() || (e.labels && [...e.labels].some(l => l.textContent.trim())))).map(e => e.outerHTML)"
    )
    assert unnamed == []


# The server


def get(running: Running, **headers: str) -> tuple[int, dict[str, str], str]:
    """(status, headers in lower case, body) of the page."""
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", urlsplit(running.url).port or 80, timeout=10)
    ) as connection:
        connection.request("GET", "/", headers=headers)
        response = connection.getresponse()
        return (
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            response.read().decode(),
        )


def test_the_page_loads_nothing_from_elsewhere_and_forbids_it(running: Running) -> None:
    status, headers, html = get(running)
    policy = headers["content-security-policy"]
    assert status == 200
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "fonts.googleapis" not in html
    assert "cdnjs" not in html


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": ""},
    ],
)
def test_foreign_hosts_and_origins_are_refused(running: Running, headers: dict[str, str]) -> None:
    assert get(running, **headers)[0] == 403


@pytest.mark.parametrize(("host", "name", "allowed"), [
    ("127.0.0.1", "localhost:7860", True), ("127.0.0.1", "[::1]:7860", True), ("127.0.0.1", "192.168.1.5", False),
    ("0.0.0.0", "192.168.1.5:7860", True), ("0.0.0.0", "evil.example", False), ("box.lan", "BOX.lan", True), ("127.0.0.1", "[", False),
])  # fmt: skip
def test_which_hosts_the_guard_lets_in(host: str, name: str, allowed: bool) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    asyncio.run(Guard(app, host=host)({"type": "http", "headers": [(b"host", name.encode())]}, receive, send))
    assert (sent[0]["status"] == 200) is allowed


def test_a_taken_port_is_one_clear_error(running: Running, stand_in: StandIn) -> None:
    port = urlsplit(running.url).port or 0
    with pytest.raises(AssistantError, match=f"cannot listen on 127.0.0.1:{port}.*--port"):
        serve(stand_in, port=port, open_browser=False, block=False)  # type: ignore[arg-type]


# The turn


def finish(turn: Turn) -> list[Event]:
    events: list[Event] = []
    deadline = time.monotonic() + LONG
    while not turn.over and time.monotonic() < deadline:
        events += turn.batch(wait=0.1)
    return events


def test_a_turn_hands_on_its_events_in_order() -> None:
    turn = Turn().start(iter([Token("a"), Token("b")]))
    assert finish(turn) == [Token("a"), Token("b")]
    assert turn.failure == BROKEN  # it ended without an answer


def test_an_error_of_the_assistant_is_its_message() -> None:
    def stream() -> Iterator[Event]:
        yield Token("a")
        raise AssistantError("The model is busy.")

    turn = Turn().start(stream())
    assert finish(turn) == [Token("a")]
    assert turn.failure == "The model is busy."


def test_a_stop_does_not_wait_for_a_generator_that_is_busy() -> None:
    go, closed = threading.Event(), threading.Event()

    def stream() -> Iterator[Event]:
        try:
            yield Token("a")
            go.wait(LONG)
            yield Token("b")
        finally:
            closed.set()

    turn = Turn().start(stream())
    assert turn.batch(wait=LONG) == [Token("a")]
    started = time.monotonic()
    turn.stop()
    assert turn.batch(wait=LONG) == []
    assert time.monotonic() - started < 1.0
    go.set()
    assert closed.wait(LONG)


def test_what_follows_the_answer_is_not_cut_off(stand_in: StandIn) -> None:
    after = threading.Event()

    def stream() -> Iterator[Event]:
        yield from (event for event in stand_in.stream("hello") if isinstance(event, Done))
        time.sleep(0.2)
        after.set()

    turn = Turn().start(stream())
    turn.batch(wait=LONG)
    assert turn.answered
    assert after.wait(LONG)
