"""The history's tables, and how an older file is brought forward."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from stores.errors import StoreUnavailable

# Step n brings a file from version n to n + 1. Steps are only ever added.
MIGRATIONS = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY, user TEXT NOT NULL, title TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL
    );
    CREATE INDEX conversations_by_user ON conversations (user, updated);
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
        text TEXT NOT NULL, created TEXT NOT NULL, answer TEXT,
        question TEXT UNIQUE REFERENCES messages (id) ON DELETE CASCADE
    );
    CREATE INDEX messages_by_conversation ON messages (conversation, number);
    CREATE TABLE feedback (
        answer TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
        user TEXT NOT NULL, score INTEGER NOT NULL, comment TEXT, corrected_sql TEXT, created TEXT NOT NULL
    );
    """,
)


def migrate(db: sqlite3.Connection, path: Path, steps: Sequence[str] = MIGRATIONS) -> None:
    """Bring the file to the newest version, inside the caller's transaction. Raises `StoreUnavailable` for a newer one."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise StoreUnavailable(f"The history {path} was written by a newer version of this program. Update the program.")
    for step in steps[version:]:
        for statement in step.split(";"):
            db.execute(statement)
    if version < len(steps):
        db.execute(f"PRAGMA user_version = {len(steps)}")
