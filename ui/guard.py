"""What stands between the network and the page: refused hosts and origins, and a policy that keeps the browser at home."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
WILDCARDS = ("0.0.0.0", "::", "")

# Gradio compiles its templates with Function(), hence unsafe-eval; nothing may be loaded from or sent to another origin.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
    "frame-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"same-origin"),  # without any, a form names no origin either
    (b"x-content-type-options", b"nosniff"),
    (b"x-dns-prefetch-control", b"off"),
)


def is_loopback(host: str) -> bool:
    """Whether a page on that host is reached from this machine alone."""
    return host.strip("[]").lower() in LOOPBACK


class Guard:
    """An ASGI middleware against DNS rebinding and requests from other sites.

    A name that is not this machine's is refused as Host (an attacker's name can be pointed at 127.0.0.1, an address
    cannot), and so is an Origin other than the page's own. `names` are those under which a proxy shows the page.
    """

    def __init__(self, app: App, *, host: str, names: Iterable[str] = ()) -> None:
        self._app = app
        self._any_address = host.strip("[]") in WILDCARDS
        own = [socket.gethostname(), f"{socket.gethostname()}.local"] if self._any_address else [host.strip("[]")]
        self._names = {name.lower() for name in (*LOOPBACK, *own, *names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from the page itself, with the policy on every answer; refuse the rest."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif reason := self._refusal(scope["headers"]):
            await _refuse(scope, send, reason)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        found = {name.lower(): value.decode("latin-1") for name, value in headers}
        host = found.get(b"host", "")
        if not self._is_ours(host):
            return "This page answers only under its own address."
        origin = found.get(b"origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "This page takes requests only from itself."
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if not name:
            return False
        return name.lower() in self._names or (self._any_address and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            own = {name.lower() for name, _ in given}  # a document that is shown as it is brings a stricter policy
            message = {**message, "headers": given + [header for header in HEADERS if header[0] not in own]}
        await send(message)

    return sending


async def _refuse(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    body = reason.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
