"""Moving in a conversation: to earlier messages, to another version, into a branch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant import AssistantError
from ui.chat import Chat
from ui.session import Session
from ui.sidebar import Side

if TYPE_CHECKING:
    from assistant import Assistant

MORE = 100
"""Turns that are shown in addition for those who want to see earlier ones."""


@dataclass(frozen=True)
class Versions:
    """What the controls of messages do."""

    assistant: Assistant
    chat: Chat
    side: Side

    def go(self, session: Session, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Earlier messages, another version, or a branch: what `Side.start` gives. Nothing while a turn runs."""
        unchanged = (gr.skip(),) * 7
        if self.chat.busy(request):
            return unchanged
        kept, shown = self.assistant.conversations, session.conversation
        try:
            match event.name:
                case "branch" if not session.private:  # which would end with the conversation that it is left for
                    made = kept.branch(shown, str(event.id), user=session.user)
                    return self.side.start(session.opened(made.id), request)
                case "version":
                    kept.restore(shown, str(event.id), user=session.user)
                case "earlier":
                    session = replace(session, turns=session.turns + MORE)
                case _:
                    return unchanged
        except AssistantError as error:
            gr.Warning(escape(str(error)), title="That did not work")
            return unchanged
        return (session, self.chat.conversation(session), "", *unchanged[3:])
