"""Where a question says that it is to be looked: "in the 2023 contracts folder", "in the PDF from March". By program, from the documents there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import PurePath

from graphs import when
from graphs.dates import MONTHS
from graphs.grounding import words
from graphs.library import KINDS
from stores.values import Document
from stores.within import Within

_TYPES = {
    "PDF": ("pdfs?", ("pdf",)),
    "Word": ("word (?:files?|documents?)|docx?", ("docx", "doc", "odt")),
    "spreadsheet": ("excel|spreadsheets?|xlsx?", ("xlsx", "xls", "csv", "tsv", "ods")),
    "CSV": ("csvs?", ("csv", "tsv")),
    "presentation": ("power ?points?|presentations?|slides?|pptx?", ("pptx", "ppt", "odp")),
    "e-mail": ("e-?mails?|emls?", ("eml",)),
    "web page": ("web ?pages?|html", ("html", "htm")),
    "Markdown": ("markdown", ("md", "markdown")),
    "text": ("text files?|txt", ("txt",)),
    "e-book": ("e-?books?|epubs?", ("epub",)),
    "picture": ("scans?|pictures?|photos?|images?|png|jpe?g", ("png", "jpg", "jpeg", "tif", "tiff", "webp", "bmp")),
}
_TIME = rf"(?:(?:last|this|previous) (?:week|month|quarter|year)|yesterday|today|(?:{'|'.join(MONTHS)})(?:,? (?:19|20)\d\d)?|(?:19|20)\d\d)"
_WHICH = r"\b(?:in|from|within|inside|of|under|per|according to|search|only)\s+(?:only\s+)?(?:the|my|our|this|that|any|all|all the|a|an)\s+"
_DATED = rf"\s+(?:(?:that|which)\s+(?:is|was|are|were)\s+)?(?:from|of|dated|written in|saved in|made in|of the year)\s+(?P<time>{_TIME})\b"
_NOUN = rf"(?:{KINDS}|letter|invoice|note)s?"
_CALLED = re.compile(r"\b(?:folder|directory)\s+(?:named\s+|called\s+)?[\"“']?([\w.&-]+)", re.IGNORECASE)
_FOLDER = re.compile(r"\b((?:[\w.&'-]+\s+){1,5}?)(?:sub)?(?:folder|directory)\b", re.IGNORECASE)
_OF_TYPE = [
    (name, endings, re.compile(rf"{_WHICH}(?:[\w-]+\s+){{0,3}}?(?:{spelling})\b(?:\s+{_NOUN})?(?:{_DATED})?", re.IGNORECASE))
    for name, (spelling, endings) in _TYPES.items()
]
_OF_TIME = re.compile(rf"{_WHICH}(?:[\w-]+\s+){{0,3}}?{_NOUN}{_DATED}", re.IGNORECASE)
_NEUTRAL = words("the a an in from my our this that all any folder directory sub")


def named(question: str) -> bool:
    """Whether a question may say where it is to be looked; which documents there are need not be known for that."""
    return bool(_FOLDER.search(question) or _CALLED.search(question) or _OF_TIME.search(question) or _type(question)[0])


def asked(question: str, documents: Sequence[Document], today: date) -> Within | None:
    """What a question limits the search to; None where it names nothing, or nothing that any document is in."""
    folders = _folders(question, documents)
    kind, endings, time = _type(question)
    found = [document for document in documents if Within(folders, endings).holds(document)]
    if not time and (match := _OF_TIME.search(question)):
        time = match["time"]
    dated = _dated(found, time, today) if time else found
    if not found or not dated or (not folders and not endings and not time):
        return None
    if len(dated) == len(documents):
        return None
    said = [f"{kind} files" if kind else "documents", f"from {time}" if time else "", f"in the folder {' and '.join(PurePath(folder).name for folder in folders)}" if folders else ""]
    return Within(documents=tuple(document.id for document in dated), said=" ".join(part for part in said if part))


def _folders(question: str, documents: Sequence[Document]) -> tuple[str, ...]:
    """The folders that are named and hold documents: as many of the last words count as some folder's path has."""
    spoken = [found[1].split() for pattern in (_CALLED, _FOLDER) for found in pattern.finditer(question)]
    paths = {parent for document in documents for parent in PurePath(document.path).parents if parent.name}
    named = {path: words(re.sub(r"[_.-]", " ", path.name)) for path in paths}
    for last_words in (name[first:] for name in spoken for first in range(len(name))):
        said = words(re.sub(r"[_.-]", " ", " ".join(last_words))) - _NEUTRAL
        fits = [path for path, name in named.items() if said & name and said <= name.union(*(named[above] for above in path.parents if above in named))]
        if fits:
            return tuple(str(path) for path in sorted(fits) if not any(other in path.parents for other in fits))
    return ()


def _type(question: str) -> tuple[str, tuple[str, ...], str]:
    for name, endings, pattern in _OF_TYPE:
        if found := pattern.search(question):
            return name, endings, found["time"] or ""
    return "", (), ""


def _dated(documents: Sequence[Document], time: str, today: date) -> list[Document]:
    """The documents of a time: those whose path names it, else those last changed then."""
    said = words(time)
    calendar = not re.match("last|this|previous|yesterday|today", time, re.IGNORECASE)
    if calendar and (named := [document for document in documents if said <= words(re.sub(r"[_./\\-]", " ", document.path))]):
        return named
    span = when.asked(f"in {time}" if calendar else time, today)
    return [document for document in documents if span and Within(since=span.start, until=span.end).holds(document)]
