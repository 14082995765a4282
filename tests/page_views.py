"""The views of the page, each as what a person does to get there: what is looked at, measured and checked in all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.test_ui_page import Page
from ui.page import VIEWS as BESIDE

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts" / "page"
"""Where screenshots are kept; git ignores it."""

WIDTHS = {390: 844, 1280: 800, 1920: 1080}
PHONE = 390


def empty(page: Page) -> None:
    page.wait("document.querySelector('#thread .chip')")


def rows(page: Page) -> None:
    page.ask("Who ordered most last month?")
    page.answered()
    page.js("document.querySelectorAll('#live details').forEach(fold => fold.open = true)")


def plot(page: Page) -> None:
    page.ask("How many in these months?")
    page.answered()
    page.wait("document.querySelector('#live .chart')")


def sources(page: Page) -> None:
    page.ask("What does the handbook say about refunds?")
    page.answered()
    page.click("#live button[data-cite='1']")
    page.click("#live .fold-memories summary")


def running(page: Page) -> None:
    page.ask("forever")
    page.wait("document.querySelector('#live .prose-text')")


def choices(page: Page) -> None:
    page.ask("choose")
    page.wait("document.querySelector('#live .choices button')")


def failure(page: Page) -> None:
    page.ask("please fail")
    page.wait("document.querySelector('#live .failure')")


def private(page: Page) -> None:
    page.click("#new-private")
    page.wait("document.querySelector('#thread .private')")
    page.ask("hello there")
    page.wait("document.querySelector('#live .turn-foot')")


def side(page: Page) -> None:
    page.ask("Who ordered most last month, and who ordered most the month before that, in each city?")
    page.answered()
    for section in ("documents", "memories"):
        page.click(f"#{section}-section > button")
        page.wait(f"document.querySelector('#{section} .entry')")
    page.js("document.body.classList.contains('side-open') || document.querySelector('#menu').click()")


def dialog(page: Page) -> None:
    page.ask("hello there")
    page.answered()
    page.click("#conversations [data-act=rename]")
    page.wait("document.querySelector('#page-dialog').open")


SHOWN = {
    "data": "document.querySelector('#data .chip')",
    "documents": "document.querySelector('#index .offers li')",
    "models": "document.querySelector('#settings .fold')",
    "activity": "document.querySelector('#activity .turns li')",
}
"""What a view shows once the server has said what there is."""


def beside(name: str, *, click: str = "", until: str = "") -> Callable[[Page], None]:
    """A view that is opened instead of the conversation, and what is opened in it."""

    def opened(page: Page) -> None:
        page.ask("Who ordered most last month?")
        page.answered()
        page.click(f"#open-{name}")
        page.wait(f"document.body.dataset.view === {name!r} && !document.querySelector('#view-{name} .pending')")
        page.wait(SHOWN[name])
        if click:
            page.click(click)
            page.wait(f"document.querySelector({until!r})")
            page.js("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", until)

    return opened


VIEWS: dict[str, Callable[[Page], None]] = {
    view.__name__: view for view in (empty, rows, plot, sources, running, choices, failure, private, side, dialog)
} | {view.name: beside(view.name) for view in BESIDE}
VIEWS |= {
    "table": beside("data", click="#data .chip[data-id=orders]", until="#table .rows"),
    "preview": beside("documents", click="#index [data-act=preview]", until="#preview .passage"),
    "settings": beside("models", click="#settings [data-key='settings:sampling'] > summary", until="#settings [data-key='settings:sampling'][open] dl"),
}


def size(chrome: Any, width: int, height: int = 844) -> None:
    """Show the page at this size, in CSS pixels."""
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    )


def colours(chrome: Any, scheme: str) -> None:
    """Show it as to somebody whose system is "light" or "dark"."""
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})


def ordinary(chrome: Any) -> None:
    """Undo what was emulated."""
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
