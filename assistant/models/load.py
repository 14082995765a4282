"""The models that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import ModelUnavailable
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.models.chat import LlamaChat
    from assistant.models.embeddings import OnnxEmbedder
    from assistant.models.server import ServerChat


def load_chat(settings: Settings, path: Path | None, *, prefixes: Path | None = None) -> LlamaChat | ServerChat:
    """The chat model: the file at `path`, or the server that the settings name (then `path` is not used).

    `prefixes` is a folder for shared prompt prefixes. Raises `ModelUnavailable` or `ModelFileCorrupt`.
    """
    from assistant.models.queue import FairQueue
    from assistant.models.sampling import Sampling

    model = settings.model
    sampling = Sampling(**settings.sampling.model_dump(exclude={"max_tokens"}))
    if model.server_url:
        from assistant.models.server import ServerChat

        return ServerChat.connect(
            model.server_url,
            model=model.server_model,
            api_key=model.server_api_key,
            timeout=model.server_timeout,
            sampling=sampling,
            max_tokens=settings.sampling.max_tokens,
        )
    if path is None:
        raise ModelUnavailable("There is no model file. Fetch one with `assistant models pull`, or set model.server_url.")
    from assistant.models.chat import LlamaChat
    from assistant.models.engine import Engine, EngineSettings

    engine = Engine(
        path,
        EngineSettings(
            context=model.context,
            parallel=model.parallel,
            batch=model.batch,
            threads=model.threads,
            gpu_layers=model.gpu_layers,
            prefix_cache_mb=model.prefix_cache_mb,
            prefix_files=prefixes if model.keep_prefixes_on_disk else None,
            drafting=model.drafting,
        ),
    )
    return LlamaChat(engine=engine, queue=FairQueue(model.queue, at_once=model.parallel), sampling=sampling, max_tokens=settings.sampling.max_tokens)


def load_embedder(settings: Settings, directory: Path) -> OnnxEmbedder:
    """The embedding model in `directory`."""
    from assistant.models.embeddings import OnnxEmbedder

    return OnnxEmbedder(directory, batch=settings.embedding.batch)
