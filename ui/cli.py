"""The command line: `assistant` opens the page, its verbs do one thing each.

Answers and JSON go to stdout, progress and complaints to stderr. Exit codes: 0 done, 1 failed with one
line that says why, 2 wrong usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from typer.main import get_command

from ui import cli_ask, cli_documents, cli_eval, cli_keys, cli_lists, cli_machine, cli_models, cli_move, cli_users
from ui.cli_session import Session, session
from ui.terminal import flush, note, say, speak_utf8

app = typer.Typer(
    name="assistant",
    help="Ask a database, documents and memories in one conversation, on a local model and without a network.",
    epilog="Without a command the chat page opens on http://127.0.0.1:7860.",
    invoke_without_command=True,
    add_completion=False,
)
for verbs in (cli_ask, cli_documents, cli_keys, cli_machine, cli_move):
    verbs.register(app)
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_lists.memories, name="memories")
app.add_typer(cli_lists.conversations, name="conversations")
app.add_typer(cli_lists.examples, name="examples")
app.add_typer(cli_users.app, name="users")
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_eval.app, name="eval")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"assistant {version('offline-assistant')}")
        raise typer.Exit


@app.callback()
def start(
    ctx: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Where everything is kept, instead of the usual folder.")] = None,
    config: Annotated[Path | None, typer.Option(help="The settings file, instead of assistant.toml in the home.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens, and show where an error came from.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
    host: Annotated[str | None, typer.Option(help="The address the page listens on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port the page listens on.")] = None,
) -> None:
    """Ask a database, documents and memories in one conversation, on a local model and without a network."""
    ctx.obj = Session(home, config)
    _log(verbose)
    if ctx.invoked_subcommand is None:
        _open_page(session(ctx), {"host": host, "port": port})
    elif host is not None or port is not None:
        raise typer.BadParameter("--host and --port are for the page: they go without a command.", ctx=ctx)


def _log(verbose: bool) -> None:
    """Logs to stderr: warnings of this project, errors of libraries; with --verbose more of both."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING if verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    for package in ("assistant", "graphs", "stores", "ui"):
        logging.getLogger(package).setLevel(logging.DEBUG if verbose else logging.WARNING)


def _open_page(session: Session, options: dict[str, object]) -> None:
    """Get ready where that is needed, then serve the page until it is stopped."""
    page = {name: value for name, value in options.items() if value is not None}
    with session.assistant(prepare=True, preload=True, worker=True, **({"page": page} if page else {})) as opened:
        from ui.server import serve

        opened.load_soon()  # the page is there first
        serve(opened, host=opened.settings.page.host, port=opened.settings.page.port)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    from assistant import AssistantError

    try:
        get_command(app)(args=arguments, prog_name="assistant")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        code = 130
    except AssistantError as error:
        if _wants_details(arguments):
            raise
        note(f"Error: {' '.join(str(error).split())}")
        code = 1
    if code == 130:
        note("Stopped.")
    flush()
    return code


def main() -> None:
    """The entry point of the `assistant` command."""
    speak_utf8()
    sys.excepthook = _unexpected
    sys.exit(run())


def _wants_details(arguments: Sequence[str] | None) -> bool:
    return "--verbose" in (sys.argv[1:] if arguments is None else arguments)


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """One line for an error that nobody foresaw; with --verbose all of it."""
    if _wants_details(None):
        sys.__excepthook__(kind, error, trace)
    else:
        note(f"Error: {kind.__name__}: {' '.join(str(error).split())}. Run it again with --verbose before the command for the details.")
