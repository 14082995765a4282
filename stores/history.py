"""Conversations, their messages and what was said of the answers: in one SQLite file that survives a kill, or on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from stores.errors import NotFound
from stores.exports import as_json, as_markdown
from stores.history_file import BUSY_SECONDS, HistoryFile, HistoryServer, Speaks
from stores.retry import twice
from stores.values import Conversation, Feedback, Message
from stores.versions import EARLIER, ON_PATH, RECENT, VERSIONS, asked, copy, move_head, newest_end, without_memory

if TYPE_CHECKING:
    from stores.server import Server

MAX_TITLE = 80
UNTITLED = "Conversation"
EVERY = 2**62
"""More turns than any conversation has."""

_MESSAGE = f"m.id, m.conversation, m.role, m.text, m.created, m.answer, (SELECT f.score FROM feedback AS f WHERE f.answer = m.id), {VERSIONS}"
_ORDER = "COALESCE((SELECT q.number FROM messages AS q WHERE q.id = m.question), m.number), m.number"
_COUNT = "SELECT COUNT(*) FROM messages AS n WHERE n.user = c.user AND n.conversation = c.id"
_MADE_OR_TOUCHED = (
    "INSERT INTO conversations (user, id, title, created, updated) VALUES (?, ?, ?, ?, ?) ON CONFLICT (user, id) DO UPDATE"
    " SET updated = excluded.updated, title = CASE conversations.title WHEN '' THEN excluded.title ELSE conversations.title END"
)
_CONVERSATION = f"c.id, c.user, c.title, c.created, c.updated, ({_COUNT})"


class History:
    """The history in one file, on a server, or in memory alone where there is no path. Thread-safe, and safe for several processes.

    A conversation belongs to its user: two users may each have one of the same id. Whatever returned is on the disk. Raises `NotFound` for what is not there or is another user's, and
    `StoreUnavailable` where the file or the server cannot be reached, read or written.
    """

    def __init__(self, place: Path | Server | None, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._tables = HistoryFile(place, busy_seconds=busy_seconds) if place is None or isinstance(place, Path) else HistoryServer(place)
        self._read, self._write, self._clear_log = self._tables.reading, self._tables.writing, self._tables.clear_log
        self.path, self.close = self._tables.path, self._tables.close

    def begin(self, conversation: str, *, user: str, question: str, instead_of: str | None = None, title: str | None = None) -> str:
        """Keep a question before it is answered, and return its message id.

        It stands at the end, or in the place of the question that `instead_of` is or answers: that one and what followed become an
        earlier version. One that was never answered is asked again under its own id. With a `title`, a conversation that is not
        there yet is made, and one without a name gets it.
        """
        return self._begun(uuid4().hex, conversation, user, question, instead_of, title)

    @twice
    def _begun(self, message: str, conversation: str, user: str, question: str, instead_of: str | None, title: str | None) -> str:
        now = _now()
        with self._write() as db:
            if title is None:
                _owned(db, conversation, user)
            # Before all else is written: on a server, who comes second waits here.
            db.execute(_MADE_OR_TOUCHED, (user, conversation, _line(title or ""), now, now))
            old = asked(db, instead_of, conversation, user) if instead_of else None
            if old and not old.answered and old.text == question:
                message = old.id
            else:
                parent = "?6" if old else "(SELECT head FROM conversations WHERE user = ?2 AND id = ?3)"
                db.execute(
                    f"INSERT INTO messages (id, user, conversation, role, text, created, parent) VALUES (?1, ?2, ?3, 'user', ?4, ?5, {parent})"
                    " ON CONFLICT (id) DO NOTHING",
                    (message, user, conversation, question, now, *([old.parent] if old else [])),
                )
            move_head(db, message, conversation, user)
        return message

    @twice
    def finish(self, question_id: str, *, user: str, answer_id: str, text: str, answer_json: str | None) -> None:
        """Keep the answer to a question. Saying it again changes nothing."""
        with self._write() as db:
            of = "FROM messages WHERE id = ?1 AND user = ?2 AND role = 'user'"
            if not db.execute(f"UPDATE conversations SET updated = ?3 WHERE user = ?2 AND id = (SELECT conversation {of})", (question_id, user, now := _now())).rowcount:
                raise NotFound(f"There is no question {question_id}. Its conversation may have been deleted.")
            db.execute(
                "INSERT INTO messages (id, user, conversation, role, text, created, answer, question)"
                f" SELECT ?4, user, conversation, 'assistant', ?5, ?3, ?6, id {of} ON CONFLICT (question) DO NOTHING",
                (question_id, user, now, answer_id, text, answer_json),
            )

    def unfinished(self, conversation: str, *, user: str) -> Message | None:
        """The last question where its turn was broken off: it has no answer, or only what was shown before a stop."""
        last = self.messages(conversation, user=user, turns=1)
        return None if not last or last[-1].answer else last[0]

    @twice
    def recent(self, conversation: str, *, user: str, turns: int) -> list[Message]:
        """Questions and answers of the last answered turns, oldest first. A conversation that is not there yet has none.

        At least the last `turns`, and fewer than twice as many: the window moves on `turns` at a time, so that a prompt with it is read anew only then.
        """
        return self._messages(user, RECENT, (conversation, turns)) if turns else []

    @twice
    def earlier(self, conversation: str, *, user: str, turns: int) -> list[Message]:
        """Questions and answers of the turns before those that `recent` gives, oldest first."""
        return self._messages(user, EARLIER, (conversation, turns)) if turns else []

    @twice
    def messages(self, conversation: str, *, user: str, turns: int | None = None) -> list[Message]:
        """All messages, or those of the last `turns`, each answer after its question; what was replaced is not among them."""
        with self._read() as db:
            _owned(db, conversation, user)
            return self._messages(user, ON_PATH, (conversation, EVERY if turns is None else turns))

    def question(self, message: str, conversation: str, *, user: str) -> Message:
        """The question that a message of the conversation is, or answers."""
        with self._read() as db:
            return self._messages(user, "m.id = ?", (asked(db, message, conversation, user).id,))[0]

    def branch(self, conversation: str, message: str, *, user: str) -> Conversation:
        """A new conversation that begins with a copy of what was said up to a message, and the answer to it."""
        new = uuid4().hex
        with self._write() as db:
            head = _owned(db, conversation, user)
            now = _now()
            db.execute(_MADE_OR_TOUCHED, (user, new, f"{head.title[: MAX_TITLE - 9]} (branch)", now, now))
            copy(db, asked(db, message, conversation, user).id, conversation, user, to=new)
            return _owned(db, new, user)

    def restore(self, conversation: str, message: str, *, user: str) -> None:
        """Show the version of a conversation that a message belongs to, as it went on last."""
        with self._write() as db:
            move_head(db, newest_end(db, asked(db, message, conversation, user).id, conversation, user), conversation, user)

    def message(self, id: str, *, user: str) -> Message:  # noqa: A002
        """One message of this user's, a question or an answer."""
        if found := self._messages(user, "m.id = ?", (id,)):
            return found[0]
        raise NotFound("What was said there is gone: its conversation was deleted.")

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

    @twice
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

    @twice
    def holds(self, conversation: str, *, user: str) -> bool:
        """Whether the user has a conversation of that id."""
        with self._read() as db:
            return db.execute("SELECT 1 FROM conversations WHERE user = ? AND id = ?", (user, conversation)).fetchone() is not None

    def search(self, query: str, *, user: str, limit: int = 50) -> list[Message]:
        """The user's messages that hold the words as they are, whatever their case, the latest first."""
        return self._messages(user, "holds(m.text, ?)", (query,), order="m.number DESC LIMIT ?", more=(limit,))

    @twice
    def name(self, conversation: str, title: str, *, user: str, instead_of: str = "") -> None:
        """Give a conversation a title by program, in place of none or of one that a program gave; a name given by hand stays."""
        with self._write() as db:
            db.execute("UPDATE conversations SET title = ? WHERE user = ? AND id = ? AND title IN ('', ?)", (_line(title), user, conversation, _line(instead_of)))

    def said(self, start: date, end: date, *, user: str) -> list[Message]:
        """What the user said from one day to another, oldest first."""
        days = (start.isoformat(), (end + timedelta(days=1)).isoformat())
        return self._messages(user, "m.role = 'user' AND m.created >= ? AND m.created < ?", days)

    def rename(self, conversation: str, title: str, *, user: str) -> Conversation:
        """Give a conversation another title."""
        with self._write() as db:
            _owned(db, conversation, user)
            db.execute("UPDATE conversations SET title = ? WHERE user = ? AND id = ?", (_line(title) or UNTITLED, user, conversation))
            return _owned(db, conversation, user)

    def delete(self, conversation: str, *, user: str) -> None:
        """Remove a conversation with all that was said in it, from the file and from its log."""
        with self._write() as db:
            _owned(db, conversation, user)
            db.execute("DELETE FROM conversations WHERE user = ? AND id = ?", (user, conversation))
        self._clear_log()

    def drop_memories(self, ids: Sequence[str], *, user: str) -> None:
        """Take memories that were forgotten out of the answers that used them; what was said stays said."""
        with self._write() as db:
            for id_ in ids:
                for message, answer in db.execute("SELECT id, answer FROM messages WHERE user = ? AND instr(answer, ?) > 0", (user, id_)).fetchall():
                    db.execute("UPDATE messages SET answer = ? WHERE id = ?", (without_memory(answer, id_), message))
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

    def export(self, conversation: str, *, user: str, format: Literal["markdown", "json"] = "markdown") -> str:  # noqa: A002
        """The whole conversation as Markdown or JSON."""
        with self._read() as db:
            head = _owned(db, conversation, user)
            messages = self.messages(conversation, user=user)
            if format == "markdown":
                return as_markdown(head, messages)
            everything = self._messages(user, "m.conversation = ?", (conversation,))
        shown = {message.id for message in messages}
        return as_json(head, messages, [message for message in everything if message.id not in shown])

    @twice
    def add_feedback(self, feedback: Feedback) -> None:
        """Keep what a user said of an answer; a later word replaces an earlier one, the reason only where it gives one or judges otherwise."""
        f = feedback
        said = "comment = CASE feedback.score WHEN excluded.score THEN coalesce(excluded.comment, feedback.comment) ELSE excluded.comment END"
        then = f"{said}, score = excluded.score, corrected_sql = excluded.corrected_sql, created = excluded.created"
        values = (f.answer_id, f.user, f.score, f.comment, f.corrected_sql, f.created.isoformat())
        with self._write() as db:
            self.answer(f.answer_id, user=f.user)
            db.execute(f"INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (answer) DO UPDATE SET {then}", values)

    def feedback(self, answer_id: str, *, user: str) -> Feedback | None:
        """What the user said of an answer; None where nothing."""
        with self._read() as db:
            self.answer(answer_id, user=user)
            row = db.execute("SELECT * FROM feedback WHERE answer = ?", (answer_id,)).fetchone()
        if row is None:
            return None
        answer, who, score, comment, corrected_sql, created = row
        return Feedback(answer, who, score, comment, corrected_sql, datetime.fromisoformat(created))

    def _messages(self, user: str, where: str, values: tuple[object, ...] = (), *, order: str = _ORDER, more: tuple[object, ...] = ()) -> list[Message]:
        """The messages of that user that a condition holds for; its values are numbered from ?2 on."""
        sql = f"SELECT {_MESSAGE} FROM messages AS m WHERE m.user = ?1 AND {where} ORDER BY {order}"
        with self._read() as db:
            return [_message(row) for row in db.execute(sql, (user, *values, *more))]


def _owned(db: Speaks, conversation: str, user: str) -> Conversation:
    row = db.execute(f"SELECT {_CONVERSATION} FROM conversations AS c WHERE c.id = ? AND c.user = ?", (conversation, user)).fetchone()
    if row is None:
        raise NotFound(f"There is no conversation {conversation!r}. Look at the list of conversations for their ids.")
    return _conversation(row)


def _line(title: str) -> str:
    return " ".join(title.split())[:MAX_TITLE]


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _message(row: tuple[str, str, Literal["user", "assistant"], str, str, str | None, Literal[-1, 1] | None, str | None]) -> Message:
    id_, conversation, role, text, created, answer, score, versions = row
    others = tuple((versions or "").split())
    return Message(id_, conversation, role, text, datetime.fromisoformat(created), answer, score, others if len(others) > 1 else ())


def _conversation(row: tuple[str, str, str, str, str, int]) -> Conversation:
    id_, user, title, created, updated, messages = row
    return Conversation(id_, user, title or UNTITLED, datetime.fromisoformat(created), datetime.fromisoformat(updated), messages)
