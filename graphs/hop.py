"""The second hop: where passages do not hold the answer but say where it stands, or name whom it is about, that is looked for.

By program: "see Price List, section 2" is a document's title, and to "What is the extension of the person who leads the workshop?" the
first passage has the person's name. A passage that names nothing of the kind ends the search.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from graphs.documents import relevant
from graphs.grounding import split, words
from graphs.recall import search
from graphs.turn import Turn
from stores.orders import named
from stores.values import Document, Passage
from stores.within import Within

READ = 2
"""Passages whose references are followed, best first."""
FOLLOWED = 2
"""Documents, or names, that are looked for."""

_REFERS = r"\b(?:see|see also|refer to|consult|(?:described|explained|told|found|listed|given|set out|stands?|says?) (?:in|under|by)|according to)\s+(?:the\s+)?[\"“'*_]*"
_NAMES = r"\b(?:see|in|of|on|under|from|by|to|with|and|per)\s+(?:the\s+|also\s+)?[\"“'*_]*"
"""What stands before a document's title: in full for a title of one word, which may be said of much else."""
_SECTION = re.compile(r"\b(?:see|in|under|of)\s+(?:section|chapter|paragraph)\s+\d+|\b(?:section|chapter) \d+ (?:says|tells|explains|applies)", re.IGNORECASE)
_CHAINED = re.compile(r"\b(?:the|a|an|any) [\w-]+ (?:who|whom|whose|which|that|where)\b|\w (?:of|by|to|for|from|with) whoever\b", re.IGNORECASE)


@dataclass(frozen=True)
class Lead:
    """What passages point to: `documents`, or a `name` that is to stand in what is found."""

    documents: tuple[Document, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        return named(self.name or ", ".join(document.name for document in self.documents))


def leads(question: str, passages: Sequence[Passage], turn: Turn) -> list[Lead]:
    """What the passages read first point to, most promising first; empty where they point nowhere."""
    first = passages[:READ]
    pointed = _pointed(question, first, turn.services.documents.all(user=turn.user))
    return [Lead(tuple(pointed))] * bool(pointed) + [Lead(name=name) for name in _named(question, first)]


def follow(found: Sequence[Lead], question: str, passages: Sequence[Passage], turn: Turn) -> tuple[list[Passage], str]:
    """The best passage with what the first lead that leads somewhere new brings, and a line about it; no passages where none does."""
    seen = {passage.id for passage in passages}
    for lead in found:
        within = Within(documents=tuple(document.id for document in lead.documents)) if lead.documents else None
        near = relevant(search(turn, f"{lead.name} {question}".strip(), within=within))
        if new := [passage for passage in near if passage.id not in seen and lead.name in passage.text]:
            return [passages[0], *new][: turn.bounds.passages], f"looked further for {lead}: {len(new)} passages"
    return [], f"looked further for {', '.join(map(str, found))}: nothing new"


def _pointed(question: str, passages: Sequence[Passage], documents: Sequence[Document]) -> list[Document]:
    """The documents that the passages point to, by title or file name, and their own where they point to a section of it.

    What points stands in a sentence that has to do with the question.
    """
    found: dict[str, Document] = {}
    asked, own = words(question), {document.id: document.title for document in documents if document.title}
    for passage in passages:
        text = "\n".join(sentence for sentence in split(passage.text) if asked & words(sentence))
        for document in documents:
            here = document.id == passage.document_id
            if (here and _SECTION.search(text)) or (not here and document.title != own.get(passage.document_id) and _refers(text, document)):
                found.setdefault(document.id, document)
    return list(found.values())[:FOLLOWED]


def _refers(text: str, document: Document) -> bool:
    """Whether a text names a document by its title or file name, as what is to be looked into."""
    called = {title for title in (document.title, PurePath(document.name).name, PurePath(document.name).stem) if len(title) > 3 and title in text}
    return any(re.search(rf"{_NAMES if len(words(title)) > 1 else _REFERS}{re.escape(title)}\b", text) for title in called)


def _named(question: str, passages: Sequence[Passage]) -> list[str]:
    """The names in the sentence nearest to a question that describes somebody or something ("… of the person who …")."""
    if not passages or not _CHAINED.search(question):
        return []
    asked = words(question)
    nearest = max(split(passages[0].text) or [passages[0].text], key=lambda sentence: len(words(sentence) & asked))
    found = re.findall(r"(?:[A-ZÀ-Þ][\w'’-]+)(?:\s+[A-ZÀ-Þ][\w'’-]+)+|(?<=[^.!?:\s] )[A-ZÀ-Þ][\w'’-]+", nearest)
    return [name for name in dict.fromkeys(found) if len(name) > 2 and not words(name) & asked][:FOLLOWED]
