"""`assistant memories`, `conversations` and `examples`: what is kept, and how to get it out or rid of it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
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
MemoryId = Annotated[str, typer.Argument(metavar="ID", help="Which, as `memories list` names it.")]
ConversationId = Annotated[str, typer.Argument(metavar="ID", help="Which, as `conversations list` names it.")]


@memories.command("list")
def list_memories(
    ctx: typer.Context,
    user: User = "local",
    search: Annotated[str | None, typer.Option(metavar="WORDS", help="Only those nearest to these words, best first.")] = None,
) -> None:
    """List a user's memories."""
    with session(ctx).assistant() as opened:
        kept = opened.memories.search(search, user=user, k=20) if search else opened.memories.all(user=user)
    say(columns([(m.id, f"{m.said_at:%Y-%m-%d}", f"{m.until:%Y-%m-%d}" if m.until else "", m.text) for m in kept], header=("id", "said", "until", "text")))


@memories.command("add")
def add_memory(ctx: typer.Context, text: Annotated[str, typer.Argument(help="What is to be remembered.")], user: User = "local") -> None:
    """Remember something about a user."""
    with session(ctx).assistant(prepare=True) as opened:
        kept = opened.memories.add(text, user=user)
    say(f"Remembered: {kept.text}")
    note(f"Undo: assistant memories forget {kept.id}{_of(user)}")


@memories.command("edit")
def edit_memory(
    ctx: typer.Context,
    identifier: MemoryId,
    text: Annotated[str, typer.Argument(help="What is to stand in its place.")],
    user: User = "local",
) -> None:
    """Put other words in a memory's place."""
    with session(ctx).assistant(prepare=True) as opened:
        say(f"Changed to: {opened.memories.edit(identifier, text, user=user).text}")


@memories.command("forget")
def forget(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which, as `memories list` names them.")] = None,
    all_memories: Annotated[bool, typer.Option("--all", help="All of this user's.")] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Also this user's conversations, examples and own documents.")
    ] = False,
    user: User = "local",
) -> None:
    """Forget some of a user's memories, all of them, or everything that is kept about the user."""
    if [bool(ids), all_memories, everything].count(True) != 1:
        raise typer.BadParameter("name the ids of memories, or --all, or --everything.", ctx=ctx)
    with session(ctx).assistant() as opened:
        if everything:
            opened.forget_all(user=user)
            say(f"Deleted everything that was kept about {user}.")
        if all_memories:
            say(f"Forgot {opened.memories.forget_all(user=user)} memories.")
        for identifier in ids or ():
            gone = opened.memories.forget(identifier, user=user)
            say(f"Forgot: {gone.text}")
            note(f"Undo: assistant memories add {_quoted(gone.text)}{_of(user)}")


@memories.command("export")
def export_memories(ctx: typer.Context, user: User = "local") -> None:
    """Print everything that is kept about a user as JSON: memories, conversations, examples, names of documents."""
    with session(ctx).assistant() as opened:
        say(opened.export_all(user=user))


def _of(user: str) -> str:
    """The option that names a user, where that is needed."""
    return "" if user == "local" else f" --user {_quoted(user)}"


def _quoted(text: str) -> str:
    """A text as one word of the shell that it is to be pasted into."""
    return subprocess.list2cmdline([text]) if sys.platform == "win32" else shlex.quote(text)


@conversations.command("list")
def list_conversations(
    ctx: typer.Context,
    user: User = "local",
    search: Annotated[str | None, typer.Option(metavar="WORDS", help="Only those in which these words stand.")] = None,
) -> None:
    """List a user's conversations, the latest first."""
    with session(ctx).assistant() as opened:
        kept = opened.conversations.all(user=user, query=search)
    lines = [(one.id, f"{one.updated:%Y-%m-%d %H:%M}", one.messages, one.title) for one in kept]
    say(columns(lines, header=("id", "last used", "messages", "title")))


@conversations.command("export")
def export_conversation(
    ctx: typer.Context,
    identifier: ConversationId,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of Markdown.")] = False,
    user: User = "local",
) -> None:
    """Print a conversation as Markdown or JSON."""
    with session(ctx).assistant() as opened:
        say(opened.conversations.export(identifier, user=user, format="json" if as_json else "markdown"))


@conversations.command("rename")
def rename_conversation(
    ctx: typer.Context,
    identifier: ConversationId,
    title: Annotated[str, typer.Argument(help="Its new name.")],
    user: User = "local",
) -> None:
    """Give a conversation another name."""
    with session(ctx).assistant() as opened:
        opened.conversations.rename(identifier, title, user=user)
    say(f"Renamed {identifier}.")


@conversations.command("branch")
def branch_conversation(
    ctx: typer.Context,
    identifier: ConversationId,
    message: Annotated[str | None, typer.Option(metavar="ID", help="The last message to take along, as `export --json` names it; else all.")] = None,
    user: User = "local",
) -> None:
    """Begin a new conversation with what was said in another."""
    from assistant import NotFound

    with session(ctx).assistant() as opened:
        last = message or next((m.id for m in opened.conversations.messages(identifier, user=user, turns=1)), None)
        if last is None:
            raise NotFound(f"Nothing was said in {identifier}, so there is nothing to branch from.")
        made = opened.conversations.branch(identifier, last, user=user)
    say(f"Branched: {made.id} ({made.title})")


@conversations.command("delete")
def delete_conversations(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Which, as `conversations list` names them.")],
    user: User = "local",
) -> None:
    """Delete conversations for good."""
    with session(ctx).assistant() as opened:
        for identifier in ids:
            opened.conversations.delete(identifier, user=user)
            say(f"Deleted {identifier}.")


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
