"""`assistant migrate`: a laptop's home goes over to a server."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ui.cli_session import session
from ui.terminal import note, progress, say


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(migrate)


def migrate(
    ctx: typer.Context,
    to: Annotated[str | None, typer.Option(help="A PostgreSQL URL; the setting state.url when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Carry what the home keeps over to a server: conversations, turns that wait for a reply, accounts; and where index.url is set,
    documents, memories and examples. The home stays as it is; a move that was cut off goes on where it stopped when it is begun again."""
    settings = session(ctx).settings()
    url = to or settings.state.url
    if not url:
        raise typer.BadParameter("name a server, or set state.url.", ctx=ctx, param_hint="--to")
    from assistant.moving import home_to_server, move
    from assistant.wiring import index_server

    moved = []
    index = index_server(settings.index) if settings.index.url else None
    with progress("Moving") as tell, home_to_server(settings.home.expanduser(), url, index) as steps:
        for done in move(steps, tell):
            moved.append({"name": done.name, "count": done.count, "sha256": done.sha256})
    if as_json:
        say(json.dumps({"version": 1, "moved": moved}))
        return
    for line in moved:
        say(f"{line['name']:<14} {line['count']:>7,}  the same on both sides, sha256 {line['sha256']}")
    note("The home is as it was. To go on with the server, set state.url to it (ASSISTANT_STATE__URL).")
