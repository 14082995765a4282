"""`assistant models`: the catalogue, what lies here of it, and which one is used."""

from __future__ import annotations

from typing import Annotated

import typer

from ui.cli_session import of_files, session
from ui.terminal import columns, megabytes, note, progress, say

app = typer.Typer(help="The models: what there is, what lies here, which one is used.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A catalogue name, a path to a .gguf file, or hf:owner/repo/file.gguf.")]


@app.command("list")
def show(ctx: typer.Context) -> None:
    """List the catalogue: size, what lies here, licence; * is in use."""
    from assistant.models.catalogue import CATALOGUE

    own = session(ctx)
    settings, here = own.settings(), own.files()
    used = (settings.model.name, settings.embedding.name)
    names = [*CATALOGUE, *(name for name in used if name not in CATALOGUE)]
    lines = []
    for name in names:
        status, entry = here.status(name), CATALOGUE.get(name)
        about = (entry.kind, entry.licence, entry.description) if entry else ("own", "", "")
        lines.append(("*" if name in used else "", name, about[0], megabytes(status.total_bytes), status.state, about[1], about[2]))
    say(columns(lines, header=("", "name", "kind", "size", "here", "licence", "what it is")))


@app.command()
def pull(ctx: typer.Context, name: Name) -> None:
    """Fetch a model and check its hash."""
    with progress(name, bytes_=True) as tell:
        path = session(ctx).files().ensure(name, of_files(tell))
    say(str(path))


@app.command()
def use(ctx: typer.Context, name: Name) -> None:
    """Use this model from now on: writes it into the settings file."""
    from assistant import ModelUnavailable
    from assistant.models.catalogue import CATALOGUE
    from assistant.settings_file import write_setting

    own = session(ctx)
    status = own.files().status(name)
    mine = name not in CATALOGUE and not name.startswith("hf:")
    if mine and status.state != "present":
        raise ModelUnavailable(f"{status.path} is no model file that can be used. Name a .gguf file, or one of `assistant models list`.")
    section = "embedding" if name in CATALOGUE and CATALOGUE[name].kind == "embedding" else "model"
    named = str(status.path.absolute()) if mine else name
    path = write_setting(own.settings(), section, "name", named)
    say(f"{named} is used from now on (written into {path}).")
    if own.settings().model_dump()[section]["name"] != named:
        note(f"ASSISTANT_{section.upper()}__NAME in the environment names another model, and wins.")
    elif status.state != "present":
        note(f"It is not here yet: `assistant models pull {name}` fetches it, and so does the next question.")


@app.command()
def verify(ctx: typer.Context) -> None:
    """Hash every model file that lies here again."""
    from assistant import AssistantError
    from assistant.models.catalogue import CATALOGUE

    own = session(ctx)
    here, settings = own.files(), own.settings()
    wrong = 0
    for name in dict.fromkeys((*CATALOGUE, settings.model.name, settings.embedding.name)):
        if here.status(name).state in ("absent", "partial"):
            continue
        try:
            with progress(name, bytes_=True) as tell:
                here.verify(name, of_files(tell))
            say(f"ok    {name}")
        except AssistantError as error:
            wrong += 1
            say(f"wrong {name}: {error}")
    if wrong:
        raise typer.Exit(1)

