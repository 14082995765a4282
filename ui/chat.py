"""The conversation on the page: layout, asking, stopping, judging."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant import Answer, AssistantError, Message, NotFound, answer_from_json
from ui import lists, render
from ui.checking import Checking
from ui.deleting import Deleting
from ui.progress import Event, Progress
from ui.session import Session
from ui.turn import Turn

if TYPE_CHECKING:
    from assistant import Assistant

CONNECT = "window.assistantPage.connect(element, trigger, watch, ['ask', 'act', 'go', 'said'])"
"""What joins an HTML component to page.js; Gradio reads the names of the events from it."""

PRIVATE = "Private: nothing of this conversation is kept, and it is gone when you leave it."

TICK = 0.1
"""Seconds between two looks at a running turn."""
LEAVING = 2.0
"""Seconds that a turn is given to leave the page."""


@dataclass(frozen=True)
class ChatParts:
    """The components of the conversation."""

    thread: gr.HTML
    live: gr.HTML
    reply: gr.HTML
    box: gr.Textbox
    send: gr.Button
    stop: gr.Button


def layout() -> ChatParts:
    """The conversation with its question box under it; called inside a column."""
    with gr.Column(elem_id="scroller"):
        thread = gr.HTML(elem_id="thread", apply_default_css=False, js_on_load=CONNECT)
        live = gr.HTML(elem_id="live", apply_default_css=False, js_on_load=CONNECT)
        reply = gr.HTML(elem_id="reply", apply_default_css=False, js_on_load="window.assistantEvidence.replies(element)")
    with gr.Row(elem_id="composer"):
        box = gr.Textbox(
            elem_id="question", label="Your question", show_label=False, container=False, lines=1, max_lines=8,
            placeholder="Ask a question", autofocus=True, scale=1, html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
        )  # fmt: skip
        send = gr.Button("Send", elem_id="send", variant="primary", scale=0)
        stop = gr.Button("Stop", elem_id="stop", variant="secondary", scale=0)
    return ChatParts(thread, live, reply, box, send, stop)


class Chat:
    """What the conversation's events do. A turn belongs to the browser session that asked."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self.checking = Checking(assistant)
        self._turns: dict[str, Turn] = {}
        self.deleting = Deleting(assistant)

    def conversation(self, session: Session) -> str:
        """The conversation so far as HTML, or the welcome where there is nothing yet."""
        return _banner(session) + (self._messages(session) or self._welcome())

    def _welcome(self) -> str:
        try:
            return render.welcome(self._assistant.suggestions())
        except AssistantError as error:  # the database cannot be opened, for one
            return render.welcome(()) + lists.notice(str(error))

    def ask(self, question: str, session: Session, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """One turn: yields (question box, conversation, newest turn) as it goes."""
        yield from self._ask(question, session, request)

    def _ask(self, question: str, session: Session, request: gr.Request, *, instead_of: str = "", was: str = "") -> Iterator[tuple[Any, ...]]:
        """Asked `instead_of` the message with that id, or of the question `was` where that was not finished."""
        key, question, turn = str(request.session_hash), question.strip(), Turn()
        if (last := self._turns.get(key)) and last.answered:  # the user has read its answer, and it is about to leave
            last.left.wait(LEAVING)
        if not question or self._turns.setdefault(key, turn) is not turn:
            yield gr.skip(), gr.skip(), gr.skip()
            return
        try:
            replaced = instead_of or self._left(was or question, session)
            # Read before the turn can write its question there.
            before = _banner(session) + self._messages(session, choosable=False, up_to=replaced)
            progress = Progress(question, time.monotonic())
            turn.start(self._stream(question, session, replaced))
            yield "", before, render.turn(progress, progress.started)
            yield from self._follow(turn, progress, session)
        finally:
            if not turn.answered:
                turn.stop()
            self._turns.pop(key, None)
            turn.left.set()

    def ask_again(self, session: Session, event: gr.EventData, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """A suggestion, a choice, a question once more or in other words: what the event says is asked, `instead` of another."""
        instead_of, was = (str(getattr(event, name, "")) for name in ("instead", "was"))
        for box, before, live in self._ask(str(event.text), session, request, instead_of=instead_of, was=was):
            yield (gr.skip() if box == "" else box), before, live

    def busy(self, request: gr.Request) -> bool:
        """Whether a turn of this browser session runs."""
        return str(request.session_hash) in self._turns

    def stop(self, request: gr.Request) -> None:
        """End the turn of this browser session; its generator shows that it was stopped."""
        if turn := self._turns.get(str(request.session_hash)):
            turn.stop()

    def leave(self, request: gr.Request, *, patience: float = LEAVING) -> None:
        """End the turn of this session and wait until nothing more of it can be shown."""
        self.checking.leave(request)
        if turn := self._turns.get(str(request.session_hash)):
            turn.stop()
            turn.left.wait(patience)

    def close(self) -> None:
        """End every turn, and delete what was to be deleted."""
        for turn in list(self._turns.values()):
            turn.stop()
        self.deleting.close()

    def _left(self, question: str, session: Session) -> str | None:
        """The id of the last question where it is this one and was not finished: asked again, it stands there once."""
        try:
            left = self._assistant.conversations.unfinished(session.conversation, user=session.user)
        except AssistantError:  # a new conversation; what else is wrong the turn says itself
            return None
        return left.id if left and left.text == question.strip() else None

    def _stream(self, question: str, session: Session, instead_of: str | None) -> Iterator[Event]:
        try:
            return self._assistant.stream(
                question, user=session.user, conversation=session.conversation, private=session.private, instead_of=instead_of
            )
        except AssistantError as error:  # refused before it began: shown as any other failure
            return _failing(error)

    def _messages(self, session: Session, *, choosable: bool = True, up_to: str | None = None) -> str:
        """The last turns as HTML, up to the question that a message is or answers."""
        try:
            messages = self._said(session, session.turns + 1)
        except NotFound:  # a new conversation is not kept before its first turn
            return ""
        except AssistantError as error:
            return lists.notice(str(error))
        asked = [at for at, message in enumerate(messages) if message.role == "user"]
        more = len(asked) > session.turns
        replaced = next((at for at, message in enumerate(messages) if message.id == up_to), len(messages))
        end = max((at for at in asked if at <= replaced), default=0) if replaced < len(messages) else replaced
        shown = [render.Shown(message, _answer_of(message)) for message in messages[asked[1] if more else 0 : end]]
        return render.thread(shown, choosable=choosable, more=more)

    def _said(self, session: Session, turns: int) -> list[Message]:
        return self._assistant.conversations.messages(session.conversation, user=session.user, turns=turns)

    def _asked(self, session: Session) -> Message | None:
        """The question that was just answered."""
        try:
            return next(iter(self._said(session, 1)), None)
        except AssistantError:
            return None

    def _follow(self, turn: Turn, progress: Progress, session: Session) -> Iterator[tuple[Any, ...]]:
        shown = ""
        while not progress.over:
            for event in turn.batch(wait=TICK, gather=TICK / 2):
                progress = progress.after(event, time.monotonic())
            if turn.stopped.is_set():
                progress = replace(progress, stopped=progress.answer is None)
            elif turn.over and progress.answer is None:
                progress = replace(progress, failure=turn.failure)
            html = render.turn(progress, time.monotonic(), self._asked(session) if progress.answer else None)
            if html != shown:
                yield gr.skip(), gr.skip(), html
            shown = html


def _banner(session: Session) -> str:
    return f'<p class="private" role="status">{PRIVATE}</p>' if session.private else ""


def _failing(error: AssistantError) -> Iterator[Event]:
    raise error
    yield  # makes this a generator


def _answer_of(message: Message) -> Answer | None:
    return answer_from_json(message.answer) if message.answer else None
