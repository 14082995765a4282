"""What every evaluation shares: questions in, predictions out, stopping and going on, temporary workspaces."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from assistant.errors import ModelFileCorrupt, ModelUnavailable
from assistant.settings import Settings
from stores.errors import AssistantError, DocumentUnreadable, StoreUnavailable

if TYPE_CHECKING:
    from assistant.api import Assistant
    from graphs.values import Answer

Record = dict[str, Any]
"""One line of JSON."""

Start = Callable[[Settings], "Assistant"]
"""What makes an assistant out of settings: `Assistant`, or a scripted one in tests."""

Progress = Callable[[int, int, str], None]
"""Called with how many are done, of how many, and what is under way."""


@dataclass(frozen=True)
class Identity:
    """A model by its name and the SHA-256 of its file (for a server: its address)."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Run:
    """How an evaluation is run: `ids` is a file with one id a line, `predictions` where its lines go."""

    settings: Settings
    model: Identity
    embedding: Identity
    limit: int | None = None
    ids: Path | None = None
    predictions: Path | None = None
    progress: Progress = field(default=lambda done, total, doing: None)

    def choose(self, records: Sequence[Record]) -> list[Record]:
        """The questions to ask: those of `ids` in the file's order, then the first `limit`."""
        chosen = list(records)
        if self.ids is not None:
            wanted = set(read_text(self.ids).split())
            chosen = [record for record in chosen if record["id"] in wanted]
            if not chosen:
                raise DocumentUnreadable(f"None of the ids in {self.ids} is among the questions. Name the ids of this set.")
        return chosen[: self.limit]

    def go_through(self, questions: Sequence[Record], ask: Callable[[Record], Record], fixed: Record) -> list[Record]:
        """Ask each question that has no prediction yet; returns all records, in the order of the questions.

        `fixed` is what every record carries and an earlier one must carry to count: the evaluation, its parameters.
        """
        with Predictions(self.predictions, self._fixed(fixed)) as predictions:
            waiting = [question for question in questions if question["id"] not in predictions.done]
            done = len(questions) - len(waiting)
            for question in waiting:
                self.progress(done, len(questions), str(question["id"]))
                predictions.add({"id": question["id"], **ask(question)})
                done += 1
            self.progress(done, len(questions), "")
            return [predictions.done[question["id"]] for question in questions]

    def waiting(self, questions: Sequence[Record], fixed: Record) -> bool:
        """Whether any question has no prediction yet."""
        with Predictions(self.predictions, self._fixed(fixed)) as predictions:
            return any(question["id"] not in predictions.done for question in questions)

    def _fixed(self, fixed: Record) -> Record:
        return {"model": self.model.name, "sha256": self.model.sha256, "embedding_sha256": self.embedding.sha256, **fixed}


class Predictions:
    """One line a question in a file, each written before the next question is asked, and read again by the next run.

    Every line carries what is `fixed`; one that differs in that (another model's) stays in the file and counts
    for nothing. A last line that was cut off is dropped.
    """

    def __init__(self, path: Path | None, fixed: Record) -> None:
        self._path = path
        self._fixed = fixed
        self._file: TextIO | None = None
        self.done: dict[str, Record] = {}

    def __enter__(self) -> Predictions:
        if self._path is None:
            return self
        try:
            whole = self._whole_lines() if self._path.exists() else 0
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", newline="\n")
            self._file.truncate(whole)
        except OSError as error:
            raise StoreUnavailable(f"The predictions {self._path} cannot be written: {error}. Name another file.") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, record: Record) -> None:
        """Keep a question's record."""
        record = {**record, **self._fixed}
        self.done[record["id"]] = record
        if self._file is not None:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()

    def _whole_lines(self) -> int:
        """Read what is there; returns how many bytes of it are whole lines."""
        assert self._path is not None
        whole = 0
        for line in self._path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            record = _parsed(line.decode("utf-8", errors="replace"), self._path)
            if "id" in record and all(record.get(name) == value for name, value in self._fixed.items()):
                self.done[record["id"]] = record
        return whole


def read_records(path: Path, *, needs: Iterable[str]) -> list[Record]:
    """The lines of a JSONL file. Raises `DocumentUnreadable` where one is not JSON or lacks a name that it `needs`."""
    records = [_parsed(line, path) for line in read_text(path).split("\n") if line.strip()]
    for number, record in enumerate(records, 1):
        if missing := [name for name in needs if name not in record]:
            raise DocumentUnreadable(f'Record {number} of {path} has no "{missing[0]}". See the formats of the evaluation data.')
    if not records:
        raise DocumentUnreadable(f"{path} holds no records. Name a file with one JSON object a line.")
    return records


@dataclass(frozen=True)
class Workspace:
    """A temporary folder with an assistant whose home lies in it."""

    folder: Path
    assistant: Assistant
    run: Run

    def beside(self, name: str, database_url: str) -> Assistant:
        """Another assistant, over this database, with a home of its own and the models that are loaded already."""
        return self.assistant.with_settings(isolated(self.run.settings, self.folder / "beside" / name, database_url))


@contextmanager
def workspace(run: Run, start: Start, *, database_url: str | None = None) -> Iterator[Workspace]:
    """An assistant on an empty home that is gone afterwards."""
    # Windows keeps a closed index open for a moment; what is left lies in the system's temporary folder.
    with tempfile.TemporaryDirectory(prefix="assistant-eval-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with start(isolated(run.settings, folder / "home", database_url)) as assistant:
            yield Workspace(folder, assistant, run)


def isolated(settings: Settings, home: Path, database_url: str | None = None) -> Settings:
    """The user's settings with their model, but on an empty home, with this database and nothing else of theirs."""
    home.mkdir(parents=True, exist_ok=True)
    nothing_of_theirs: Record = {"url": database_url, "tables": None, "user_column": None, "scopes": {}, "masked": (), "user_variable": None}
    database = settings.database.model_copy(update=nothing_of_theirs)
    model = settings.model.model_copy(update={"directory": settings.models_directory})
    return settings.model_copy(update={"home": home, "config": None, "sample": False, "model": model, "database": database})


def asked(assistant: Assistant, question: str, *, user: str, words: bool) -> tuple[Answer | None, Record]:
    """One turn, and what it cost as a record. A turn that fails is an answer of None with its error in the record;
    a model that is not there ends the evaluation."""
    started = time.perf_counter()
    try:
        answer = assistant.ask(question, user=user, words=words)
    except (ModelUnavailable, ModelFileCorrupt):
        raise
    except AssistantError as error:
        return None, {"error": str(error), "seconds": time.perf_counter() - started}
    usage = answer.usage
    return answer, {
        "seconds": time.perf_counter() - started,
        "model_calls": usage.model_calls,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
    }


def read_text(path: Path) -> str:
    """A text file in UTF-8; raises `DocumentUnreadable`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentUnreadable(f"{path} cannot be read: {error}. Name a text file in UTF-8.") from error


def _parsed(line: str, path: Path) -> Record:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise DocumentUnreadable(f"{path} holds a line that is not JSON ({error}): {line[:80]}") from error
    if not isinstance(record, dict):
        raise DocumentUnreadable(f"{path} holds a line that is not a JSON object: {line[:80]}")
    return record
