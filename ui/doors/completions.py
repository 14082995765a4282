"""The API that programs made for OpenAI's speak: chat completions, models, embeddings."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from assistant import Answer, Assistant, AssistantError, Done, Event, NotFound, Stream, Token
from ui.doors import history, tasks
from ui.doors.access import Asker, told
from ui.doors.running import Told, answer, events
from ui.doors.shown import below, sources, usage

MODEL = "assistant"
MOST_TEXTS = 2048
"""Texts of one request for embeddings, as at OpenAI."""


class Part(BaseModel):
    """A piece of a message."""

    type: str
    text: str = ""


class Said(BaseModel):
    """One message of the history."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    """What a stream brings besides words."""

    include_usage: bool = False


class Asked(BaseModel):
    """A request for a completion. What is not named here (temperature, tools, …) is the assistant's own business, and not read."""

    model: str = MODEL
    messages: list[Said] = Field(min_length=1, max_length=2000)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = 1
    user: str | None = None
    store: bool | None = None
    conversation: str | None = Field(None, min_length=1, max_length=200)


class Texts(BaseModel):
    """A request for embeddings."""

    model: str
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"


def routes(assistant: Assistant) -> APIRouter:
    """The routes under /v1."""
    router = APIRouter()
    embedding = assistant.settings.embedding.name

    @router.get("/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(MODEL), _model(embedding)]}

    @router.get("/models/{name:path}")
    def model(name: str) -> dict[str, Any]:
        return _model(_known(name, MODEL, embedding))

    @router.post("/chat/completions")
    async def completions(asked: Asked, request: Request, who: Asker) -> Response:
        _known(asked.model, MODEL)
        if who.user == who.key.user:
            who = who.speaking_for(asked.user)
        return await Completion(assistant, asked, who.user, str(request.base_url)).response(request)

    @router.post("/embeddings")
    def embeddings(texts: Texts, who: Asker) -> dict[str, Any]:
        _known(texts.model, embedding)
        given = [texts.input] if isinstance(texts.input, str) else texts.input
        if not all(text.strip() for text in given) or not 0 < len(given) <= MOST_TEXTS:
            raise AssistantError(f"Give 1 to {MOST_TEXTS} texts, none of them empty.")
        vectors, tokens = assistant.embed(given)
        data = [{"object": "embedding", "index": at, "embedding": _packed(found, texts.encoding_format)} for at, found in enumerate(vectors)]
        return {"object": "list", "data": data, "model": embedding, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}

    return router


class Completion:
    """One question, asked where its history goes on."""

    def __init__(self, assistant: Assistant, asked: Asked, user: str, base: str) -> None:
        self._assistant, self._asked, self._user, self._base = assistant, asked, user, base
        self._made = int(time.time())
        # System messages are left out: what the assistant does is not for who asks it to say. No words of theirs become rules.
        said = [(message.role, _text(message)) for message in asked.messages if message.role in ("user", "assistant")]
        if not said or said[-1][0] != "user":
            raise AssistantError("The last message has to be the user's.")
        self._question = said[-1][1]
        self._before = history.paired(said[:-1])
        self._task = tasks.kind(self._question) if not self._before else None
        self._private = asked.store is False or self._task is not None
        if asked.conversation and asked.store is False:
            raise AssistantError("What is not stored goes on in no conversation: leave out `conversation`, or `store`.")

    async def response(self, request: Request) -> Response:
        """The answer, whole or as it comes. Raises `AssistantError` for what is known before the first event."""
        if (ready := tasks.ready(self._task, self._question)) is not None:
            done = Answer(f"task{self._made}", ready, "chat", "")
            return self._told(_one(done), None) if self._asked.stream else JSONResponse(self._whole(done))
        at = await self._place()
        stream = self._assistant.stream(
            self._question, user=self._user, conversation=at.conversation, private=self._private, instead_of=at.instead_of
        )
        if not self._asked.stream:
            try:
                return JSONResponse(self._whole(await answer(stream, request)), headers={"x-conversation": quote(at.conversation)})
            finally:
                await asyncio.to_thread(self._leave, at.conversation)
        coming = events(stream)
        try:
            first = await anext(coming)
        except BaseException:
            await coming.aclose()
            await asyncio.to_thread(self._leave, at.conversation)
            raise
        return self._told(_after(first, coming), stream, at.conversation)

    async def _place(self) -> history.Place:
        if self._asked.conversation and not self._private:
            return history.Place(self._asked.conversation)
        return await asyncio.to_thread(history.place, self._assistant, self._before, self._question, user=self._user, private=self._private)

    def _leave(self, conversation: str) -> None:
        """Nothing is left of what was not to be kept; its conversation was made for it alone, see `_place`."""
        if self._private:
            with contextlib.suppress(AssistantError):
                self._assistant.conversations.delete(conversation, user=self._user)

    def _whole(self, done: Answer) -> dict[str, Any]:
        content = done.text + below(done)
        message = {"role": "assistant", "content": content, "refusal": None, "annotations": sources(done, self._base)}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**self._head("chat.completion", done.id), "choices": [choice], "usage": usage(done)}

    def _head(self, kind: str, answer_id: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{answer_id}", "object": kind, "created": self._made, "model": MODEL}

    def _told(self, coming: AsyncIterator[Event | None], stream: Stream | None, conversation: str = "") -> Response:
        told_as = Told(self._chunks(coming, conversation), stream)
        if conversation:
            told_as.headers["x-conversation"] = quote(conversation)
        return told_as

    async def _chunks(self, coming: AsyncIterator[Event | None], conversation: str) -> AsyncIterator[str]:
        name = f"{self._made}-{id(self):x}"  # an answer has its id at its end only
        counted = bool(self._asked.stream_options and self._asked.stream_options.include_usage)

        def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            return _data({**self._head("chat.completion.chunk", name), "choices": [choice], **({"usage": None} if counted else {}), **more})

        try:
            yield chunk({"role": "assistant", "content": ""})
            async for event in coming:
                if event is None:
                    yield ": the assistant is still at work\n\n"
                elif isinstance(event, Token):
                    yield chunk({"content": event.text})
                elif isinstance(event, Done):
                    done = event.answer
                    if rest := below(done):
                        yield chunk({"content": rest})
                    if cited := sources(done, self._base):
                        yield chunk({"annotations": cited})
                    yield chunk({}, "stop")
                    if counted:
                        yield _data({**self._head("chat.completion.chunk", name), "choices": [], "usage": usage(done)})
        except AssistantError as error:
            yield _data(json.loads(bytes(told(error).body)))
        finally:
            if conversation and self._private:
                await asyncio.shield(asyncio.to_thread(self._leave, conversation))
        yield "data: [DONE]\n\n"


async def _one(done: Answer) -> AsyncIterator[Event]:
    yield Token(done.text)
    yield Done(done)


async def _after(first: Event | None, coming: AsyncGenerator[Event | None]) -> AsyncIterator[Event | None]:
    async with contextlib.aclosing(coming):
        yield first
        async for event in coming:
            yield event


def _text(message: Said) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    if other := next((part.type for part in message.content if part.type not in ("text", "refusal")), None):
        raise AssistantError(f"A message may hold text only; this one holds {other}.")
    return "\n".join(part.text for part in message.content)


def _known(name: str, *known: str) -> str:
    if name not in known:
        raise NotFound(f"There is no model {name!r} for this. There is: {', '.join(known)}.")
    return name


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "offline-assistant"}


def _packed(vector: Sequence[float], encoding: str) -> str | list[float]:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if encoding == "base64" else list(vector)


def _data(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"
