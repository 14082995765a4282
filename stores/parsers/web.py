"""HTML: what a reader would see, without scripts, styles, menus and hidden parts."""

from __future__ import annotations

import re
import time
from typing import Any

from stores.errors import DocumentUnreadable
from stores.parsers.rows import row_line
from stores.parsers.section import Builder, Section

_DROPPED = ("title", "script", "style", "nav", "noscript", "template", "svg", "head", "iframe", "object", "button", "select", "textarea")
_BLOCKS = frozenset(
    """address article aside blockquote body caption dd details dialog div dl dt fieldset figcaption figure footer form h1 h2
    h3 h4 h5 h6 header hr html li main ol p pre section summary table tbody td tfoot th thead tr ul [document]""".split()
)
_HEADING = re.compile(r"h[1-6]$")
_INVISIBLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0*\.?0*\s*(;|!|$)|font-size\s*:\s*0*\.?0*[01]?(px|pt|em|rem|%)?\s*(;|!|$)|(left|top|text-indent)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
_COLOUR = re.compile(r"(?<![\w-])color\s*:\s*([^;!]+)", re.IGNORECASE)
_BEHIND = re.compile(r"background(?:-color)?\s*:\s*([^;!]+)", re.IGNORECASE)
_WHITE = ("white", "#fff", "#ffffff", "rgb(255,255,255)", "hsl(0,0%,100%)", "transparent")


def parse_html(text: str, name: str, *, max_depth: int = 2000, max_characters: int = 10_000_000, max_tags: int = 500_000, seconds: float = 60.0) -> list[Section]:
    """Sections by heading, the title standing above them."""
    # Imported here: only who reads such files waits for it.
    from bs4 import BeautifulSoup
    from bs4.element import Tag

    if len(text) > max_characters:
        raise DocumentUnreadable(f"{name} is larger than {max_characters / 1e6:.0f} million characters; split it, or save its text")
    if text.count("<") > max_tags:
        raise DocumentUnreadable(f"{name} has more than {max_tags} tags; split it, or save its text")
    _refuse_deep(text, name, max_depth)
    deadline = time.monotonic() + seconds
    soup = BeautifulSoup(text, "html.parser")
    title = " ".join(soup.title.get_text().split())[:200] if soup.title else ""
    for tag in soup.find_all(_is_dropped):
        tag.decompose()
    for row in reversed(soup.find_all("tr")):  # inner tables first
        cells = [" ".join(cell.get_text(" ").split()) for cell in row.find_all(["td", "th"], recursive=False)]
        row.string = row_line(cells)
    for line_break in soup.find_all("br"):
        line_break.replace_with("\n")

    blocks = _Blocks(title)
    for node in soup.descendants:
        if time.monotonic() > deadline:
            raise DocumentUnreadable(f"{name} took longer than {seconds:.0f} s to read")
        if isinstance(node, Tag):
            if _HEADING.match(node.name):
                blocks.flush()
                blocks.builder.heading(int(node.name[1]), " ".join(node.get_text(" ").split()))
        elif type(node).__name__ == "NavigableString":  # not comments, declarations and the like
            blocks.add(node)
    blocks.flush()
    return blocks.builder.finish()


def _is_dropped(tag: Any) -> bool:
    return (
        tag.name in _DROPPED
        or tag.has_attr("hidden")
        or str(tag.get("aria-hidden", "")).lower() == "true"
        or bool(_INVISIBLE.search(_style(tag)))
        or _is_white_on_white(tag)
    )


def _style(tag: Any) -> str:
    return str(tag.get("style", ""))[:1000]


def _is_white_on_white(tag: Any) -> bool:
    """Whether a tag's own colour is that of what lies behind it; a page is white where nothing says otherwise."""
    found = _COLOUR.search(_style(tag))
    if found is None:
        return False
    behind = next((b.group(1) for t in (tag, *tag.parents) if (b := _BEHIND.search(_style(t)))), None)
    if behind is None and any(t.has_attr("bgcolor") for t in (tag, *tag.parents)):
        return False
    colour, ground = ("".join(c.lower().split()) for c in (found.group(1), behind or "white"))
    return colour == ground or (colour in _WHITE and ground in _WHITE)


def _refuse_deep(text: str, name: str, max_depth: int) -> None:
    """Counts open tags roughly: a page nested thousands deep is made to choke a reader, not to be read."""
    depth = 0
    for mark in re.finditer(r"<(/?)(div|span|b|i|ul|li|table|tr|td|p|a|font|section|blockquote)\b", text, re.IGNORECASE):
        closes_itself = mark.group(2).lower() in ("p", "li", "tr", "td")  # often left open
        depth = max(0, depth - 1) if mark.group(1) else depth + (not closes_itself)
        if depth > max_depth:
            raise DocumentUnreadable(f"{name} is nested more than {max_depth} deep")


class _Blocks:
    """Collects the strings of each block, and the blocks under each heading."""

    def __init__(self, title: str) -> None:
        self.builder = Builder(*filter(None, [title]))
        self._blocks: list[str] = []
        self._strings: list[str] = []
        self._block: Any = None
        self._after_row = False

    def add(self, string: Any) -> None:
        block = string.parent
        while block is not None and block.name not in _BLOCKS:
            block = block.parent
        if block is not None and _HEADING.match(block.name):
            return
        if block is not self._block:
            self._end_block()
            self._block = block
        self._strings.append(str(string))

    def _end_block(self) -> None:
        name = self._block.name if self._block is not None else ""
        text = "".join(self._strings)
        text = text.strip("\n") if name == "pre" else "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n\n"))))
        if text.strip():
            between = "\n" if name == "tr" and self._after_row else "\n\n"
            self._blocks.append((between if self._blocks else "") + text)
            self._after_row = name == "tr"
        self._strings = []

    def flush(self) -> None:
        self._end_block()
        self._block = None
        self.builder.add("".join(self._blocks))
        self._blocks = []
        self._after_row = False
