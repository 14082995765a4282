"""An OpenAI-compatible server in place of the local model, called in the same way."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGenerationChunk

from assistant.errors import ModelUnavailable
from assistant.models.context import Cancelled
from assistant.models.sampling import Sampling
from assistant.models.server_errors import server_errors, stop_if
from assistant.models.server_replies import Echo, named, weigh
from assistant.models.streamed import StreamedChat
from assistant.models.wire import Wire

_TOP_LOGPROBS = 20
_CHOICE_TOKENS = 32
_CHARACTERS_PER_TOKEN = 3.5


class ServerChat(StreamedChat):
    """A chat model on an OpenAI-compatible server; takes the keywords that `LlamaChat` takes.

    `grammar` reaches servers that know the field (llama.cpp's, llama-cpp-python's). `choices` are weighed by the
    logarithms of the first token's probabilities; a server that gives none is asked, and the choice it names gets 1.
    """

    address: str
    model: Any  # a langchain_openai.ChatOpenAI, imported only where a server is used
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
        """A chat model for the server at `address` (such as http://127.0.0.1:8080/v1); nothing is sent before the first call."""
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        wire = Wire(timeout)
        client = ChatOpenAI(
            model=model,
            base_url=address,
            # Never the key of another service that happens to stand in the environment.
            api_key=SecretStr(api_key or "none"),
            timeout=timeout,
            max_retries=0,
            stream_usage=True,
            use_responses_api=False,
            http_client=wire.client,
            http_socket_options=(),
        )
        return cls(address=address, model=client, wire=wire, sampling=sampling or Sampling(), max_tokens=max_tokens)

    @property
    def _llm_type(self) -> str:
        return "openai-compatible"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model.model_name, "address": self.address}

    def count_tokens(self, text: str) -> int:
        """About how many tokens a text has: the server's vocabulary is not known here."""
        return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """About how many tokens these messages have, with the template around them."""
        return sum(self.count_tokens(str(message.text)) + 4 for message in messages)

    def warm(self, system: str, *, cancelled: Cancelled | None = None) -> None:
        """Nothing: a server keeps its own prefixes."""

    def forget(self, user: str) -> None:
        """Nothing: what a server keeps is not ours to drop."""

    def close(self) -> None:
        """Close the connections."""
        self.wire.close()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if kwargs.get("choices"):
            yield _as_chunk(self._choose(messages, kwargs["choices"], kwargs.get("cancelled")))
            return
        if kwargs.get("drafts"):
            yield _as_chunk(self._drafts(messages, stop, kwargs))
            return
        started = time.perf_counter()
        first: float | None = None
        finished = False
        echo = Echo(messages)
        cancelled: Cancelled | None = kwargs.get("cancelled")
        with server_errors(self.address, cancelled), self.wire.cut_by(cancelled) as sending:
            sending()
            chunks = self.model._stream(messages, stop=stop, **self._request(messages, kwargs))
            try:
                for chunk in chunks:
                    stop_if(cancelled)
                    finished = finished or bool((chunk.generation_info or {}).get("finish_reason"))
                    if chunk.text and first is None:
                        first = time.perf_counter() - started
                    yield _with_text(chunk, echo.without(str(chunk.text)), run_manager)
            finally:
                chunks.close()  # closes the response, which tells the server to stop
            stop_if(cancelled)  # a connection that was cut can look like the end of an answer
        if not finished:
            raise ModelUnavailable(f"The model server at {self.address} broke off in the middle of an answer. Ask again, or look at its log.")
        yield _last(echo.rest(), {"first_token_seconds": first})

    def _request(self, messages: Sequence[BaseMessage], options: Mapping[str, Any]) -> dict[str, Any]:
        """The call's keywords as the server's: only what differs from a server's own ways is sent."""
        greedy = self.sampling.greedy if options.get("greedy") is None else options["greedy"]
        # `max_tokens` by this way keeps its name: langchain-openai renames it to one that local servers do not know.
        body: dict[str, Any] = {"max_tokens": options.get("max_tokens") or self.max_tokens}
        request: dict[str, Any] = {"temperature": 0.0 if greedy else self.sampling.temperature, "extra_body": body}
        if not greedy:
            request |= {"top_p": self.sampling.top_p}
            body |= {"top_k": self.sampling.top_k, "min_p": self.sampling.min_p}
            if self.sampling.seed is not None:
                request["seed"] = self.sampling.seed
        if self.sampling.repetition_penalty != 1.0:
            body["repeat_penalty"] = self.sampling.repetition_penalty
        if options.get("grammar"):
            body["grammar"] = options["grammar"]
        if messages and isinstance(messages[-1], AIMessage):
            # llama.cpp's server continues a last assistant message unasked; vLLM and SGLang want to be told.
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        return request

    def _choose(self, messages: list[BaseMessage], choices: Sequence[str], cancelled: Cancelled | None) -> AIMessage:
        started = time.perf_counter()
        asked = {"max_tokens": 1, "greedy": True}
        weighing = {**self._request(messages, asked), "logprobs": True, "top_logprobs": _TOP_LOGPROBS}
        reply, logprobs = self._once(messages, weighing, cancelled)
        probabilities = weigh(choices, logprobs)
        if probabilities is None:
            reply, _ = self._once(messages, self._request(messages, {**asked, "max_tokens": _CHOICE_TOKENS}), cancelled)
            probabilities = named(choices, Echo(messages).whole(str(reply.text)))
        best = max(choices, key=lambda choice: probabilities[choice])
        metadata = {
            "model_name": self.model.model_name,
            "first_token_seconds": time.perf_counter() - started,
            "probabilities": probabilities,
        }
        return AIMessage(content=best, usage_metadata=reply.usage_metadata, response_metadata=metadata)

    def _drafts(self, messages: list[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]) -> AIMessage:
        """Several answers, one after the other: not every server gives several at once."""
        texts: list[str] = []
        used: UsageMetadata | None = None
        for seed in range(options["drafts"]):
            request = {**self._request(messages, {**options, "greedy": False}), "seed": seed, "stop": stop}
            reply, _ = self._once(messages, request, options.get("cancelled"))
            texts.append(Echo(messages).whole(str(reply.text)))
            used = add_usage(used, reply.usage_metadata)
        return AIMessage(content=texts[0], usage_metadata=used, response_metadata={"drafts": texts})

    def _once(
        self, messages: list[BaseMessage], request: dict[str, Any], cancelled: Cancelled | None
    ) -> tuple[AIMessage, Mapping[str, Any] | None]:
        """A whole answer, and the logarithms of its probabilities where the server gives them."""
        with server_errors(self.address, cancelled), self.wire.cut_by(cancelled) as sending:
            sending()
            reply = self.model._generate(messages, **request).generations[0]
        stop_if(cancelled)
        return reply.message, (reply.generation_info or {}).get("logprobs")


def _with_text(chunk: ChatGenerationChunk, text: str, run_manager: CallbackManagerForLLMRun | None) -> ChatGenerationChunk:
    message = chunk.message.model_copy(update={"content": text, "chunk_position": None})
    shown = ChatGenerationChunk(message=message, generation_info=chunk.generation_info)
    if run_manager is not None and text:
        run_manager.on_llm_new_token(text, chunk=shown)
    return shown


def _last(text: str, metadata: dict[str, Any]) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, response_metadata=metadata, chunk_position="last"))


def _as_chunk(message: AIMessage) -> ChatGenerationChunk:
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=message.content,
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
            chunk_position="last",
        )
    )
