"""What a reader does with an answer: judge it, run its query changed, read around a quotation, forget what is not true.

Each act gives what is to be shown in its place (`evidence.slot`); evidence.js puts it there.
"""

from __future__ import annotations

import uuid
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from assistant import AssistantError, Memory
from ui import evidence, lists
from ui.originals import Originals
from ui.session import Session

if TYPE_CHECKING:
    from assistant import Assistant

FIELDS = ("act", "id", "for", "score", "value", "reason", "comment", "sql")
"""What evidence.js may send with an act."""

PRIVATE = "This conversation is private: nothing of it is kept, and no judgement either."


class Checking:
    """The acts on the answers of every tab."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self.originals = Originals(assistant)
        self._forgotten: dict[str, dict[str, Memory]] = {}  # by tab, until it is left

    def act(self, session: Session, event: gr.EventData, request: gr.Request) -> tuple[str, Any]:
        """(what to show in its place, the list of memories): whatever goes wrong is one line there."""
        said = {name: str(value) for name in FIELDS if (value := getattr(event, name, None)) is not None}
        said = dict.fromkeys(FIELDS, "") | said
        memories = gr.skip()
        try:
            match said["act"]:
                case "feedback":
                    shown = self._judge(session, said["id"], 1 if said["score"] == "1" else -1)
                case "judge":
                    shown = self._explain_judgement(session, said)
                case "query":
                    shown = self._query(session, said)
                case "correct":
                    shown = self._judge(session, said["id"], -1, corrected_sql=said["value"])
                case "passage":
                    shown = self._passage(session, said["id"], said["value"])
                case "forget" | "restore":
                    shown = self._memory(session, said, self._forgotten.setdefault(str(request.session_hash), {}))
                    memories = lists.memories(self._assistant.memories.all(user=session.user))
                case _:
                    shown = ""
        except AssistantError as error:
            shown = lists.notice(str(error))
        return _reply(said, shown), memories

    def where_said(self, session: Session, event: gr.EventData) -> Session | None:
        """The conversation in which a memory was said, or None where it is gone, which the reader is told."""
        try:
            message = self._assistant.conversations.message(str(event.id), user=session.user)
        except AssistantError as error:
            gr.Warning(escape(str(error)), title="That cannot be shown")
            return None
        return session.opened(message.conversation)

    def leave(self, request: gr.Request) -> None:
        """What was forgotten in this tab cannot be brought back any more."""
        self._forgotten.pop(str(request.session_hash), None)

    def _judge(self, session: Session, key: str, score: Literal[-1, 1], **why: str | None) -> str:
        if session.private:
            raise AssistantError(PRIVATE)
        example = self._assistant.feedback(key, user=session.user, score=score, **why)
        if not any(why.values()):
            return ""
        learned = " The query is an example for questions like this from now on." if example and why.get("corrected_sql") else ""
        return f'<p class="quiet kept" role="status">Kept on this machine.{learned}</p>'

    def _explain_judgement(self, session: Session, said: dict[str, str]) -> str:
        comment, sql = ": ".join(filter(None, (said["reason"], said["comment"].strip()))), said["sql"].strip()
        if not comment and not sql:
            raise AssistantError("Say what was wrong: choose a reason, write a few words, or put the query right.")
        return self._judge(session, said["id"], -1, comment=comment or None, corrected_sql=sql or None)

    def _query(self, session: Session, said: dict[str, str]) -> str:
        sql = said["sql"].strip()
        if not sql:
            raise AssistantError("There is no query to run. Write one.")
        table = self._assistant.query(sql, user=session.user)
        return evidence.result(table, said["id"], sql, self._assistant.explain(sql), f"{said['id']}:{uuid.uuid4().hex}")

    def _passage(self, session: Session, key: str, quote: str) -> str:
        found = self._assistant.documents.around(key, user=session.user)
        this = next((passage for passage in found if passage.id == key), None)
        if this is None:
            raise AssistantError("This passage is not in the index any more: the document was changed or removed.")
        link = self.originals.link(this.document_id, user=session.user, location=this.location)
        return evidence.passage(found, key, quote, link)

    def _memory(self, session: Session, said: dict[str, str], forgotten: dict[str, Memory]) -> str:
        key, place = said["id"], said["for"]
        if said["act"] == "forget":
            forgotten[key] = self._assistant.memories.forget(key, user=session.user)
            return evidence.forgotten(key, place)
        if key not in forgotten:
            raise AssistantError("This memory cannot be brought back any more. Tell me again what it said.")
        return evidence.memory(self._assistant.memories.restore(forgotten.pop(key)), place)


def _reply(said: dict[str, str], shown: str) -> str:
    """What the browser is told of an act; never twice the same, or it would not be noticed."""
    return f'<div data-reply="{escape(said["for"])}" data-of="{escape(said["act"])}" data-number="{uuid.uuid4().hex}">{shown}</div>'
