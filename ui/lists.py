"""The lists of the side bar as HTML: conversations, documents, memories, and the line about the model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from itertools import groupby
from pathlib import PurePath
from urllib.parse import urlsplit

from assistant import Conversation, Document, IngestProgress, IngestReport, Memory, State
from assistant.settings import addresses
from ui import icons


def conversations(
    entries: Sequence[Conversation], current: str | None, *, deleted: str | None = None, today: date | None = None
) -> str:
    """The conversations by day, newest first, each to open, rename, save or delete; one just `deleted` can be brought back."""
    undo = f'<p class="undo" role="status">Deleted “{escape(deleted)}”. {_words("undo", "Undo")}</p>' if deleted else ""
    if not entries:
        return f'{undo}<p class="quiet empty">No conversations yet.</p>'
    newest = sorted(entries, key=lambda entry: entry.updated, reverse=True)
    now = today or date.today()
    return undo + "".join(
        f'<h2 class="day">{when}</h2><ul class="list" aria-label="Conversations: {when}">{"".join(_conversation(entry, entry.id == current) for entry in group)}</ul>'
        for when, group in groupby(newest, key=lambda entry: _when(entry.updated.astimezone().date(), now))
    )


def _when(said: date, today: date) -> str:
    """Today, yesterday, this week, or the month, as the platform's language does not matter."""
    days = (today - said).days
    return "Today" if days < 1 else "Yesterday" if days == 1 else "The last seven days" if days < 7 else f"{said:%Y-%m}"


def _conversation(entry: Conversation, current: bool) -> str:
    title = entry.title.strip() or "Untitled"
    shown, key = escape(title), escape(entry.id)
    here = ' aria-current="true"' if current else ""
    return (
        f'<li class="entry"{here}><button type="button" class="entry-open" data-act="open" data-id="{key}" title="{shown}"{here}>{shown}</button>'
        '<span class="entry-actions">'
        + _action("rename", entry.id, icons.EDIT, f"Rename {title}", prompt="Name of the conversation", value=title)
        + _action("export", entry.id, icons.SAVE, f"Save {title} as a file")
        + _action("delete", entry.id, icons.REMOVE, f"Delete {title}")
        + "</span></li>"
    )


def documents(entries: Sequence[Document], *, shown: int = 200) -> str:
    """The documents that can be asked, each to remove."""
    if not entries:
        return '<p class="quiet empty">No documents yet. Add PDF, Word, PowerPoint, Excel, CSV, HTML, Markdown, text, EPUB, e-mail or pictures.</p>'
    items = "".join(
        f'<li class="entry"><span class="entry-text" title="{escape(entry.name)}">{escape(entry.name)}'
        f'<span class="quiet">{_passages(entry.passages)}{" · for everybody" if entry.user is None else ""}</span></span><span class="entry-actions">'
        + _action(
            "remove",
            entry.id,
            icons.REMOVE,
            f"Remove {entry.name}",
            confirm=f"Remove “{entry.name}” from the documents?",
            yes="Remove",
        )
        + "</span></li>"
        for entry in entries[:shown]
    )
    return f'<ul class="list" aria-label="Documents">{items}</ul>{_left_out(len(entries), shown, "documents")}'


def memories(entries: Sequence[Memory], *, forgotten: Memory | None = None, shown: int = 200) -> str:
    """What is remembered about this user, each to change or forget; what was just `forgotten` can be brought back."""
    items = "".join(
        f'<li class="entry"><span class="entry-text wrap">{escape(entry.text)}<span class="quiet">{day(entry.said_at)}{f", until {day(entry.until)}" if entry.until else ""}</span></span><span class="entry-actions">'
        + _action("edit", entry.id, icons.EDIT, f"Change: {entry.text}", prompt="What is to be remembered", value=entry.text)
        + _action("forget", entry.id, icons.CLOSE, f"Forget: {entry.text}")
        + "</span></li>"
        for entry in entries[:shown]
    )
    kept = f'<ul class="list" aria-label="Memories">{items}</ul>{_left_out(len(entries), shown, "memories")}'
    if not entries:
        kept = '<p class="quiet empty">Nothing yet. Say “remember that …” in the conversation.</p>'
    undo = ""
    if forgotten:
        undo = f'<p class="undo" role="status">Forgot “{escape(forgotten.text)}”. {_words("undo", "Undo")}</p>'
    sure = "Delete everything that is kept about you: memories, conversations, approved examples, your own documents? It cannot be brought back."
    about = _words("take", "Save everything about me") + _words("erase", "Delete everything about me", confirm=sure, yes="Delete")
    return f'{undo}{kept}<p class="about-me">{about}</p>'


def progress(state: IngestProgress) -> str:
    """An ingestion under way."""
    name = PurePath(state.path).name
    return (
        f'<div class="ingest" role="status"><progress max="{max(state.total, 1)}" value="{state.done}" aria-label="Documents read"></progress>'
        f'<span class="quiet">Reading {min(state.done + 1, max(state.total, 1))} of {state.total}: {escape(name)}</span></div>'
    )


def report(result: IngestReport) -> str:
    """What an ingestion did: new, changed, unchanged, and what was refused with the reason."""
    lines = [
        f"<li><strong>{label}</strong> {escape(', '.join(PurePath(name).name for name in names))}</li>"
        for label, names in (
            ("New", result.new),
            ("Changed", result.changed),
            ("Unchanged", result.unchanged),
            ("Removed", result.removed),
        )
        if names
    ]
    lines += [
        f'<li class="refused"><strong>Refused</strong> {escape(PurePath(refusal.path).name)}: {escape(refusal.reason)}</li>'
        for refusal in result.refused
    ]
    return f'<ul class="report" role="status">{"".join(lines) or "<li>Nothing was added.</li>"}</ul>'


def notice(text: str) -> str:
    """One clear message where something could not be done."""
    return f'<p class="notice" role="alert">{escape(text)}</p>'


def good(text: str) -> str:
    """One line where something was done."""
    return f'<p class="good" role="status">{escape(text)}</p>'


def status(state: State, server_url: str | None) -> str:
    """Which model runs, and where what is asked goes."""
    if server_url:
        hosts = dict.fromkeys(urlsplit(url).hostname or "another server" for url in addresses(server_url))
        where = f"Questions go to {escape(', '.join(hosts))}, as you configured."
    else:
        where = "Runs here. Nothing leaves this machine."
    note = ""
    if not state.ready:
        note = '<span class="state" role="status">The model file is missing. Start again, or run: assistant models pull</span>'
    elif not state.model_loaded and not server_url:
        note = '<span class="state" role="status">It loads with the first question.</span>'
    return f'<div class="model-line">{icons.LOCK}<div><span class="model-name">{escape(state.model)}</span><span class="quiet">{where}</span>{note}</div></div>'


def account(name: str) -> str:
    """Who is signed in."""
    return f'<p class="account"><span class="quiet">Signed in as</span> {escape(name)} <a class="text-button" href="/logout">Sign out</a></p>'


def day(moment: datetime) -> str:
    """A day as people write it, without a month name that the platform might translate."""
    return f"{moment:%Y-%m-%d}"


def _passages(number: int) -> str:
    return "1 passage" if number == 1 else f"{number:,} passages"


def _left_out(number: int, shown: int, what: str) -> str:
    return f'<p class="quiet empty">and {number - shown:,} more {what}</p>' if number > shown else ""


def _words(act: str, label: str, **data: str) -> str:
    extra = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    return f'<button type="button" class="text-button" data-act="{act}" data-id=""{extra}>{label}</button>'


def _action(act: str, key: str, icon: str, label: str, **data: str) -> str:
    extra = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    return f'<button type="button" class="icon-button" data-act="{act}" data-id="{escape(key)}"{extra} aria-label="{escape(label)}" title="{escape(label)}">{icon}</button>'
