"""`assistant keys`: which other programs may use the assistant, and as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli_session import session
from ui.terminal import columns, note, say

if TYPE_CHECKING:
    from assistant.keys import Keys

app = typer.Typer(help="Which other programs may use the assistant, and as whom. Without a key none may.", no_args_is_help=True)


@app.command("list")
def show(ctx: typer.Context) -> None:
    """List the keys; what is to be sent cannot be shown again."""
    found = keys(ctx).all()
    if not found:
        note("No keys: other programs are let in nowhere. Make one with: assistant keys add NAME")
    lines = [(k.id, k.name, k.user, " ".join(sorted(k.scopes)), f"{k.created:%Y-%m-%d}", f"{k.used:%Y-%m-%d %H:%M}" if k.used else "never") for k in found]
    say(columns(lines, header=("id", "name", "user", "may", "made", "last used")))


@app.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for, so that it is known when it is to go.")],
    user: Annotated[str, typer.Option(help="Whose conversations, memories, documents and rows it reaches, and nobody else's.")] = "local",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do (several times): ask, documents, memories, query, people, admin. The first four when left out.")
    ] = None,
) -> None:
    """Make a key and print it, once."""
    from assistant.keys import USUAL

    key, token = keys(ctx).add(name, user=user, scopes=scope or USUAL)
    note(f"A key for user {key.user}, which may: {', '.join(sorted(key.scopes))}. It is shown this once; send it as Authorization: Bearer")
    say(token)


@app.command()
def revoke(ctx: typer.Context, name: Annotated[str, typer.Argument(help="Its name or id, as `keys list` shows it.")]) -> None:
    """End a key at once."""
    gone = keys(ctx).revoke(name)
    say(f"The key {gone.name} opens nothing any more.")


def keys(ctx: typer.Context) -> Keys:
    """The keys of these settings."""
    from assistant.accounts import opened
    from assistant.keys import Keys

    return Keys(ctx.with_resource(opened(session(ctx).settings())))


def register(into: typer.Typer) -> None:
    """Add the verbs of this module."""
    into.command("mcp")(serve_tools)


def serve_tools(
    ctx: typer.Context,
    user: Annotated[str, typer.Option(help="Who asks.")] = "local",
) -> None:
    """Be an MCP server on stdin and stdout, for a program of this machine. While the page is open, use its /mcp with a key."""
    with session(ctx).assistant(preload=True) as opened:
        from ui.doors.tools import server

        server(opened, user=user).run("stdio")
