"""`assistant users`: who may sign in to the page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli_keys import keys
from ui.cli_session import session
from ui.terminal import columns, note, say

if TYPE_CHECKING:
    from assistant.accounts import Accounts

app = typer.Typer(help="Who may sign in to the page. Without any account it is open to whoever sits at this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name to sign in with.")]


@app.command("list")
def show(ctx: typer.Context) -> None:
    """List the accounts."""
    found = _accounts(ctx).all()
    if not found:
        note("No accounts: the page asks nobody to sign in. Add one with: assistant users add NAME")
    say(columns([(account.name, account.user, "yes" if account.admin else "") for account in found], header=("name", "user", "administrator")))


@app.command()
def add(
    ctx: typer.Context,
    name: Name,
    user: Annotated[str | None, typer.Option(help="The user they are, as in the database's user column; their name when left out.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="They may change the database, the models and the settings.")] = False,
) -> None:
    """Add an account; the password is asked for, or read from stdin. The first one is an administrator."""
    account = _accounts(ctx).add(name, _password(), user=user, admin=admin)
    say(f"{account.name} may sign in as user {account.user}{', an administrator' if account.admin else ''}.")


@app.command()
def password(ctx: typer.Context, name: Name) -> None:
    """Give an account another password."""
    _accounts(ctx).set_password(name, _password())
    say(f"{name} has another password.")


@app.command()
def remove(ctx: typer.Context, name: Name) -> None:
    """Take an account away; it is signed out at once, and its user's keys end. What its user asked and kept stays."""
    accounts = _accounts(ctx)
    account = accounts.find(name)
    accounts.remove(name)
    ended = 0
    if account and all(other.user != account.user for other in accounts.all()):
        ended = keys(ctx).revoke_all(user=account.user)
    say(f"{name} may not sign in any more{f'; keys of user {account.user} that were revoked: {ended}' if account and ended else ''}.")


def _accounts(ctx: typer.Context) -> Accounts:
    from assistant.accounts import Accounts, opened

    return Accounts(ctx.with_resource(opened(session(ctx).settings())))


def _password() -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")
