"""The documents: what is in the index, what of each can be found, a folder taken in, all of it read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant import AssistantError, Document, Passage
from ui import lists, uploads
from ui.chat import CONNECT
from ui.ingesting import followed
from ui.session import Session
from ui.views import Opened, View, administrator

if TYPE_CHECKING:
    from assistant import Assistant

LISTED = 500
"""Documents in the list; the search box finds the others."""
SHOWN = 100
"""Passages of a document that are shown."""


def build(assistant: Assistant, session: gr.State) -> Opened:
    """The view's components and events."""
    view = DocumentsView(assistant)
    find = gr.Textbox(
        label="Search by name or folder", placeholder="Search by name or folder", elem_id="find-documents", elem_classes=["find"], show_label=False,
        container=False, max_lines=1,
    )  # fmt: skip
    listed = gr.HTML(elem_id="index", apply_default_css=False, js_on_load=CONNECT)
    with gr.Accordion("Take in a folder of this machine", open=False, elem_id="folder-section", elem_classes=["section"]):
        path = gr.Textbox(label="Folder or file", placeholder="/home/me/handbook", elem_id="folder", max_lines=1)
        everybody = gr.Checkbox(False, label="Everybody here may use them", elem_id="folder-everybody", container=False)
        add = gr.Button("Take in", elem_id="folder-add", size="sm", variant="primary", scale=0)
    again = gr.Button("Look for changes in all of them", elem_id="sync", size="sm", variant="secondary", scale=0)
    report = gr.HTML(elem_id="index-report", apply_default_css=False)
    preview = gr.HTML(elem_id="preview", apply_default_css=False)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    find.change(view.listed, [find, session], [listed], **quiet)
    listed.act(view.act, [find, session], [listed, preview, report], **quiet)
    add.click(view.add, [path, everybody, find, session], [report, listed], **quiet)
    again.click(view.sync, [find, session], [report, listed], **quiet)
    return Opened(lambda session: (view.listed("", session), "", ""), [listed, preview, report])


VIEW = View("documents", "Documents", build)


class DocumentsView:
    """What the view's events do."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    def listed(self, words: str, session: Session) -> str:
        """The documents that this user may ask, those with these words in their names or folders."""
        try:
            found = self._assistant.documents.all(user=session.user)
        except AssistantError as error:
            return lists.notice(str(error))
        wanted = words.strip().casefold()
        return documents([document for document in found if wanted in f"{document.name}\n{document.path}".casefold()], bool(found))

    def act(self, words: str, session: Session, event: gr.EventData) -> tuple[Any, ...]:
        """Show what of a document can be found, or take it out of the index: (list, preview, report)."""
        kept, key = self._assistant.documents, str(event.id)
        try:
            document = next((d for d in kept.all(user=session.user) if d.id == key), None)
            if document is None:
                return self.listed(words, session), "", lists.notice("That document is not there any more.")
            if event.act == "preview":
                return gr.skip(), preview(document, kept.contents(key, user=session.user)), ""
            kept.remove(key, user=session.user)
            uploads.drop(document.path, home=self._assistant.settings.home)
        except (AssistantError, OSError) as error:
            return gr.skip(), gr.skip(), lists.notice(str(error))
        return self.listed(words, session), "", lists.good(f"{document.name} was removed.")

    def add(self, path: str, everybody: bool, words: str, session: Session) -> Iterator[tuple[Any, ...]]:
        """Take in a folder or a file that lies on this machine: yields (report, list) as it goes."""
        owner = None if everybody else session.user
        yield from self._followed(session, words, lambda tell: self._assistant.documents.add(path.strip(), user=owner, progress=tell), path.strip())

    def sync(self, words: str, session: Session) -> Iterator[tuple[Any, ...]]:
        """Read again what changed of all that was ever taken in: yields (report, list) as it goes."""
        yield from self._followed(session, words, self._assistant.documents.sync)

    def _followed(self, session: Session, words: str, work: Any, path: str = "-") -> Iterator[tuple[Any, ...]]:
        try:
            administrator(session)  # it reads any folder of the machine that serves the page
            if not path:
                raise AssistantError("Name a folder or a file of this machine.")
        except AssistantError as error:
            yield lists.notice(str(error)), gr.skip()
            return
        for state in followed(work):
            yield state, gr.skip()
        yield gr.skip(), self.listed(words, session)


def documents(found: Sequence[Document], any_kept: bool) -> str:
    """The documents by name, each to look into and to remove."""
    if not found:
        return f'<p class="quiet empty">{"None has such a name." if any_kept else "No documents yet. Drop files anywhere on the page, or take in a folder below."}</p>'
    ordered = sorted(found, key=lambda document: document.name.casefold())
    more = f'<p class="quiet">and {len(ordered) - LISTED:,} more; search by name</p>' if len(ordered) > LISTED else ""
    return f'<ul class="offers">{"".join(_document(document) for document in ordered[:LISTED])}</ul>{more}'


def _document(document: Document) -> str:
    name, key = escape(document.name), escape(document.id)
    owner = "for everybody" if document.user is None else "only yours"
    passages = "1 passage" if document.passages == 1 else f"{document.passages:,} passages"
    return (
        f'<li><div><strong>{name}</strong><p class="quiet">{passages} · {owner} · taken in on {lists.day(document.added)}</p>'
        f'<p class="quiet">{escape(document.path)}</p></div><span class="offer-acts">'
        f'<button type="button" class="text-button" data-act="preview" data-id="{key}" aria-label="Look into {name}">Look into</button>'
        f'<button type="button" class="text-button" data-act="remove" data-id="{key}" data-confirm="Remove “{name}” from the documents?" data-yes="Remove" '
        f'aria-label="Remove {name}">Remove</button></span></li>'
    )


def preview(document: Document, passages: Sequence[Passage]) -> str:
    """What the index holds of a document, in its order."""
    if not passages:
        return lists.notice(f"Nothing of {document.name} is in the index.")
    parts = "".join(
        f"<h4>{escape(place)}</h4>" + "".join(f'<p class="passage">{escape(passage.text)}</p>' for passage in group)
        for place, group in groupby(passages[:SHOWN], key=lambda passage: passage.location)
    )
    more = f'<p class="quiet">and {len(passages) - SHOWN:,} more passages</p>' if len(passages) > SHOWN else ""
    return f"<h3>{escape(document.name)}</h3>{parts}{more}"
