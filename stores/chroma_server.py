"""Chroma's own server: found by URL when it is first needed, asked again where it did not answer, and left alone for a moment while it is down.

Everything that is asked of it may be asked twice: records are written under ids, read, counted and deleted.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from stores.errors import IndexUnreachable, StoreUnavailable

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI

T = TypeVar("T")
log = logging.getLogger(__name__)

_PAUSES = (0.1, 0.4)
"""Seconds before each further try."""
_REST = 2.0
"""Seconds that a server which does not answer is not asked again, so that a turn waits for it once and not at each step."""
_CONNECT = 3.0
_PASSING = (429, 502, 503, 504)
_REFUSED = (401, 403)


class ChromaServer:
    """A Chroma server. Serves many threads; nothing is connected before it is used, and what is lost is connected again."""

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 10.0, certificates: Path | None = None
    ) -> None:
        """`timeout`: seconds to wait for an answer; `certificates`: the authorities to trust instead of the system's."""
        self._url = urlsplit(url)
        self.name = f"The index at {self._url.hostname}:{self._port}"
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._verify = str(certificates) if certificates else True
        self._lock = threading.Lock()
        self._client: ClientAPI | None = None
        self._resting_until = 0.0

    @property
    def _port(self) -> int:
        return self._url.port or (443 if self._url.scheme == "https" else 80)

    def call(self, work: Callable[[ClientAPI], T]) -> T:
        """What `work` makes of the client. Raises IndexUnreachable, at once where it has just been found to be down."""
        import httpx

        with self._lock:
            down = self._resting_until > 0
            if time.monotonic() < self._resting_until:
                raise self._unreachable("it did not answer a moment ago")
            if down:  # one asks whether it is back; the others go on without it
                self._resting_until = time.monotonic() + _REST
        for pause in (None,) if down else (*_PAUSES, None):
            try:
                done = work(self._connected())
            except httpx.TransportError as error:
                # A server that takes too long is not asked to do the same again.
                if pause is None or isinstance(error, httpx.TimeoutException):
                    raise self._rest(error) from error
                time.sleep(pause)
            else:
                self._resting_until = 0.0
                return done
        raise AssertionError("the last try returns or raises")

    def _rest(self, error: Exception) -> IndexUnreachable:
        self._resting_until = time.monotonic() + _REST
        return self._unreachable(str(error) or type(error).__name__)

    def _unreachable(self, reason: str) -> IndexUnreachable:
        return IndexUnreachable(
            f"{self.name} cannot be reached: {reason}. Questions that need no documents or memories are answered meanwhile;"
            " look whether Chroma's server runs, and at index.url. It is tried again by itself."
        )

    def _connected(self) -> ClientAPI:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> ClientAPI:
        os.environ["ANONYMIZED_TELEMETRY"] = "False"  # Chroma reads it at import
        import chromadb
        import httpx
        from chromadb.config import Settings

        # Chroma's client waits for ever while it is made, so somebody else finds out first whether anybody answers.
        limits = httpx.Timeout(self._timeout, connect=min(_CONNECT, self._timeout))
        with httpx.Client(headers=self._headers, timeout=limits, verify=self._verified()) as probe:
            self._look(probe.get(f"{self._url.scheme}://{self._url.hostname}:{self._port}/api/v2/heartbeat"))
        settings = Settings(
            _env_file=None,  # nothing is taken from a file in the working directory
            anonymized_telemetry=False,
            chroma_otel_collection_endpoint="",
            chroma_otel_granularity=None,
            chroma_server_ssl_verify=self._verify,
        )
        try:
            client = chromadb.HttpClient(
                host=str(self._url.hostname), port=self._port, ssl=self._url.scheme == "https", headers=dict(self._headers), settings=settings
            )
        except ValueError as error:  # Chroma's word for a connection that failed
            raise httpx.ConnectError(str(error)) from error
        for session in _sessions(client):  # Chroma has no setting for either
            session.timeout = limits
            session.event_hooks = {"response": [self._look]}
        return client

    def _verified(self) -> ssl.SSLContext | bool:
        return ssl.create_default_context(cafile=self._verify) if isinstance(self._verify, str) else True

    def _look(self, response: httpx.Response) -> None:
        """Tells what a proxy in between answers from what Chroma does."""
        import httpx

        if response.status_code in _PASSING:
            raise httpx.RemoteProtocolError(f"it answered {response.status_code} {response.reason_phrase}")
        if response.status_code in _REFUSED:
            raise IndexUnreachable(f"{self.name} refuses the credentials ({response.status_code}). Look at index.token.")
        if response.status_code >= 400 and "json" not in response.headers.get("content-type", ""):
            raise StoreUnavailable(f"{self.name} answered {response.status_code} {response.reason_phrase}. Look at index.url.")

    def close(self) -> None:
        """Ends the connections."""
        with self._lock:
            if self._client is not None:
                for session in _sessions(self._client):
                    session.close()
                self._client = None


def _sessions(client: Any) -> list[httpx.Client]:
    """The connections of Chroma's client, which it does not close."""
    return [client._server._session, client._admin_client._server._session]
