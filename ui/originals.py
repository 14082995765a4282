"""The documents themselves, to look at in the browser: links that only this page gives out, and the route they lead to.

A link is a long random word that stands for one document and one user. It is made when that user reads a passage, works
until the program ends, and is asked at every use whether the user may still see the document.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from html import escape
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from assistant import AssistantError, Document
from ui.login import ACCOUNT

if TYPE_CHECKING:
    from assistant import Assistant

PATH = "original"
KINDS = {".pdf": "application/pdf"} | dict.fromkeys((".txt", ".md", ".markdown", ".csv", ".tsv", ".log"), "text/plain; charset=utf-8")
"""What a browser shows without running any of it. HTML, SVG and office files are not among them."""

LINKS = 2000
"""Most links that are remembered; the oldest go."""

_PAGE = re.compile(r"pages? (\d+)")

_HEADERS = {
    "content-security-policy": "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox",
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


class Originals:
    """The links given out, for every user."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._links: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def link(self, document: str, *, user: str, location: str = "") -> str:
        """A link as HTML to a document, at the page of a PDF where `location` names one; empty where it cannot be shown."""
        found = self._visible(document, user)
        if found is None or _kind(found) is None or not Path(found.path).is_file():
            return ""
        word = secrets.token_urlsafe(32)
        self._links[word] = (document, user)
        while len(self._links) > LINKS:
            self._links.popitem(last=False)
        page = _PAGE.search(location) if _kind(found) == "application/pdf" else None
        at, where = (f"#page={page[1]}", f"page {page[1]} of ") if page else ("", "")
        return f'<a class="text-button" target="_blank" rel="noopener" href="{PATH}/{word}{at}">Open {where}{escape(found.name)}</a>'

    def route(self) -> Route:
        """The route for these links."""
        return Route(f"/{PATH}/{{word}}", self._open, methods=["GET"])

    async def _open(self, request: Request) -> Response:
        document, user = self._links.get(request.path_params["word"], ("", ""))
        account = request.scope.get(ACCOUNT)  # where one signs in, a link is of no use to another
        own = document and (account is None or account.user == user)
        found = await run_in_threadpool(self._visible, document, user) if own else None
        kind = _kind(found) if found else None
        if found is None or kind is None or not await run_in_threadpool(_is_what_it_says, Path(found.path), kind):
            return PlainTextResponse("There is nothing here any more. Open the document from its answer again.", 404)
        headers = _HEADERS | {"content-disposition": f"inline; filename*=UTF-8''{quote(found.name, safe='')}"}
        return FileResponse(found.path, media_type=kind, headers=headers)

    def _visible(self, document: str, user: str) -> Document | None:
        try:
            return next((entry for entry in self._assistant.documents.all(user=user) if entry.id == document), None)
        except AssistantError:
            return None


def _kind(document: Document) -> str | None:
    return KINDS.get(PurePath(document.path).suffix.lower())


def _is_what_it_says(path: Path, kind: str) -> bool:
    """Whether a file is there, and one that is called a PDF begins as one."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return kind != "application/pdf" or b"%PDF-" in file.read(1024)
    except OSError:
        return False
