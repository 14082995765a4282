"""Deletion down to the bytes: what SQLite and Chroma keep of a record after it was deleted is taken out of their files.

SQLite leaves deleted rows in free pages. Chroma also keeps every operation, with text and vector, in the log from which it
rebuilds its graph, and takes none out again (chroma-core/chroma issue 7659).

Run as a program with Chroma's folder, it cleans the file while a client in another process goes on working. Never in the
client's own process: Chroma brings a SQLite of its own, and of two in one process each undoes the locks of the other
(https://www.sqlite.org/howtocorrupt.html, 2.2.1). So this file stands alone, on the standard library.
"""

from __future__ import annotations

import sqlite3
import struct
import sys
from contextlib import closing
from pathlib import Path

BUSY_SECONDS = 30.0
_HEADER = struct.Struct("<i4Q")
"""How Chroma's graph file is laid out: version, place of the first element, elements there is room for, elements, bytes of one."""

# For each record only its last operation counts: a removal says no more than an id, and stays, for the log's numbers go on
# from the highest. Nothing but upserts (2) and removals (3) is written here; what else stood there would be left alone.
_PAST = (
    "FROM embeddings_queue WHERE operation IN (2, 3) AND seq_id NOT IN"
    " (SELECT max(seq_id) FROM embeddings_queue WHERE operation IN (2, 3) GROUP BY topic, id)"
)


def clean_chroma(directory: Path, *, always: bool) -> None:
    """Takes what was deleted or replaced out of the bytes of Chroma's file; no client may be open in this process.

    `always=False` leaves a file alone whose log holds nothing of the past. Raises sqlite3.Error, also where the disk has no
    room for a second copy.
    """
    blank_unused(directory)
    with closing(sqlite3.connect(directory / "chroma.sqlite3", timeout=BUSY_SECONDS, isolation_level=None)) as db:
        if not always and not db.execute(f"SELECT EXISTS (SELECT 1 {_PAST})").fetchone()[0]:
            return
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"DELETE {_PAST}")
        # The word index marks deleted words as gone; merged into one, it no longer holds them.
        db.execute("INSERT INTO embedding_fulltext_search (embedding_fulltext_search) VALUES ('optimize')")
        erase_free_pages(db)


def blank_unused(directory: Path) -> None:
    """Blanks what graph files hold beyond their elements: memory that the process had used before for other things, texts too."""
    for header in directory.glob("*/header.bin"):
        graph = header.with_name("data_level0.bin")
        if not graph.is_file() or header.stat().st_size < _HEADER.size:
            continue
        _, first, room, count, each = _HEADER.unpack(header.read_bytes()[: _HEADER.size])
        size = graph.stat().st_size
        # Laid out otherwise than known, it is left alone; so is one that is full, or blank already.
        if first == 0 and count < room and size == room * each:
            with graph.open("r+b") as file:
                file.seek(count * each)
                if any(file.read()):
                    file.seek(count * each)
                    file.write(bytes(size - count * each))


def erase_free_pages(db: sqlite3.Connection) -> None:
    """Writes the file anew without its free pages, and empties its log. Outside a transaction."""
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


if __name__ == "__main__":
    try:
        clean_chroma(Path(sys.argv[1]), always=True)
    except sqlite3.Error as error:
        sys.exit(str(error))
