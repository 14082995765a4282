"""The page: the conversation and the side bar put together, and the server that shows them on this machine."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui import chat, icons, sidebar, view_activity, view_data, view_documents, view_models, views
from ui.login import account_of
from ui.session import Session, begun
from ui.versions import Versions

if TYPE_CHECKING:
    from assistant import Assistant

HERE = Path(__file__).parent
TITLE = "Assistant"
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
FONT_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")
KEPT = "() => [sessionStorage.getItem('assistant') || '']"
"""What the tab kept over a reload: its user and its conversation."""

TOP = (
    '<div class="top" role="banner"><button type="button" class="icon-button" id="menu" aria-label="Menu" aria-expanded="false" aria-controls="side">'
    f"{icons.MENU}</button><h1>{icons.MARK}{TITLE}</h1></div>"
)


VIEWS = (view_data.VIEW, view_documents.VIEW, view_models.VIEW, view_activity.VIEW)
"""What can be opened instead of the conversation, in the order of their buttons."""


def build(assistant: Assistant) -> gr.Blocks:
    """The page over `assistant`, with a session of its own for each browser tab."""
    return assemble(assistant, chat.Chat(assistant))


def assemble(assistant: Assistant, talk: chat.Chat) -> gr.Blocks:
    """The page, where the turns of `talk` are to be ended from outside."""
    _environment()
    script = "".join((HERE / name).read_text(encoding="utf-8") for name in ("evidence.js", "conversation.js", "page.js"))
    # An hour after an upload its copy is gone; what was taken in is in the index.
    page: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as page:
        session = gr.State(Session())
        kept = gr.Textbox(visible=False)
        gr.HTML(
            TOP,
            elem_id="top",
            apply_default_css=False,
            js_on_load="window.assistantPage.start(element)",
            head=f"<script>{script}</script>",
        )
        with gr.Row(elem_id="shell"):
            with gr.Column(elem_id="side"):
                side_parts = sidebar.layout(VIEWS)
            with gr.Column(elem_id="main"):
                chat_parts = chat.layout()
            opened = views.columns(VIEWS, assistant, session)
        side = sidebar.Side(assistant, talk)
        _wire_chat(talk, side, chat_parts, side_parts, session)
        _wire_side(side, chat_parts, side_parts, session)
        for button, view in zip(side_parts.views, opened, strict=True):
            _on(button.click, view.draw, [session], view.outputs)
        moves = Versions(assistant, talk, side)
        for html in (chat_parts.thread, chat_parts.live):
            _on(html.go, moves.go, [session], _everything(chat_parts, side_parts, session))
        timer = gr.Timer(5)
        _on(timer.tick, side.tick, [], [side_parts.status, timer])

        def begin(text: str, request: gr.Request) -> tuple[Any, ...]:
            first = begun(text, account_of(request))
            who = gr.Dropdown(visible=False) if first.signed_in else gr.Dropdown(choices=side.users(), value=first.user)
            return (*side.start(first, request), who, side.account(first), side.status())

        page.load(
            begin, [kept], [*_everything(chat_parts, side_parts, session), side_parts.who, side_parts.account, side_parts.status],
            js=KEPT, show_progress="hidden", api_visibility="private",
        )  # fmt: skip
        page.unload(side.leave)
    return page


def look() -> dict[str, Any]:
    """Theme and style, given where the page is served: fonts of the system, nothing fetched."""
    theme = gr.themes.Base(
        primary_hue="teal", neutral_hue="stone", font=FONT, font_mono=FONT_MONO, radius_size="lg", text_size="md"
    )
    # Gradio's `css` rewrites the rules (a selector that starts outside the page is lost), so the sheet goes in as it is.
    return {"theme": theme, "head": f"<style>{(HERE / 'style.css').read_text(encoding='utf-8')}</style>"}


def _everything(chat_parts: chat.ChatParts, side_parts: sidebar.SideParts, session: gr.State) -> list[Any]:
    """The outputs of `Side.start`, in its order."""
    return [
        session, chat_parts.thread, chat_parts.live, side_parts.conversations,
        side_parts.documents, side_parts.memories, side_parts.report,
    ]  # fmt: skip


def _wire_chat(
    talk: chat.Chat, side: sidebar.Side, parts: chat.ChatParts, side_parts: sidebar.SideParts, session: gr.State
) -> None:
    turn = [parts.box, parts.thread, parts.live]
    lists = [side_parts.conversations, side_parts.memories]
    # Gradio drops an event while one like it is under way, and the turn before is so for a moment after its answer is read.
    asked = [_on(event, talk.ask, [parts.box, session], turn, trigger_mode="multiple") for event in (parts.box.submit, parts.send.click)]
    asked += [_on(html.ask, talk.ask_again, [session], turn, trigger_mode="multiple") for html in (parts.thread, parts.live)]
    for event in asked:
        _on(event.then, side.after_turn, [session], lists)
    for html in (parts.thread, parts.live):
        # An act while another is under way is not to be dropped, as Gradio does with an event by default.
        _on(html.act, talk.checking.act, [session], [parts.reply, side_parts.memories], trigger_mode="multiple")

    def where_said(session: Session, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        found = talk.checking.where_said(session, event)
        return side.start(found, request) if found else (gr.skip(),) * 7

    for html in (parts.thread, parts.live):
        _on(html.said, where_said, [session], _everything(parts, side_parts, session))
    # Not queued: it must not wait behind the turn that it ends.
    parts.stop.click(talk.stop, None, None, queue=False, show_progress="hidden", api_visibility="private")


def _wire_side(side: sidebar.Side, chat_parts: chat.ChatParts, parts: sidebar.SideParts, session: gr.State) -> None:
    everything = _everything(chat_parts, parts, session)
    _on(parts.new.click, side.new, [session], everything)
    _on(parts.new_private.click, side.new_private, [session], everything)
    _on(parts.who.change, side.become, [parts.who, session], everything)
    _on(parts.conversations.act, side.act_on_conversation, [session], [*everything, parts.download])
    _on(parts.documents.act, side.remove_document, [session], [parts.documents])
    _on(parts.memories.act, side.act_on_memory, [session], [*everything, parts.download])
    _on(parts.find_memory.change, side.find_memories, [parts.find_memory, session], [parts.memories])
    _on(parts.find_conversation.change, side.find_conversations, [parts.find_conversation, session], [parts.conversations])
    _on(
        parts.upload.upload,
        side.add_documents,
        [parts.upload, parts.everybody, session],
        [parts.report, parts.documents, parts.upload],
    )


def _on(event: Callable[..., Any], fn: Callable[..., Any], inputs: list[Any], outputs: list[Any], **more: Any) -> Any:
    """Wire an event for any number of users at once, without Gradio's own progress veil and without a public endpoint."""
    return event(fn, inputs, outputs, concurrency_limit=None, show_progress="hidden", api_visibility="private", **more)


def _environment() -> None:
    """What Gradio takes from the environment when a page is made."""
    # It sums up its calls after each of them, for a dashboard that is off here.
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
    # Uploads lie in a folder that only this user of the machine can read, and that goes when the program ends.
    if "GRADIO_TEMP_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="assistant-uploads-")
        os.environ["GRADIO_TEMP_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
