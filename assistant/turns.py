"""One turn from question to answer: history before and after, the graph in between."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from typing import Any, cast
from weakref import WeakValueDictionary

from assistant.models.queue import FairQueue
from assistant.naming import name_of
from assistant.places import Place, thread
from assistant.remembering import Remembering
from assistant.serialise import answer_to_json
from assistant.settings import Settings
from assistant.waiting import run
from assistant.wiring import Parts
from graphs import prompts
from graphs.errors import QuestionTooLong, TurnCancelled
from graphs.linking import SCHEMA_TABLES
from graphs.relevance import OUTLINE
from graphs.remember_prompts import LASTING_SYSTEM, OVER_SYSTEM
from graphs.state import State
from graphs.turn import Bounds, Services, Turn
from graphs.values import Answer, Done, Event, StepFinished, StepStarted
from stores.database import Database
from stores.errors import AssistantError, DatabaseUnavailable, NotFound


class Turns:
    """Runs turns over the parts it is given; turns of one conversation wait for each other.

    A private conversation lives in a place of its own, in memory; everything else is the same.
    """

    def __init__(self, parts: Parts, settings: Settings, today: Callable[[], date]) -> None:
        self._parts = parts
        self._settings = settings
        self._today = today
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._locking = threading.Lock()
        self._line = FairQueue(settings.model.queue, at_once=settings.model.parallel)
        self.kept = parts.kept
        self.remembering = Remembering()

    def change(self, settings: Settings) -> None:
        """Go by these settings from the next turn on."""
        self._settings = settings
        self._line.resize(settings.model.queue, settings.model.parallel)

    def run(
        self,
        question: str,
        *,
        user: str,
        conversation: str | None,
        words: bool,
        private: bool,
        instead_of: str | None,
        emit: Callable[[Event], None],
        cancelled: threading.Event,
    ) -> None:
        """One turn, told through `emit`; ends with `Done`. Raises `AssistantError`."""
        question = self._checked(question, user)
        conversation = conversation or uuid.uuid4().hex
        with ExitStack() as during:
            during.enter_context(self.remembering.asking())
            during.enter_context(self._lock(thread(user, conversation)))
            place = self.place_for(conversation, user, private)
            during.enter_context(place.turn(user, conversation, cancelled))
            history = place.history
            question_id = self._asked(place, conversation, user, question, instead_of)
            turn = self._turn(place, user, conversation, question_id, words, emit, cancelled)

            def finish(answer_id: str, text: str, answer_json: str | None) -> None:
                history.finish(question_id, user=user, answer_id=answer_id, text=text, answer_json=answer_json)

            try:
                with self._in_line(turn):
                    answer = self._answer(question, turn, place)
            except TurnCancelled:
                if turn.text:  # what was shown is kept
                    finish(uuid.uuid4().hex, "".join(turn.text), None)
                raise
            finish(answer.id, answer.text, answer_to_json(answer))
        emit(Done(answer))
        self.remembering.said(question, turn)

    def _lock(self, conversation: str) -> threading.Lock:
        """A conversation's own, for as long as somebody holds it or waits for it: a replica sees many that never come again."""
        with self._locking:
            return self._locks.setdefault(conversation, threading.Lock())

    @property
    def waiting(self) -> int:
        """How many turns wait for the model."""
        return self._line.waiting

    def place(self, conversation: str, user: str) -> Place:
        """Where a conversation lies; one that there is not yet would be kept."""
        private = self._parts.private
        return private if private.history.holds(conversation, user=user) else self.kept

    def place_for(self, conversation: str, user: str, private: bool) -> Place:
        """Where a turn is to be kept. A private conversation stays private, whatever the caller says later."""
        if private and self.kept.history.holds(conversation, user=user):
            raise AssistantError("This conversation is kept already. Begin a new one to talk in private.")
        return self._parts.private if private else self.place(conversation, user)

    def _asked(self, place: Place, conversation: str, user: str, question: str, instead_of: str | None) -> str:
        """Keep the question at the end of its conversation, or in another's place; the conversation is named after its first."""
        history, name = place.history, name_of(question)
        if not instead_of:
            return history.begin(conversation, user=user, question=question, title=name)
        before = name_of(history.question(instead_of, conversation, user=user).text)
        left = history.unfinished(conversation, user=user)
        question_id = history.begin(conversation, user=user, question=question, instead_of=instead_of)
        # A turn that waits for a reply belongs to the version that is left, unless it is the reply that goes on.
        if not (left and left.id == question_id):
            place.end_turn(user, conversation)
        if name:
            history.name(conversation, name, user=user, instead_of=before)
        return question_id

    def _checked(self, question: str, user: str) -> str:
        question = question.strip()
        if not question:
            raise AssistantError("The question is empty. Type what you would like to know.")
        if not user:
            raise NotFound("A turn needs a user; leave it out for the local one.")
        most = self._settings.conversation.max_question
        if len(question) > most:
            raise QuestionTooLong(
                f"The question has {len(question):,} characters; at most {most:,} are read. Shorten it, or add the text as a document and ask about that."
            )
        return question

    def _turn(
        self,
        place: Place,
        user: str,
        conversation: str,
        question_id: str,
        words: bool,
        emit: Callable[[Event], None],
        cancelled: threading.Event,
    ) -> Turn:
        settings, parts = self._settings, self._parts
        services = Services(
            model=parts.models.chat(),
            documents=parts.documents,
            memories=parts.memories,
            history=place.history,
            examples=parts.examples,
            database=parts.database,
            user_column=parts.user_column,
        )
        bounds = Bounds(
            recent_turns=settings.conversation.recent_turns,
            memories=settings.conversation.memories,
            passages=settings.documents.passages,
            repairs=settings.database.repairs,
            clarify=settings.conversation.clarify,
            max_tokens=settings.sampling.max_tokens,
            parts=settings.documents.whole_parts,
            part_tokens=min(settings.documents.part_tokens, settings.model.context // 4),
            summary_sentences=settings.documents.summary_sentences,
        )
        private = place is parts.private
        return Turn(services, user, conversation, question_id, emit, cancelled, self._today(), bounds, words, private)

    @contextmanager
    def _in_line(self, turn: Turn) -> Iterator[None]:
        """As many turns at once as the model works on calls; one that waits tells its place. A server has its own queue."""
        if self._settings.model.server_url:
            yield
            return
        started = time.monotonic()
        told: list[int] = []

        def tell(before: int) -> None:
            told.append(before)
            turn.emit(StepStarted("waiting", f"{before} before you" if before else "you are next"))

        with self._line.turn(turn.user, turn.cancelled, tell):
            if told:
                turn.emit(StepFinished("waiting", time.monotonic() - started))
            yield

    def _answer(self, question: str, turn: Turn, place: Place) -> Answer:
        state = run(question, turn, place)
        asked = cast("dict[str, Any]", state).get("__interrupt__")
        if asked:
            value = asked[0].value
            turn.say(value["question"])
            return self._made(turn, state, choices=tuple(value["choices"]))
        return self._made(turn, state)

    def database(self) -> Database:
        """The workspace's database. Raises `DatabaseUnavailable` where there is none."""
        if self._parts.database is None:
            raise DatabaseUnavailable("There is no database to ask. Set database.url.")
        return self._parts.database

    def _made(self, turn: Turn, state: State, choices: tuple[str, ...] = ()) -> Answer:
        database, sql = self._parts.database, state["sql"]
        explanation = None
        if database and sql:
            sql = database.formatted(sql)
            # What was shown is not to be lost where the database goes away just now.
            with suppress(DatabaseUnavailable):
                explanation = database.explain(sql)
        return Answer(
            id=uuid.uuid4().hex,
            text="".join(turn.text),
            route=state["route"],
            conversation=turn.conversation,
            sql=sql,
            table=state["table"],
            citations=tuple(state["citations"]),
            memories=tuple(state["used_memories"]),
            grounded=state["grounded"],
            attempts=tuple(state["attempts"]),
            choices=choices,
            usage=turn.meter.usage(),
            explanation=explanation,
        )

    def prefixes(self) -> list[str]:
        """The system messages of the agents, which never change while the workspace stays as it is."""
        parts = self._parts
        schema = parts.database.schema() if parts.database else None
        outline = parts.documents.outline(user="", limit=OUTLINE)
        found = [prompts.route_system(schema=schema, outline=outline)]
        if schema and len(schema.tables) <= SCHEMA_TABLES:
            found.append(prompts.sql_system(schema=schema, tables=schema.tables))
        return [*found, prompts.ROWS_SYSTEM, prompts.DOCUMENTS_SYSTEM, prompts.CHAT_SYSTEM, prompts.MEMORY_SYSTEM, LASTING_SYSTEM, OVER_SYSTEM]

    def forget(self, place: Place, conversations: Iterable[str], user: str) -> None:
        """Drop what the graph keeps of conversations, and what the model has read of this user's."""
        gone = list(conversations)
        self.remembering.drop(user, gone)
        place.forget(user, gone)
        self._parts.models.forget(user)

