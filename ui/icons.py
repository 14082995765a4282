"""Line icons as inline SVG, drawn in the colour of the text around them."""

from __future__ import annotations


def _icon(*shapes: str) -> str:
    return (
        '<svg class="icon" viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.8" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{"".join(shapes)}</svg>'
    )


COPY = _icon('<rect x="9" y="9" width="11" height="11" rx="2"/>', '<path d="M5 15V6a2 2 0 0 1 2-2h8"/>')
UP = _icon('<path d="M7 11v9H4v-9zM7 11l4-8a2.5 2.5 0 0 1 2.5 2.5V9H19a2 2 0 0 1 2 2.3l-1.2 7A2 2 0 0 1 17.8 20H7"/>')
DOWN = _icon('<path d="M17 13V4h3v9zM17 13l-4 8a2.5 2.5 0 0 1-2.5-2.5V15H5a2 2 0 0 1-2-2.3l1.2-7A2 2 0 0 1 6.2 4H17"/>')
EDIT = _icon('<path d="M4 20h4L19 9l-4-4L4 16z"/>')
SAVE = _icon('<path d="M12 4v11M7 11l5 5 5-5M5 20h14"/>')
REMOVE = _icon('<path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13"/>')
CLOSE = _icon('<path d="M6 6l12 12M18 6L6 18"/>')
MENU = _icon('<path d="M4 7h16M4 12h16M4 17h16"/>')
LOCK = _icon('<rect x="5" y="11" width="14" height="9" rx="2"/>', '<path d="M8 11V8a4 4 0 0 1 8 0v3"/>')
AGAIN = _icon('<path d="M19 12a7 7 0 1 1-2.1-5M19 4v4h-4"/>')
BRANCH = _icon('<path d="M6 4v16M6 14c0-5 12-1 12-7M15 8l3-4 3 4"/>')
MORE = _icon(*(f'<path d="M{x} 12a.8.8 0 1 0 1.6 0a.8.8 0 1 0-1.6 0"/>' for x in (4, 11, 18)))
BACK = _icon('<path d="M14 6l-6 6 6 6"/>')
FORWARD = _icon('<path d="M10 6l6 6-6 6"/>')
MARK = _icon('<path d="M12 3l2.2 5.8L20 11l-5.8 2.2L12 19l-2.2-5.8L4 11l5.8-2.2z"/>')
