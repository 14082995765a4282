"""A connection that can be cut from another thread while it waits for an answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assistant.models.server_errors import transport_error

if TYPE_CHECKING:
    from openai import OpenAI

_WATCH_SECONDS = 0.05
_LOOK_SECONDS = 2.0
_CONNECT_SECONDS = 5.0


class Link:
    """The socket of one request, learned from the HTTP client's trace of its own steps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Called by the HTTP client at each of its steps."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self._cut:
                    self._shut()

    def cut(self) -> None:
        """End the connection; a thread that reads from it gets the end of the stream."""
        with self._lock:
            self._cut = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except (OSError, ValueError):  # closed already
                return


class Wire:
    """An HTTP client, each of whose requests has a connection of its own that a cancelled call cuts."""

    def __init__(self, timeout: float) -> None:
        from openai import DefaultHttpxClient, Timeout

        self._current = threading.local()
        self._lock = threading.Lock()
        self._sent: dict[Link, Callable[[], bool]] = {}
        self._watcher: threading.Thread | None = None
        self.timeout = Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
        self.client = DefaultHttpxClient(
            timeout=self.timeout, headers={"Connection": "close"}, event_hooks={"request": [self._attach]}
        )

    def calls(self, url: str, api_key: str | None) -> OpenAI:
        """What calls the server at a URL, once; never with the key of another service that happens to stand in the environment."""
        from openai import OpenAI

        return OpenAI(base_url=url, api_key=api_key or "none", timeout=self.timeout, max_retries=0, http_client=self.client)

    @contextmanager
    def cut_by(self, wanted: Callable[[], bool]) -> Iterator[Callable[[], None]]:
        """While this lasts, the request is cut once it is not `wanted`; call what is given in the thread that sends it, just before."""
        link = Link()

        def sending() -> None:
            self._current.link = link

        with self._lock:
            self._sent[link] = wanted
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="server-cancel", daemon=True)
                self._watcher.start()
        try:
            yield sending
        finally:
            with self._lock:
                del self._sent[link]

    def _watch(self) -> None:
        """Look at all requests, as long as there are any: a thread for each would wake as often as all of them together."""
        while True:
            time.sleep(_WATCH_SECONDS)
            with self._lock:
                if not self._sent:
                    self._watcher = None
                    return
                sent = tuple(self._sent.items())
            for link, wanted in sent:
                if not wanted():
                    link.cut()

    def answers(self, address: str) -> bool:
        """Whether a server is there, asked at the door that most have for that; any status under 500 will do, also "not found"."""
        parts = urlsplit(address)
        try:
            return bool(self.client.get(f"{parts.scheme}://{parts.netloc}/health", timeout=_LOOK_SECONDS).status_code < 500)
        except (transport_error(), RuntimeError):  # RuntimeError: closed meanwhile
            return False

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def _attach(self, request: Any) -> None:
        link: Link | None = getattr(self._current, "link", None)
        if link is not None:
            request.extensions = {**request.extensions, "trace": link.trace}
