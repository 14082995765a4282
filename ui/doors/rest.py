"""What is kept, for other programs: documents, memories, conversations, feedback, and a question as one request."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from assistant import (
    Answer,
    Assistant,
    AssistantError,
    Conversation,
    Document,
    DocumentUnreadable,
    Memory,
    Message,
    NotFound,
    Passage,
    Table,
)
from ui import uploads
from ui.doors import running
from ui.doors.access import Asker, Querier, Reader, Rememberer

SAYS = r"[^\s]"
"""A text with something in it."""


class Given(BaseModel):
    """A request's body; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid")


class Question(Given):
    """A question; `conversation` is an id of one's own choosing, a new one where it is left out."""

    question: str = Field(pattern=SAYS)
    conversation: str | None = Field(None, min_length=1, max_length=200)
    private: bool = False


class Statement(Given):
    """What is to be remembered."""

    text: str = Field(pattern=SAYS, max_length=2000)


class Title(Given):
    """A conversation's name."""

    title: str = Field(pattern=SAYS, max_length=200)


class Judgement(Given):
    """What is thought of an answer."""

    answer_id: str
    score: Literal[-1, 1]
    comment: str | None = Field(None, max_length=10_000)
    corrected_sql: str | None = Field(None, max_length=20_000)


class Sql(Given):
    """A query of one's own."""

    sql: str = Field(min_length=1, max_length=20_000)


class Listed(BaseModel):
    """A document, without where it lies; `user` is null where it is for everybody."""

    id: str
    name: str
    title: str
    user: str | None
    passages: int
    added: datetime


Words = Annotated[str, Query(min_length=1, max_length=4000)]
Most = Annotated[int, Query(ge=1, le=50)]


def routes(assistant: Assistant) -> APIRouter:
    """The routes under /api/v1."""
    router = APIRouter()
    for add in (_asking, _documents, _finding, _memories, _conversations):
        add(router, assistant)
    return router


def _asking(router: APIRouter, assistant: Assistant) -> None:
    @router.post("/ask", tags=["ask"])
    async def ask(asked: Question, request: Request, who: Asker) -> Answer:
        """One turn. Hanging up stops it."""
        stream = assistant.stream(asked.question, user=who.user, conversation=asked.conversation, private=asked.private)
        return await running.answer(stream, request)

    @router.post("/feedback", tags=["ask"], status_code=204)
    def feedback(given: Judgement, who: Asker) -> None:
        """Judge an answer. SQL that was approved or corrected becomes an example."""
        if given.corrected_sql:
            who.may("query")
        assistant.feedback(given.answer_id, user=who.user, score=given.score, comment=given.comment, corrected_sql=given.corrected_sql)

    @router.post("/query", tags=["ask"])
    def query(given: Sql, who: Querier) -> Table:
        """The rows of a reading query, under the user's scopes."""
        return assistant.query(given.sql, user=who.user)


def _documents(router: APIRouter, assistant: Assistant) -> None:
    kept, home = assistant.documents, assistant.settings.home

    @router.get("/documents", tags=["documents"], response_model=list[Listed])
    def documents(who: Reader) -> list[Document]:
        """The documents for everybody and the user's own."""
        return kept.all(user=who.user)

    @router.post("/documents", tags=["documents"], status_code=201, response_model=Listed)
    def add(who: Reader, file: Annotated[UploadFile, File()], everybody: Annotated[bool, Form()] = False) -> Document:
        """Take in a file; one of the same name is replaced. For everybody: with a key for `admin`."""
        if everybody:
            who.may("admin")
        owner = None if everybody else who.user
        with tempfile.TemporaryDirectory() as folder:
            sent = Path(folder) / _named(file.filename or "")
            with sent.open("wb") as to:
                while piece := file.file.read(2**20):
                    to.write(piece)
            path = uploads.keep([str(sent)], home=home, user=owner)[0]
        report = kept.add(path, user=owner)
        if report.refused:
            uploads.drop(str(path), home=home)
            raise DocumentUnreadable(f"{report.refused[0].path}: {report.refused[0].reason}")
        return next(document for document in kept.all(user=who.user) if Path(document.path).resolve() == path.resolve())

    @router.delete("/documents/{id}", tags=["documents"], status_code=204)
    def remove(id: str, who: Reader) -> None:  # noqa: A002
        """Remove a document of one's own; one for everybody with a key for `admin`."""
        found = _visible(assistant, id, who.user)
        if found.user is None:
            who.may("admin")
        kept.remove(found.id, user=who.user)
        uploads.drop(found.path, home=home)


def _finding(router: APIRouter, assistant: Assistant) -> None:
    kept = assistant.documents

    @router.get("/documents/search", tags=["documents"])
    def search(who: Reader, query: Words, k: Most = 5) -> list[Passage]:
        """The passages that answer a query best, the best first."""
        return kept.search(query, user=who.user, k=k)

    @router.get("/documents/{id}", tags=["documents"])
    def contents(id: str, who: Reader) -> list[Passage]:  # noqa: A002
        """The passages of a document in their order."""
        return kept.contents(_visible(assistant, id, who.user).id, user=who.user)

    @router.get("/passages/{id}", tags=["documents"])
    def passage(id: str, who: Reader) -> list[Passage]:  # noqa: A002
        """A passage that an answer cites, between the one before and the one after it."""
        if not (found := kept.around(id, user=who.user)):
            raise NotFound(f"There is no passage {id}. Ask again: its document may have changed.")
        return found


def _visible(assistant: Assistant, id: str, user: str) -> Document:  # noqa: A002
    found = next((document for document in assistant.documents.all(user=user) if document.id == id), None)
    if found is None:
        raise NotFound(f"There is no document {id}. List the documents to see their ids.")
    return found


def _memories(router: APIRouter, assistant: Assistant) -> None:
    kept = assistant.memories

    @router.get("/memories", tags=["memories"])
    def memories(who: Rememberer) -> list[Memory]:
        """All that is remembered about the user."""
        return kept.all(user=who.user)

    @router.post("/memories", tags=["memories"], status_code=201)
    def add(said: Statement, who: Rememberer) -> Memory:
        """Remember a statement."""
        return kept.add(said.text, user=who.user)

    @router.get("/memories/search", tags=["memories"])
    def search(who: Rememberer, query: Words, k: Most = 5) -> list[Memory]:
        """The memories nearest to a query, the best first."""
        return kept.search(query, user=who.user, k=k)

    @router.put("/memories/{id}", tags=["memories"])
    def edit(id: str, said: Statement, who: Rememberer) -> Memory:  # noqa: A002
        """Put other words in a memory's place; it has another id then."""
        return kept.edit(id, said.text, user=who.user)

    @router.delete("/memories/{id}", tags=["memories"], status_code=204)
    def forget(id: str, who: Rememberer) -> None:  # noqa: A002
        """Forget one."""
        kept.forget(id, user=who.user)


def _conversations(router: APIRouter, assistant: Assistant) -> None:
    kept = assistant.conversations

    @router.get("/conversations", tags=["conversations"])
    def conversations(who: Asker, query: Annotated[str | None, Query(max_length=4000)] = None) -> list[Conversation]:
        """The user's conversations, the latest first; with `query` those in which it stands."""
        return kept.all(user=who.user, query=query)

    @router.get("/conversations/{id}", tags=["conversations"])
    def messages(id: str, who: Asker) -> list[Message]:  # noqa: A002
        """What was said, oldest first."""
        return kept.messages(id, user=who.user)

    @router.patch("/conversations/{id}", tags=["conversations"], status_code=204)
    def rename(id: str, given: Title, who: Asker) -> None:  # noqa: A002
        """Give a conversation another name."""
        kept.rename(id, given.title, user=who.user)

    @router.delete("/conversations/{id}", tags=["conversations"], status_code=204)
    def delete(id: str, who: Asker) -> None:  # noqa: A002
        """Delete one for good."""
        kept.delete(id, user=who.user)


def _named(filename: str) -> str:
    """A file's name without any folder. Raises `AssistantError` where none is left."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1].strip()
    if name.strip(". ") == "" or len(name.encode()) > 200 or any(ord(letter) < 32 or letter in '<>:"|?*' for letter in name):
        raise AssistantError("The file needs a name of at most 200 bytes, without control characters and < > : \" | ? *.")
    return name
