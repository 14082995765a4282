"""Who comes through the doors: a key is asked for, counted and turned into a caller; all other requests go on to the page."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import Depends
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from assistant import (
    AssistantError,
    DatabaseUnavailable,
    DocumentUnreadable,
    ModelBusy,
    ModelFileCorrupt,
    ModelUnavailable,
    NotFound,
    QueryTimeout,
    QuestionTooLong,
    StoreUnavailable,
)
from ui.guard import App, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from assistant import Assistant
    from assistant.keys import Key, Keys

PATHS = ("/v1", "/api/v1", "/mcp")
CALLER = "assistant.caller"
"""Where a request's caller stands in its scope."""
PERSON = ("x-assistant-user", "x-openwebui-user-id")
"""Headers in which a gateway names the person it asks for."""
BODY = 8 * 2**20
"""Bytes of a request that brings no file."""
NO_KEY = "This needs a key. Make one with `assistant keys add NAME` where the assistant runs, and send it as Authorization: Bearer KEY."

STATUS: tuple[tuple[type[AssistantError], int, str], ...] = (
    (NotFound, 404, "not_found"),
    (QuestionTooLong, 400, "context_length_exceeded"),
    (QueryTimeout, 408, "query_timeout"),
    (ModelBusy, 429, "model_busy"),
    (ModelUnavailable, 503, "model_unavailable"),
    (ModelFileCorrupt, 503, "model_unavailable"),
    (DatabaseUnavailable, 503, "database_unavailable"),
    (StoreUnavailable, 503, "store_unavailable"),
    (DocumentUnreadable, 422, "document_unreadable"),
)
"""The first that fits says the status and the code of an error; any other is a bad request."""


class Forbidden(AssistantError):
    """The key is good, but not for this."""


@dataclass(frozen=True)
class Caller:
    """A key and the user it acts for: its own, or a person kept apart under it."""

    key: Key
    user: str

    def may(self, scope: str) -> None:
        """Raises `Forbidden` where the key was not made for that."""
        if scope not in self.key.scopes:
            raise Forbidden(f"This key may not do that. Make one for it with: assistant keys add NAME --scope {scope}")

    def speaking_for(self, person: str | None) -> Caller:
        """The caller for a person that a gateway names. Only a key made for it is believed, and it reaches no user but those under its own."""
        if not person or "people" not in self.key.scopes:
            return self
        if len(person) > 200:
            raise AssistantError("A person is named with at most 200 characters.")
        return Caller(self.key, f"{self.key.user}/{quote(person, safe='@ ')}")


class Doors:
    """An ASGI middleware: requests for the doors are answered by them, once a key is shown. They are made when the first one comes."""

    def __init__(self, app: App, *, assistant: Assistant, keys: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._assistant = assistant
        self._keys = keys
        self._clock = clock
        self._made: App | None = None
        self._making = asyncio.Lock()
        self._asked: defaultdict[str, deque[float]] = defaultdict(deque)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in who has a key."""
        if scope["type"] != "http" or not any(scope["path"] == path or scope["path"].startswith(f"{path}/") for path in PATHS):
            await self._app(scope, receive, send)
            return
        try:
            await self._let_in(scope, receive, send)
        except AssistantError as error:
            await told(error)(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = await self._key(Headers(scope=scope).get("authorization", ""))
        if key is None:
            await refusal(401, NO_KEY, "invalid_api_key", {"www-authenticate": "Bearer"})(scope, receive, send)
        elif wait := self._too_soon(key):
            said = f"This key makes more than {self._assistant.settings.page.requests} requests a minute. Wait {wait:.0f} s."
            await refusal(429, said, "rate_limit_exceeded", {"retry-after": f"{wait:.0f}"})(scope, receive, send)
        else:
            person = next((found for name in PERSON if (found := Headers(scope=scope).get(name))), None)
            scope[CALLER] = Caller(key, key.user).speaking_for(person)
            await (await self._doors())(scope, self._bounded(scope, receive), send)

    async def _key(self, header: str) -> Key | None:
        kind, _, token = header.partition(" ")
        return await asyncio.to_thread(self._keys.find, token.strip()) if kind.lower() == "bearer" and token.strip() else None

    def _too_soon(self, key: Key) -> float:
        """Seconds to wait, or 0; a request that has to wait does not count."""
        asked, now = self._asked[key.id], self._clock()
        while asked and asked[0] <= now - 60:
            asked.popleft()
        if len(asked) >= self._assistant.settings.page.requests:
            return max(1.0, asked[0] + 60 - now)
        asked.append(now)
        return 0.0

    async def _doors(self) -> App:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(_open, self._assistant)
            return self._made

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """The request's body up to its limit."""
        brings_file = Headers(scope=scope).get("content-type", "").startswith("multipart/")
        most = int(self._assistant.settings.documents.max_megabytes * 2**20) + BODY if brings_file else BODY
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise HTTPException(413, f"This request is larger than {most / 2**20:.0f} MB.")
            return message

        return receiving


def _open(assistant: Assistant) -> App:
    from ui.doors.app import application  # heavy: the MCP package alone takes most of a second

    return application(assistant)


class may:  # noqa: N801 - reads as a word where it stands
    """A dependency: the caller, whose key has that scope."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    def __call__(self, request: Request) -> Caller:
        who: Caller = request.scope[CALLER]
        who.may(self._scope)
        return who


Asker = Annotated[Caller, Depends(may("ask"))]
Reader = Annotated[Caller, Depends(may("documents"))]
Rememberer = Annotated[Caller, Depends(may("memories"))]
Querier = Annotated[Caller, Depends(may("query"))]


def refusal(status: int, message: str, code: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error in OpenAI's shape, which all doors use."""
    return JSONResponse(problem(status, message, code), status, headers)


def problem(status: int, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """The body of an error."""
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def told(error: AssistantError) -> JSONResponse:
    """What went wrong, as a response."""
    if isinstance(error, Forbidden):
        return refusal(403, str(error), "missing_scope")
    status, code = next(((status, code) for kind, status, code in STATUS if isinstance(error, kind)), (400, "invalid_request"))
    return refusal(status, str(error), code)
