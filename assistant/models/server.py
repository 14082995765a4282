"""OpenAI-compatible servers in place of the local model, called in the same way."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGenerationChunk

from assistant.errors import ModelUnavailable
from assistant.models.context import Cancelled
from assistant.models.pool import Pool, Server, shown
from assistant.models.sampling import Sampling
from assistant.models.server_errors import NotUnderstood, server_errors, stop_if
from assistant.models.server_replies import (
    Echo,
    as_chunk,
    is_last,
    last,
    named,
    said,
    shown_piece,
    streamed,
    weigh,
    whole,
)
from assistant.models.streamed import StreamedChat
from assistant.models.wire import Wire
from assistant.settings import addresses

_TOP_LOGPROBS = 20
_CHOICE_TOKENS = 32
CHARACTERS_PER_TOKEN = 3.5
_OPTIONS, _PROBABILITIES = "options beyond OpenAI's own (grammar, top_k)", "probabilities of tokens"
T = TypeVar("T")


class ServerChat(StreamedChat):
    """A chat model on OpenAI-compatible servers; takes the keywords that `LlamaChat` takes.

    `grammar` reaches servers that know the field (llama.cpp's, llama-cpp-python's); one that refuses it is asked without,
    and who asked looks at the text. `choices` are weighed by the logarithms of the first token's probabilities; a server
    that gives none is asked, and the choice it names gets 1.
    """

    address: str
    name: str
    pool: Pool
    wire: Wire
    sampling: Sampling = Sampling()
    max_tokens: int = 512

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        model: str,
        api_key: str | None = None,
        timeout: float = 120.0,
        sampling: Sampling | None = None,
        max_tokens: int = 512,
    ) -> Self:
        """A chat model for the servers at `address` (such as http://127.0.0.1:8080/v1, several with commas between); nothing is sent before the first call."""
        wire = Wire(timeout)
        pool = Pool([Server(shown(url), wire.calls(url, api_key)) for url in addresses(address)], wire.answers)
        return cls(address=address, name=model, pool=pool, wire=wire, sampling=sampling or Sampling(), max_tokens=max_tokens)

    @property
    def _llm_type(self) -> str:
        return "openai-compatible"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.name, "address": self.address}

    def count_tokens(self, text: str) -> int:
        """About how many tokens a text has: the server's vocabulary is not known here."""
        return math.ceil(len(text) / CHARACTERS_PER_TOKEN)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """About how many tokens these messages have, with the template around them."""
        return sum(self.count_tokens(str(message.text)) + 4 for message in messages)

    def warm(self, system: str, *, cancelled: Cancelled | None = None) -> None:
        """Nothing: a server keeps its own prefixes."""

    def forget(self, user: str) -> None:
        """Nothing: what a server keeps is not ours to drop."""

    def close(self) -> None:
        """Close the connections."""
        self.pool.close()
        self.wire.close()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        user, cancelled = kwargs.get("user", ""), kwargs.get("cancelled")
        if choices := kwargs.get("choices"):
            yield from self.pool.ask(lambda server: iter([as_chunk(self._choose(server, messages, choices, cancelled))]), user)
        elif kwargs.get("drafts"):
            yield from self.pool.ask(lambda server: iter([as_chunk(self._drafts(server, messages, stop, kwargs))]), user)
        else:
            yield from self.pool.ask(lambda server: self._answered(server, messages, stop, kwargs, run_manager), user, lambda chunk: bool(chunk.text))

    def _answered(
        self,
        server: Server,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: Mapping[str, Any],
        run_manager: CallbackManagerForLLMRun | None = None,
        **more: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """An answer; without the opening where the server closed that and had nothing to add."""
        told, anew, echo = False, False, Echo(messages, stop, closes=server.closes)

        def send(request: dict[str, Any]) -> Iterator[ChatGenerationChunk]:
            return self._write(server, echo, request | more, run_manager, options.get("cancelled"))

        for chunk in self._understood(server, echo.messages, options, send):
            told = told or bool(chunk.text)
            anew = echo.closed and not server.closes
            if told or not anew or not is_last(chunk):
                yield chunk
        server.closes = server.closes or echo.closed
        if anew and not told:
            yield from self._answered(server, messages, stop, options, run_manager, **more)

    def _write(
        self,
        server: Server,
        echo: Echo,
        request: dict[str, Any],
        run_manager: CallbackManagerForLLMRun | None,
        cancelled: Cancelled | None,
    ) -> Iterator[ChatGenerationChunk]:
        started = time.perf_counter()
        first: float | None = None
        finished = False
        used: UsageMetadata | None = None
        with server_errors(server.address, cancelled), self.wire.cut_by(_wanted(server, cancelled)) as sending:
            sending()
            # Leaving it closes the response, which tells the server to stop.
            with streamed(server.client, {**request, "messages": said(echo.messages), "stop": echo.stop}) as pieces:
                for piece in pieces:
                    stop_if(cancelled)
                    if echo.ended:  # the server does not know that, and will not say what it cost
                        finished, used = True, self._about(echo)
                        break
                    finished = finished or piece.last
                    if piece.text and first is None:
                        first = time.perf_counter() - started
                    yield shown_piece(echo.without(piece.text), piece.used, run_manager)
            stop_if(cancelled)  # a connection that was cut can look like the end of an answer
        if not finished:
            raise ModelUnavailable(f"The model server at {server.address} broke off in the middle of an answer. Ask again, or look at its log.")
        yield last(echo.rest(), {"first_token_seconds": first}, used)

    def _about(self, echo: Echo) -> UsageMetadata:
        """About what an answer cost."""
        read, written = self.get_num_tokens_from_messages(echo.messages), self.count_tokens(echo.rest())
        return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)

    def _understood(
        self, server: Server, messages: Sequence[BaseMessage], options: Mapping[str, Any], send: Callable[[dict[str, Any]], Iterator[T]]
    ) -> Iterator[T]:
        """What `send` gives for a request; for a simpler one where the server refuses the options that not every server knows."""
        request = self._request(messages, options, plain=_OPTIONS in server.lacks)
        try:
            yield from send(request)
        except NotUnderstood:
            simpler = self._request(messages, options, plain=True)
            if simpler == request:
                raise
            yield from send(simpler)
            server.lack(_OPTIONS, "they are left out, and what was to follow a grammar is checked afterwards")

    def _request(self, messages: Sequence[BaseMessage], options: Mapping[str, Any], *, plain: bool) -> dict[str, Any]:
        """The call's keywords as the server's: only what differs from a server's own ways is sent, and where `plain` what every server knows."""
        greedy = self.sampling.greedy if options.get("greedy") is None else options["greedy"]
        request: dict[str, Any] = {
            "model": self.name, "max_tokens": options.get("max_tokens") or self.max_tokens, "temperature": 0.0 if greedy else self.sampling.temperature,
        }  # fmt: skip
        if not greedy:
            request |= {"top_p": self.sampling.top_p}
            if self.sampling.seed is not None:
                request["seed"] = self.sampling.seed
        if plain:
            return request
        if not greedy:
            request |= {"top_k": self.sampling.top_k, "min_p": self.sampling.min_p}
        if self.sampling.repetition_penalty != 1.0:
            request["repeat_penalty"] = self.sampling.repetition_penalty
        if options.get("grammar"):
            request["grammar"] = options["grammar"]
        if messages and isinstance(messages[-1], AIMessage):
            # llama.cpp's server continues a last assistant message unasked; vLLM and SGLang want to be told.
            request |= {"add_generation_prompt": False, "continue_final_message": True}
        return request

    def _choose(self, server: Server, messages: list[BaseMessage], choices: Sequence[str], cancelled: Cancelled | None) -> AIMessage:
        started = time.perf_counter()
        asked: dict[str, Any] = {"max_tokens": 1, "greedy": True, "cancelled": cancelled}
        probabilities = None
        if _PROBABILITIES not in server.lacks:
            try:
                reply, logprobs = self._once(server, messages, asked, logprobs=True, top_logprobs=_TOP_LOGPROBS)
                probabilities = weigh(choices, logprobs)
            except NotUnderstood:
                logprobs = None
            if logprobs is None:
                server.lack(_PROBABILITIES, "it is asked for a choice in words, and none is ever close")
        if probabilities is None:
            grammar = f"root ::= {' | '.join(map(json.dumps, choices))}"
            reply, _ = self._once(server, messages, {**asked, "max_tokens": _CHOICE_TOKENS, "grammar": grammar})
            probabilities = named(choices, Echo(messages).whole(str(reply.text)))
        best = max(choices, key=lambda choice: probabilities[choice])
        metadata = {"model_name": self.name, "first_token_seconds": time.perf_counter() - started, "probabilities": probabilities}
        return AIMessage(content=best, usage_metadata=reply.usage_metadata, response_metadata=metadata)

    def _drafts(self, server: Server, messages: list[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]) -> AIMessage:
        """Several answers, one after the other: not every server gives several at once."""
        texts: list[str] = []
        used: UsageMetadata | None = None
        for seed in range(options["drafts"]):
            pieces = list(self._answered(server, messages, stop, {**options, "greedy": False}, seed=seed))
            texts.append("".join(str(piece.text) for piece in pieces))
            for piece in pieces:
                assert isinstance(piece.message, AIMessage)
                used = add_usage(used, piece.message.usage_metadata) if piece.message.usage_metadata else used
        return AIMessage(content=texts[0], usage_metadata=used, response_metadata={"drafts": texts})

    def _once(
        self, server: Server, messages: list[BaseMessage], options: Mapping[str, Any], **more: Any
    ) -> tuple[AIMessage, Mapping[str, Any] | None]:
        """A whole answer, and the logarithms of its probabilities where the server gives them."""
        cancelled: Cancelled | None = options.get("cancelled")

        def send(request: dict[str, Any]) -> Iterator[tuple[AIMessage, Mapping[str, Any] | None]]:
            with server_errors(server.address, cancelled), self.wire.cut_by(_wanted(server, cancelled)) as sending:
                sending()
                yield whole(server.client, {**request, **more, "messages": said(messages)})
            stop_if(cancelled)

        [reply] = self._understood(server, messages, options, send)
        server.heard = time.monotonic()
        return reply


def _wanted(server: Server, cancelled: Cancelled | None) -> Callable[[], bool]:
    """Whether an answer is still waited for: the reader is there, and the server was not found dead since."""
    deaths = server.deaths
    return lambda: server.deaths == deaths and not (cancelled is not None and cancelled.is_set())
