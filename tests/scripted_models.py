"""Stand-ins for `assistant.models.shared.Models`: real stores, real graph, and a language model that follows a rule.

`TABLE` in a question asks the database for the rows of `notes`; `CHOOSE` is answered by a question back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from tests import hashed


class RuleChat(BaseChatModel):
    """Decides by words of the question, says little, and notes what each user's prompts held. Any number of threads."""

    _prompts: list[tuple[str, str]] = PrivateAttr(default_factory=list)
    _systems: set[str] = PrivateAttr(default_factory=set)

    @property
    def _llm_type(self) -> str:
        return "rule"

    @property
    def systems(self) -> set[str]:
        """The system messages: what a real engine keeps for everybody, on the disk too."""
        return self._systems

    @property
    def prompts(self) -> list[tuple[str, str]]:
        """(user, whole text) of every call."""
        return self._prompts

    def _note(self, messages: list[BaseMessage], user: str) -> str:
        self._systems.update(str(message.content) for message in messages if isinstance(message, SystemMessage))
        self._prompts.append((user, "\n".join(str(message.content) for message in messages)))
        return str(messages[-1].content)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        choices: Sequence[str] = (),
        drafts: int = 0,
        user: str = "",
        **_: Any,
    ) -> ChatResult:
        asked = self._note(messages, user)
        if drafts:
            message = AIMessage("SELECT 1", response_metadata={"drafts": ["SELECT 1"] * drafts})
        else:
            message = AIMessage(choices[0], response_metadata={"probabilities": _decide(asked, choices)})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        user: str = "",
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        asked = self._note(messages, user)
        # The SQL agent's prompt ends with an opened code fence.
        text = "SELECT title, code FROM notes ORDER BY code" if asked.startswith("```") else f"I heard: {asked.splitlines()[-1]}"
        yield ChatGenerationChunk(message=AIMessageChunk(text))


def _decide(asked: str, choices: Sequence[str]) -> dict[str, float]:
    if "CHOOSE" in asked and {"sql", "documents"} <= set(choices):
        return {choice: 0.5 if choice in ("sql", "documents") else 1e-9 for choice in choices}
    if "TABLE" in asked:
        wanted = "sql"
    elif "remember" in asked or "forget" in asked:
        wanted = "memory"
    else:
        wanted = "chat"
    best = wanted if wanted in choices else choices[0]
    return {choice: 0.999 if choice == best else 1e-9 if choice in ("sql", "documents") else 0.001 / len(choices) for choice in choices}


class RuleModels:
    """What an `Assistant` takes as `models`: the rule above, and words hashed into vectors."""

    def __init__(self) -> None:
        self.rule = RuleChat()
        self.wanted: tuple[str, ...] = ()
        self.loaded = True
        self.forgotten: list[str] = []

    def missing(self) -> list[str]:
        return []

    def chat(self) -> RuleChat:
        return self.rule

    def embed(self, texts: Sequence[str]) -> Any:
        return hashed.embed(texts)

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        return [float(score) for score in hashed.embed(texts) @ hashed.embed([query])[0]]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def embedding_model(self) -> str:
        return "hashed"

    def earlier_embedder(self, known: str) -> None:
        return None

    def servers(self) -> tuple[()]:
        return ()

    def any_server_up(self) -> bool:
        return True

    def forget(self, user: str) -> None:
        self.forgotten.append(user)

    def close(self) -> None:
        pass
