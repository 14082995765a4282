"""The models on offer and the one in use: what fits this machine, fetching, and changing over without a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assistant.errors import ModelUnavailable
from assistant.models.catalogue import CATALOGUE
from stores.errors import AssistantError

if TYPE_CHECKING:
    from assistant.models.files import Progress
    from assistant.models.shared import Models
    from assistant.settings import Settings


@dataclass(frozen=True)
class ModelOffer:
    """A model of the catalogue, or one that is in use without being in it.

    `memory_gb` is what it needs at the default context (None where nobody measured it); `fits` whether this machine's
    memory holds that beside the system.
    """

    name: str
    kind: Literal["chat", "embedding", "own"]
    description: str
    licence: str
    state: Literal["present", "absent", "partial", "corrupt"]
    bytes: int
    total_bytes: int | None
    memory_gb: float | None
    fits: bool
    used: bool


SYSTEM_GB = 2.0
"""Memory that the system and its user's other programs take."""


class ModelChoice:
    """Look, fetch, remove. Raises `ModelUnavailable`, `ModelFileCorrupt`, `StoreUnavailable`."""

    def __init__(self, models: Models, settings: Settings) -> None:
        self._files = models.files
        self._settings = settings

    def all(self) -> list[ModelOffer]:
        """Every model of the catalogue and those in use, with what lies here of each."""
        from assistant.machine import memory

        used = (self._settings.model.name, self._settings.embedding.name)
        total = memory().total / 1e9
        return [self._offer(name, used, total) for name in dict.fromkeys((*CATALOGUE, *used))]

    def _offer(self, name: str, used: tuple[str, ...], total_gb: float) -> ModelOffer:
        entry, status = CATALOGUE.get(name), self._files.status(name)
        needs = entry.memory_gb if entry else None
        return ModelOffer(
            name=name,
            kind=entry.kind if entry else "own",
            description=entry.description if entry else str(status.path),
            licence=entry.licence if entry else "",
            state=status.state,
            bytes=status.bytes,
            total_bytes=status.total_bytes,
            memory_gb=needs,
            fits=needs is None or needs + SYSTEM_GB <= total_gb,
            used=name in used,
        )

    def fetch(self, name: str, progress: Callable[[Progress], None] | None = None, cancelled: Callable[[], bool] | None = None) -> None:
        """Fetch and verify a model; one that was begun goes on where it was."""
        self._files.ensure(name, progress, cancelled)

    def remove(self, name: str) -> None:
        """Delete a model's files; the models in use stay."""
        if name in (self._settings.model.name, self._settings.embedding.name):
            raise ModelUnavailable(f"{name} is in use. Use another model first.")
        self._files.remove(name)

    def usable(self, name: str) -> None:
        """Raise unless this is a chat model that lies here whole."""
        if (entry := CATALOGUE.get(name)) and entry.kind != "chat":
            raise AssistantError(f"{name} turns text into vectors and does not talk. Choose a chat model.")
        if self._files.path(name) is None:
            raise ModelUnavailable(f"{name} is not here yet. Fetch it first.")
