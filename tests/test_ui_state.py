"""The page over a PostgreSQL server, in a browser: it says that the server is away, and goes on by itself when it is back."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from assistant import StoreUnavailable
from tests.postgres import Cluster
from tests.test_assistant_kept import home
from tests.test_assistant_state import replica, said
from tests.test_ui_page import Page, browser, chromium
from ui.server import serve

__all__ = ["chromium", "home"]  # the fixtures
pytestmark = [browser, pytest.mark.postgres]


def test_a_person_is_told_that_the_server_is_away_and_goes_on_when_it_is_back(home: Path, cluster: Cluster, chromium: Any) -> None:
    with replica(home, f"{cluster.url}/postgres", "one", timeout=2) as one:
        served = serve(one, port=0, open_browser=False, block=False)
        page = Page(chromium, served.url)
        page.ask("I like red")
        page.wait("document.querySelector('#live .turn-foot')")
        cluster.stop(signal.SIGQUIT)
        page.ask("I like green")
        page.wait("document.querySelector('#live .failed')?.innerText.includes('Try again in a moment')")
        chromium.get(served.url)
        for place in ("conversations", "thread"):
            page.wait(f"document.querySelector('#{place}')?.innerText.includes('does not answer')")
        cluster.start()
        began = time.monotonic()
        while True:
            try:
                one.conversations.all(user="local")
                break
            except StoreUnavailable:
                assert time.monotonic() - began < 10
        page.reload()
        page.wait("document.querySelector('#thread .question')?.innerText.includes('red')")
        page.ask("I like blue")
        page.wait("document.querySelector('#live .turn-foot')")
        (talk,) = one.conversations.all(user="local")
        assert said(one, talk.id, "local") == ["I like red", "I like blue"]
        page.close()
        served.close()
