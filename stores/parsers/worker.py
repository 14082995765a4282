"""The process that reads what libraries parse: it may hang, grow or crash, and the assistant goes on.

A request is a line of JSON and then the file's bytes; the answer is a line of JSON. `stores.reading` starts and ends it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import astuple
from typing import Any

from stores.errors import DocumentUnreadable
from stores.parsers import Section, parse, shown


def main() -> None:
    """Answers until the requests end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the assistant, which then ends this process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        data = sys.stdin.buffer.read(request.pop("size"))
        answers.write(json.dumps(_answer(data, **request)).encode() + b"\n")
        answers.flush()


def _answer(data: bytes, name: str, **limits: Any) -> dict[str, Any]:
    try:
        return {"sections": [_storable(section) for section in parse(data, name, **limits)]}
    except DocumentUnreadable as error:
        return {"reason": str(error)}
    except Exception as error:  # noqa: BLE001 (of what a library raises on a hostile file no list is complete)
        return {"reason": f"{shown(name)} is damaged: {type(error).__name__}"}



def _storable(section: Section) -> tuple[list[str], str, str, str]:
    """Without what no text holds, half characters and zeros: a PDF's fonts may give them."""
    headings, *texts = astuple(section)
    clean = [text.encode("utf-8", "replace").decode().replace("\0", "") for text in (*texts, *headings)]
    return clean[3:], clean[0], clean[1], clean[2]


if __name__ == "__main__":
    main()
