"""The local model in a process of its own, as a LangChain chat model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from assistant.errors import ModelUnavailable
from assistant.models.streamed import StreamedChat
from assistant.models.worker import STREAM
from assistant.models.worker_process import Worker

if TYPE_CHECKING:
    from assistant.models.context import Cancelled


class WorkerChat(StreamedChat):
    """`LlamaChat` at the other end of a pipe: takes its keywords, gives its pieces, raises its errors.

    Also raises `ModelUnavailable` when the process dies; the next call starts it again.
    """

    worker: Worker

    @property
    def _llm_type(self) -> str:
        return "llama.cpp"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self.worker.about

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has for this model."""
        return len(self.get_token_ids(text))

    def get_token_ids(self, text: str) -> list[int]:
        """The tokens of a text."""
        found: list[int] = self.worker.call("get_token_ids", text)
        return found

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """How many tokens the prompt of these messages has, with the template around them."""
        return int(self.worker.call("get_num_tokens_from_messages", messages))

    def warm(self, system: str, *, cancelled: Cancelled | None = None) -> None:
        """Read a system message ahead of time, so that the first question under it need not wait for it."""
        self.worker.call("warm", system, cancelled=cancelled)

    def forget(self, user: str) -> None:
        """Drop what memory holds of a user's conversations."""
        if self.worker.pid is not None:
            with suppress(ModelUnavailable):  # what died remembers nothing
                self.worker.call("forget", user)

    def calibrate(self) -> None:
        """Measure this machine in the gaps between calls, unless that was done; returns when it is, or when closed."""
        with suppress(ModelUnavailable):  # the process ended meanwhile
            self.worker.call("calibrate")

    def close(self) -> None:
        """End the process."""
        self.worker.close()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        cancelled: Cancelled | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with closing(self.worker.talk(STREAM, messages, stop, kwargs, cancelled=cancelled)) as pieces:
            for content, used, metadata, position in pieces:
                chunk = ChatGenerationChunk(
                    message=AIMessageChunk(content=content, usage_metadata=used, response_metadata=metadata, chunk_position=position)
                )
                if run_manager is not None and content:
                    run_manager.on_llm_new_token(content, chunk=chunk)
                yield chunk
