"""Which documents a phrase names: by file name, title, folder, or words of these; by program, for a name needs no model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePath

from graphs.grounding import words
from stores.values import Document

_CLOSE = 0.84
"""How alike a misspelt word must be (difflib's ratio)."""
_KINDS = "agreement book booklet brochure contract document file guide handbook leaflet manual pdf policy report"
KINDS = "|".join(_KINDS.split())
KIND = re.compile(rf"\b({KINDS})s?\b", re.IGNORECASE)
_FILE = re.compile(r"(?<![\w.-])[\w-]+\.[a-z]{2,5}\b", re.IGNORECASE)
_KIND_WORDS = words(_KINDS)
_NEUTRAL = words("whole entire full complete content one ones two both please new old latest folder file document text")


@dataclass(frozen=True)
class Target:
    """What a phrase may mean: one document, or all of a folder."""

    label: str
    documents: tuple[Document, ...]


class Library:
    """The documents that a user may see, by the names that people give them."""

    def __init__(self, documents: Sequence[Document], common: frozenset[str] = frozenset()) -> None:
        """`common`: words that name other things too (the tables of a database), and so name no document alone."""
        self.documents = documents
        self._common = common
        self._names = list(_names(documents))

    def find(self, phrase: str) -> tuple[Target, ...] | None:
        """What the phrase may name, best alone where there is one; () for a document that is not there; None where it names none."""
        files = self._by_file(phrase)
        said = words(phrase) - _NEUTRAL
        if files:
            targets, named = files
            return targets if not said - named - _KIND_WORDS else None
        kind = bool(KIND.search(phrase))
        if not said - _KIND_WORDS and not any(said & name for _, name in self._names):
            if len(self.documents) > 1 and re.search(r"\b(documents|files)\b", phrase, re.IGNORECASE):
                return (Target(f"all {len(self.documents)} documents", tuple(self.documents)),)
            return self._any() if kind else None
        if not kind and not _FILE.search(phrase) and said <= self._common:
            return None
        found = self._by_words(said)
        absent = _FILE.search(phrase) or re.search(r"\b(documents?|files?|pdf)\b", phrase, re.IGNORECASE)
        return found or (() if absent else None)

    def _any(self) -> tuple[Target, ...]:
        """What "the document" may mean where nothing more is said."""
        return tuple(dict.fromkeys(target for target, _ in self._names if len(target.documents) == 1))

    def _by_file(self, phrase: str) -> tuple[tuple[Target, ...], set[str]] | None:
        """The documents whose file name stands in the phrase, and the words of that name."""
        folded = phrase.casefold()
        found = [
            target
            for target in self._any()
            if re.search(rf"(?<![\w.-]){re.escape(_file(target.documents[0]).casefold())}(?![\w-])", folded)
        ]
        return (tuple(found), words(" ".join(document.name for target in found for document in target.documents))) if found else None

    def _by_words(self, said: set[str]) -> tuple[Target, ...]:
        """The targets that most words of the phrase name, all others being words for a kind of document."""
        scored: dict[Target, tuple[int, int]] = {}
        for target, name in self._names:
            hits = {near for word in said if (near := _near(word, name))}
            if hits and not {word for word in said if not _near(word, name)} - _KIND_WORDS:
                score = (len(hits), -len(name - hits))
                scored[target] = max(score, scored.get(target, score))
        if not scored:
            return ()
        most = max(hits for hits, _ in scored.values())
        best = [target for target, (hits, _) in scored.items() if hits == most]
        exact = [target for target in best if scored[target][1] == 0]
        return tuple(exact or best)


def _near(word: str, name: set[str]) -> str | None:
    """The word of the name that is meant, a letter or two amiss in a long one."""
    if word in name:
        return word
    close = get_close_matches(word, name, 1, _CLOSE) if len(word) > 4 and word.isalpha() else []
    return close[0] if close else None


def _names(documents: Sequence[Document]) -> Iterator[tuple[Target, set[str]]]:
    """Each target with the words of each of its names."""
    by_file: dict[str, int] = {}
    folders: dict[str, list[Document]] = {}
    for document in documents:
        by_file[_file(document)] = by_file.get(_file(document), 0) + 1
        folders.setdefault(str(PurePath(document.path).parent), []).append(document)
    for document in documents:
        alike = by_file[_file(document)] > 1
        label = f"{_file(document)} ({PurePath(document.path).parent.name})" if alike else _file(document)
        target = Target(label, (document,))
        yield target, words(PurePath(_file(document)).stem.replace("_", " "))
        if document.title:
            yield target, words(document.title)
    for folder, within in folders.items():
        name = PurePath(folder).name
        if len(within) > 1 and words(name):
            yield Target(f"{name} ({len(within)} documents)", tuple(within)), words(name.replace("_", " "))


def _file(document: Document) -> str:
    return PurePath(document.path).name or document.name
