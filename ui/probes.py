"""What a machine asks the page's server: whether it lives, whether it is ready, what it has counted."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ui.guard import App, Receive, Scope, Send, is_loopback

if TYPE_CHECKING:
    from assistant.settings import PageSettings
    from assistant.watching import Watch

PATIENCE = 5.0
"""Seconds that a part may take to say that it is there."""
PROXIED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")


class Probes:
    """An ASGI middleware that answers /healthz, /readyz and /metrics itself: who asks cannot sign in.

    The first two say nothing but yes or no for each part, and anybody may ask. /metrics is for programs on this machine that
    came through no proxy, and for whoever shows the key.
    """

    def __init__(self, app: App, *, watch: Watch, page: PageSettings) -> None:
        self._app, self._watch, self._page = app, watch, page
        if page.metrics or page.metrics_key:
            watch.metrics()  # counts from now on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what a machine asks; pass on the rest."""
        path = scope.get("path") if scope["type"] == "http" else None
        answer: Response
        if path == "/healthz":
            answer = PlainTextResponse("ok")
        elif path == "/readyz":
            answer = await self._ready()
        elif path == "/metrics":
            answer = await self._metrics(scope)
        else:
            await self._app(scope, receive, send)
            return
        answer.headers["cache-control"] = "no-store"
        await answer(scope, receive, send)

    async def _ready(self) -> Response:
        try:
            found: Mapping[str, bool] = await asyncio.wait_for(asyncio.to_thread(self._watch.ready), PATIENCE)
        except TimeoutError:
            found = {"answered within 5 seconds": False}
        return JSONResponse(dict(found), 200 if all(found.values()) else 503)

    async def _metrics(self, scope: Scope) -> Response:
        headers, key = Headers(scope=scope), self._page.metrics_key
        shown = headers.get("authorization", "").removeprefix("Bearer ")
        if not (key and hmac.compare_digest(shown.encode(), key.encode())) and not self._is_here(scope, headers):
            return PlainTextResponse("Ask from this machine (page.metrics), or show the key that page.metrics_key names.", 403)
        return Response(await asyncio.to_thread(self._watch.metrics), media_type="text/plain; version=0.0.4; charset=utf-8")

    def _is_here(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request is from this machine. A proxy on it may say nothing of itself, but it is asked for another name."""
        client = scope.get("client")
        name = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        here = client is not None and is_loopback(client[0]) and is_loopback(name)
        return self._page.metrics and here and not any(header in headers for header in PROXIED)
