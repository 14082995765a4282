"""Conversations, their messages and what was said of the answers: one SQLite file that survives a kill."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

from stores.errors import NotFound, StoreUnavailable, sqlite_advice
from stores.exports import as_json, as_markdown
from stores.migrations import migrate
from stores.values import Conversation, Feedback, Message

BUSY_SECONDS = 10.0
MAX_TITLE = 80

_MESSAGE = "m.id, m.conversation, m.role, m.text, m.created, m.answer, (SELECT f.score FROM feedback AS f WHERE f.answer = m.id)"
_ORDER = "COALESCE((SELECT q.number FROM messages AS q WHERE q.id = m.question), m.number), m.number"
_COUNT = "SELECT COUNT(*) FROM messages AS n WHERE n.user = c.user AND n.conversation = c.id"
_CONVERSATION = f"c.id, c.user, c.title, c.created, c.updated, ({_COUNT})"


class History:
    """The history in one file, or in memory alone where there is no path. Thread-safe, and safe for two processes.

    A conversation belongs to its user: two users may each have one of the same id. Whatever returned is on the disk. Raises `NotFound` for what is not there or is another user's, and
    `StoreUnavailable` where the file cannot be opened, read or written.
    """

    def __init__(self, path: Path | None, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._name = str(path or "in memory")
        self._lock = threading.RLock()
        with self._errors():
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
            self._connection = sqlite3.connect(path or ":memory:", timeout=busy_seconds, check_same_thread=False, isolation_level=None)
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
            db.execute("INSERT OR IGNORE INTO conversations VALUES (?, ?, ?, ?, ?)", (user, conversation, _title(title), now, now))
            return _owned(db, conversation, user)

    def begin(self, conversation: str, *, user: str, question: str) -> str:
        """Keep a question before it is answered, and return its message id."""
        message, now = uuid4().hex, _now()
        with self._write() as db:
            _owned(db, conversation, user)
            db.execute(
                "INSERT INTO messages (id, user, conversation, role, text, created) VALUES (?, ?, ?, 'user', ?, ?)",
                (message, user, conversation, question, now),
            )
            _touch(db, conversation, user, now)
        return message

    def finish(self, question_id: str, *, user: str, answer_id: str, text: str, answer_json: str | None) -> Message:
        """Keep the answer to a question. Saying it again changes nothing."""
        with self._write() as db:
            question = db.execute("SELECT conversation FROM messages WHERE id = ? AND user = ? AND role = 'user'", (question_id, user)).fetchone()
            if question is None:
                raise NotFound(f"There is no question {question_id}. Its conversation may have been deleted.")
            db.execute(
                "INSERT INTO messages (id, user, conversation, role, text, created, answer, question) VALUES (?, ?, ?, 'assistant', ?, ?, ?, ?)"
                " ON CONFLICT (question) DO NOTHING",
                (answer_id, user, question[0], text, _now(), answer_json, question_id),
            )
            _touch(db, question[0], user, _now())
            return self._messages(user, "m.question = ?", (question_id,))[0]

    def unfinished(self, *, user: str | None = None) -> list[Message]:
        """The questions whose turn was broken off, oldest first; of all users where none is named."""
        return self._messages(user, "m.role = 'user' AND NOT EXISTS (SELECT 1 FROM messages AS a WHERE a.question = m.id)")

    def recent(self, conversation: str, *, user: str, turns: int) -> list[Message]:
        """Questions and answers of the last answered turns, oldest first. A conversation that is not there yet has none.

        At least the last `turns`, and fewer than twice as many: the window moves on `turns` at a time, so that a prompt
        which begins with it is read anew only then.
        """
        answered = "FROM messages WHERE user = ?1 AND conversation = ?2 AND question IS NOT NULL"
        with self._read() as db:
            count: int = db.execute(f"SELECT count(*) {answered}", (user, conversation)).fetchone()[0]
            most = turns + count % turns if turns else 0
            last = f"SELECT id, question {answered} ORDER BY number DESC LIMIT ?3"
            return self._messages(user, f"m.id IN (WITH l AS ({last}) SELECT id FROM l UNION ALL SELECT question FROM l)", (conversation, most))

    def messages(self, conversation: str, *, user: str) -> list[Message]:
        """All messages, each answer after its question."""
        with self._read() as db:
            _owned(db, conversation, user)
            return self._messages(user, "m.conversation = ?", (conversation,))

    def answer(self, answer_id: str, *, user: str) -> Message:
        """One answer of this user's."""
        found = self._messages(user, "m.id = ? AND m.role = 'assistant'", (answer_id,))
        if not found:
            raise NotFound(f"There is no answer {answer_id}. Look at the conversation for the ids of its answers.")
        return found[0]

    def exchange(self, answer_id: str, *, user: str) -> tuple[Message, Message]:
        """The question and the answer, by the answer's id."""
        answer = self.answer(answer_id, user=user)
        asked = self._messages(user, "m.id = (SELECT question FROM messages WHERE id = ?)", (answer_id,))
        return asked[0], answer

    def all(self, *, user: str, query: str | None = None) -> list[Conversation]:
        """The user's conversations, the latest first; with a query, those whose title or messages hold it."""
        held = "holds(c.title, ?2) OR EXISTS (SELECT 1 FROM messages AS m WHERE m.user = c.user AND m.conversation = c.id AND holds(m.text, ?2))"
        with self._read() as db:
            sql = f"SELECT {_CONVERSATION} FROM conversations AS c WHERE c.user = ?1 AND (?2 = '' OR {held}) ORDER BY c.updated DESC, c.rowid DESC"
            return [_conversation(row) for row in db.execute(sql, (user, query or ""))]

    def owners(self) -> set[tuple[str, str]]:
        """(user, id) of every conversation, whosever."""
        with self._read() as db:
            return set(db.execute("SELECT user, id FROM conversations"))

    def holds(self, conversation: str, *, user: str) -> bool:
        """Whether the user has a conversation of that id."""
        with self._read() as db:
            return db.execute("SELECT 1 FROM conversations WHERE user = ? AND id = ?", (user, conversation)).fetchone() is not None

    def search(self, query: str, *, user: str, limit: int = 50) -> list[Message]:
        """The user's messages that hold the words as they are, whatever their case, the latest first."""
        return self._messages(user, "holds(m.text, ?)", (query,), order="m.number DESC LIMIT ?", more=(limit,))

    def said(self, start: date, end: date, *, user: str) -> list[Message]:
        """What the user said from one day to another, oldest first."""
        days = (start.isoformat(), (end + timedelta(days=1)).isoformat())
        return self._messages(user, "m.role = 'user' AND m.created >= ? AND m.created < ?", days)

    def rename(self, conversation: str, title: str, *, user: str) -> Conversation:
        """Give a conversation another title."""
        with self._write() as db:
            _owned(db, conversation, user)
            db.execute("UPDATE conversations SET title = ? WHERE user = ? AND id = ?", (_title(title), user, conversation))
            return _owned(db, conversation, user)

    def delete(self, conversation: str, *, user: str) -> None:
        """Remove a conversation with all that was said in it, from the file and from its log."""
        with self._write() as db:
            _owned(db, conversation, user)
            db.execute("DELETE FROM conversations WHERE user = ? AND id = ?", (user, conversation))
        self._clear_log()

    def drop_memories(self, ids: Sequence[str], *, user: str) -> None:
        """Take memories that were forgotten out of the answers that used them; what was said stays said."""
        others = "SELECT json_group_array(json(value)) FROM json_each(answer, '$.memories') WHERE json_extract(value, '$.id') <> ?1"
        with self._write() as db:
            db.executemany(
                f"UPDATE messages SET answer = json_set(answer, '$.memories', json(({others}))) WHERE user = ?2 AND instr(answer, ?1) AND json_valid(answer)",
                [(id_, user) for id_ in ids],
            )
        self._clear_log()

    def delete_all(self, *, user: str) -> list[str]:
        """Remove all that a user said and was told; gives the ids of the conversations."""
        return [id_ for _, id_ in self._delete_where("user = ?", user)]

    def delete_older(self, than: datetime) -> list[tuple[str, str]]:
        """Remove the conversations, whosever, that nothing was said in since; gives (user, id) of each."""
        return self._delete_where("updated < ?", than.astimezone(UTC).isoformat())

    def _delete_where(self, condition: str, value: str) -> list[tuple[str, str]]:
        with self._write() as db:
            found = db.execute(f"SELECT user, id FROM conversations WHERE {condition}", (value,)).fetchall()
            db.execute(f"DELETE FROM conversations WHERE {condition}", (value,))
        if found:
            self._clear_log()
        return found

    def _clear_log(self) -> None:
        """Empty the write-ahead log, which still holds the pages as they were."""
        with self._read() as db:
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
                (feedback.answer_id, feedback.user, feedback.score, feedback.comment, feedback.corrected_sql, feedback.created.isoformat()),
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

    def _messages(self, user: str | None, where: str, values: tuple[object, ...] = (), *, order: str = _ORDER, more: tuple[object, ...] = ()) -> list[Message]:
        """The messages of that user (None: of all) that a condition holds for; its values are numbered from ?2 on."""
        sql = f"SELECT {_MESSAGE} FROM messages AS m WHERE (?1 IS NULL OR m.user = ?1) AND {where} ORDER BY {order}"
        with self._read() as db:
            return [_message(row) for row in db.execute(sql, (user, *values, *more))]

    def _prepare(self) -> None:
        db = self._connection
        db.create_function("holds", 2, _holds, deterministic=True)
        # Sorting must not spill a conversation into a temporary file.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "temp_store = MEMORY"):
            db.execute(f"PRAGMA {pragma}").fetchone()
        with self._write():
            migrate(db, self._name)
        db.execute("PRAGMA foreign_keys = ON")  # a migration takes tables apart that refer to each other

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
            raise StoreUnavailable(f"The history {self._name} cannot be opened: {error}. Check the folder and its rights.") from error
        except sqlite3.Error as error:
            advice = sqlite_advice(getattr(error, "sqlite_errorname", "") or "")
            raise StoreUnavailable(f"The history {self._name} cannot be used: {error}. {advice}") from error


def _owned(db: sqlite3.Connection, conversation: str, user: str) -> Conversation:
    row = db.execute(f"SELECT {_CONVERSATION} FROM conversations AS c WHERE c.id = ? AND c.user = ?", (conversation, user)).fetchone()
    if row is None:
        raise NotFound(f"There is no conversation {conversation!r}. Look at the list of conversations for their ids.")
    return _conversation(row)


def _touch(db: sqlite3.Connection, conversation: str, user: str, now: str) -> None:
    db.execute("UPDATE conversations SET updated = ? WHERE user = ? AND id = ?", (now, user, conversation))


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
