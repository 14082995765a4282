"""What a model server answers, made into what was asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk


class Echo:
    """Takes the text to be continued off an answer, from a server that says it again instead of continuing it."""

    def __init__(self, messages: Sequence[BaseMessage]) -> None:
        self._opening = str(messages[-1].text) if messages and isinstance(messages[-1], AIMessage) else ""
        self._seen = ""
        self._open = bool(self._opening)

    def without(self, text: str) -> str:
        """The part of the next piece that may be shown."""
        if not self._open:
            return text
        self._seen += text
        if self._opening.startswith(self._seen):
            return ""
        self._open = False
        return self._seen.removeprefix(self._opening)

    def rest(self) -> str:
        """What was held back at the end: nothing when it was the opening said again."""
        held = self._seen if self._open and self._seen != self._opening else ""
        self._open = False
        return held

    def whole(self, text: str) -> str:
        """A whole answer without the opening."""
        return text.removeprefix(self._opening)


def weigh(choices: Sequence[str], logprobs: Mapping[str, Any] | None) -> dict[str, float] | None:
    """Probabilities of choices from an OpenAI `logprobs` object; None when it does not tell them apart."""
    content = (logprobs or {}).get("content") or []
    if not content:
        return None
    weights = dict.fromkeys(choices, 0.0)
    for candidate in content[0].get("top_logprobs") or [content[0]]:
        token = str(candidate["token"]).strip()
        meant = [choice for choice in choices if token and choice.strip().startswith(token)]
        if len(meant) > 1:
            return None
        if meant:
            weights[meant[0]] += math.exp(candidate["logprob"])
    total = sum(weights.values())
    return {choice: weight / total for choice, weight in weights.items()} if total else None


def named(choices: Sequence[str], text: str) -> dict[str, float]:
    """1 for the choice that an answer names (the longest that it begins with, else that it holds); equal when it names none."""
    said = text.strip().lower()
    begun = [choice for choice in choices if said.startswith(choice.strip().lower())]
    held = begun or [choice for choice in choices if choice.strip().lower() in said]
    if not held:
        return dict.fromkeys(choices, 1 / len(choices))
    best = max(held, key=len)
    return {choice: float(choice == best) for choice in choices}


def with_text(chunk: ChatGenerationChunk, text: str, run_manager: CallbackManagerForLLMRun | None) -> ChatGenerationChunk:
    """A piece as it came, with what may be shown of its text."""
    message = chunk.message.model_copy(update={"content": text, "chunk_position": None})
    shown = ChatGenerationChunk(message=message, generation_info=chunk.generation_info)
    if run_manager is not None and text:
        run_manager.on_llm_new_token(text, chunk=shown)
    return shown


def last(text: str, metadata: dict[str, Any]) -> ChatGenerationChunk:
    """The end of an answer."""
    return ChatGenerationChunk(message=AIMessageChunk(content=text, response_metadata=metadata, chunk_position="last"))


def as_chunk(message: AIMessage) -> ChatGenerationChunk:
    """A whole answer as its only piece."""
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=message.content,
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
            chunk_position="last",
        )
    )
