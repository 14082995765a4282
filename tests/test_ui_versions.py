"""Asking anew, editing, branching and going on, done on the page as a person does, over real stores and a model that follows a rule."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from assistant import Assistant, AssistantError, Message, Settings, TurnCancelled
from tests.scripted_models import RuleChat, RuleModels
from tests.stand_in_assistant import ATTACK
from tests.test_ui_page import Page, browser, chromium
from ui import render
from ui.server import serve

__all__ = ["chromium"]  # the fixture
pytestmark = browser
ENTER, ESCAPE, UP, TAB, SHIFT, ALL = "\ue007", "\ue00c", "\ue013", "\ue004", "\ue008", "\ue009a\ue000"


class Slow(RuleChat):
    """Speaks a word at a time where the question says slow, and fails where it says fail."""

    def _stream(self, messages: list[BaseMessage], *rest: Any, **more: Any) -> Iterator[ChatGenerationChunk]:
        asked, cancelled = str(messages[-1].content), more["cancelled"]
        if "fail" in asked:
            raise AssistantError("The model went away. Ask again.")
        if "slow" in asked:
            for _ in range(200):
                if cancelled.wait(0.05):
                    raise TurnCancelled("stopped")
                yield ChatGenerationChunk(message=AIMessageChunk("word "))
        yield from super()._stream(messages, *rest, **more)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Assistant, str]]:
    settings = Settings(home=tmp_path_factory.mktemp("versions") / "home", sample=False)
    with Assistant(settings, models=RuleModels()) as assistant:  # type: ignore[arg-type]
        served = serve(assistant, port=0, open_browser=False, block=False)
        yield assistant, served.url
        served.close()


@pytest.fixture
def one(running: tuple[Assistant, str]) -> Assistant:
    """The assistant, which knows nobody yet."""
    running[0].forget_all(user="local")
    running[0]._models.rule = Slow()  # type: ignore[attr-defined]
    return running[0]


@pytest.fixture
def page(chromium: Any, one: Assistant, running: tuple[Assistant, str]) -> Iterator[Page]:
    shown = Page(chromium, running[1])
    yield shown
    shown.close()


def ask(page: Page, *questions: str) -> None:
    for question in questions:
        page.ask(question)
        page.wait("document.querySelector('#live .turn-foot')")


def questions(page: Page) -> list[str]:
    return list(page.js("[...document.querySelectorAll('.question p')].map(p => p.innerText)"))


def edit(page: Page, text: str) -> None:
    """Write into the question that is being edited."""
    page.wait("document.activeElement.closest('.edit')")
    page.chrome.switch_to.active_element.send_keys(ALL, text)


def answered(page: Page, question: str) -> None:
    page.wait(f"document.querySelector('#live .turn-foot') && document.querySelector('#live .question p').innerText === {question!r}")


def test_an_answer_is_made_again_and_the_first_one_is_still_there(page: Page, one: Assistant) -> None:
    ask(page, "I like red", "I like green")
    first = page.js("document.querySelector('#live article').dataset.answer")
    assert not page.js("document.querySelector('#thread [data-anew]')"), "only the last answer is made again"
    page.click("#live [data-anew]")
    page.wait("document.querySelector('#live .versions')?.innerText === '2/2'")
    assert page.js("document.querySelector('#live article').dataset.answer") != first
    assert questions(page) == ["I like red", "I like green"]
    page.click("[aria-label='Earlier version']")
    page.wait("document.querySelector('#thread .versions')?.innerText === '1/2'")
    assert page.js("document.querySelector('#thread article:last-child').dataset.answer") == first
    assert page.js("document.querySelector('[aria-label=\"Earlier version\"]').disabled")
    page.reload()
    assert page.text("#thread .versions") == "1/2"


def test_a_question_is_edited_where_it_stands(page: Page) -> None:
    ask(page, "I like red", "I like green", "I like blue")
    above = "document.querySelector('#thread .question').getBoundingClientRect().top"
    before = page.js(above)
    page.js("document.querySelectorAll('[data-edit]')[1].click()")
    edit(page, "nothing")
    assert page.js(above) == before, "nothing moves above"
    page.chrome.switch_to.active_element.send_keys(ESCAPE)
    page.wait("!document.querySelector('.edit')")
    assert questions(page) == ["I like red", "I like green", "I like blue"]
    assert page.js("document.activeElement.ariaLabel") == "Edit this question", "the keyboard is back where it was"
    page.js("document.querySelectorAll('[data-edit]')[1].click()")
    edit(page, f"I like{SHIFT}{ENTER}\ue000yellow")
    page.chrome.switch_to.active_element.send_keys(ENTER)
    page.wait("document.querySelector('#live .turn-foot')?.isConnected && document.querySelector('#live .versions')")
    assert questions(page) == ["I like red", "I like\nyellow"]
    page.click("[aria-label='Earlier version']")
    page.wait("document.querySelectorAll('.question').length === 3")
    assert questions(page) == ["I like red", "I like green", "I like blue"]


def test_escape_stops_and_up_arrow_edits_what_was_stopped(page: Page, one: Assistant) -> None:
    ask(page, "I like red")
    page.ask("slow please")
    page.wait("document.querySelector('#live .prose-text')")
    page.type(UP)
    assert not page.js("document.querySelector('.edit')"), "not while it answers"
    page.type(ESCAPE)
    page.wait("document.querySelector('#live .turn.stopped')")
    page.type(UP)
    edit(page, "quick please")
    page.chrome.switch_to.active_element.send_keys(ENTER)
    answered(page, "quick please")
    assert questions(page) == ["I like red", "quick please"]
    page.type("draft" + UP)
    assert not page.js("document.querySelector('.edit')"), "what is being written is not left"
    page.wait("document.querySelector('#live .versions')?.innerText === '2/2'")


def test_a_question_that_failed_is_asked_again_in_its_place(page: Page, one: Assistant) -> None:
    page.ask("please fail")
    page.wait("document.querySelector('#live .failure')")
    page.click("#live .failure button")
    time.sleep(0.3)
    page.wait("document.querySelector('#live .failure')")
    assert questions(page) == ["please fail"]
    page.reload()
    assert "This was not finished." in page.text("#thread")
    one._models.rule = RuleChat()  # type: ignore[attr-defined]
    page.click("#thread [data-instead]")
    answered(page, "please fail")
    assert questions(page) == ["please fail"]
    (talk,) = one.conversations.all(user="local")
    assert [m.role for m in one.conversations.messages(talk.id)] == ["user", "assistant"]


def test_what_a_restart_cut_off_says_so_and_is_asked_again(page: Page, one: Assistant) -> None:
    history = one._parts.kept.history
    one.ask("I like red", conversation="cut")
    history.begin("cut", user="local", question="I like green")
    page.reload()
    page.click("#conversations [data-act=open]")
    page.wait("document.querySelector('#thread .stopped')")
    assert page.text("#thread .stopped") == "This was not finished. Ask again"
    page.click("#thread .stopped button")
    answered(page, "I like green")
    assert questions(page) == ["I like red", "I like green"]
    assert one.conversations.unfinished("cut") is None


def test_a_conversation_is_branched_from_a_message(page: Page, one: Assistant) -> None:
    ask(page, "I like red", "I like green", "I like blue")
    page.chrome.execute_script("document.querySelectorAll('#thread .menu summary')[0].focus()")
    page.chrome.switch_to.active_element.send_keys(ENTER)
    page.wait("document.querySelector('.menu[open]')")
    page.chrome.switch_to.active_element.send_keys(ESCAPE)
    page.wait("!document.querySelector('.menu[open]')")
    page.chrome.switch_to.active_element.send_keys(ENTER)
    page.wait("document.querySelector('.menu[open]')")
    page.chrome.switch_to.active_element.send_keys(TAB)
    page.chrome.switch_to.active_element.send_keys(ENTER)
    page.wait("document.querySelectorAll('.question').length === 1")
    page.wait("document.querySelector('#conversations [aria-current] .entry-open')?.innerText.includes('(branch)')")
    ask(page, "I like grey")
    assert questions(page) == ["I like red", "I like grey"]
    assert sorted(c.messages for c in one.conversations.all()) == [4, 6]


def test_what_is_kept_or_private_is_not_done_twice(page: Page) -> None:
    ask(page, "Please remember that my bicycle is red")
    assert not page.js("document.querySelector('#live [data-anew]')"), "what was kept is kept"
    page.click("#new-private")
    page.wait("document.querySelector('#thread .private')")
    ask(page, "I like red")
    assert page.js("getComputedStyle(document.querySelector('#live .menu')).visibility") == "hidden"
    page.click("#live [data-anew]")
    page.wait("document.querySelector('#live .versions')?.innerText === '2/2'")
    page.click("[aria-label='Earlier version']")
    page.wait("document.querySelector('#thread .versions')?.innerText === '1/2'")
    assert page.js("document.querySelector('#thread .private')")


def test_hostile_questions_are_edited_as_text(page: Page) -> None:
    ask(page, ATTACK)
    page.click("#live [data-edit]")
    page.wait("document.querySelector('.edit textarea')")
    assert page.js("document.querySelector('.edit textarea').value") == ATTACK
    page.chrome.switch_to.active_element.send_keys(ENTER)
    page.wait("document.querySelector('#live .versions')?.innerText === '2/2'")
    assert questions(page) == [ATTACK]


def test_the_controls_have_names_and_are_reached_by_keyboard(page: Page) -> None:
    ask(page, "I like red", "I like green")
    page.click("#live [data-anew]")
    page.wait("document.querySelector('#live .versions')?.innerText === '2/2'")
    unnamed = page.js("[...document.querySelectorAll('#main button, #main summary')].filter(e => !(e.ariaLabel || e.innerText.trim())).length")
    assert unnamed == 0
    page.chrome.execute_script("document.querySelector('#live .question').scrollIntoView(); document.querySelector('#question textarea').focus()")
    met = set()
    for _ in range(14):
        page.chrome.switch_to.active_element.send_keys(SHIFT + TAB)
        met.add(page.js("document.activeElement.ariaLabel"))
    assert {"More", "Answer again", "Copy the answer", "Good answer", "Poor answer", "Edit this question", "Earlier version"} <= met


def test_a_long_conversation_shows_its_end_and_the_rest_on_demand(page: Page, one: Assistant) -> None:
    history = one._parts.kept.history
    for number in range(60):
        asked = history.begin("long", user="local", question=f"question {number}", title="long")
        history.finish(asked, user="local", answer_id=f"a{number}", text=f"answer {number}", answer_json=None)
    page.reload()
    page.click("#conversations [data-act=open]")
    page.wait("document.querySelectorAll('.question').length === 30")
    assert questions(page)[-1] == "question 59"
    page.js("document.querySelector('#scroller').scrollTop = 0")
    place = "document.querySelectorAll('.question')[{}].getBoundingClientRect().top"
    before = page.js(place.format(0))
    page.click(".earlier button")
    page.wait("document.querySelectorAll('.question').length === 60")
    page.wait("document.querySelector('#scroller').scrollTop > 100")
    assert abs(page.js(place.format(30)) - before) < 60, "what was read stays where it is"
    assert not page.js("document.querySelector('.earlier')")
    ask(page, "question 60")
    assert len(questions(page)) == 61


def test_an_unfinished_question_is_drawn_once_and_asked_again_only_at_the_end() -> None:
    def message(key: str, role: Any, text: str, at: Any = None) -> render.Shown:
        return render.Shown(Message(key, "c", role, text, at))

    html = render.thread([message("q1", "user", "<b>one</b>"), message("q2", "user", "two"), message("a2", "assistant", "half")])
    assert html.count("This was not finished.") == 1
    assert "Stopped." in html
    assert html.count("data-instead") == 1
    assert "<b>" not in html
