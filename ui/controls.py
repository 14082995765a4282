"""The quiet controls of a message: its versions, edit, ask anew, branch. page.js and conversation.js give them their actions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ui import icons


def of_question(key: str | None, versions: Sequence[str]) -> str:
    """The row under a question. `key` is its id, "" where it has none yet, None while it is being answered: the row stays empty."""
    inside = "" if key is None else _switch(key, versions) + _icon("data-edit", icons.EDIT, "Edit this question")
    return f'<div class="question-tools">{inside}</div>'


def _switch(key: str, versions: Sequence[str]) -> str:
    """Which of the versions of what was asked here is shown, and the way to the others."""
    if key not in versions:
        return ""
    at = versions.index(key)

    def step(to: int, icon: str, label: str) -> str:
        there = 0 <= to < len(versions)
        return _icon(f'data-go="version" data-id="{escape(versions[to])}"' if there else "disabled", icon, label)

    return (
        f'<span class="versions" role="group" aria-label="Versions of this question">{step(at - 1, icons.BACK, "Earlier version")}'
        f'<span class="quiet">{at + 1}/{len(versions)}</span>{step(at + 1, icons.FORWARD, "Later version")}</span>'
    )


def anew(answer_id: str) -> str:
    """The button that has the last question answered again."""
    return _icon(f'data-anew="{escape(answer_id)}"', icons.AGAIN, "Answer again")


def menu(answer_id: str) -> str:
    """What is seldom done with an answer."""
    return (
        f'<details class="menu"><summary class="icon-button" aria-label="More" title="More">{icons.MORE}</summary>'
        f'<div class="menu-list"><button type="button" class="menu-item" data-go="branch" data-id="{escape(answer_id)}" aria-label="Branch from here">{icons.BRANCH}Branch from here</button></div></details>'
    )


def unfinished(words: str, question: str, key: str | None) -> str:
    """Under a question whose turn was broken off; `key` is its id where it can be asked again."""
    button = ""
    if key is not None:
        button = f' <button type="button" class="text-button" data-ask="{escape(question)}" data-instead="{escape(key)}">Ask again</button>'
    return f'<p class="quiet stopped-line">{words}{button}</p>'


def earlier() -> str:
    """Above a long conversation, of which only the end is shown."""
    return '<p class="earlier"><button type="button" class="text-button" data-go="earlier" data-id="">Show earlier messages</button></p>'


def _icon(attributes: str, icon: str, label: str) -> str:
    return f'<button type="button" class="icon-button" {attributes} aria-label="{label}" title="{label}">{icon}</button>'
