"""What can be opened instead of the conversation: each view is a button of the side bar and a column of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant import AssistantError
from ui.session import Session

if TYPE_CHECKING:
    from assistant import Assistant


NOT_YOURS = "Only an administrator can change this."


def administrator(session: Session) -> None:
    """Raise unless this session may change what everybody uses."""
    if not session.admin:
        raise AssistantError(NOT_YOURS)


@dataclass(frozen=True)
class Opened:
    """How a view is drawn when it is opened: what `draw` gives goes to `outputs`, in their order."""

    draw: Callable[[Session], Any]
    outputs: list[Any]


@dataclass(frozen=True)
class View:
    """A view. `build` lays out its components and wires their events; it is called inside its column."""

    name: str
    title: str
    build: Callable[[Assistant, gr.State], Opened]


def buttons(views: tuple[View, ...]) -> list[gr.Button]:
    """A button for each view; page.js shows the view and keeps it in the address, so that the browser's back button leaves it."""
    with gr.Row(elem_id="views"):
        return [gr.Button(view.title, elem_id=f"open-{view.name}", elem_classes=["open-view"], variant="secondary", size="sm") for view in views]


def columns(views: tuple[View, ...], assistant: Assistant, session: gr.State) -> list[Opened]:
    """The views beside the conversation, none of them shown yet."""
    opened = []
    for view in views:
        with gr.Column(elem_id=f"view-{view.name}", elem_classes=["view"]):
            gr.HTML(
                f'<header class="view-head"><h2 tabindex="-1">{view.title}</h2>'
                '<button type="button" class="text-button" data-close-view>Back to the conversation</button></header>',
                apply_default_css=False,
            )
            opened.append(view.build(assistant, session))
    return opened
