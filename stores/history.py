"""Conversations, their messages and what was said of the answers: one SQLite file that survives a kill."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from stores.errors import NotFound, StoreUnavailable
from stores.exports import as_json, as_markdown
from stores.migrations import migrate
from stores.values import Conversation, Feedback, Message

BUSY_SECONDS = 10.0
MAX_TITLE = 80

_MESSAGE = "m.id, m.conversation, m.role, m.text, m.created, m.answer, (SELECT f.score FROM feedback AS f WHERE f.answer = m.id)"
_ORDER = "COALESCE((SELECT q.number FROM messages AS q WHERE q.id = m.question), m.number), m.number"
_CONVERSATION = "c.id, c.user, c.title, c.created, c.updated, (SELECT COUNT(*) FROM messages AS n WHERE n.conversation = c.id)"


class History:
    """The history in one file. Thread-safe, and safe for two processes.

    Whatever returned is on the disk. Raises `NotFound` for what is not there or is another user's, and
    `StoreUnavailable` where the file cannot be opened, read or written.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, timeout=busy_seconds, check_same_thread=False, isolation_level=None)
            try:
                self._prepare()
            except (sqlite3.Error, StoreUnavailable):
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def ensure(self, conversation: str, *, user: str, title: str) -> Conversation:
        """The user's conversation of that id; made, with this title, where there is none."""
        now = _now()
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO conversations VALUES (?, ?, ?, ?, ?)", (conversation, user, _title(title), now, now))
            return _owned(db, conversation, user)

    def begin(self, conversation: str, *, user: str, question: str) -> str:
        """Keep a question before it is answered, and return its message id."""
        message, now = uuid4().hex, _now()
        with self._write() as db:
            _owned(db, conversation, user)
            db.execute(
                "INSERT INTO messages (id, conversation, role, text, created) VALUES (?, ?, 'user', ?, ?)",
                (message, conversation, question, now),
            )
            db.execute("UPDATE conversations SET updated = ? WHERE id = ?", (now, conversation))
        return message

    def finish(self, question_id: str, *, answer_id: str, text: str, answer_json: str | None) -> Message:
        """Keep the answer to a question. Saying it again changes nothing."""
        with self._write() as db:
            question = db.execute("SELECT conversation FROM messages WHERE id = ? AND role = 'user'", (question_id,)).fetchone()
            if question is None:
                raise NotFound(f"There is no question {question_id}. Its conversation may have been deleted.")
            db.execute(
                "INSERT INTO messages (id, conversation, role, text, created, answer, question) VALUES (?, ?, 'assistant', ?, ?, ?, ?)"
                " ON CONFLICT (question) DO NOTHING",
                (answer_id, question[0], text, _now(), answer_json, question_id),
            )
            db.execute("UPDATE conversations SET updated = ? WHERE id = ?", (_now(), question[0]))
            return self._messages("m.question = ?", (question_id,))[0]

    def unfinished(self, *, user: str | None = None) -> list[Message]:
        """The questions whose turn was broken off, oldest first; of all users where none is named."""
        return self._messages(
            "m.role = 'user' AND (?1 IS NULL OR c.user = ?1) AND NOT EXISTS (SELECT 1 FROM messages AS a WHERE a.question = m.id)",
            (user,),
        )

    def recent(self, conversation: str, *, user: str, turns: int) -> list[Message]:
        """Questions and answers of the last answered turns, oldest first. A conversation that is not there yet has none.

        At least the last `turns`, and fewer than twice as many: the window moves on `turns` at a time, so that a prompt
        which begins with it is read anew only then.
        """
        with self._read() as db:
            if db.execute("SELECT 1 FROM conversations WHERE id = ?", (conversation,)).fetchone() is None:
                return []
            _owned(db, conversation, user)
            answered = "FROM messages WHERE conversation = ?1 AND question IS NOT NULL"
            count: int = db.execute(f"SELECT count(*) {answered}", (conversation,)).fetchone()[0]
            most = turns + count % turns if turns else 0
            last = f"SELECT id, question {answered} ORDER BY number DESC LIMIT ?2"
            return self._messages(f"m.id IN (WITH l AS ({last}) SELECT id FROM l UNION ALL SELECT question FROM l)", (conversation, most))

    def messages(self, conversation: str, *, user: str) -> list[Message]:
        """All messages, each answer after its question."""
        with self._read() as db:
            _owned(db, conversation, user)
            return self._messages("c.id = ?", (conversation,))

    def answer(self, answer_id: str, *, user: str) -> Message:
        """One answer of this user's."""
        found = self._messages("m.id = ? AND m.role = 'assistant' AND c.user = ?", (answer_id, user))
        if not found:
            raise NotFound(f"There is no answer {answer_id}. Look at the conversation for the ids of its answers.")
        return found[0]

    def exchange(self, answer_id: str, *, user: str) -> tuple[Message, Message]:
        """The question and the answer, by the answer's id."""
        answer = self.answer(answer_id, user=user)
        asked = self._messages("m.id = (SELECT question FROM messages WHERE id = ?) AND c.user = ?", (answer_id, user))
        return asked[0], answer

    def all(self, *, user: str, query: str | None = None) -> list[Conversation]:
        """The user's conversations, the latest first; with a query, those whose title or messages hold it."""
        held = "holds(c.title, ?2) OR EXISTS (SELECT 1 FROM messages AS m WHERE m.conversation = c.id AND holds(m.text, ?2))"
        with self._read() as db:
            sql = f"SELECT {_CONVERSATION} FROM conversations AS c WHERE c.user = ?1 AND (?2 = '' OR {held}) ORDER BY c.updated DESC, c.rowid DESC"
            return [_conversation(row) for row in db.execute(sql, (user, query or ""))]

    def search(self, query: str, *, user: str, limit: int = 50) -> list[Message]:
        """The user's messages that hold the words as they are, whatever their case, the latest first."""
        return self._messages("c.user = ? AND holds(m.text, ?)", (user, query), order="m.number DESC LIMIT ?", more=(limit,))

    def rename(self, conversation: str, title: str, *, user: str) -> Conversation:
        """Give a conversation another title."""
        with self._write() as db:
            _owned(db, conversation, user)
            db.execute("UPDATE conversations SET title = ? WHERE id = ?", (_title(title), conversation))
            return _owned(db, conversation, user)

    def delete(self, conversation: str, *, user: str) -> None:
        """Remove a conversation with all that was said in it, from the file and from its log."""
        with self._write() as db:
            _owned(db, conversation, user)
            db.execute("DELETE FROM conversations WHERE id = ?", (conversation,))
        with self._read() as db:  # the log still holds the pages as they were
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def export(self, conversation: str, *, user: str, format: Literal["markdown", "json"] = "markdown") -> str:  # noqa: A002
        """The whole conversation as Markdown or JSON."""
        with self._read() as db:
            head = _owned(db, conversation, user)
            messages = self.messages(conversation, user=user)
        return as_json(head, messages) if format == "json" else as_markdown(head, messages)

    def add_feedback(self, feedback: Feedback) -> None:
        """Keep what a user said of an answer; a later word replaces an earlier one."""
        with self._write() as db:
            self.answer(feedback.answer_id, user=feedback.user)
            db.execute(
                "INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?, ?, ?)",
                (
                    feedback.answer_id,
                    feedback.user,
                    feedback.score,
                    feedback.comment,
                    feedback.corrected_sql,
                    feedback.created.isoformat(),
                ),
            )

    def feedback(self, answer_id: str, *, user: str) -> Feedback | None:
        """What the user said of an answer; None where nothing."""
        with self._read() as db:
            self.answer(answer_id, user=user)
            row = db.execute("SELECT * FROM feedback WHERE answer = ?", (answer_id,)).fetchone()
        if row is None:
            return None
        answer, who, score, comment, corrected_sql, created = row
        return Feedback(answer, who, score, comment, corrected_sql, datetime.fromisoformat(created))

    def _messages(self, where: str, values: tuple[object, ...], *, order: str = _ORDER, more: tuple[object, ...] = ()) -> list[Message]:
        sql = f"SELECT {_MESSAGE} FROM messages AS m JOIN conversations AS c ON c.id = m.conversation WHERE {where} ORDER BY {order}"
        with self._read() as db:
            return [_message(row) for row in db.execute(sql, (*values, *more))]

    def _prepare(self) -> None:
        db = self._connection
        db.create_function("holds", 2, _holds, deterministic=True)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            db.execute(f"PRAGMA {pragma}").fetchone()
        with self._write():
            migrate(db, self.path)

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors():
            yield self._connection

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: on the disk when the block is left, or not at all."""
        with self._read() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(f"The history {self.path} cannot be opened: {error}. Check the folder and its rights.") from error
        except sqlite3.Error as error:
            advice = _advice(getattr(error, "sqlite_errorname", "") or "")
            raise StoreUnavailable(f"The history {self.path} cannot be used: {error}. {advice}") from error


def _advice(name: str) -> str:
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "The file is damaged: put a copy back in its place, or move it away to begin a new history."
    if name.startswith("SQLITE_FULL"):
        return "The disk is full: make room; nothing that was saved before is lost."
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "Another program holds it: try again, or close that program."
    return "Check that its folder is there and may be written."


def _owned(db: sqlite3.Connection, conversation: str, user: str) -> Conversation:
    row = db.execute(f"SELECT {_CONVERSATION} FROM conversations AS c WHERE c.id = ? AND c.user = ?", (conversation, user)).fetchone()
    if row is None:
        raise NotFound(f"There is no conversation {conversation!r}. Look at the list of conversations for their ids.")
    return _conversation(row)


def _holds(text: str, words: str) -> bool:
    return words.casefold() in text.casefold()


def _title(title: str) -> str:
    return " ".join(title.split())[:MAX_TITLE] or "Conversation"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _message(row: tuple[str, str, Literal["user", "assistant"], str, str, str | None, Literal[-1, 1] | None]) -> Message:
    id_, conversation, role, text, created, answer, score = row
    return Message(id_, conversation, role, text, datetime.fromisoformat(created), answer, score)


def _conversation(row: tuple[str, str, str, str, str, int]) -> Conversation:
    id_, user, title, created, updated, messages = row
    return Conversation(id_, user, title, datetime.fromisoformat(created), datetime.fromisoformat(updated), messages)
