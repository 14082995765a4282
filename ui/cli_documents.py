"""`assistant ingest` and `assistant documents`: documents in, kept up to date, looked through and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli_lists import User
from ui.cli_session import session
from ui.terminal import columns, note, progress, say

if TYPE_CHECKING:
    from assistant import Assistant, IngestReport


documents = typer.Typer(help="What has been taken in.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command()(ingest)
    app.add_typer(documents, name="documents")


def ingest(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and take in what changes, until Ctrl-C.")] = False,
) -> None:
    """Take in documents; says what was new, changed, unchanged, refused and why."""
    for path in paths:
        if not path.exists():
            raise typer.BadParameter(f"there is no {path}.", ctx=ctx, param_hint="PATH")
    with session(ctx).assistant(prepare=True) as opened:
        report = take_in(opened, paths)
        _say_if_beside_the_sample(opened)
        if watch:
            _follow(opened, paths)
    if report.refused and not (report.new or report.changed or report.unchanged):
        raise typer.Exit(1)


@documents.command("list")
def list_documents(ctx: typer.Context, user: User = "local") -> None:
    """List the documents that are for everybody, and the user's own."""
    with session(ctx).assistant() as opened:
        kept = opened.documents.all(user=user)
    say(columns([(one.id, one.name, one.passages, one.path) for one in kept], header=("id", "name", "passages", "path")) if kept else "No documents.")


@documents.command("remove")
def remove_documents(ctx: typer.Context, ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Which.")], user: User = "local") -> None:
    """Take documents out. Their files stay where they are, and `ingest` takes them in again."""
    with session(ctx).assistant() as opened:
        for identifier in ids:
            opened.documents.remove(identifier, user=user)
            say(f"Removed {identifier}.")


def take_in(assistant: Assistant, paths: list[Path]) -> IngestReport:
    """Ingest once and print the report."""
    if outdated := assistant.documents.outdated():
        note(str(outdated))
        with progress("Bringing the index up to date") as tell:
            assistant.documents.renew(lambda at: tell(at.done, at.total, Path(at.path).name))
    with progress("Reading documents") as tell:
        report = assistant.documents.add(*paths, progress=lambda at: tell(at.done, at.total, Path(at.path).name))
    _print(report)
    return report


def _say_if_beside_the_sample(assistant: Assistant) -> None:
    from assistant.sample.workspace import documents_of

    of_sample = documents_of(assistant.documents, assistant.settings.home)
    if of_sample and len(of_sample) < len(assistant.documents.all()):
        note(f"The {len(of_sample)} documents of the sample workspace are answered from, too. With sample = false, or a database of your own, they go: assistant settings")


def _follow(assistant: Assistant, paths: list[Path]) -> None:
    """Take in what changes until Ctrl-C, which `watch` raises as KeyboardInterrupt."""
    from watchfiles import watch

    note("Watching. Ctrl-C ends.")
    for _ in watch(*paths):
        _print(assistant.documents.sync())


def _print(report: IngestReport) -> None:
    for kind in ("new", "changed", "removed"):
        for name in getattr(report, kind):
            say(f"{kind:<10} {name}")
    for refusal in report.refused:
        say(f"{'refused':<10} {refusal.path}: {refusal.reason}")
    counts = ", ".join(f"{len(getattr(report, kind))} {kind}" for kind in ("new", "changed", "unchanged", "removed", "refused"))
    say(f"{counts}; {report.passages} passages in {report.seconds:.1f} s")
