"""Models and settings: what is on offer and fits, fetching with progress, changing over, and every setting with its source."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant import AssistantError, ModelOffer, Settings
from assistant.settings_file import typed
from assistant.settings_sources import sources
from ui import icons, lists
from ui.chat import CONNECT
from ui.session import Session
from ui.views import NOT_YOURS, Opened, View, administrator

if TYPE_CHECKING:
    from assistant import Assistant
    from assistant.models.files import Progress

AT_ONCE = ("model", "sampling")
"""The sections whose changes hold from the next question on; those of the others from the next start."""


def build(assistant: Assistant, session: gr.State) -> Opened:
    """The view's components and events."""
    view = ModelsView(assistant)
    offers = gr.HTML(elem_id="models", apply_default_css=False, js_on_load=CONNECT)
    fetching = gr.HTML(elem_id="fetching", apply_default_css=False, js_on_load=CONNECT)
    settings = gr.HTML(elem_id="settings", apply_default_css=False, js_on_load=CONNECT)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    offers.act(view.act, [session], [offers, fetching, settings], **quiet)
    # Not queued: it must not wait behind the download that it ends.
    fetching.act(view.cancel, [session], [], queue=False, show_progress="hidden", api_visibility="private")
    settings.act(view.change, [session], [offers, fetching, settings], **quiet)
    return Opened(view.draw, [offers, fetching, settings])


VIEW = View("models", "Models and settings", build)


class ModelsView:
    """What the view's events do. One model is fetched at a time, whoever asked."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._stop = threading.Event()
        self._fetching = threading.Lock()

    def draw(self, session: Session) -> tuple[Any, ...]:
        """(models, progress, settings) as they are now."""
        if not session.admin:
            return lists.notice(NOT_YOURS), "", ""
        return self._models(), gr.skip() if self._fetching.locked() else "", settings_list(self._assistant.settings)

    def _models(self) -> str:
        try:
            return models(self._assistant.setup.models.all())
        except AssistantError as error:
            return lists.notice(str(error))

    def act(self, session: Session, event: gr.EventData) -> Iterator[tuple[Any, ...]]:
        """Fetch, use or delete a model: yields (models, progress, settings) as it goes."""
        setup, name = self._assistant.setup, str(event.id)
        try:
            administrator(session)
            match event.act:
                case "fetch":
                    yield from self._fetch(name)
                    return
                case "use":
                    setup.use(name)
                    yield self._models(), lists.good(f"{name} answers from the next question on; it loads now."), settings_list(self._assistant.settings)
                case "delete":
                    setup.models.remove(name)
                    yield self._models(), lists.good(f"{name} was deleted."), gr.skip()
        except AssistantError as error:
            yield self._models(), lists.notice(str(error)), gr.skip()

    def cancel(self, session: Session) -> None:
        """End the download; what came is kept, and the next one goes on from there."""
        if session.admin:
            self._stop.set()

    def _fetch(self, name: str) -> Iterator[tuple[Any, ...]]:
        if not self._fetching.acquire(blocking=False):
            yield gr.skip(), lists.notice("A model is being fetched already. Wait for it, or cancel it."), gr.skip()
            return
        stop = self._stop = threading.Event()
        said: queue.SimpleQueue[Progress | AssistantError | None] = queue.SimpleQueue()

        def run() -> None:
            try:
                self._assistant.setup.models.fetch(name, said.put, stop.is_set)
            except AssistantError as error:
                said.put(error)
            finally:
                self._fetching.release()
                said.put(None)

        threading.Thread(target=run, name="fetch", daemon=True).start()
        came = lists.good(f"{name} is here, and whole.")
        try:
            while (state := said.get()) is not None:
                if isinstance(state, AssistantError):
                    came = lists.notice(str(state))
                else:
                    yield gr.skip(), progress(state), gr.skip()
        finally:
            stop.set()  # the tab was closed, or it is done
        yield self._models(), came, gr.skip()

    def change(self, session: Session, event: gr.EventData) -> tuple[Any, ...]:
        """Change a setting: (models, what came of it, settings)."""
        try:
            administrator(session)
            now = self._assistant.setup.change(str(event.id), str(event.value))
        except AssistantError as error:
            return gr.skip(), lists.notice(str(error)), gr.skip()
        when = "It holds from the next question on." if now else "It holds from the next start on."
        return self._models(), lists.good(f"{event.id} was changed. {when}"), settings_list(self._assistant.settings)


def models(offers: list[ModelOffer]) -> str:
    """The chat models, those that make vectors, and the user's own, each with what can be done with it."""
    titles = {"chat": "Models that answer", "embedding": "Models that search", "own": "Your own file"}
    parts = []
    for kind, group in groupby(sorted(offers, key=lambda offer: list(titles).index(offer.kind)), key=lambda offer: offer.kind):
        parts.append(f'<h3>{titles[kind]}</h3><ul class="offers">{"".join(_offer(offer) for offer in group)}</ul>')
    return "".join(parts)


def _offer(offer: ModelOffer) -> str:
    size = _size(offer.total_bytes) if offer.total_bytes else "size unknown"
    needs = "" if offer.memory_gb is None else f" · needs {offer.memory_gb:g} GB of memory"
    fits = "" if offer.fits else ' · <span class="warn">more than this machine has</span>'
    state = {"present": "here", "absent": "not here", "partial": "begun", "corrupt": "damaged"}[offer.state]
    badge = '<span class="badge">in use</span>' if offer.used else ""
    buttons = []
    if offer.state != "present" and offer.kind != "own":
        again = {"absent": "Fetch", "partial": "Go on fetching", "corrupt": "Fetch again"}[offer.state]
        buttons.append(_button("fetch", offer.name, f"{again} ({size})"))
    if offer.state == "present" and offer.kind == "chat" and not offer.used:
        buttons.append(_button("use", offer.name, "Use"))
    if offer.state != "absent" and not offer.used and offer.kind != "own":
        buttons.append(_button("delete", offer.name, "Delete", confirm=f"Delete {offer.name} ({size}) from this machine?", yes="Delete"))
    licence = f" · {escape(offer.licence)}" if offer.licence else ""
    return (
        f'<li><div><strong>{escape(offer.name)}</strong> {badge}<p class="quiet">{escape(offer.description)}</p>'
        f'<p class="quiet">{size}{needs}{fits}{licence} · {state}</p></div><span class="offer-acts">{"".join(buttons)}</span></li>'
    )


def progress(state: Progress) -> str:
    """A download under way, with the button that ends it."""
    of = f' max="{state.total_bytes}" value="{state.done_bytes}"' if state.total_bytes else ""
    doing = "Fetching" if state.phase == "download" else "Checking"
    return (
        f'<div class="ingest" role="status"><progress{of} aria-label="{escape(state.name)}"></progress><span class="quiet">{doing} {escape(state.name)}: '
        f'{_size(state.done_bytes)}{f" of {_size(state.total_bytes)}" if state.total_bytes else ""}</span>{_button("cancel", state.name, "Cancel")}</div>'
    )


def settings_list(settings: Settings) -> str:
    """Every setting by section, with its value, where that comes from and what it is for."""
    parts = []
    for section, found in groupby(sources(settings), key=lambda setting: setting[0].rpartition(".")[0]):
        rows = "".join(_setting(section, *setting) for setting in found)
        parts.append(f'<details class="fold" data-key="settings:{section}"><summary>{escape(section or "general")}</summary><dl class="settings">{rows}</dl></details>')
    return f'<h3>Settings</h3>{"".join(parts)}<p class="quiet">What is changed here stands in {escape(str(settings.config or settings.home / "assistant.toml"))}.</p>'


def _setting(section: str, name: str, description: str, value: object, source: str) -> str:
    when = "from the next question on" if section in AT_ONCE else "from the next start on"
    # A URL may hold a password, which is masked here; it is changed under Data.
    fixed = not section or name.endswith((".url", "_key"))
    edit = "" if fixed else _button(
        "set", name, icons.EDIT, look="icon-button", label=f"Change {name}", prompt=f"{name} ({when}; empty is the default)", value=typed(value), empty="true"
    )  # fmt: skip
    return f"<div><dt>{escape(name)}</dt><dd><code>{escape(typed(value)) or '–'}</code> <span class=\"quiet\">{escape(source)}</span>{edit}<p class=\"quiet\">{escape(description)}</p></dd></div>"


def _button(act: str, key: str, shown: str, *, look: str = "text-button", label: str = "", **data: str) -> str:
    extra = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    named = f' aria-label="{escape(label)}" title="{escape(label)}"' if label else ""
    return f'<button type="button" class="{look}" data-act="{act}" data-id="{escape(key)}"{extra}{named}>{shown}</button>'


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"
