"""The local model as a LangChain chat model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage, ChatMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from assistant.models.calibrating import Calibrator
from assistant.models.context import Cancelled
from assistant.models.engine import Call, Engine
from assistant.models.probes import TOKENS
from assistant.models.queue import FairQueue
from assistant.models.reading import Cost
from assistant.models.sampling import Sampling
from assistant.models.streamed import StreamedChat
from assistant.models.template import Turn

_ROLES = {"system": "system", "human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "HumanMessageChunk": "user", "SystemMessageChunk": "system"}


Watch = Callable[[Call, Cost, float], None]
"""Told of each call when it has ended: the call, its cost, the seconds that it held the model."""


class LlamaChat(StreamedChat):
    """A chat model over an `Engine`.

    Calls take, beside `stop`: `grammar` (GBNF for what is written), `choices` (answer with one of them, and the
    probability of each in `response_metadata["probabilities"]`), `probe` (beside choices: the log-odds that the probe of that name
    finds, in `response_metadata["log_odds"]`, None where this model has none), `closely` (beside choices: a text at the prompt's
    end, how surprising each of its tokens was in `response_metadata["surprises"]`), `drafts` (so many answers drawn side by side, in
    `response_metadata["drafts"]`), `max_tokens`, `user` (whose conversation may be reused),
    `cancelled` (an event that stops the model) and `greedy`. A last AIMessage is text to be continued. The leading
    system message is shared by all users and kept on disk: nothing personal belongs in it.

    Raises `ModelBusy`, `QuestionTooLong`, `TurnCancelled`, `ModelUnavailable`.
    """

    engine: Engine
    queue: FairQueue
    sampling: Sampling = Sampling()
    max_tokens: int = 512
    watch: Watch | None = None
    calibrator: Calibrator | None = None

    @property
    def _llm_type(self) -> str:
        return "llama.cpp"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.engine.weights.name, "context": self.engine.context_size}

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has for this model."""
        return len(self.engine.weights.tokenize(text))

    def get_token_ids(self, text: str) -> list[int]:
        """The tokens of a text."""
        return self.engine.weights.tokenize(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """How many tokens the prompt of these messages has, with the template around them."""
        return len(self.engine.template.prompt(turns(messages)).tokens)

    def warm(self, system: str, *, cancelled: Cancelled | None = None) -> None:
        """Read a system message ahead of time, so that the first question under it need not wait for it."""
        with self.queue.turn("", cancelled):
            self.engine.warm(system, cancelled=cancelled)

    def forget(self, user: str) -> None:
        """Drop what memory holds of a user's conversations."""
        self.engine.forget(user)

    def calibrate(self) -> None:
        """Measure this machine in the gaps between calls, unless that was done; what is found counts from the next load on."""
        if self.calibrator is not None:
            self.calibrator.run()

    def close(self) -> None:
        """Free the model."""
        if self.calibrator is not None:
            self.calibrator.close()
        self.engine.close()

    def _call(self, messages: Sequence[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> Call:
        known = {"grammar", "choices", "probe", "closely", "drafts", "max_tokens", "user", "cancelled", "greedy"}
        if unknown := set(options) - known - _FROM_LANGCHAIN:
            raise TypeError(f"LlamaChat does not know {', '.join(sorted(unknown))}; it takes {', '.join(sorted(known))} and stop.")
        sampling = self.sampling
        if (greedy := options.get("greedy")) is not None and greedy != sampling.greedy:
            sampling = Sampling(**{**vars(sampling), "greedy": greedy})
        return Call(
            prompt=self.engine.template.prompt(turns(messages)),
            user=options.get("user") or "local",
            max_tokens=options.get("max_tokens") or self.max_tokens,
            stop=tuple(stop or ()),
            grammar=options.get("grammar"),
            probe=options.get("probe"),
            closely=self.count_tokens(text) + TOKENS if (text := options.get("closely")) else 0,
            sampling=sampling,
            cancelled=options.get("cancelled"),
        )

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._call(messages, stop, kwargs)
        cost = Cost()
        with self.queue.turn(call.user, call.cancelled), self._watching(call, cost):
            if choices := kwargs.get("choices"):
                yield _announced(self._chosen(call, choices, cost), run_manager)
                return
            if count := kwargs.get("drafts"):
                texts = self.engine.drafts(call, count, cost)
                yield _announced(_whole(texts[0], usage(cost), {**self._metadata(cost), "drafts": texts}), run_manager)
                return
            for text in self.engine.stream(call, cost):
                yield _announced(ChatGenerationChunk(message=AIMessageChunk(content=text)), run_manager)
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=usage(cost), response_metadata=self._metadata(cost), chunk_position="last")
        )

    @contextmanager
    def _watching(self, call: Call, cost: Cost) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            if self.watch is not None:
                self.watch(call, cost, time.perf_counter() - started)

    def _chosen(self, call: Call, choices: Sequence[str], cost: Cost) -> ChatGenerationChunk:
        found = self.engine.choose(call, choices, cost)
        probabilities = dict(zip(choices, found.probabilities, strict=True))
        best = max(probabilities, key=lambda choice: probabilities[choice])
        # One more was read before the text, and after it those that the template ends a message with.
        seen = {"log_odds": found.log_odds, "surprises": found.surprises[1 - call.closely : 1 - TOKENS]}
        return _whole(best, usage(cost), {**self._metadata(cost), "probabilities": probabilities, **seen})

    def _metadata(self, cost: Cost) -> dict[str, Any]:
        return {
            "model_name": self.engine.weights.name,
            "finish_reason": cost.finish,
            "first_token_seconds": cost.first_token_seconds,
        }


_FROM_LANGCHAIN = {"ls_structured_output_format", "stream", "tools", "tool_choice", "response_format"}


def turns(messages: Sequence[BaseMessage]) -> list[Turn]:
    """LangChain messages as turns. Raises `ValueError` for a kind that a chat template does not know."""
    found = []
    for message in messages:
        role = message.role if isinstance(message, ChatMessage) else _ROLES.get(message.type)
        if role is None:
            raise ValueError(f"A {message.type} message cannot be read by a local model: use system, human and ai messages.")
        found.append(Turn(role, str(message.text)))
    return found


def usage(cost: Cost) -> UsageMetadata:
    """A call's cost in LangChain's form."""
    return UsageMetadata(
        input_tokens=cost.prompt_tokens,
        output_tokens=cost.written_tokens,
        total_tokens=cost.prompt_tokens + cost.written_tokens,
        input_token_details=InputTokenDetails(cache_read=cost.cached_tokens),
    )


def _whole(text: str, used: UsageMetadata, metadata: dict[str, Any]) -> ChatGenerationChunk:
    """An answer that came at once."""
    return ChatGenerationChunk(
        message=AIMessageChunk(content=text, usage_metadata=used, response_metadata=metadata, chunk_position="last")
    )


def _announced(chunk: ChatGenerationChunk, run_manager: CallbackManagerForLLMRun | None) -> ChatGenerationChunk:
    if run_manager is not None:
        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
    return chunk
