"""Everybody can use the page: what axe finds in each view, every width, light and dark, the keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from assistant import Settings
from tests.page_views import ARTIFACTS, PHONE, VIEWS, WIDTHS, colours, ordinary, size
from tests.stand_in_assistant import StandIn
from tests.test_ui_page import Page, browser, chromium
from ui.server import serve

__all__ = ["chromium"]  # the fixture
AXE = resources.files("selenium_axe_python") / "axe-core" / "axe.min.js"
AXED = (("light", PHONE), ("dark", 1280))
"""Where axe looks: it takes most of the time, and the colours are the same at every width."""


@pytest.fixture(scope="module")
def served(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    stand_in = StandIn(settings=Settings(home=tmp_path_factory.mktemp("access"), sample=False))
    running = serve(stand_in, port=0, open_browser=False, block=False)  # type: ignore[arg-type]
    opened = Page(chromium, running.url)
    yield opened
    opened.close()
    running.close()


@pytest.fixture
def page(served: Page) -> Iterator[Page]:
    served.js("sessionStorage.clear()")
    served.reload()
    yield served
    ordinary(served.chrome)


def axe(page: Page) -> list[str]:
    """What axe-core finds, but for what it calls minor: rule, what is wrong, where."""
    if not page.js("Boolean(window.axe)"):
        page.chrome.execute_script(AXE.read_text(encoding="utf-8"))
    found = page.chrome.execute_async_script(
        "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then(r => done(r.violations))"
    )
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['any'][0]['message'] if node['any'] else rule['help']}"
        for rule in found if rule["impact"] != "minor" for node in rule["nodes"]
    ]  # fmt: skip

OUTSIDE = """[...document.querySelectorAll('body *')].filter(e => {
  if (!e.checkVisibility({visibilityProperty: true}) || e.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let p = e.parentElement; p !== document.body; p = p.parentElement)
    if (p.tagName === 'SVG' || getComputedStyle(p).overflowX !== 'visible') return p.scrollWidth > p.clientWidth && p.matches('dialog');
  return true;
}).map(e => e.outerHTML.slice(0, 120))"""
"""What reaches out of the window: what scrolls within a box of its own does not, but a dialog is not to scroll sideways."""

SMALL = """[...document.querySelectorAll('button, a[href], summary, input:not([type=file]), textarea')].filter(e => {
  const box = e.getBoundingClientRect();
  return e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && box.width && Math.min(box.width, box.height) < arguments[0]
    && !e.matches('.mark, [type=checkbox], #who input');
}).map(e => e.outerHTML.slice(0, 120))"""
"""What is too small to hit: a mark within a line of text has a wider target than what is drawn, a box its label, an input its frame."""


@browser
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_whole_at_every_width_light_and_dark(page: Page, view: str) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    VIEWS[view](page)
    wrong: dict[str, str] = {}  # what, and where it was first seen
    for scheme in ("light", "dark"):
        colours(page.chrome, scheme)
        for width, height in WIDTHS.items():
            size(page.chrome, width, height)
            page.wait(f"innerWidth === {width} && document.body.classList.contains('dark') === {json.dumps(scheme == 'dark')}")
            page.settled()
            page.chrome.save_screenshot(str(ARTIFACTS / f"{view}-{scheme}-{width}.png"))
            found = ["scrolls sideways"] if page.js("document.documentElement.scrollWidth") > width else []
            found += [f"reaches out: {html}" for html in page.js(OUTSIDE)]
            found += [f"too small: {html}" for html in page.js(SMALL, 34 if width == PHONE else 24)]
            found += axe(page) if (scheme, width) in AXED else []
            for what in found:
                wrong.setdefault(what, f"{scheme} {width}")
    assert not wrong, "\n".join(f"{where}: {what}" for what, where in wrong.items())
