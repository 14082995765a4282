"""The side bar: conversations, documents, memories, who is asking, and what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant import AssistantError, IngestReport, Memory, NotFound
from ui import downloads, lists, uploads, views
from ui.chat import CONNECT, Chat
from ui.ingesting import Tell, followed
from ui.session import Session

if TYPE_CHECKING:
    from assistant import Assistant

FOUND_MEMORIES = 20
"""Memories shown for a search."""


@dataclass(frozen=True)
class SideParts:
    """The components of the side bar."""

    new: gr.Button
    new_private: gr.Button
    find_conversation: gr.Textbox
    conversations: gr.HTML
    documents: gr.HTML
    upload: gr.UploadButton
    everybody: gr.Checkbox
    report: gr.HTML
    find_memory: gr.Textbox
    memories: gr.HTML
    views: list[gr.Button]
    who: gr.Dropdown
    account: gr.HTML
    status: gr.HTML
    download: gr.HTML


def layout(shown: tuple[views.View, ...]) -> SideParts:
    """The side bar's sections from top to bottom; called inside a column."""
    new = gr.Button("New conversation", elem_id="new", variant="secondary", size="md")
    new_private = gr.Button("Private conversation", elem_id="new-private", variant="secondary", size="md")
    with gr.Column(elem_id="side-sections"):
        find_conversation = _search("find-conversations", "Search conversations")
        conversations = _section("conversations")
        with gr.Accordion("Documents", open=False, elem_id="documents-section", elem_classes=["section"]):
            documents = _section("documents")
            upload = gr.UploadButton(
                "Add documents", elem_id="upload", file_count="multiple", size="sm", variant="secondary"
            )
            everybody = gr.Checkbox(False, label="Everybody here may use them", elem_id="everybody", container=False)
            report = gr.HTML(elem_id="report", apply_default_css=False)
        with gr.Accordion("What I remember", open=False, elem_id="memories-section", elem_classes=["section"]):
            find_memory = _search("find-memories", "Search what I remember")
            memories = _section("memories")
    opens = views.buttons(shown)
    who = gr.Dropdown(choices=[], label="You are", allow_custom_value=True, elem_id="who", interactive=True)
    account = gr.HTML(elem_id="account", apply_default_css=False)
    status = gr.HTML(elem_id="status", apply_default_css=False)
    download = downloads.place("download")
    return SideParts(
        new, new_private, find_conversation, conversations, documents, upload, everybody, report, find_memory, memories,
        opens, who, account, status, download,
    )  # fmt: skip


def _search(name: str, label: str) -> gr.Textbox:
    return gr.Textbox(
        label=label, placeholder=label, elem_id=name, elem_classes=["find"], show_label=False, container=False, max_lines=1
    )


def _section(name: str) -> gr.HTML:
    return gr.HTML(elem_id=name, apply_default_css=False, js_on_load=CONNECT)


class Side:
    """What the side bar's events do."""

    def __init__(self, assistant: Assistant, chat: Chat, *, shown_users: int = 1000) -> None:
        self._assistant = assistant
        self._chat = chat
        self._shown_users = shown_users
        self._private: dict[str, Session] = {}
        self._forgotten: dict[str, Memory] = {}  # by tab, the last one, until the tab is left

    def users(self) -> list[tuple[str, str]]:
        """(label, id) of the users that can be chosen."""
        return [(label, key) for key, label in self._assistant.users()[: self._shown_users]]

    def conversations(self, session: Session, words: str = "") -> str:
        """The list of conversations, or of those in which some words stand."""
        going, title = self._chat.deleting.waiting(session.user) or (None, None)

        def draw() -> str:
            found = self._assistant.conversations.all(user=session.user, query=words.strip())
            return lists.conversations([entry for entry in found if entry.id != going], session.conversation, deleted=title)

        kept = _or_notice(draw)
        # page.js keeps these two over a reload of the tab.
        return (
            f'<div data-user="{escape(session.user)}" data-conversation="{escape(session.conversation)}"'
            f' data-private="{str(session.private).lower()}">{kept}</div>'
        )

    def find_conversations(self, words: str, session: Session) -> str:
        """The conversations in which some words stand."""
        return self.conversations(session, words)

    def documents(self, session: Session) -> str:
        """The list of documents."""
        return _or_notice(lambda: lists.documents(self._assistant.documents.all(user=session.user)))

    def memories(self, session: Session, *, forgotten: Memory | None = None) -> str:
        """The list of memories."""
        return _or_notice(
            lambda: lists.memories(self._assistant.memories.all(user=session.user), forgotten=forgotten)
        )

    def find_memories(self, words: str, session: Session, request: gr.Request) -> str:
        """The memories nearest to some words, best first; all where there are none."""

        def found() -> str:
            kept = self._assistant.memories
            memories = kept.search(words, user=session.user, k=FOUND_MEMORIES) if words.strip() else kept.all(user=session.user)
            # Looked at last: one of them may have been forgotten meanwhile, and that can still be undone.
            gone = self._forgotten.get(str(request.session_hash))
            return lists.memories(memories, forgotten=gone if gone and gone.user == session.user else None)

        return _or_notice(found)

    def account(self, session: Session) -> str:
        """Who is signed in, and the way out."""
        return lists.account(session.signed_in) if session.signed_in else ""

    def status(self) -> str:
        """The line about the model."""
        return lists.status(self._assistant.state(), self._assistant.settings.model.server_url)

    def tick(self) -> tuple[str, gr.Timer]:
        """The line about the model, and whether it needs to be looked at again."""
        state, server = self._assistant.state(), self._assistant.settings.model.server_url
        return lists.status(state, server), gr.Timer(active=not (state.ready and (state.model_loaded or server)))

    def after_turn(self, session: Session) -> tuple[str, str]:
        """(conversations, memories): a turn may have named the one and added to the other."""
        return self.conversations(session), self.memories(session)

    def start(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """(session, conversation, newest turn, conversations, documents, memories, report) where a session begins or changes."""
        self.leave(request)
        if session.private:
            self._private[str(request.session_hash)] = session
        shown = (
            self._chat.conversation(session),
            "",
            self.conversations(session),
            self.documents(session),
            self.memories(session),
        )
        return session, *shown, ""

    def leave(self, request: gr.Request) -> None:
        """End the turn of a tab, and what is there only as long as it is looked at."""
        self._chat.leave(request)
        self._forgotten.pop(str(request.session_hash), None)
        if left := self._private.pop(str(request.session_hash), None):
            with suppress(NotFound):  # nothing was said in it
                self._assistant.conversations.delete(left.conversation, user=left.user)

    def new(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """An empty conversation."""
        return self.start(session.fresh(), request)

    def new_private(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """An empty conversation of which nothing is kept."""
        return self.start(session.fresh(private=True), request)

    def become(self, user: str | None, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """Another user, in a new conversation."""
        chosen = (user or "").strip()
        if not chosen or chosen == session.user or session.signed_in:
            return (gr.skip(),) * 7
        by_label = dict(self.users())
        return self.start(Session(by_label.get(chosen, chosen)), request)

    def act_on_conversation(self, session: Session, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Open, rename, save, delete or bring back: what `start` gives, and a file to save."""
        kept, key = self._assistant.conversations, str(event.id)
        unchanged = [gr.skip()] * 8
        try:
            match event.act:
                case "open":
                    return (*self.start(session.opened(key), request), gr.skip())
                case "delete":
                    title = next((entry.title for entry in kept.all(user=session.user) if entry.id == key), "")
                    self._chat.deleting.begin(key, title or "Untitled", user=session.user)
                    if key == session.conversation:
                        return (*self.start(session.fresh(), request), gr.skip())
                case "undo" if not self._chat.deleting.undo(session.user):
                    gr.Warning("Its time was up: it is deleted.", title="That did not work")
                case "rename":
                    kept.rename(key, str(event.value).strip()[:200] or "Untitled", user=session.user)
                case "export":
                    unchanged[7] = downloads.link(kept.export(key, user=session.user), f"conversation-{key[:8]}.md")
        except AssistantError as error:
            _warn(error)
        unchanged[3] = self.conversations(session)
        return tuple(unchanged)

    def remove_document(self, session: Session, event: gr.EventData) -> str:
        """Take a document out of the index."""
        key = str(event.id)
        try:
            known = self._assistant.documents.all(user=session.user)
            self._assistant.documents.remove(key, user=session.user)
            for document in known:
                if document.id == key:
                    uploads.drop(document.path, home=self._assistant.settings.home)
        except (AssistantError, OSError) as error:
            _warn(error)
        return self.documents(session)

    def act_on_memory(self, session: Session, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Forget, bring back, change, save or delete everything: what `start` gives, and a file to save."""
        kept, tab = self._assistant.memories, str(request.session_hash)
        gone = self._forgotten.pop(tab, None)
        changed = [gr.skip()] * 8
        try:
            match event.act:
                case "forget":
                    self._forgotten[tab] = kept.forget(str(event.id), user=session.user)
                case "undo" if gone:
                    kept.restore(gone)
                case "edit":
                    kept.edit(str(event.id), str(event.value), user=session.user)
                case "take":
                    changed[7] = downloads.link(self._assistant.export_all(user=session.user), "everything-about-me.json")
                case "erase":
                    self._chat.leave(request)
                    self._assistant.forget_all(user=session.user)
                    return (*self.start(session.fresh(private=session.private), request), gr.skip())
        except AssistantError as error:
            _warn(error)
        changed[5] = self.memories(session, forgotten=self._forgotten.get(tab))
        return tuple(changed)

    def add_documents(self, paths: list[str] | None, everybody: bool, session: Session) -> Iterator[tuple[Any, ...]]:
        """Take uploaded files in: yields (report, documents, upload button) as it goes."""
        if not paths:
            yield gr.skip(), gr.skip(), gr.skip()
            return
        assistant, owner = self._assistant, None if everybody else session.user

        def take_in(tell: Tell) -> IngestReport:
            return assistant.documents.add(*uploads.keep(paths, home=assistant.settings.home, user=owner), user=owner, progress=tell)

        for state in followed(take_in):
            yield state, gr.skip(), gr.skip()
        yield gr.skip(), self.documents(session), gr.UploadButton(value=None)


def _or_notice(draw: Callable[[], str]) -> str:
    """What `draw` gives, or one message where a store cannot be read."""
    try:
        return draw()
    except AssistantError as error:
        return lists.notice(str(error))


def _warn(error: AssistantError | OSError) -> None:
    gr.Warning(escape(str(error)), title="That did not work")
