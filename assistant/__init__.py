"""Ask a database, documents and memories in one conversation, on a local model.

Importing this package is quick: everything heavy is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from assistant.silence import silence

silence()

if TYPE_CHECKING:
    from assistant.activity import TurnRecord
    from assistant.api import Assistant
    from assistant.choosing import ModelOffer
    from assistant.errors import ModelBusy, ModelFileCorrupt, ModelUnavailable, SettingsError
    from assistant.overview import State
    from assistant.serialise import answer_from_json, answer_to_json
    from assistant.settings import Settings
    from assistant.stream import Stream
    from graphs.errors import QuestionTooLong, TurnCancelled
    from graphs.values import Answer, Attempt, Citation, Done, Event, Route, StepFinished, StepStarted, Token, Usage
    from stores.errors import (
        AssistantError,
        DatabaseUnavailable,
        DocumentUnreadable,
        IndexUnreachable,
        NotFound,
        QueryFailed,
        QueryRejected,
        QueryTimeout,
        StoreUnavailable,
    )
    from stores.values import (
        ColumnInfo,
        Conversation,
        Document,
        Example,
        IngestProgress,
        IngestReport,
        Memory,
        Message,
        Passage,
        Refusal,
        Schema,
        Table,
        TableInfo,
    )
    from stores.within import Within

_HOME = {
    "assistant.activity": ("TurnRecord",),
    "assistant.api": ("Assistant",),
    "assistant.choosing": ("ModelOffer",),
    "assistant.errors": ("ModelBusy", "ModelFileCorrupt", "ModelUnavailable", "SettingsError"),
    "assistant.overview": ("State",),
    "assistant.serialise": ("answer_from_json", "answer_to_json"),
    "assistant.settings": ("Settings",),
    "assistant.stream": ("Stream",),
    "graphs.errors": ("QuestionTooLong", "TurnCancelled"),
    "graphs.values": (
        "Answer",
        "Attempt",
        "Citation",
        "Done",
        "Event",
        "Route",
        "StepFinished",
        "StepStarted",
        "Token",
        "Usage",
    ),
    "stores.errors": (
        "AssistantError",
        "DatabaseUnavailable",
        "DocumentUnreadable",
        "IndexUnreachable",
        "NotFound",
        "QueryFailed",
        "QueryRejected",
        "QueryTimeout",
        "StoreUnavailable",
    ),
    "stores.values": (
        "ColumnInfo",
        "Conversation",
        "Document",
        "Example",
        "IngestProgress",
        "IngestReport",
        "Memory",
        "Message",
        "Passage",
        "Refusal",
        "Schema",
        "Table",
        "TableInfo",
    ),
    "stores.within": ("Within",),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order in which a reader meets them
    "Assistant", "Settings", "State", "Stream",
    "Answer", "Attempt", "Citation", "Route", "Table", "Usage", "answer_from_json", "answer_to_json",
    "Event", "StepStarted", "StepFinished", "Token", "Done",
    "Conversation", "Document", "Example", "IngestProgress", "IngestReport", "Memory", "Message", "Passage", "Refusal", "TurnRecord", "Within",
    "ColumnInfo", "ModelOffer", "Schema", "TableInfo",
    "AssistantError", "DatabaseUnavailable", "DocumentUnreadable", "IndexUnreachable", "ModelBusy", "ModelFileCorrupt", "ModelUnavailable", "NotFound",
    "QueryFailed", "QueryRejected", "QueryTimeout", "QuestionTooLong", "SettingsError", "StoreUnavailable", "TurnCancelled",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'assistant' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
