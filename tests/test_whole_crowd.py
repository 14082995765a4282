"""Several people at once on one real model, each in a browser of their own."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from assistant import Assistant, Settings
from tests.test_ui_page import Page, browser, chromium_options, webdriver
from ui.server import Running, serve

WORDS = ("quartz", "walrus", "turnip", "saffron", "bobsled", "cobalt", "lantern", "papaya", "sundial", "meteor")
"""One for each person; none stands in what another asks."""


@pytest.fixture(scope="module")
def crowd() -> Iterator[Any]:
    """A browser that can hold several people apart: cookies, storage and cache are each one's own."""
    program, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    options = chromium_options(program)
    options.enable_bidi = True
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def serving(fetched: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """The page over the small model, which works on so many calls at once, in a process of its own with `worker`."""
    opened: list[tuple[Assistant, Running]] = []

    def serves(parallel: int, worker: bool = False) -> Running:
        models = fetched("qwen2.5-coder-0.5b").parent
        fetched("all-minilm-l6-v2")
        model = {"name": "qwen2.5-coder-0.5b", "directory": models, "parallel": parallel, "prefix_cache_mb": 64, "context": 4096, "worker": worker}
        assistant = Assistant(Settings(home=tmp_path_factory.mktemp("crowd"), sample=False, model=model))
        assistant.prepare()
        for word in WORDS:  # a document of each person's own, alike but for one word
            folder = tmp_path_factory.mktemp(word)
            (folder / "store.md").write_text(f"# Store rooms\n\nThe {word} is kept in the room behind the green door, on the second shelf.\n\nWhoever takes the {word} out signs the list.\n", "utf-8")
            assistant.documents.add(folder, user=word)
        if worker:
            assistant._models.chat()  # what is measured is a turn, not the loading
        running = serve(assistant, port=0, open_browser=False, block=False)
        opened.append((assistant, running))
        return running

    yield cache(serves)
    for assistant, running in opened:
        running.close()
        assistant.close()


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, chrome: Any, url: str, word: str) -> None:
        self.chrome, self.word = chrome, word
        self.context = chrome.browser.create_user_context()
        self.window = chrome.browsing_context.create(type="tab", user_context=self.context)
        chrome.switch_to.window(self.window)
        self.page = Page(chrome, url)
        self.page.become(word)
        self.page.wait(f"document.querySelector('#conversations [data-user]').dataset.user === '{word}'")
        self.seen: list[str] = []

    def ask(self, question: str) -> None:
        self.chrome.switch_to.window(self.window)
        self.page.ask(question.format(self.word))

    def over(self) -> bool:
        """Whether there is an answer; on the way, every state of the page is noted."""
        self.chrome.switch_to.window(self.window)
        done = bool(self.page.js("document.querySelector('#live .turn-foot')"))
        self.seen.append(self.page.text("#live"))
        assert not self.page.js("document.querySelector('#live .failure')"), self.seen[-1]
        return done

    def close(self) -> None:
        self.chrome.browser.remove_user_context(self.context)


def ask_all(people: list[Person], question: str, seconds: float) -> None:
    """Everybody asks, with their own word in the question; returns when all are answered."""
    for person in people:
        person.ask(question)
    waiting, deadline = list(people), time.monotonic() + seconds
    while waiting := [person for person in waiting if not person.over()]:
        assert time.monotonic() < deadline, [person.seen[-1] for person in waiting]
        time.sleep(0.05)


def apart(people: list[Person]) -> None:
    """Nobody has seen, in any state of the page or in what it holds now, a word of somebody else."""
    for person in people:
        person.chrome.switch_to.window(person.window)
        shown = " ".join([*person.seen, person.page.js("document.documentElement.outerHTML")]).lower()
        assert [other.word for other in people if other is not person and other.word in shown] == []


def places(people: list[Person]) -> list[int]:
    """The longest place in the queue that each was told: 0 for "you are next", -1 where nobody had to wait."""
    told = [re.findall(r"Waiting for the model · (?:(\d+) before you|you are next)", " ".join(person.seen)) for person in people]
    return [max((int(number or 0) for number in numbers), default=-1) for numbers in told]


@browser
@pytest.mark.model
def test_a_closed_tab_stops_the_model_within_a_second(crowd: Any, serving: Callable[..., Running]) -> None:
    person = Person(crowd, serving(1).url, WORDS[0])
    person.ask("Where is the {} kept, according to the documents?")
    person.page.wait("document.querySelector('#live [role=status]')?.innerText === 'Deciding where to look'", 60)
    assert turns()  # the model reads its first prompt, which takes seconds
    person.close()
    closed = time.monotonic()
    while turns() and time.monotonic() < closed + 10:
        time.sleep(0.01)
    took = time.monotonic() - closed
    crowd.switch_to.window(crowd.window_handles[0])
    assert took < 1.0


@browser
@pytest.mark.model
def test_a_closed_tab_stops_the_model_in_a_process_of_its_own(crowd: Any, serving: Callable[..., Running]) -> None:
    """What the process does is seen by the processor time that it takes: a busy machine makes that slower, not more."""
    before = {child.pid for child in psutil.Process().children()}
    person = Person(crowd, serving(1, worker=True).url, WORDS[1])
    model = next(child for child in psutil.Process().children() if child.pid not in before and "spawn_main" in " ".join(child.cmdline()))
    idle = spent(model)
    person.ask("Where is the {} kept, according to the documents?")
    person.page.wait("document.querySelector('#live .turn.running')", 60)
    while spent(model) < idle + 0.5:  # it reads its first prompt, which takes seconds
        assert turns()
        time.sleep(0.01)
    person.close()
    closed, reading = time.monotonic(), spent(model)
    while turns() and time.monotonic() < closed + 10:
        time.sleep(0.01)
    took, stopped = time.monotonic() - closed, spent(model)
    time.sleep(1.0)
    crowd.switch_to.window(crowd.window_handles[0])
    assert took < 1.0
    assert spent(model) - stopped < 0.1
    assert stopped - reading < 1.0 * (psutil.cpu_count() or 1)


def spent(process: psutil.Process) -> float:
    """Seconds of processor time."""
    times = process.cpu_times()
    return float(times.user + times.system)


def turns() -> list[threading.Thread]:
    """The threads in which turns run: the model works in them."""
    return [thread for thread in threading.enumerate() if thread.name == "turn"]


@browser
@pytest.mark.model
def test_three_at_once_are_kept_apart_and_told_their_place(crowd: Any, serving: Callable[..., Running]) -> None:
    url = serving(1).url
    people = [Person(crowd, url, word) for word in WORDS[:3]]
    try:
        ask_all(people, "Is the {} kept in the room behind the green door?", 240)
        apart(people)
        assert all("second shelf" in person.seen[-1] for person in people), [person.seen[-1] for person in people]
        assert max(places(people)) >= 0
    finally:
        for person in people:
            person.close()
        crowd.switch_to.window(crowd.window_handles[0])


@browser
@pytest.mark.model
@pytest.mark.measure
def test_ten_at_once_are_kept_apart_and_memory_stays_flat(crowd: Any, serving: Callable[..., Running]) -> None:
    url = serving(4).url
    people = [Person(crowd, url, word) for word in WORDS]
    sizes = []
    for question in ("Is the {} kept in the room behind the green door?", "Who signs the list when the {} is taken out?", "On which shelf is the {}?"):
        ask_all(people, question, 600)
        apart(people)
        sizes.append(psutil.Process().memory_info().rss / 2**20)
    print(f"places {places(people)}; MB after each round {[round(size) for size in sizes]}")  # noqa: T201 - the measure
    assert max(places(people)) >= 3
    assert sizes[-1] < sizes[0] + 64
