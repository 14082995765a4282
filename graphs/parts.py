"""Documents in parts that the model can read, and what it makes of a part: kept, and checked sentence by sentence."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from graphs import prompts
from graphs.errors import TurnCancelled
from graphs.grounding import names, quote, split, support, words
from graphs.recall import safe
from graphs.turn import Turn
from stores.errors import NotFound
from stores.orders import aside
from stores.values import Document, Passage

CHARACTERS_PER_TOKEN = 3
"""Fewer than most texts have, so that a part is rather too small than too large for the context."""
SENTENCE_TOKENS = 90
SEARCHED = 20
"""Passages that are looked through for one of the document that is named."""
LEAST_TOKENS = 200
"""A part that is to become a sentence holds no fewer, or the sentences would say no less than the text."""
PIECE_TOKENS = 40
"""Of a text that is short anyhow each paragraph or entry of a list becomes a sentence, these and those beside them joined up to so many."""
_OVERLAP = 1200
_BLOCK = re.compile(r"\n{2,}|\n(?=\s*(?:[-*•]|\d{1,2}[.)])\s)")
_BULLET = re.compile(r"^\s*([-*•]|\d{1,2}[.)])\s+")
_TOO_LITTLE = 2
"""Content words that a sentence needs to say anything."""


@dataclass(frozen=True)
class Part:
    """Passages of one document that follow each other."""

    document: Document
    passages: tuple[Passage, ...]

    @property
    def text(self) -> str:
        """The words of the passages; what two of them share at their border stands once."""
        return joined([passage.text for passage in self.passages])

    @property
    def place(self) -> str:
        """From where to where."""
        first, last = self.passages[0].location, self.passages[-1].location
        return first if first == last else f"{first} – {last}"


@dataclass(frozen=True)
class Note:
    """A sentence about a part, with the passage that carries it and that passage's words."""

    sentence: str
    passage: Passage
    quote: str


@dataclass(frozen=True)
class Work:
    """The parts to work through, of so many that there are."""

    parts: tuple[Part, ...]
    total: int

    @property
    def cut(self) -> str:
        """What is to be said where not all is read."""
        if self.total == len(self.parts):
            return ""
        last = self.parts[-1]
        return (
            f"(This is from the first {len(self.parts)} of {self.total} parts, up to {last.document.name}, {last.passages[-1].location}."
            " The setting documents.whole_parts allows more.)"
        )


def work(turn: Turn, documents: Sequence[Document], sentences: int | None = None) -> Work:
    """The documents' passages in their order, in parts of at most `part_tokens` tokens. Raises `NotFound` where one is gone.

    In smaller ones where each is to become one of so many sentences: the fewer words a small model reads, the better it condenses them.
    """
    found: list[Part] = []
    for document in documents:
        passages = _contents(turn, document.id)
        if not passages:
            still_there(turn, document)
        found += _parts(turn, document, passages, max(1, sentences // len(documents)) if sentences else None)
    return Work(tuple(found[: turn.bounds.parts]), len(found))


def _contents(turn: Turn, id_: str) -> list[Passage]:
    """A document's passages without what gives the assistant orders; one that is nothing else is left out."""
    return [kept for passage in turn.services.documents.contents(id_, user=turn.user) if (kept := safe(passage)).text]


def _parts(turn: Turn, document: Document, passages: Sequence[Passage], sentences: int | None) -> list[Part]:
    """A document's parts; of a short text that is to become so many sentences its paragraphs and entries, unless these are too many."""
    size = _size(turn, passages, sentences)
    if sentences and size == LEAST_TOKENS <= _tokens(passages):
        entries = pieces(passages)
        if 1 < len(entries) <= 2 * sentences:
            return [Part(document, (entry,)) for entry in entries]
    return cut(document, passages, size)


def _tokens(passages: Sequence[Passage]) -> int:
    return sum(len(passage.text) for passage in passages) // CHARACTERS_PER_TOKEN


def _size(turn: Turn, passages: Sequence[Passage], sentences: int | None) -> int:
    """Tokens of a part."""
    if sentences is None:
        return turn.bounds.part_tokens
    return min(turn.bounds.part_tokens, max(LEAST_TOKENS, _tokens(passages) // sentences + 1))


def cut(document: Document, passages: Sequence[Passage], tokens: int) -> list[Part]:
    """Passages in parts of at most so many tokens, a passage that is longer alone; the parts are about as long as each other."""
    size = sum(len(passage.text) for passage in passages) / CHARACTERS_PER_TOKEN
    count = max(1, -(-int(size) // tokens))
    parts: list[list[Passage]] = []
    held = 0.0
    for passage in passages:
        length = len(passage.text) / CHARACTERS_PER_TOKEN
        if not parts or held + length > tokens or held >= size / count:
            parts.append([])
            held = 0.0
        parts[-1].append(passage)
        held += length
    return [Part(document, tuple(part)) for part in parts]


def joined(texts: Sequence[str]) -> str:
    """Texts that follow each other as one, without what the end of one and the beginning of the next share."""
    whole = ""
    for text in texts:
        most = min(len(whole), len(text), _OVERLAP)
        shared = next((n for n in range(most, 20, -1) if whole.endswith(text[:n])), 0)
        whole += text[shared:] if shared else f"\n\n{text}" if whole else text
    return whole


def pieces(passages: Sequence[Passage]) -> list[Passage]:
    """Passages in paragraphs and entries of lists; short ones go with those after them."""
    found: list[Passage] = []
    seen: set[str] = set()
    for passage in passages:
        held = ""
        for block in filter(None, (block.strip() for block in _BLOCK.split(passage.text))):
            if block not in seen:  # what two passages share at their border stands once
                seen.add(block)
                held = f"{held}\n{block}" if held else block
                if len(held) >= PIECE_TOKENS * CHARACTERS_PER_TOKEN:
                    found.append(replace(passage, text=held))
                    held = ""
        if held:
            found.append(replace(passage, text=held))
    return found


@contextmanager
def reading(turn: Turn, number: int, total: int, part: Part) -> Iterator[None]:
    """The step of one part, told as "part 3 of 12"."""
    with turn.step(f"part {number} of {total}") as detail:
        detail.append(f"{part.document.name}, {part.place}")
        yield


def about(turn: Turn, documents: Sequence[Document], topic: str, sentences: int | None = None) -> Work:
    """The sections about a topic: the passage that is found for it, and those beside it of the same heading or page."""
    passages = turn.services.documents.search(topic, user=turn.user, k=SEARCHED)
    known = {document.id: document for document in documents or turn.services.documents.all(user=turn.user)}
    best = next((passage for passage in passages if passage.document_id in known), None)
    if best is None:
        return Work((), 0)
    document = known[best.document_id]
    beside = [p for p in _contents(turn, document.id) if p.location == best.location]
    parts = cut(document, beside or [best], _size(turn, beside, sentences))
    return Work(tuple(parts[: turn.bounds.parts]), len(parts))


def nothing_in(documents: Sequence[Document], topic: str) -> str:
    """What is to be said where there is nothing to work on."""
    names = ", ".join(dict.fromkeys(document.name for document in documents))
    if topic:
        return f"I found no section about {topic}{f' in {names}' if names else ''}."
    return f"{names} holds no text that I can read."


def still_there(turn: Turn, document: Document) -> None:
    """Raises `NotFound` where a document was removed or changed since the turn began, and `TurnCancelled` where the reader left."""
    if turn.cancelled.is_set():
        raise TurnCancelled("The turn was stopped because its reader went away.")
    if all(other.id != document.id for other in turn.services.documents.all(user=turn.user)):
        raise NotFound(f"{document.name} was removed or changed meanwhile. Ask again.")


def write(turn: Turn, document: Document, system: str, human: str, max_tokens: int, *, opening: str = "", stop: str) -> str:
    """What the model writes about a part after an opening and before `stop`, from what is kept where it was asked before.

    A private turn keeps nothing.
    """
    still_there(turn, document)
    model = turn.services.model
    named = json.dumps([model._llm_type, model._identifying_params, system, human, opening, max_tokens, stop], sort_keys=True, default=str)
    key = hashlib.sha256(named.encode()).hexdigest()
    documents = turn.services.documents
    if (kept := documents.condensed(document.id, key)) is not None:
        return kept
    messages: list[BaseMessage] = [SystemMessage(system), HumanMessage(human), *([AIMessage(opening)] if opening else [])]
    text = turn.speaker.write(messages, max_tokens=max_tokens, greedy=True, stop=[stop]).strip()
    if not turn.private:
        documents.condense(document.id, key, text)
    return text


def notes(turn: Turn, part: Part, most: int = 1) -> list[Note]:
    """The part in a sentence or a few that stand the check; in its own words where none of the model's does."""
    human = prompts.condense_part(document=aside(part.document.name), place=part.place, text=part.text)
    return _condensed(turn, human, [part])[:most] or first_words(part)


def shorter(turn: Turn, found: Sequence[Note], parts: Sequence[Part]) -> list[Note]:
    """Notes of several parts in one sentence that stands on one of the parts; the first of the notes where it does not."""
    return (_condensed(turn, prompts.condense_notes(notes=[note.sentence for note in found]), parts) or list(found))[:1]


def _condensed(turn: Turn, human: str, parts: Sequence[Part]) -> list[Note]:
    return checked(write(turn, parts[0].document, prompts.CONDENSE_SYSTEM, human, SENTENCE_TOKENS, stop="\n"), parts)


def checked(text: str, parts: Sequence[Part]) -> list[Note]:
    """The sentences that stand on one of the parts: enough of their words, and all of their numbers and names."""
    found: list[Note] = []
    written = [sentence for line in text.splitlines() for sentence in split(_BULLET.sub("", line))]
    if len(written) > 1 and not written[-1].endswith((".", "!", "?", '"', ")", "”")):
        written.pop()  # the model was cut off in it
    for sentence in written:
        if len(words(sentence)) >= _TOO_LITTLE and sentence not in [note.sentence for note in found]:
            stands = next((note for part in parts if (note := _note(sentence, part))), None)
            found += [stands] if stands else []
    return found


def _note(sentence: str, part: Part) -> Note | None:
    places = " ".join(dict.fromkeys(passage.location for passage in part.passages))
    # A sentence may draw on two passages; so all of the part carries it, and the passage that shares most is cited.
    whole = replace(part.passages[0], location=f"{part.document.name} {places}", text=part.text)
    if not support(sentence, [whole], "") or names(sentence) - words(f"{whole.location} {whole.text}"):
        return None
    said = words(sentence)
    nearest = max(part.passages, key=lambda passage: len(said & words(quote(passage, said, set()))))
    return Note(sentence, nearest, quote(nearest, said, set()))


def first_words(part: Part) -> list[Note]:
    """The part's first sentence that says something, quoted."""
    for passage in part.passages:
        for sentence in split(passage.text):
            if len(words(sentence)) >= _TOO_LITTLE:
                flat = " ".join(sentence.split())
                return [Note(f'In the document\'s words: "{flat}"', passage, flat)]
    return []
