"""The models that an assistant speaks with, each loaded when it is first needed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import ModelUnavailable
from assistant.models.files import ModelFiles, identity
from assistant.settings import Settings
from stores.errors import AssistantError

if TYPE_CHECKING:
    from assistant.models.embeddings import OnnxEmbedder
    from assistant.models.pool import Pool, Server
    from assistant.models.server_embeddings import ServerEmbedder
    from assistant.models.worker_process import Worker

QUESTIONS = 64
"""Texts that were embedded alone whose vectors are kept in memory: those of the turns under way."""


class Models:
    """The models, each loaded when first needed and shared by every Assistant that was made from it."""

    def __init__(self, settings: Settings, prefixes: Path | None) -> None:
        self._settings = settings
        self._prefixes = prefixes
        # Two locks: what is found can be embedded while the language model is still being read from disk.
        self._chat_lock, self._embedder_lock = threading.RLock(), threading.RLock()
        self._chat: Any = None
        self._worker: Worker | None = None
        self._embedder: OnnxEmbedder | ServerEmbedder | None = None
        self._embedding = settings.embedding.name  # the stores hold its vectors: another one takes a new start
        self._one = lru_cache(QUESTIONS)(lambda text: self.embedder()([text]))
        model = settings.model
        self.files = ModelFiles(settings.models_directory, sources=model.sources, hub_endpoint=model.hub_endpoint)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of the files that are needed."""
        return self._settings.local_models()

    @property
    def loaded(self) -> bool:
        """Whether the language model is in memory."""
        return self._chat is not None

    def missing(self) -> list[str]:
        """Which of the files are not there."""
        return [name for name in self.wanted if self.files.path(name) is None]

    def _path(self, name: str) -> Path:
        path = self.files.path(name)
        if path is None:
            raise ModelUnavailable(
                f"The model {name} is not on this machine. Fetch it with: assistant models pull {name}"
            )
        return path

    def chat(self) -> Any:
        """The chat model; loading takes seconds."""
        with self._chat_lock:
            if self._chat is None:
                self._chat = self._loaded_chat()
            return self._chat

    def _loaded_chat(self) -> Any:
        from assistant.models.calibration import FILE
        from assistant.models.load import load_chat

        settings = self._settings
        path = None if settings.model.server_url else self._path(settings.model.name)
        load = partial(load_chat, settings, path, prefixes=self._prefixes, calibrations=settings.home.expanduser() / FILE)
        if path is None or not settings.model.worker:
            return load()
        from assistant.models.worker_chat import WorkerChat
        from assistant.models.worker_process import Worker

        # Kept when it dies while it loads: it counts how often.
        self._worker = self._worker or Worker(load)
        self._worker.start()
        return WorkerChat(worker=self._worker)

    def change(self, settings: Settings) -> None:
        """Speak with what these settings name from the next call on; a call under way on the old model ends with `ModelUnavailable`."""
        with self._chat_lock:
            self._settings = settings
            old, self._chat, self._worker = self._chat, None, None
            if old is not None:  # first, so that two models never take memory at once
                old.close()

    def begin(self) -> None:
        """Load the language model in the background, if it is there; what goes wrong is said when it is asked for."""

        def load() -> None:
            # Looking for the files may mean hashing one that changed, so it is done here.
            with contextlib.suppress(AssistantError):
                if not self.missing():
                    self.chat()

        threading.Thread(target=load, name="load", daemon=True).start()

    def servers(self) -> tuple[Server, ...]:
        """The model servers that were spoken with."""
        return tuple(server for pool in self._pools() for server in pool.servers)

    def any_server_up(self) -> bool:
        """Whether, of the model servers that are used for one thing, at least one is up."""
        return all(pool.any_up() for pool in self._pools())

    def _pools(self) -> tuple[Pool, ...]:
        return tuple(model.pool for model in (self._chat, self._embedder) if model is not None and hasattr(model, "pool"))

    def forget(self, user: str) -> None:
        """Drop what the models keep of a user's conversations in memory."""
        self._one.cache_clear()
        with self._chat_lock:
            if hasattr(self._chat, "forget"):
                self._chat.forget(user)

    def calibrate(self) -> None:
        """Measure this machine in the gaps between questions, unless that was done; returns when it is, or when closed."""
        if hasattr(chat := self.chat(), "calibrate"):
            chat.calibrate()

    def embedder(self) -> OnnxEmbedder | ServerEmbedder:
        """The embedding model."""
        with self._embedder_lock:
            if self._embedder is None:
                from assistant.models.load import load_embedder

                served = self._settings.embedding.server_url
                self._embedder = load_embedder(self._settings, None if served else self._path(self._embedding))
            return self._embedder

    def embedding_model(self) -> str:
        """The embedding model's name and the beginning of its hash, to know its vectors by; its name alone while it is not here."""
        settings = self._settings.embedding
        return f"{settings.server_model} served" if settings.server_url else identity(self._embedding, self.files)

    def earlier_embedder(self, known: str) -> OnnxEmbedder | ServerEmbedder | None:
        """The embedding model of that `embedding_model`, where it is still on this machine."""
        name = known.rpartition(" ")[0]
        with contextlib.suppress(AssistantError):
            if name and identity(name, self.files) == known and (path := self.files.path(name)):
                from assistant.models.load import load_embedder

                return load_embedder(self._settings, path)
        return None

    def embed(self, texts: Any) -> Any:
        """Texts to unit vectors (see `stores.values.Embed`). A question is looked up in several stores, so the last ones' vectors are kept."""
        return self._one(texts[0]).copy() if len(texts) == 1 else self.embedder()(texts)

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well texts answer a query (see `stores.values.Rerank`)."""
        embedder = self.embedder()
        # A server gives no vectors of single words: the order stays as it was found.
        return embedder.rerank(query, texts) if hasattr(embedder, "rerank") else [0.0] * len(texts)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text as the embedding model counts them."""
        return self.embedder().count_tokens(text)

    def close(self) -> None:
        """Free the model."""
        with self._embedder_lock:
            if self._embedder is not None and hasattr(self._embedder, "close"):
                self._embedder.close()
            self._embedder = None
        self._one.cache_clear()
        with self._chat_lock:
            if self._chat is not None:
                self._chat.close()
                self._chat = self._worker = None
