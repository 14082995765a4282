"""What chat models have in common that give their answers piece by piece."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel, generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import ConfigDict


class StreamedChat(BaseChatModel):
    """A chat model whose whole answer is its pieces put together."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """How many tokens a text has for this model."""

    def get_num_tokens(self, text: str) -> int:
        """How many tokens a text has for this model."""
        return self.count_tokens(text)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, None, **kwargs))
