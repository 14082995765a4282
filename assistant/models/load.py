"""The models that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import ModelUnavailable
from assistant.settings import ModelSettings, Settings

if TYPE_CHECKING:
    from assistant.models.calibration import Choice
    from assistant.models.chat import LlamaChat
    from assistant.models.embeddings import OnnxEmbedder
    from assistant.models.engine import EngineSettings
    from assistant.models.server import ServerChat
    from assistant.models.server_embeddings import ServerEmbedder


def load_chat(
    settings: Settings, path: Path | None, *, prefixes: Path | None = None, calibrations: Path | None = None
) -> LlamaChat | ServerChat:
    """The chat model: the file at `path`, or the server that the settings name (then `path` is not used).

    `prefixes` is a folder for shared prompt prefixes, `calibrations` the file that remembers what was measured on this
    machine; where it holds nothing for this model, `LlamaChat.calibrate` measures. Raises `ModelUnavailable` or `ModelFileCorrupt`.
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
    from assistant.models.calibrating import Calibrator
    from assistant.models.calibration import Key, recall
    from assistant.models.chat import LlamaChat
    from assistant.models.engine import Engine

    key = found = calibrator = None
    if calibrations is not None and path.is_file():
        key = Key.of(path, model.gpu_layers)
        found = recall(calibrations, key)
    engine = Engine(path, engine_settings(model, found.choice() if found else None, prefixes=prefixes))
    queue = FairQueue(model.queue, at_once=model.parallel)
    if calibrations is not None and key is not None and (found is None or found.disturbed):
        calibrator = Calibrator(engine.weights, queue, calibrations, key)
    return LlamaChat(
        engine=engine, queue=queue, sampling=sampling, max_tokens=settings.sampling.max_tokens, calibrator=calibrator
    )


def engine_settings(model: ModelSettings, choice: Choice | None, *, prefixes: Path | None = None) -> EngineSettings:
    """What the engine is set to: as the user says, else as was chosen from what was measured, else the defaults."""
    from assistant.models.engine import EngineSettings

    given = model.model_fields_set
    threads = (model.threads, None) if model.threads or choice is None else (choice.threads, choice.read_threads)
    return EngineSettings(
        context=model.context,
        lower_context="context" not in given,
        parallel=model.parallel,
        batch=model.batch,
        threads=threads[0],
        read_threads=threads[1],
        gpu_layers=choice.gpu_layers if model.gpu_layers is None and choice else model.gpu_layers,
        prefix_cache_mb=model.prefix_cache_mb,
        prefix_files=prefixes if model.keep_prefixes_on_disk else None,
        drafting=model.drafting if choice is None or "drafting" in given else choice.drafting,
    )


def load_embedder(settings: Settings, directory: Path | None) -> OnnxEmbedder | ServerEmbedder:
    """The embedding model in `directory`, or on the server that the settings name where that is None."""
    if directory is None:
        from assistant.models.server_embeddings import ServerEmbedder

        return ServerEmbedder(settings.embedding)
    from assistant.models.embeddings import OnnxEmbedder

    return OnnxEmbedder(directory, batch=settings.embedding.batch)
