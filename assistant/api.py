"""The public API: `Assistant`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, Self, Unpack

from assistant import overview
from assistant.activity import TurnRecord, activity
from assistant.home import Home
from assistant.kept import Conversations, Retention, export_all, forget_all
from assistant.models.shared import Models
from assistant.overview import State
from assistant.sample import workspace
from assistant.settings import Settings
from assistant.stream import Options, Stream
from assistant.watching import Watch
from graphs.errors import TurnCancelled
from graphs.values import Answer, Done, Event
from stores.errors import AssistantError
from stores.values import Example, Feedback, IngestProgress, Table

if TYPE_CHECKING:
    from assistant.accounts import Accounts
    from assistant.data import Data
    from assistant.models.files import Progress
    from assistant.setup import Setup
    from stores.documents import Documents
    from stores.examples import Examples
    from stores.memories import Memories

log = logging.getLogger(__name__)


class Assistant:
    """One conversation over a database, documents and memory, on a local model.

    One instance serves many threads. Use it as a context manager, or call `close()`.
    Raises `StoreUnavailable` where the home is in use or cannot be written; nothing is downloaded
    and no model loaded before the first question, unless `preload` says to begin at once, in the background.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        today: Callable[[], date] = date.today,
        models: Models | None = None,
        preload: bool = False,
    ) -> None:
        self.settings = settings or Settings()
        self._today = today
        self._own_models = models is None
        self._closing = threading.Event()
        home = Home(self.settings.home)
        try:
            self._models = models or Models(
                self.settings, home.prefixes if self.settings.model.keep_prefixes_on_disk else None
            )
            if preload:
                self._models.begin()
            # Heavy, so imported here: meanwhile the model's file is read.
            from assistant.turns import Turns
            from assistant.wiring import assemble

            self._parts = assemble(self.settings, home, self._models)
        except BaseException:
            home.close()
            raise
        self._turns = Turns(self._parts, self.settings, today)
        self.watch = Watch(self.settings.watching, self._parts, self._models, lambda: self._turns.waiting)
        self.conversations = Conversations(self._turns)
        self._retention = Retention(self._parts, self._turns, self.settings.conversation)
        self._retention.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the stores and free the model."""
        self._closing.set()
        self._retention.stop()
        self._turns.remembering.close()
        self._parts.close()
        self.watch.close()
        if self._own_models:
            self._models.close()

    def with_settings(self, settings: Settings) -> Assistant:
        """Another workspace on the models that this one has loaded; its home must be another folder."""
        return Assistant(settings, today=self._today, models=self._models)

    # Turns

    def stream(
        self,
        question: str,
        *,
        user: str = "local",
        conversation: str | None = None,
        words: bool = True,
        private: bool = False,
        instead_of: str | None = None,
    ) -> Stream:
        """The events of one turn; closing the stream stops the model within a second.

        `words=False` only looks things up: it ends once the rows or passages are found. `private=True` keeps the
        conversation in memory alone, until `conversations.delete` or `close`; nothing is remembered of it. `instead_of`, the
        id of a message of the conversation, puts the question in that one's place: what followed becomes an earlier version,
        which `conversations.restore` brings back.
        """

        def run(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
            self._turns.run(
                question, user=user, conversation=conversation, words=words, private=private, instead_of=instead_of,
                emit=emit, cancelled=cancelled,
            )  # fmt: skip

        return Stream(self.watch.watched(run, question))

    def ask(self, question: str, **options: Unpack[Options]) -> Answer:
        """One turn, with the options of `stream`. Raises `AssistantError`."""
        with self.stream(question, **options) as events:
            return _last(list(events))

    async def astream(self, question: str, **options: Unpack[Options]) -> AsyncIterator[Event]:
        """As `stream`; cancelling the task or closing the iterator stops the model."""
        with self.stream(question, **options) as events:
            while (event := await asyncio.to_thread(next, events, None)) is not None:
                yield event

    async def aask(self, question: str, **options: Unpack[Options]) -> Answer:
        """As `ask`."""
        return _last([event async for event in self.astream(question, **options)])

    def explain(self, sql: str) -> str:
        """What a query does, in plain words and without the model. Raises `QueryRejected`, `DatabaseUnavailable`."""
        return self._turns.database().explain(sql)

    def query(self, sql: str, *, user: str = "local") -> Table:
        """The rows of the user's own SQL, with the model's guard, scopes and limits. Raises `QueryRejected`, `QueryTimeout`, `DatabaseUnavailable`."""
        return self._turns.database().run(sql, user=user)

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Texts as unit vectors of the embedding model, and their tokens, of which it reads 256 each. Raises `ModelUnavailable`."""
        vectors: list[list[float]] = self._models.embed(list(texts)).tolist()
        return vectors, sum(self._models.count_tokens(text) for text in texts)

    # What is kept

    @property
    def documents(self) -> Documents:
        """The documents: `add`, `sync`, `search`, `all`, `contents`, `remove`."""
        return self._parts.documents

    @property
    def memories(self) -> Memories:
        """The memories: `add`, `search`, `all`, `edit`, `forget`, `restore`, `forget_all`."""
        return self._parts.memories

    @property
    def examples(self) -> Examples:
        """The approved examples: `all`, `remove`."""
        return self._parts.examples

    def feedback(
        self,
        answer_id: str,
        *,
        user: str,
        score: Literal[-1, 1],
        comment: str | None = None,
        corrected_sql: str | None = None,
    ) -> Example | None:
        """Keep what a user thinks of an answer; approved or corrected SQL becomes an example, which is returned.

        Raises `NotFound` for another's answer, `QueryRejected` where the corrected SQL does not run.
        """
        parts = self._parts
        asked, answered = parts.kept.history.exchange(answer_id, user=user)
        if corrected_sql and parts.database:
            parts.database.run(corrected_sql, user=user)  # an example must run before it teaches
        parts.kept.history.add_feedback(Feedback(answer_id, user, score, comment, corrected_sql, datetime.now(UTC)))
        self.watch.thumb(score)
        from assistant.serialise import answer_from_json

        approved = answer_from_json(answered.answer).sql if answered.answer and score > 0 else None
        query = corrected_sql or approved
        if not query or not parts.database:
            return None
        return parts.examples.add(asked.text, query, fingerprint=parts.database.schema().fingerprint, user=user)

    @property
    def accounts(self) -> Accounts:
        """Who may sign in to the page: `all`, `add`, `check`, `set_password`, `remove`."""
        from assistant.accounts import FILE, Accounts

        return Accounts(self._parts.kept.server or self._parts.home.path / FILE)

    @property
    def data(self) -> Data:
        """The database: `schema`, `rows`, `note`."""
        from assistant.data import Data

        return Data(self._parts)

    @property
    def setup(self) -> Setup:
        """What is changed while it runs: `connect`, `test_connection`, `models`, `use`, `change`."""
        from assistant.setup import Setup

        return Setup(self, self._parts, self._models, self._turns)

    def export_all(self, *, user: str) -> str:
        """Everything that is kept about a user, as JSON: memories, conversations, examples, the names of their documents."""
        return export_all(self._parts, user)

    def forget_all(self, *, user: str) -> None:
        """Delete everything that is kept about a user, from the bytes on the disk too; documents for everybody stay."""
        forget_all(self._parts, self._turns, user)

    # The workspace

    def prepare(
        self,
        progress: Callable[[Progress], None] | None = None,
        ingesting: Callable[[IngestProgress], None] | None = None,
    ) -> None:
        """Fetch the models that are missing and set up the sample workspace where nothing else is configured.

        Raises `ModelUnavailable`, `ModelFileCorrupt`, `StoreUnavailable`.
        """
        for name in self._models.wanted:
            self._models.files.ensure(name, progress)
        if self.settings.database.url or not self.settings.sample:
            workspace.take_out(self._parts.documents, self._parts.home.path)
            return
        from assistant.wiring import open_database, workspace_database

        sample = workspace.set_up(self._parts.home.path)
        self._parts.documents.add(sample.handbook, progress=ingesting)
        if self._parts.database is None:
            url, self._parts.user_column = workspace_database(self.settings, self._parts.home.path)
            self._parts.database = open_database(self.settings, url) if url else None

    def load(self) -> None:
        """Load the language model and read the prompts that never change, so that the first question is quick."""
        chat = self._models.chat()
        if hasattr(chat, "warm"):
            for system in self._turns.prefixes():
                # Between two prefixes a question gets its turn; `close` ends the reading.
                chat.warm(system, cancelled=self._closing)

    def load_soon(self) -> None:
        """`load` in the background, then measure this machine once, while nobody asks; what goes wrong is logged, and said again to whoever asks the first question."""

        def load() -> None:
            try:
                self.load()
                self._models.calibrate()
                if outdated := self.documents.outdated():
                    log.warning("%s", outdated)
                    self.documents.renew()
            except TurnCancelled:
                pass  # closed meanwhile
            except AssistantError as error:
                log.warning("%s", error)

        threading.Thread(target=load, name="load", daemon=True).start()

    def state(self) -> State:
        """What the assistant runs on."""
        return overview.state(self._parts, self._models, self.settings)

    def users(self) -> list[tuple[str, str]]:
        """(id, label) of the users that the database's user column knows, after ("local", …)."""
        return overview.users(self._parts)

    def suggestions(self) -> tuple[str, ...]:
        """Questions to begin with, from the workspace at hand."""
        return overview.suggestions(self._parts, self.settings)

    def activity(self, *, user: str, turns: int = 500) -> list[TurnRecord]:
        """The user's last turns, the newest first, with what each cost. Of private conversations there are none."""
        return activity(self._parts.kept.history, user=user, turns=turns)


def _last(events: list[Event]) -> Answer:
    last = events[-1] if events else None
    if not isinstance(last, Done):
        raise AssistantError("The turn ended without an answer. Ask again.")
    return last.answer
