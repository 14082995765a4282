"""What a model server answers, made into what was asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk


class Echo:
    """Takes the text to be continued off an answer, from a server that says it again instead of continuing it.

    A text to stop at that stands in the opening would end such an answer before it begins, so it is looked for here and not sent. To a
    server that `closes` an opened answer and writes another, such an opening is not sent either: a small model takes it for an answer given.
    """

    def __init__(self, messages: Sequence[BaseMessage], stop: Sequence[str] | None = None, *, closes: bool = False) -> None:
        self._opening = str(messages[-1].text) if messages and isinstance(messages[-1], AIMessage) else ""
        self._ends = [text for text in stop or () if text in self._opening]
        self.stop = [text for text in stop or () if text not in self._ends] or None
        self.messages = list(messages[:-1] if self._ends and closes else messages)
        self.closed = closes
        """Whether the server was seen to close what was opened."""
        self._seen = ""
        self._open = bool(self._opening)

    def without(self, text: str) -> str:
        """The part of the next piece that may be shown."""
        if not self._open:
            return text
        self._seen += text
        if self._ends or self._opening.startswith(self._seen):
            return ""
        self._open = False
        return self._seen.removeprefix(self._opening)

    @property
    def ended(self) -> bool:
        """Whether all was said up to where it was to stop."""
        return bool(self._ends) and self._cut()[1]

    def rest(self) -> str:
        """What was held back at the end: nothing when it was the opening said again."""
        if self._ends:
            said = self._cut()[0]
            self.closed = self.closed or not said.strip()  # nothing to add to an opening that was closed
            return said
        held = self._seen if self._open and self._seen != self._opening else ""
        self._open = False
        return held

    def _cut(self) -> tuple[str, bool]:
        """What was said after the opening and what stands before it, up to the end; and whether that was reached for certain."""
        text = self._seen
        while True:
            at, end = min(((text.find(end), end) for end in self._ends if end in text), default=(len(text), ""))
            if text.startswith(self._opening, at):
                text, self.closed = text[at + len(self._opening) :], True
            elif end and not text[:at].strip():  # begun in another way: "```" alone
                text = text[at + len(end) :]
            else:
                return text[:at], bool(end) and not self._opening.startswith(text[at:])

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


def last(text: str, metadata: dict[str, Any], used: UsageMetadata | None = None) -> ChatGenerationChunk:
    """The end of an answer."""
    return ChatGenerationChunk(message=AIMessageChunk(content=text, usage_metadata=used, response_metadata=metadata, chunk_position="last"))


def is_last(chunk: ChatGenerationChunk) -> bool:
    """Whether it is what `last` made."""
    return isinstance(chunk.message, AIMessageChunk) and chunk.message.chunk_position == "last"


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
