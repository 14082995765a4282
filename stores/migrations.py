"""The history's tables, and how an older file is brought forward."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

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
    # A conversation is its user's: the user became part of its key.
    """
    CREATE TABLE owned_conversations (
        user TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL, PRIMARY KEY (user, id)
    );
    INSERT INTO owned_conversations SELECT user, id, title, created, updated FROM conversations;
    CREATE TABLE owned_messages (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user TEXT NOT NULL, conversation TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
        text TEXT NOT NULL, created TEXT NOT NULL, answer TEXT,
        question TEXT UNIQUE REFERENCES messages (id) ON DELETE CASCADE,
        FOREIGN KEY (user, conversation) REFERENCES conversations (user, id) ON DELETE CASCADE
    );
    INSERT INTO owned_messages
        SELECT m.number, m.id, c.user, m.conversation, m.role, m.text, m.created, m.answer, m.question
        FROM messages AS m JOIN conversations AS c ON c.id = m.conversation;
    DROP TABLE messages;
    DROP TABLE conversations;
    ALTER TABLE owned_conversations RENAME TO conversations;
    ALTER TABLE owned_messages RENAME TO messages;
    CREATE INDEX conversations_by_user ON conversations (user, updated);
    CREATE INDEX messages_by_conversation ON messages (user, conversation, number);
    """,
    # A question may be asked anew in the place of another: each stands after one, and a conversation ends with its head.
    """
    ALTER TABLE messages ADD COLUMN parent TEXT;
    UPDATE messages SET parent = (
        SELECT q.id FROM messages AS q WHERE q.user = messages.user AND q.conversation = messages.conversation
        AND q.role = 'user' AND q.number < messages.number ORDER BY q.number DESC LIMIT 1
    ) WHERE role = 'user';
    CREATE INDEX messages_by_parent ON messages (user, conversation, parent);
    ALTER TABLE conversations ADD COLUMN head TEXT;
    UPDATE conversations SET head = (
        SELECT q.id FROM messages AS q WHERE q.user = conversations.user AND q.conversation = conversations.id
        AND q.role = 'user' ORDER BY q.number DESC LIMIT 1
    );
    """,
)


def migrate(db: sqlite3.Connection, name: str, steps: Sequence[str] = MIGRATIONS) -> None:
    """Bring the file, called `name` to whoever reads an error, to the newest version, inside the caller's transaction. Raises `StoreUnavailable` for a newer one."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise StoreUnavailable(f"The history {name} was written by a newer version of this program. Update the program.")
    for step in steps[version:]:
        for statement in step.split(";"):
            db.execute(statement)
    if version < len(steps):
        db.execute(f"PRAGMA user_version = {len(steps)}")
