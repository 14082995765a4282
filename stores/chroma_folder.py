"""Chroma in a folder of this machine's.

Embedded Chroma is made for one process per folder. A record is durable once `upsert` returns (it stands in Chroma's
write-ahead log), but the graph file, written every `sync_threshold` records, is not replaced atomically: a process
killed while it writes leaves a file that crashes the next reader. So a collection is either small enough never to
write it (the log is read again at the start, about 0.4 ms a record) or can be rebuilt from elsewhere.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stores import erasure
from stores.errors import StoreUnavailable

if TYPE_CHECKING:
    from chromadb.api import ClientAPI


def open_client(directory: Path) -> ClientAPI:
    """A Chroma client on that folder, sending nothing anywhere; `close()` it to release its files.

    Raises StoreUnavailable where the folder cannot be written or does not hold what Chroma can read.
    """
    os.environ["ANONYMIZED_TELEMETRY"] = "False"  # Chroma reads it at import
    import chromadb
    from chromadb.config import Settings

    with chroma_errors(f"The index in {directory}"):
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / "chroma.sqlite3").exists():
            with suppress(sqlite3.Error):  # a file that cannot be read is Chroma's to complain of
                erasure.clean_chroma(directory, always=False)  # what a killed process had deleted, but not yet erased
        # Everything that decides where data goes is named: Chroma would take it from a .env in the working directory.
        settings = Settings(
            _env_file=None,
            anonymized_telemetry=False,
            allow_reset=False,
            chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
            chroma_otel_collection_endpoint="",
            chroma_otel_granularity=None,
            migrations="apply",
        )
        return chromadb.PersistentClient(path=str(directory), settings=settings)


@contextmanager
def chroma_errors(what: str) -> Iterator[None]:
    """Turns what Chroma and the disk raise into StoreUnavailable; `what` begins the message."""
    from chromadb.errors import ChromaError

    try:
        yield
    except ChromaError as error:
        raise StoreUnavailable(f"{what} cannot be used: {error}. Restore it from a backup, or move it away to start anew.") from error
    except OSError as error:
        raise StoreUnavailable(f"{what} cannot be used: {error}. Check the disk's space and the folder's rights.") from error
