"""Signing in to the page: a session is a random token in a cookie, known to this process alone, and a tab belongs to who opened it."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from assistant import AssistantError, StoreUnavailable
from ui.guard import App, Message, Receive, Scope, Send

if TYPE_CHECKING:
    import gradio as gr

    from assistant.accounts import Account, Accounts

COOKIE = "assistant-session"
IDLE, LONGEST = 12 * 3600.0, 7 * 24 * 3600.0
"""Seconds without a request, and in all, after which one has to sign in again."""
MOST_SESSIONS, MOST_TABS = 1000, 10_000
BODY = 32 * 2**20
"""Bytes of a JSON request; files go another way."""
ACCOUNT = "assistant.account"
"""Where a request's account stands in its scope."""

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Sign in</title><style>
:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:0;padding:16px}}
form{{width:min(20rem,100%);display:grid;gap:12px}}h1{{font-size:1.4rem;margin:0}}label{{display:grid;gap:4px}}
input,button{{font:inherit;padding:9px 12px;border-radius:10px;border:1px solid #8888}}button{{background:#0f766e;color:#fff;border:0;cursor:pointer}}
[role=alert]{{margin:0;color:#b42318}}@media(prefers-color-scheme:dark){{[role=alert]{{color:#f28b80}}}}</style></head>
<body><form method="post" action="/login"><h1>Sign in</h1>{said}<label>Name<input name="name" autocomplete="username" required autofocus></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label><button>Sign in</button></form></body></html>"""


@dataclass
class _SignedIn:
    name: str
    since: float
    seen: float


def account_of(request: gr.Request) -> Account | None:
    """Who sent a request; None where the page is open to everybody who reaches it."""
    inner = request.request
    found: Account | None = inner.scope.get(ACCOUNT) if inner is not None else None
    return found


class Login:
    """An ASGI middleware that lets nobody past who has not signed in."""

    def __init__(self, app: App, *, accounts: Accounts, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._accounts = accounts
        self._clock = clock
        self._sessions: OrderedDict[str, _SignedIn] = OrderedDict()
        self._tabs: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer /login and /logout; pass on what comes from somebody who signed in, from their own tabs."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page has no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        path = scope["path"].rstrip("/")
        answer: Response
        try:
            account = None if path in ("/login", "/logout") else await self._account(request)
        except AssistantError as error:  # the accounts cannot be read just now
            await _form(str(error), 503)(scope, receive, send)
            return
        if path == "/login":
            answer = await self._sign_in(request) if request.method == "POST" else _form()
        elif path == "/logout":
            self._sessions.pop(request.cookies.get(COOKIE, ""), None)
            answer = RedirectResponse("/login", 303)
            answer.delete_cookie(COOKIE)
        elif account is None:
            wants_page = "text/html" in request.headers.get("accept", "")
            answer = RedirectResponse("/login", 303) if wants_page else PlainTextResponse("Sign in first.", 401)
        else:
            body = await _json_body(request)
            if body is None:
                answer = PlainTextResponse("This request is too large.", 413)
            elif not self._own_tab(request, body, account):
                answer = PlainTextResponse("This tab is somebody else's.", 403)
            else:
                scope[ACCOUNT] = account
                await self._app(scope, _again(body, receive) if body else receive, send)
                return
        await answer(scope, receive, send)

    async def _sign_in(self, request: Request) -> Response:
        fields = parse_qs((await request.body())[:10_000].decode("utf-8", "replace"))
        name, password = (fields.get(field, [""])[0] for field in ("name", "password"))
        try:
            account = await asyncio.to_thread(self._accounts.check, name, password)
        except AssistantError as error:
            return _form(str(error), 503 if isinstance(error, StoreUnavailable) else 429)
        if account is None:
            return _form("That name and password do not belong together.", 401)
        token, now = secrets.token_urlsafe(32), self._clock()
        self._sessions[token] = _SignedIn(account.name, now, now)
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, max_age=int(LONGEST), httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return answer

    async def _account(self, request: Request) -> Account | None:
        """Who sent a request; an account that was removed meanwhile is nobody's."""
        token, now = request.cookies.get(COOKIE, ""), self._clock()
        found = self._sessions.get(token)
        if found is None or now - found.seen > IDLE or now - found.since > LONGEST:
            self._sessions.pop(token, None)
            return None
        found.seen = now
        return await asyncio.to_thread(self._accounts.find, found.name)

    def _own_tab(self, request: Request, body: bytes, account: Account) -> bool:
        """Whether every tab that a request names is this account's; one that nobody has used is from now on."""
        named = [*request.query_params.getlist("session_hash"), *_named(body)]
        parts = request.url.path.split("/")
        named += [after for before, after in pairwise(parts) if before in ("heartbeat", "stream")]
        for tab in named:
            if self._tabs.setdefault(tab, account.name) != account.name:
                return False
        while len(self._tabs) > MOST_TABS:
            self._tabs.popitem(last=False)
        return True


async def _json_body(request: Request) -> bytes | None:
    """The body of a JSON request, empty for any other; None where it is too large."""
    if request.method != "POST" or "multipart/" in request.headers.get("content-type", ""):
        return b""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > BODY:
            return None
    return bytes(found) or b" "


def _named(body: bytes) -> list[str]:
    try:
        found: Any = json.loads(body) if body.strip() else None
    except ValueError:
        return []
    tab = found.get("session_hash") if isinstance(found, dict) else None
    return [str(tab)] if tab else []


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more for who comes next; afterwards what else comes, such as the end of the connection."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return pending.pop() if pending else await receive()

    return receiving


def _form(said: str = "", status: int = 200) -> HTMLResponse:
    return HTMLResponse(PAGE.format(said=f'<p role="alert">{escape(said)}</p>' if said else ""), status, headers={"cache-control": "no-store"})
