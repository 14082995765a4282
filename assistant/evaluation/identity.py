"""Which models are measured: their names, and the SHA-256 of their files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from assistant.evaluation.run import Identity
from assistant.models.catalogue import CATALOGUE
from assistant.models.files import ModelFiles
from assistant.settings import Settings


def chat_model(settings: Settings) -> Identity:
    """The model that writes; for one on a server its address stands in place of a hash."""
    if settings.model.server_url:
        return Identity(settings.model.server_model, settings.model.server_url)
    return _identity(settings.model.name, settings)


def embedding_model(settings: Settings) -> Identity:
    """The embedding model, by its weights, or by its server's address."""
    if settings.embedding.server_url:
        return Identity(settings.embedding.server_model, settings.embedding.server_url)
    return _identity(settings.embedding.name, settings)


def _identity(name: str, settings: Settings) -> Identity:
    """A catalogue model by the hash that its bytes must have; any other by the bytes that are here."""
    if name in CATALOGUE and (sha256 := CATALOGUE[name].files[0].sha256):
        return Identity(name, sha256)
    model = settings.model
    path = ModelFiles(settings.models_directory, sources=model.sources, hub_endpoint=model.hub_endpoint).path(name)
    return Identity(name, "not fetched yet" if path is None else _sha256(path / "model.onnx" if path.is_dir() else path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
