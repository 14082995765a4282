"""A language model that says what a test puts in its mouth, and remembers what it was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

_USAGE = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12, "input_token_details": {"cache_read": 4}}


class ScriptedChat(BaseChatModel):
    """Says the enqueued texts in order; a choice is answered with the enqueued choice at probability 0.9."""

    _texts: deque[str] = PrivateAttr(default_factory=deque)
    _choices: deque[str | dict[str, float]] = PrivateAttr(default_factory=deque)
    _shows: dict[str, Any] = PrivateAttr(default_factory=dict)
    _history: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def history(self) -> list[list[BaseMessage]]:
        return self._history

    def say(self, *texts: str) -> ScriptedChat:
        self._texts.extend(texts)
        return self

    def pick(self, *choices: str | dict[str, float]) -> ScriptedChat:
        self._choices.extend(choices)
        return self

    def show(self, *, log_odds: float, surprises: Sequence[float] = ()) -> ScriptedChat:
        """What a probe finds in it from now on, and how surprising it finds what it reads closely."""
        self._shows = {"log_odds": log_odds, "surprises": tuple(surprises)}
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        choices: Sequence[str] = (),
        drafts: int = 0,
        probe: str | None = None,
        **_: Any,
    ) -> ChatResult:
        self._history.append(messages)
        if drafts:
            texts = [self._texts.popleft() for _ in range(drafts)]
            message = AIMessage(texts[0], usage_metadata=_USAGE, response_metadata={"drafts": texts})
        elif not choices:
            message = AIMessage(self._texts.popleft(), usage_metadata=_USAGE)
        else:
            picked = self._choices.popleft()
            if isinstance(picked, str):
                assert picked in choices, f"{picked} is not among {choices}"
                picked = {c: 0.99 if c == picked else 0.01 / (len(choices) - 1) for c in choices}
            best = max(picked, key=lambda c: picked[c])
            found = {c: picked.get(c, 0.0) for c in choices}
            message = AIMessage(best, usage_metadata=_USAGE, response_metadata={"probabilities": found, **(self._shows if probe else {})})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._history.append(messages)
        for word in self._texts.popleft().split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(word + " "))
        yield ChatGenerationChunk(message=AIMessageChunk("", usage_metadata=_USAGE))
