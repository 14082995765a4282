"""`assistant memories`, `conversations` and `examples`: what is kept, and how to get it out or rid of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ui.cli_session import session
from ui.terminal import columns, note, say

memories = typer.Typer(help="What the assistant was told to remember.", no_args_is_help=True)
conversations = typer.Typer(help="Conversations that are kept.", no_args_is_help=True)
examples = typer.Typer(help="Questions with the SQL that was approved for them.", no_args_is_help=True)

VERSION = 1
User = Annotated[str, typer.Option(help="Whose.")]


@memories.command("list")
def list_memories(ctx: typer.Context, user: User = "local") -> None:
    """List a user's memories."""
    with session(ctx).assistant() as opened:
        kept = opened.memories.all(user=user)
    say(columns([(memory.id, f"{memory.said_at:%Y-%m-%d}", memory.text) for memory in kept], header=("id", "said", "text")))


@memories.command("forget")
def forget(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which, as `memories list` names them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of this user's.")] = False,
    user: User = "local",
) -> None:
    """Forget some of a user's memories, or all of them."""
    if bool(ids) == everything:
        raise typer.BadParameter("name the ids of memories, or --all.", ctx=ctx)
    with session(ctx).assistant() as opened:
        if everything:
            say(f"Forgot {opened.memories.forget_all(user=user)} memories.")
        for identifier in ids or ():
            say(f"Forgot: {opened.memories.forget(identifier, user=user).text}")


@conversations.command("list")
def list_conversations(ctx: typer.Context, user: User = "local") -> None:
    """List a user's conversations, the latest first."""
    with session(ctx).assistant() as opened:
        kept = opened.conversations.all(user=user)
    lines = [(one.id, f"{one.updated:%Y-%m-%d %H:%M}", one.messages, one.title) for one in kept]
    say(columns(lines, header=("id", "last used", "messages", "title")))


@conversations.command("export")
def export_conversation(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Which, as `conversations list` names it.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of Markdown.")] = False,
    user: User = "local",
) -> None:
    """Print a conversation as Markdown or JSON."""
    with session(ctx).assistant() as opened:
        say(opened.conversations.export(identifier, user=user, format="json" if as_json else "markdown"))


@examples.command("list")
def list_examples(ctx: typer.Context) -> None:
    """List the approved examples."""
    with session(ctx).assistant() as opened:
        kept = opened.examples.all()
    say(columns([(one.id, one.user, one.question, one.sql) for one in kept], header=("id", "user", "question", "SQL")))


@examples.command("remove")
def remove_examples(ctx: typer.Context, ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Which.")]) -> None:
    """Remove approved examples."""
    with session(ctx).assistant() as opened:
        for identifier in ids:
            opened.examples.remove(identifier)
            say(f"Removed {identifier}.")


@examples.command("export")
def export_examples(ctx: typer.Context) -> None:
    """Print the approved examples as JSON, for `import` on another machine."""
    with session(ctx).assistant() as opened:
        kept = [{"question": e.question, "sql": e.sql, "fingerprint": e.fingerprint, "user": e.user} for e in opened.examples.all()]
    say(json.dumps({"version": VERSION, "examples": kept}, ensure_ascii=False, indent=2))


@examples.command("import")
def import_examples(ctx: typer.Context, path: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` printed.")]) -> None:
    """Take in examples that another machine exported; one that is here already is left as it is."""
    read = _read_examples(path)
    with session(ctx).assistant(prepare=True) as opened:
        here = {(one.question, one.sql, one.fingerprint, one.user) for one in opened.examples.all()}
        new = [one for one in read if one not in here]
        for question, sql, fingerprint, user in new:
            opened.examples.add(question, sql, fingerprint=fingerprint, user=user)
    say(f"{len(new)} new, {len(read) - len(new)} were here.")
    if new:
        note("An example serves on a database with the tables that it was approved on.")


def _read_examples(path: Path) -> list[tuple[str, str, str, str]]:
    """(question, SQL, fingerprint, user) of each example of an export. Raises `DocumentUnreadable`."""
    from assistant import DocumentUnreadable

    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"))
        if whole["version"] > VERSION:
            raise DocumentUnreadable(f"{path} was written by a newer version (format {whole['version']}). Update the assistant.")
        return [(str(e["question"]), str(e["sql"]), str(e["fingerprint"]), str(e["user"])) for e in whole["examples"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DocumentUnreadable(f"{path} holds no exported examples: {error}. Name a file that `assistant examples export` printed.") from error
