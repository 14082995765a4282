"""What a model server answers, made into what was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from assistant.models.server_errors import NotCompleted

if TYPE_CHECKING:
    from openai import OpenAI

_PATH = "/chat/completions"
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


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


def said(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Messages as a server reads them."""
    return [{"role": _ROLES[message.type], "content": message.content} for message in messages]


@dataclass(frozen=True)
class Piece:
    """A piece of an answer as it comes, and, in one without text, what all of it cost."""

    text: str
    last: bool
    used: UsageMetadata | None


@contextmanager
def streamed(client: OpenAI, request: Mapping[str, Any]) -> Iterator[Iterator[Piece]]:
    """The answer to a request, piece by piece. Plain JSON: to make an object of each piece takes longer than all else that is done for a word."""
    from openai import Stream

    body = {**_given(request), "stream": True, "stream_options": {"include_usage": True}}
    with client.post(_PATH, cast_to=object, body=body, stream=True, stream_cls=Stream[object]) as stream:
        yield (_piece(found) for found in stream if isinstance(found, dict))


def whole(client: OpenAI, request: Mapping[str, Any]) -> tuple[AIMessage, Mapping[str, Any] | None]:
    """The answer to a request, and the logarithms of its probabilities where they are given."""
    found: Any = client.post(_PATH, cast_to=object, body=_given(request))
    choice = _choice(found) if isinstance(found, dict) else None
    if choice is None or not isinstance(message := choice.get("message"), dict):
        raise NotCompleted("what it sent is no completion")
    return AIMessage(content=message.get("content") or "", usage_metadata=_used(found)), choice.get("logprobs")


def _piece(found: Mapping[str, Any]) -> Piece:
    choice = _choice(found) or {}
    return Piece((choice.get("delta") or {}).get("content") or "", bool(choice.get("finish_reason")), _used(found))


def _choice(found: Mapping[str, Any]) -> dict[str, Any] | None:
    choices = found.get("choices")
    return choices[0] if choices else None


def _used(found: Mapping[str, Any]) -> UsageMetadata | None:
    used = found.get("usage")
    if not used:
        return None
    read, written = used.get("prompt_tokens") or 0, used.get("completion_tokens") or 0
    cached = (used.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written, input_token_details=InputTokenDetails(cache_read=cached))


def _given(request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if value is not None}


def shown_piece(text: str, used: UsageMetadata | None, run_manager: CallbackManagerForLLMRun | None) -> ChatGenerationChunk:
    """A piece with what may be shown of its text."""
    chunk = ChatGenerationChunk(message=AIMessageChunk(content=text, usage_metadata=used))
    if run_manager is not None and text:
        run_manager.on_llm_new_token(text, chunk=chunk)
    return chunk


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
