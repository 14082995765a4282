"""Model files from the Hugging Face hub, or from a mirror of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import ModelFileCorrupt
from assistant.models.catalogue import File
from assistant.models.sources import Fetched, Order, SourceFailed, require_space, without_credentials

if TYPE_CHECKING:
    import httpx2

_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE_START = re.compile(r"bytes (\d+)-")


class HubSource:
    """The hub, through `huggingface_hub`: its addresses, its client (proxy, token, offline switch), its errors.

    The bytes are streamed here and not by `hf_hub_download`: since 2.x that writes to a file named at random and
    deletes it when the connection breaks, so nothing is left to resume after a break of more than a few seconds.
    """

    name = "hub"

    def __init__(
        self, endpoint: str | None = None, *, timeout: float = 30.0, retries: int = 4, pause: float = 1.0
    ) -> None:
        """`timeout`: seconds without a byte; `retries`: broken connections in a row without progress; `pause`: seconds before the first."""
        self._endpoint = endpoint.rstrip("/") if endpoint else None
        self._timeout = timeout
        self._retries = retries
        self._pause = pause

    def fetch(self, order: Order) -> Fetched:
        """Stream the file into a partial file named by the hub's etag, so that another version is not resumed."""
        if order.file.hub is None:
            raise SourceFailed("this file is not known to lie there")
        url = self._address(*order.file.hub)
        with _reasons():
            size, etag = self._head(url)
        sha256 = etag if etag and _SHA256.fullmatch(etag) else None
        _refuse_other_file(order.file, url, size, sha256)
        key = re.sub(r"[^A-Za-z0-9]", "", etag or "")[:16] or "unnamed"
        partial = order.partial.with_name(f"{order.partial.name}.hub-{key}.partial")
        begun = _size(partial)
        if size is not None:
            require_space(partial.parent, max(0, size - begun), order.file.name)
        with _reasons():
            self._stream(url, partial, size, order)
        return Fetched(partial, begun > 0, sha256)

    def _address(self, repository: str, path: str) -> str:
        from huggingface_hub import constants, hf_hub_url

        # `assistant.silence` says so in the environment; a program that imported the library before has it unread,
        # and then each request would name its coding agent, from a list fetched from the hub. Xet is never used here.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        if constants.is_offline_mode():
            raise SourceFailed("HF_HUB_OFFLINE is set")
        return hf_hub_url(repository, path, endpoint=self._endpoint)

    def _head(self, url: str) -> tuple[int | None, str | None]:
        from huggingface_hub import get_hf_file_metadata

        metadata = get_hf_file_metadata(url, timeout=self._timeout, retry_on_errors=False)
        return metadata.size, metadata.etag

    def _stream(self, url: str, partial: Path, size: int | None, order: Order) -> None:
        import httpx2

        failures = 0
        while size is None or _size(partial) < size:
            before = _size(partial)
            try:
                self._read_once(url, partial, size, order)
            except (httpx2.TransportError, httpx2.StreamError):
                failures = 1 if _size(partial) > before else failures + 1
                if failures > self._retries:
                    raise
                self._wait(self._pause * 2 ** (failures - 1), order)
            else:
                if size is None or _size(partial) == before:
                    break  # the server says that this is all; the hash decides

    def _read_once(self, url: str, partial: Path, size: int | None, order: Order) -> None:
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        done = _size(partial)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
        with get_session().stream(
            "GET", url, headers=headers, timeout=self._timeout, follow_redirects=True
        ) as response:
            if response.status_code == 416:  # nothing after what lies here: all of it, or too much
                if size is not None:
                    partial.unlink()
                return
            hf_raise_for_status(response)
            done = _resumed_at(response, done)
            with partial.open("r+b" if done else "wb") as file:
                file.truncate(done)
                file.seek(done)
                for chunk in response.iter_bytes(_CHUNK):
                    order.stop_if_cancelled()
                    file.write(chunk)
                    done += len(chunk)
                    order.report(done, size)

    def _wait(self, seconds: float, order: Order) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            order.stop_if_cancelled()
            time.sleep(min(0.1, seconds))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _resumed_at(response: httpx2.Response, asked: int) -> int:
    """The offset at which the body starts: a server that does not know ranges starts from the beginning."""
    if response.status_code != 206:
        return 0
    start = _RANGE_START.match(response.headers.get("Content-Range", ""))
    if start is None or int(start[1]) != asked:
        raise SourceFailed(f"the server sent another part than the one from byte {asked}")
    return asked


def _refuse_other_file(file: File, url: str, size: int | None, sha256: str | None) -> None:
    """Raise `ModelFileCorrupt` before a byte is fetched where the hub itself says that this is another file."""
    if file.sha256 and sha256 and sha256 != file.sha256:
        raise ModelFileCorrupt(f"{url} has SHA-256 {sha256}, and {file.name} has {file.sha256}")
    if file.bytes is not None and size is not None and size != file.bytes:
        raise ModelFileCorrupt(f"{url} has {size:,} bytes, and {file.name} has {file.bytes:,}")


@contextmanager
def _reasons() -> Iterator[None]:
    """Say a failure of the hub or of the way to it in one line, as a `SourceFailed`."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise SourceFailed("HF_HUB_OFFLINE is set") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = {401: " (not there, or a login is needed)", 403: " (a login is needed)", 404: " (not there)"}.get(
            status, ""
        )
        raise SourceFailed(f"the server {error.response.url.host} answered {status}{hint}") from error
    except httpx2.TimeoutException as error:
        raise SourceFailed(f"no answer from {_host(error)} in time") from error
    except httpx2.HTTPError as error:
        raise SourceFailed(f"no connection to {_host(error)}: {without_credentials(str(error))}") from error


def _host(error: httpx2.HTTPError) -> str:
    try:
        return error.request.url.host
    except RuntimeError:  # an error that was raised before there was a request
        return "the server"
