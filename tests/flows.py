"""What the flows on the page stand on: one server with the real small model and the sample workspace, and a person who waits for what they see."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from assistant import Assistant, Settings
from assistant.models.catalogue import CATALOGUE
from tests.conftest import CHAT_SMALL, EMBEDDING
from tests.page_views import ordinary
from tests.test_ui_page import Page
from ui.server import Running, serve

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts" / "flows"
"""Where each flow leaves a picture of what it came to; git ignores it."""

OTHER = "smollm2-135m"
"""The model that is changed over to."""
PATIENCE = 240.0
"""Seconds in which anything comes, on a machine that has other things to do."""

ROWS, SOURCES, TALK = "rows", "sources", "talk"
"""The conversations that are there before anybody comes."""
QUESTIONS = {
    ROWS: "How many repairs are there for each status?",
    SOURCES: "Is the tandem kept in the room behind the green door?",
    TALK: "Thank you, that helped!",
}


STORE = """# Store rooms

The tandem is kept in the room behind the green door, on the second shelf.

Whoever takes the tandem out signs the list.
"""
"""What even the small model finds its way in."""


class Person(Page):
    """Somebody at the page. They wait for what they want to see, however long a busy machine takes."""

    def wait(self, expression: str, seconds: float = PATIENCE) -> Any:
        return super().wait(expression, seconds)

    def sees(self, selector: str, count: int = 1) -> None:
        """Wait until as many can be seen."""
        self.wait(f"[...document.querySelectorAll({selector!r})].filter(e => e.checkVisibility()).length === {count}")

    def reads(self, selector: str, words: str) -> None:
        """Wait until these words can be read there."""
        self.wait(f"[...document.querySelectorAll({selector!r})].some(e => e.innerText.includes({words!r}))")

    def write(self, selector: str, text: str) -> None:
        """Put a text where another may stand."""
        self.wait(f"document.querySelector({selector!r})?.checkVisibility()")
        self.chrome.find_element("css selector", selector).send_keys("\ue009a\ue000", text)

    def open(self, conversation: str) -> None:
        """Take up a conversation from the side bar."""
        self.click(f"#conversations [data-act=open][data-id={conversation}]")
        self.wait(f"document.querySelector('#conversations [data-conversation={conversation}]') && document.querySelector('#thread .turn-foot')")

    def view(self, name: str, shown: str) -> None:
        """Open a view and wait for what it shows."""
        self.click(f"#open-{name}")
        self.wait(f"document.querySelector({shown!r})?.checkVisibility()")

    def section(self, name: str, shown: str) -> None:
        """Unfold a section of the side bar."""
        self.click(f"#{name}-section > button")
        self.wait(f"document.querySelector({shown!r})?.checkVisibility()")

    def answer(self, question: str) -> None:
        """Ask, and wait for the whole answer."""
        self.ask(question)
        self.wait("document.querySelector('#live .turn-foot')")

    def saved(self, selector: str) -> str:
        """The text of a file that the page hands over as a link."""
        self.wait(f"document.querySelector({selector!r})")
        return str(self.chrome.execute_async_script(
            "const [selector, done] = arguments; const href = document.querySelector(selector).href;"
            "done(new TextDecoder().decode(Uint8Array.from(atob(href.split(',')[1]), letter => letter.charCodeAt(0))))", selector,
        ))  # fmt: skip


@contextmanager
def slow_hub() -> Iterator[str]:
    """The address of a model hub of this machine's own that gives files so slowly that somebody loses patience."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            files = [file for entry in CATALOGUE.values() for file in entry.files if file.hub and self.path.endswith(file.hub[1])]
            self.send_response(200)
            self.send_header("Content-Length", str(files[0].bytes))
            self.send_header("ETag", '"v1"')
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            try:
                self.wfile.write(b"GGUF" + bytes(2**20))
                while not over.wait(0.05):
                    self.wfile.write(bytes(2**16))
            except OSError:
                pass  # the reader went away

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flows")


@pytest.fixture(scope="module")
def assistant(fetched: Callable[[str], Path], folder: Path) -> Iterator[Assistant]:
    """The small model over the sample workspace, with a column that nobody may see and a few conversations."""
    models = folder / "models"  # of its own: something is fetched into it
    models.mkdir()
    for name in (CHAT_SMALL, OTHER, EMBEDDING):
        _beside(fetched(name), models)
    with slow_hub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        settings = Settings(
            home=folder / "home", database={"masked": ("members.email",)}, sampling={"max_tokens": 160},
            model={"name": CHAT_SMALL, "directory": models, "context": 4096, "prefix_cache_mb": 64, "sources": ("hub",), "hub_endpoint": hub},
        )  # fmt: skip
        with Assistant(settings) as made:
            made.prepare()
            (store := folder / "store.md").write_text(STORE, encoding="utf-8")
            made.documents.add(store)
            yield made


def _beside(path: Path, folder: Path) -> None:
    """A model's files in another folder, without their bytes where the system can."""
    for found in path.parent.glob(f"{path.name}*"):
        try:
            (folder / found.name).symlink_to(found)
        except OSError:
            (shutil.copytree if found.is_dir() else shutil.copy2)(found, folder / found.name)


@pytest.fixture(scope="module")
def served(assistant: Assistant) -> Iterator[Running]:
    running = serve(assistant, port=0, open_browser=False, block=False)
    yield running
    running.close()


@pytest.fixture(scope="module")
def tab(chromium: Any, served: Running) -> Person:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return Person(chromium, served.url)


@pytest.fixture
def page(tab: Person, request: pytest.FixtureRequest) -> Iterator[Person]:
    """The page as somebody finds it who comes anew; afterwards it is pictured, and nothing was asked of anybody but the server."""
    tab.chrome.get(tab.url)
    tab.js("sessionStorage.clear(), history.replaceState(null, '', '/')")
    tab.reload()
    yield tab
    tab.chrome.save_screenshot(str(ARTIFACTS / f"{request.node.name.removeprefix('test_')}.png"))
    ordinary(tab.chrome)
    tab.close()


def answered(name: str) -> Any:
    """A fixture: that conversation, with its question answered by the model."""

    @pytest.fixture(scope="module", name=name)
    def asked(assistant: Assistant) -> str:
        assistant.ask(QUESTIONS[name], conversation=name)
        return name

    return asked


rows, sources, talk = (answered(name) for name in QUESTIONS)
