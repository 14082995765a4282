"""`assistant doctor`, `settings` and `bench`: this machine and how the assistant is set up on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ui.cli_session import fetch, session
from ui.terminal import note, progress, say

OWN = (sys.executable, "-c", "from ui.cli import main; main()")
"""This command line, for a process of its own."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command()(doctor)
    app.command()(settings)
    app.command()(bench)


def doctor(
    ctx: typer.Context,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="First measure the model on this machine, some seconds, and remember what is best.")
    ] = False,
) -> None:
    """Look at processor, memory, model, database and index: each is ok, or what to do is said."""
    import assistant.doctor

    found = session(ctx).settings()
    if calibrate:
        with progress("Measuring") as tell:
            assistant.doctor.calibrate(found, tell)
    wrong = 0
    for check in assistant.doctor.checks(found):
        wrong += not check.ok
        say(f"{'ok  ' if check.ok else 'todo'}  {check.name}: {check.detail}")
        if not check.ok and check.todo:
            say(f"      {check.todo}")
    if wrong:
        raise typer.Exit(1)


def settings(ctx: typer.Context, as_json: Json = False) -> None:
    """Print every setting with its value, where that comes from, and what it is for."""
    from assistant.settings_sources import sources

    own = session(ctx)
    found = list(sources(own.settings(), own.given()))
    if as_json:
        listed = [
            {"name": name, "value": plain(value), "source": source, "description": description} for name, description, value, source in found
        ]
        say(json.dumps({"version": 1, "settings": listed}, ensure_ascii=False, indent=2))
        return
    for name, description, value, source in found:
        shown = plain(value)
        say(f"{name} = {'' if shown is None else json.dumps(shown, ensure_ascii=False)}  ({source})\n    {description}")


def plain(value: object) -> object:
    """A setting's value as JSON has it."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value)


def bench(
    ctx: typer.Context,
    turns: Annotated[int, typer.Option(min=1, help="Turns of the conversation that is measured; it begins again after 20.")] = 20,
    against: Annotated[
        Path | None, typer.Option(help="An earlier --json: fail where a figure got worse.", exists=True, dir_okay=False, metavar="FILE")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure speed and memory in a conversation over the sample workspace, against the bare llama.cpp. Takes minutes."""
    from assistant.evaluation.bench import measure, worse
    from assistant.evaluation.identity import chat_model, embedding_model
    from assistant.evaluation.run import Run

    own = session(ctx)
    found = own.settings()
    fetch(own, found.local_models())
    with progress("Measuring") as tell:
        report = measure(Run(found, chat_model(found), embedding_model(found), progress=tell), command=OWN, turns=turns)
    say(report.to_json() if as_json else report.to_text())
    if against is not None:
        before = json.loads(against.read_text("utf-8")).get("by_column", {}).get("found", {})
        for line in (slower := worse(report.groups["found"], before)):
            note(line)
        if slower:
            raise typer.Exit(1)
