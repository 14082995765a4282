"""Documents, their chunks, and what was added: as `stores/registry_file.py` has them for SQLite."""

from alembic import op

revision = "0002"
down_revision = "0001"

_TEXT = 'TEXT COLLATE "C"'
_TABLES = f"""
CREATE TABLE roots (path {_TEXT} NOT NULL, "user" {_TEXT} NOT NULL, PRIMARY KEY (path, "user"));
CREATE TABLE rebuilding (since {_TEXT} PRIMARY KEY);
CREATE TABLE excluded (path {_TEXT} NOT NULL, "user" {_TEXT} NOT NULL, PRIMARY KEY (path, "user"));
CREATE TABLE refused (
    path {_TEXT} NOT NULL, "user" {_TEXT} NOT NULL, size BIGINT NOT NULL, mtime_ns BIGINT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (path, "user")
);
CREATE TABLE documents (
    id {_TEXT} PRIMARY KEY, name {_TEXT} NOT NULL, path {_TEXT} NOT NULL, "user" {_TEXT} NOT NULL, size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL, sha256 TEXT NOT NULL, added TEXT NOT NULL, passages INTEGER NOT NULL, headings TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'removing')), recipe TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX one_ready ON documents (path, "user") WHERE state = 'ready';
CREATE TABLE chunks (
    number BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE, id {_TEXT} PRIMARY KEY, document {_TEXT} NOT NULL REFERENCES documents ON DELETE CASCADE,
    position INTEGER NOT NULL, location TEXT NOT NULL, heading TEXT NOT NULL, text TEXT NOT NULL, vector BYTEA NOT NULL,
    above TEXT NOT NULL, digest BYTEA, words BYTEA
);
CREATE INDEX of_document ON chunks (document, position);
CREATE INDEX by_digest ON chunks (digest);
CREATE TABLE condensed (
    document {_TEXT} NOT NULL REFERENCES documents ON DELETE CASCADE, key {_TEXT} NOT NULL, text TEXT NOT NULL, PRIMARY KEY (document, key)
);
CREATE TABLE model (name TEXT PRIMARY KEY);
CREATE TABLE renewed (id {_TEXT} PRIMARY KEY REFERENCES chunks ON DELETE CASCADE, vector BYTEA NOT NULL);
CREATE TABLE changes (number BIGINT NOT NULL);
INSERT INTO changes VALUES (0);
"""


def upgrade() -> None:
    """Make them."""
    for statement in _TABLES.strip().rstrip(";").split(";"):
        op.execute(statement)
