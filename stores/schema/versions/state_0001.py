"""Conversations, messages, feedback, accounts, other programs' keys, and which turns run where: as `stores/migrations.py` has them for SQLite."""

from alembic import op

revision = "0001"
down_revision = None

# Compared byte by byte, as SQLite does: times and ids must not follow a language's order.
_TEXT = 'TEXT COLLATE "C"'
_TABLES = f"""
CREATE TABLE conversations (
    rowid BIGINT GENERATED ALWAYS AS IDENTITY, "user" {_TEXT} NOT NULL, id {_TEXT} NOT NULL, title TEXT NOT NULL,
    created {_TEXT} NOT NULL, updated {_TEXT} NOT NULL, head {_TEXT}, PRIMARY KEY ("user", id)
);
CREATE INDEX conversations_by_user ON conversations ("user", updated);
CREATE TABLE messages (
    number BIGINT GENERATED ALWAYS AS IDENTITY, id {_TEXT} PRIMARY KEY, "user" {_TEXT} NOT NULL, conversation {_TEXT} NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')), text TEXT NOT NULL, created {_TEXT} NOT NULL, answer TEXT,
    question {_TEXT} UNIQUE REFERENCES messages (id) ON DELETE CASCADE, parent {_TEXT},
    FOREIGN KEY ("user", conversation) REFERENCES conversations ("user", id) ON DELETE CASCADE
);
CREATE INDEX messages_by_conversation ON messages ("user", conversation, number);
CREATE INDEX messages_by_parent ON messages ("user", conversation, parent);
CREATE INDEX messages_by_place ON messages ("user", conversation, COALESCE(parent, '')) WHERE role = 'user';
CREATE INDEX messages_by_user ON messages ("user", number);
CREATE TABLE feedback (
    answer {_TEXT} PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    "user" {_TEXT} NOT NULL, score INTEGER NOT NULL, comment TEXT, corrected_sql TEXT, created {_TEXT} NOT NULL
);
CREATE TABLE accounts (name {_TEXT} PRIMARY KEY, hash TEXT NOT NULL, "user" {_TEXT} NOT NULL, admin BOOLEAN NOT NULL);
CREATE TABLE keys (
    id {_TEXT} PRIMARY KEY, hash {_TEXT} NOT NULL UNIQUE, name {_TEXT} NOT NULL UNIQUE, owner {_TEXT} NOT NULL,
    scopes TEXT NOT NULL, created {_TEXT} NOT NULL, used {_TEXT}
);
CREATE TABLE turns (
    "user" {_TEXT} NOT NULL, conversation {_TEXT} NOT NULL, owner TEXT NOT NULL, until TIMESTAMPTZ NOT NULL, PRIMARY KEY ("user", conversation)
);
"""
# Whatever the language of the database, case is that of all languages; a server built without ICU goes by its own.
_HOLDS = """
DO $make$ DECLARE fold text := CASE WHEN EXISTS (SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu') THEN 'COLLATE "und-x-icu"' ELSE 'COLLATE "default"' END;
BEGIN EXECUTE format('CREATE FUNCTION holds(held text, words text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
  ''SELECT strpos(lower(held %1$s), lower(words %1$s)) > 0''', fold); END $make$
"""


def upgrade() -> None:
    """Make them."""
    for statement in _TABLES.strip().rstrip(";").split(";"):
        op.execute(statement)
    op.execute(_HOLDS)
