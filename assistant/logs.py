"""Logs as lines of JSON, without secrets, and without content unless that is asked for."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.watching import TurnSeen

OWN = ("assistant", "graphs", "stores", "ui")
ABOUT = "about"
"""What a record carries under this name (`extra={ABOUT: {…}}`) holds no content, and stands in its line."""

log = logging.getLogger("assistant.turns")


def as_json(settings: Settings) -> None:
    """Write the logs of this process as JSON to stderr from now on, turns included."""
    from assistant.settings_sources import secrets

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets(settings), content=settings.watching.content))
    logging.getLogger().handlers[:] = [handler]
    log.setLevel(logging.INFO)


class JsonLines(logging.Formatter):
    """One object a record: `time`, `level`, `logger`, `event`, and what it is about.

    `event` is the text as it stands in the program, without the values put into it: those may be content. Of libraries,
    which may have put them in already, only such a text counts. An error is its kind and where it came from.
    """

    def __init__(self, secrets: Iterable[str], *, content: bool) -> None:
        super().__init__()
        self._secrets = sorted({json.dumps(secret, ensure_ascii=False)[1:-1] for secret in secrets}, key=len, reverse=True)
        self._content = content

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": moment, "level": record.levelname.lower(), "logger": record.name, "event": self._event(record)}
        raised = record.exc_info[1] if record.exc_info else None
        given = record.args if isinstance(record.args, tuple) else ()
        kinds = [type(error).__name__ for error in (raised, *given) if isinstance(error, BaseException)]
        if kinds:
            line["error"] = kinds[0]
        if raised is not None:
            line["where"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(raised.__traceback__)]
        text = json.dumps(line | getattr(record, ABOUT, {}), ensure_ascii=False, default=str)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _event(self, record: logging.LogRecord) -> str:
        if self._content:
            return record.getMessage()
        own = record.name.split(".")[0] in OWN
        return record.msg if isinstance(record.msg, str) and (own or record.args) else "(left out)"


class TurnLog:
    """A line for each turn."""

    def __init__(self, *, content: bool) -> None:
        self._content = content

    def turn(self, seen: TurnSeen) -> None:
        """What it was like, in numbers."""
        about: dict[str, Any] = {"trace": seen.id, "outcome": seen.outcome, "seconds": round(seen.seconds, 3), "waited": round(seen.waited, 3)}
        if seen.error:
            about["error"] = seen.error
        if answer := seen.answer:
            usage = answer.usage
            about |= {"route": answer.route, "attempts": len(answer.attempts), "model_calls": usage.model_calls}
            about |= {"read": usage.prompt_tokens - usage.cached_tokens, "reused": usage.cached_tokens, "written": usage.completion_tokens}
            about["steps"] = {name: round(seconds, 3) for name, seconds in usage.steps.items()}
        if self._content:
            about |= {"question": seen.question, "answer": seen.answer.text if seen.answer else None}
        log.info("turn", extra={ABOUT: about})

    def thumb(self, score: int) -> None:
        """A line for a thumb."""
        log.info("thumb", extra={ABOUT: {"thumb": "up" if score > 0 else "down"}})

    def close(self) -> None:
        """Nothing: the handlers are not its own."""
