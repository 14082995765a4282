"""A file handed to the browser: a link that page.js follows as soon as it is drawn."""

from __future__ import annotations

import base64
from html import escape

import gradio as gr

KINDS = {"json": "application/json", "md": "text/markdown", "csv": "text/csv"}


def place(name: str) -> gr.HTML:
    """Where links are drawn to be followed."""
    return gr.HTML(elem_id=name, apply_default_css=False, js_on_load="window.assistantPage.download(element, watch)")


def link(content: str, name: str) -> str:
    """A link that holds the file; its ending says of which kind it is."""
    encoded = base64.b64encode(content.encode()).decode("ascii")
    kind = KINDS[name.rpartition(".")[2]]
    return f'<a download="{escape(name)}" href="data:{kind};charset=utf-8;base64,{encoded}" hidden>{escape(name)}</a>'
