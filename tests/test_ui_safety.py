"""Nothing that a document, a cell, a name or a memory says becomes more than text, and nothing leaves the page."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assistant import (
    Answer,
    Assistant,
    AssistantError,
    Attempt,
    Citation,
    Document,
    Memory,
    NotFound,
    Settings,
    State,
    Table,
)
from tests.payloads import LINES, PAYLOADS
from tests.stand_in_assistant import StandIn
from tests.test_ui_page import Page, browser, chromium
from ui.server import serve

__all__ = ["chromium"]  # the fixture
NOW = datetime(2025, 3, 4, 9, 30, tzinfo=UTC)

ALIVE = """[...document.querySelectorAll('#top *, #side *, #main *, #page-dialog, #page-dialog *, .toast-wrap *')].filter(e =>
  /^(script|img|iframe|frame|object|embed|link|meta|base|style|template|noscript|math|video|audio|source|animate|foreignobject|b|i)$/i.test(e.tagName)
  || (e.tagName === 'A' && !e.hasAttribute('download'))
  || (e.tagName === 'FORM' && e.method !== 'dialog' && (!['query', 'judge'].includes(e.dataset.form) || e.hasAttribute('action')))
  || [...e.attributes].some(a => /^on/i.test(a.name)
      || (/^(src|href|action|formaction|srcdoc|data|xlink:href|style|poster)$/i.test(a.name) && /javascript|evil\\.invalid|text\\/html/i.test(a.value)))
).map(e => e.outerHTML.slice(0, 200))"""
"""Elements that somebody's text became; the page itself has none such."""


class Hostile(StandIn):
    """Says nothing but attacks, wherever it says something."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.documents._kept = [Document(f"d{at}", text, f"/{at}", None, 1, NOW) for at, text in enumerate(LINES)]
        self.memories._kept = [Memory(f"m{at}", "local", text, NOW) for at, text in enumerate(PAYLOADS)]
        for at, text in enumerate(LINES):
            self.conversations.say(f"old{at}", "local", "user", text)
            self.conversations.rename(f"old{at}", text)

    def users(self) -> list[tuple[str, str]]:
        return [("local", "Just me"), *((f"u{at}", text) for at, text in enumerate(LINES))]

    def suggestions(self) -> tuple[str, ...]:
        return PAYLOADS

    def state(self) -> State:
        return State(ready=True, model=LINES[2], model_loaded=True, database=LINES[3], documents=2)

    def _answer(self, question: str, user: str, conversation: str) -> Answer:
        if "fail" in question:
            raise AssistantError("\n".join(PAYLOADS))
        found: tuple[Any, Any] = (PAYLOADS, ((*PAYLOADS[1:], PAYLOADS[0]),))
        if "chart" in question:
            found = ((PAYLOADS[2], "n"), tuple((text, at) for at, text in enumerate(PAYLOADS[int(question[-1]) :: 2], 1)))
        return Answer(
            f"a{next(self._ids)}", "\n\n".join(PAYLOADS) + " [1]", "both", conversation, sql="\n".join(PAYLOADS), grounded=True, table=Table(*found),
            citations=tuple(Citation(text, text, text) for text in PAYLOADS), memories=tuple(Memory(text, user, text, NOW) for text in PAYLOADS),
            attempts=tuple(Attempt(text, text) for text in PAYLOADS), choices=PAYLOADS, explanation=" ".join(PAYLOADS),
        )  # fmt: skip


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(settings=Settings(home=tmp_path / "home", sample=False))


@pytest.fixture
def page(chromium: Any, hostile: Hostile) -> Iterator[Page]:
    running = serve(hostile, port=0, open_browser=False, block=False)  # type: ignore[arg-type]
    chromium.get_log("browser")
    opened = Page(chromium, running.url)
    yield opened
    unhurt(opened)
    running.close()


def unhurt(page: Page) -> None:
    """Nothing ran (`Page.close` looks for the flag and for requests), nothing was refused because nothing was tried."""
    assert page.js("document.location.href") == page.url
    assert page.js(ALIVE) == []
    page.close()
    said = [entry["message"] for entry in page.chrome.get_log("browser")]
    assert not [text for text in said if "Content Security" in text or "evil.invalid" in text or "Uncaught" in text]


def texts(page: Page, selector: str) -> list[str]:
    found: list[str] = page.js(f"[...document.querySelectorAll({selector!r})].map(e => e.textContent)")
    return found


def open_everything(page: Page) -> None:
    page.js("document.querySelectorAll('details').forEach(fold => fold.open = true)")


@browser
def test_an_answer_stays_text_in_all_its_parts(page: Page) -> None:
    assert texts(page, "#thread .chip") == list(PAYLOADS)
    page.js("document.querySelectorAll('#thread .chip')[2].click()")
    page.wait("document.querySelector('#live .turn-foot')")
    open_everything(page)
    assert texts(page, "#live .question p") == [PAYLOADS[2]]
    assert texts(page, "#live .rows th") == list(PAYLOADS)
    assert texts(page, "#live .rows td") == [*PAYLOADS[1:], PAYLOADS[0]]
    assert texts(page, "#live .source-name") == list(PAYLOADS)
    assert texts(page, "#live .sources blockquote") == list(PAYLOADS)
    assert texts(page, "#live .choices button") == list(PAYLOADS)
    assert texts(page, "#live .attempt code") == list(PAYLOADS)
    assert texts(page, "#live .fold-sql code")[0] == "\n".join(PAYLOADS)
    assert texts(page, "#live .fold-memories .memory") == list(PAYLOADS)
    said = page.js("document.querySelector('#live .prose-text').textContent")
    # The rest is Markdown, whose signs are gone; and a column of one dash is no table.
    assert [text for text in PAYLOADS if "`" not in text and "\n" not in text and "_" not in text.replace("__x", "") and text not in said] == []
    page.ask("once more")  # the answer before it is drawn again, from what was kept
    page.wait("document.querySelector('#thread .turn-foot') && document.querySelector('#live .turn-foot')")
    open_everything(page)


@browser
@pytest.mark.parametrize("half", [0, 1])
def test_the_labels_of_a_chart_stay_text(page: Page, half: int) -> None:
    page.ask(f"chart {half}")
    page.wait("document.querySelector('#live .chart svg')")
    labels = [text.rpartition(":")[0] for text in texts(page, "#live .chart title")]
    assert labels == list(PAYLOADS[half::2])


@browser
def test_names_in_the_side_bar_stay_text(page: Page, hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    for section in ("documents", "memories"):
        page.click(f"#{section}-section > button")
        page.wait(f"document.querySelector('#{section} .entry')")
    assert set(texts(page, "#conversations .entry-open")) == set(LINES)
    assert [text.removesuffix("1 passage · for everybody") for text in texts(page, "#documents .entry-text")] == list(LINES)
    assert [text.removesuffix("2025-03-04") for text in texts(page, "#memories .entry-text")] == list(PAYLOADS)
    page.chrome.find_element("css selector", "#who input").click()
    page.wait("document.querySelectorAll('#who [role=option], ul.options li').length > 40")
    assert set(LINES) <= {text.strip().lstrip("✓").strip() for text in texts(page, "#who [role=option], ul.options li")}
    page.js("document.activeElement.blur()")
    # What is asked before something is done, and what is said when it could not be
    page.js("document.querySelectorAll('#documents [data-act=remove]')[2].click()")
    page.wait("document.querySelector('#page-dialog')?.open")
    assert LINES[2] in page.text("#page-dialog span")
    page.click("#page-dialog .no")

    def gone(*_: object, **__: object) -> None:
        raise NotFound(PAYLOADS[2])

    monkeypatch.setattr(hostile.memories, "forget", gone)
    page.click("#memories [data-act=forget]")
    assert PAYLOADS[2] in page.wait("document.querySelector('.toast-body')?.textContent")


@browser
def test_the_names_of_files_and_the_words_of_errors_stay_text(page: Page, tmp_path: Path) -> None:
    names = [text for text in LINES if "/" not in text] if sys.platform != "win32" else ["${window.__x=1}{{window.__x=1}}"]
    files = [tmp_path / f"{name[:200]}.exe" for name in names]
    for file in files:
        file.write_text("x", encoding="utf-8")
    page.click("#documents-section > button")
    page.wait("document.querySelector('#documents-section input[type=file]')")
    page.chrome.find_element("css selector", "#documents-section input[type=file]").send_keys("\n".join(map(str, files)))
    page.wait("document.querySelector('#report progress, #report .report')")
    page.wait("document.querySelector('#report .report')", 30)
    assert len(texts(page, "#report .refused")) == len(files)
    page.ask("please fail")
    page.wait("document.querySelector('#live .failure')")
    assert texts(page, "#live .failure p") == ["\n".join(PAYLOADS)]


@pytest.fixture
def real(fetched: Callable[[str], Path], tmp_path: Path, chromium: Any) -> Iterator[Page]:
    """The page over real stores: a database, documents, memories and conversations, all of them hostile."""
    models = fetched("all-minilm-l6-v2").parent
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
        db.execute('CREATE TABLE "<img src=x onerror=window.__x=1>" (id INTEGER PRIMARY KEY, "</title><script>window.__x=1</script>" TEXT)')
        db.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
        db.executemany("INSERT INTO people (name) VALUES (?)", [(text,) for text in LINES])
        db.executemany('INSERT INTO "<img src=x onerror=window.__x=1>" VALUES (?, ?)', enumerate(PAYLOADS))
        db.commit()
    (tmp_path / "docs").mkdir()
    said = "".join(f"# {text}\n\n{text}\n" for text in PAYLOADS)
    for name in ("${window.__x=1}", "{{window.__x=1}}", "' autofocus onfocus='window.__x=1"):
        (tmp_path / "docs" / f"{name}.md").write_text(said + name, "utf-8")
    database = {"url": f"sqlite:///{(tmp_path / 'shop.db').as_posix()}", "user_column": "people.id"}
    settings = Settings(home=tmp_path / "home", sample=False, model={"directory": models}, database=database)
    with Assistant(settings) as assistant:
        assistant.documents.add(tmp_path / "docs")
        for text in LINES[::4]:
            assistant.memories.add(text, user="local")
        running = serve(assistant, port=0, open_browser=False, block=False)
        opened = Page(chromium, running.url)
        yield opened
        unhurt(opened)
        running.close()


@browser
@pytest.mark.model
def test_what_real_stores_hold_stays_text(real: Page) -> None:
    for section in ("documents", "memories"):
        real.click(f"#{section}-section > button")
        real.wait(f"document.querySelector('#{section} .entry')")
    assert len(texts(real, "#memories .entry")) == len(LINES[::4])
    assert len(texts(real, "#documents .entry")) == 3
    real.chrome.find_element("css selector", "#who input").click()
    real.wait("document.querySelectorAll('#who [role=option], ul.options li').length > 40")


@browser
def test_a_whole_visit_asks_nobody_but_the_server(chromium: Any, tmp_path: Path) -> None:
    """Every control once; `Page.close` looks through what the browser recorded of it."""
    running = serve(StandIn(settings=Settings(home=tmp_path / "home", sample=False)), port=0, open_browser=False, block=False)  # type: ignore[arg-type]
    chromium.get_log("browser")
    page = Page(chromium, running.url)
    talk(page)
    keep(page)
    (tmp_path / "notes.md").write_text("Bring the receipt.", "utf-8")
    know(page, tmp_path / "notes.md")
    page.become("Ada Lovelace")
    page.reload()
    elsewhere = page.js(
        "[...document.querySelectorAll('link[href], script[src], img[src], form[action]')].map(e => e.href || e.src || e.action).filter(u => !u.startsWith(origin))"
    )
    assert elsewhere == []
    unhurt(page)
    running.close()


def talk(page: Page) -> None:
    for question in ("Who ordered most last month?", "How many in these months?", "What does the handbook say about refunds?", "choose"):
        page.ask(question)
        page.answered()
        open_everything(page)
        for control in ("[data-copy]", "[data-cite]", "[data-score]", "a[download]"):
            page.js(f"document.querySelector('#live {control}')?.click()")
    page.click("#live .choices button")
    page.wait("document.querySelector('#live .question').innerText.trim() === 'The orders in the database'")
    page.answered()
    page.ask("forever")
    page.wait("document.querySelector('#live .prose-text')")
    page.click("#stop")
    page.wait("document.querySelector('#live .turn.stopped')")
    page.ask("please fail")
    page.wait("document.querySelector('#live .failure')")
    page.js("document.querySelector('#question textarea').value = ''")


def keep(page: Page) -> None:
    page.click("#conversations [data-act=rename]")
    page.wait("document.querySelector('#page-dialog').open")
    page.chrome.find_element("css selector", "#page-dialog input").send_keys("Monday", "\ue007")
    page.wait("document.querySelector('#conversations .entry-open').innerText.includes('Monday')")
    page.click("#conversations [data-act=export]")
    page.wait("document.querySelector('#download a')")
    page.chrome.find_element("css selector", "#find-conversations input, #find-conversations textarea").send_keys("most")
    page.click("#conversations [data-act=open]")
    page.click("#new-private")
    page.wait("document.querySelector('#thread .private')")
    page.click("#new")
    page.wait("!document.querySelector('#thread .private')")
    page.click("#conversations [data-act=delete]")
    page.wait("document.querySelector('#conversations .undo')")


def know(page: Page, file: Path) -> None:
    for section in ("documents", "memories"):
        page.click(f"#{section}-section > button")
        page.wait(f"document.querySelector('#{section} .entry')")
    page.chrome.find_element("css selector", "#documents-section input[type=file]").send_keys(str(file))
    page.wait("document.querySelectorAll('#documents .entry').length === 3")
    for act, left in (("forget", 1), ("undo", 2)):
        page.click(f"#memories [data-act={act}]")
        page.wait(f"document.querySelectorAll('#memories .entry').length === {left}")
    page.click("#memories [data-act=take]")
    page.wait("document.querySelector('#download a')?.download === 'everything-about-me.json'")
