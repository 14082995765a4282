"""What the global options say, and how a command gets its settings and its assistant from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ui.terminal import Report, progress

if TYPE_CHECKING:
    from assistant import Assistant, Settings
    from assistant.models.files import ModelFiles, Progress


@dataclass(frozen=True)
class Session:
    """The options that stand before the verb."""

    home: Path | None = None
    config: Path | None = None

    def given(self, **more: Any) -> dict[str, Any]:
        """What the command line sets, as keyword arguments of `Settings`."""
        named = {"home": self.home, "config": self.config}
        return {name: path.expanduser().absolute() for name, path in named.items() if path is not None} | more

    def settings(self, **more: Any) -> Settings:
        """The settings with what the command line gives, which wins over everything else."""
        from assistant.settings import Settings

        return Settings(**self.given(**more))

    def files(self) -> ModelFiles:
        """The model files of these settings."""
        from assistant.models.files import ModelFiles

        settings = self.settings()
        model = settings.model
        return ModelFiles(settings.models_directory, sources=model.sources, hub_endpoint=model.hub_endpoint)

    @contextmanager
    def assistant(
        self, *, prepare: bool = False, preload: bool = False, worker: bool = False, **more: Any
    ) -> Iterator[Assistant]:
        """An assistant for one command; `prepare` first fetches what is missing and sets up the sample workspace,
        `preload` reads the language model meanwhile, in a process of its own with `worker` unless the settings say."""
        from assistant import Assistant

        settings = self.settings(**more)
        if worker and settings.model.worker is None:
            settings = settings.model_copy(update={"model": settings.model.model_copy(update={"worker": True})})
        with Assistant(settings, preload=preload) as opened:
            if prepare:
                make_ready(opened)
            yield opened


def make_ready(assistant: Assistant) -> None:
    """Fetch what is missing and set up the sample workspace, with progress."""
    with progress("Fetching the model", bytes_=True) as fetching, progress("Reading the sample documents") as reading:
        assistant.prepare(of_files(fetching), lambda at: reading(at.done, at.total, Path(at.path).name))


def fetch(session: Session, names: Iterable[str]) -> None:
    """Get the model files that are missing, with progress."""
    for name in names:
        with progress(name, bytes_=True) as tell:
            session.files().ensure(name, of_files(tell))


def of_files(tell: Report) -> Callable[[Progress], None]:
    """Progress of a model's file as progress on the terminal."""

    def report(at: Progress) -> None:
        tell(at.done_bytes, at.total_bytes, f"{at.file} ({at.phase})")

    return report


def session(ctx: typer.Context) -> Session:
    """The session of the running command."""
    found = ctx.find_object(Session)
    return found if found is not None else Session()
