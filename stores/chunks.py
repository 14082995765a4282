"""Sections to chunks: passages that an embedding model can read whole.

A chunk's `text` is cut out of its document and not reworded, so that what is quoted from it stands there; `embedded` is
what the embedding model reads: the document's title and headings above the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stores.orders import without
from stores.parsers.section import Section

_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])|\n+")
_RANGE = re.compile(r"(.*?)(page|slide|line|row)s? (\d+)(?:–(\d+))?$")
_DIVIDER = re.compile(r"^[|: -]*-[|: -]*\n", re.MULTILINE)  # the line of dashes in a table says nothing
_NUMBERED = re.compile(r"[^\W\d_]*[\W_]*\d[\w.-]*|[0-9a-f-]{16,}|.{0,2}")
_LONGEST_WORD = 100
RULES = 1
"""Counts up when this module cuts otherwise than before: documents that were cut otherwise are then read again."""


@dataclass(frozen=True)
class Chunk:
    """A passage to be. `location` is its page, headings, lines or rows; `above` its document's title and its headings."""

    headings: tuple[str, ...]
    location: str
    text: str
    above: str

    @property
    def embedded(self) -> str:
        """What the embedding model reads."""
        return embedded(self.above, self.text)


@dataclass(frozen=True)
class _Piece:
    """A stretch of a document with its number of tokens. `joined`: the headings, below `headings`, of what it was joined from."""

    headings: tuple[str, ...]
    where: str
    text: str
    tokens: int
    is_split: bool = False
    joined: tuple[str, ...] = ()


def count_words(text: str) -> int:
    """Tokens, guessed where there is no tokenizer: 1.3 a word, and more for long runs without spaces."""
    return int(max(len(text.split()) * 1.3, len(text) / 8)) + 1


def split(
    sections: Sequence[Section],
    *,
    name: str,
    chunk_tokens: int = 220,
    count_tokens: Callable[[str], int] | None = None,
    min_tokens: int = 60,
) -> list[Chunk]:
    """Chunks of at most `chunk_tokens` tokens, title and headings included; ones under `min_tokens` join a neighbour.

    `name` is the file's, and the title of a document that has no heading of its own above all.
    """
    count = _without_frame(count_tokens) if count_tokens else count_words
    title = title_of(sections, name)
    pieces: list[_Piece] = []
    for section in sections:
        limit = max(chunk_tokens // 2, chunk_tokens - count(_prefix(title, section.headings)) - 4)
        pieces.extend(_rows(section, limit, count) if section.header else _passages(section, limit, count))
    merged = _merge(pieces, max(chunk_tokens // 2, chunk_tokens - count(_prefix(title, ())) - 4), min_tokens)
    return [Chunk(p.headings, _location(p), p.text, _prefix(title, p.headings)) for p in merged]


def embedded(above: str, text: str) -> str:
    """What the embedding model reads of a chunk."""
    # What addresses the assistant says nothing of what a passage is about: a vector with it would draw other questions.
    return f"{without(above)}\n{without(_DIVIDER.sub('', text))}".strip()


def _without_frame(count_tokens: Callable[[str], int]) -> Callable[[str], int]:
    """Tokenizers add a few tokens around every text; pieces of one text have them once."""
    frame = count_tokens("")
    return lambda text: count_tokens(text) - frame


def title_of(sections: Sequence[Section], name: str) -> str:
    """The heading that stands above all sections, else the file's name where that is made of words."""
    tops = {section.headings[:1] for section in sections}
    if len(tops) == 1 and (top := tops.pop()):
        return top[0]
    stem = re.sub(r"\.\w{1,8}$", "", name.rsplit("/", 1)[-1])
    # "scan-0042" is a number, not a title: embedded with the text, it drew passages away from what they say (Cranfield's
    # dense nDCG@10 was 0.486 with such names and 0.506 without).
    return "" if _NUMBERED.fullmatch(stem) else re.sub(r"[\s_-]+", " ", stem).strip()


def _prefix(title: str, headings: tuple[str, ...]) -> str:
    rest = headings[1:] if headings[:1] == (title,) else headings
    return ": ".join(filter(None, (title, " › ".join(rest))))[:300]


def _location(piece: _Piece) -> str:
    path = (*piece.headings, *([", ".join(piece.joined)[:120]] if piece.joined else []))
    return piece.where or " › ".join(path) or "whole document"


def _passages(section: Section, limit: int, count: Callable[[str], int]) -> Iterator[_Piece]:
    """A section cut at paragraphs, where they are too long at sentences, where they are too long anywhere."""
    text = section.text.strip()
    whole = count(text) if len(text) < limit * 20 else limit + 1
    if whole <= limit:
        if text:
            yield _Piece(section.headings, section.location, text, whole)
        return
    start = end = tokens = 0
    last: tuple[int, int, int] | None = None  # the sentence that ended the chunk before, to begin the next with
    for first, stop, size in _spans(text, limit, count):
        if tokens and tokens + size > limit:
            yield _Piece(section.headings, section.location, text[start:end].strip(), tokens, is_split=True)
            overlaps = last is not None and last[2] <= limit // 5 and last[2] + size <= limit
            start, tokens = (last[0], last[2]) if overlaps and last else (first, 0)
        end = stop
        tokens += size
        last = (first, stop, size)
    yield _Piece(section.headings, section.location, text[start:end].strip(), tokens, is_split=True)


def _spans(text: str, limit: int, count: Callable[[str], int]) -> Iterator[tuple[int, int, int]]:
    """(start, end, tokens) of pieces that follow each other and each fit: sentences, or parts of a monstrous one."""
    for first, stop in _between(text, _PARAGRAPH, 0, len(text)):
        for begin, end in _between(text, _SENTENCE, first, stop):
            size = count(text[begin:end]) if end - begin < limit * 20 else limit + 1
            if size <= limit:
                yield begin, end, size
            else:
                yield from _forced(text, begin, end, limit, count)


def _forced(text: str, begin: int, end: int, limit: int, count: Callable[[str], int]) -> Iterator[tuple[int, int, int]]:
    """Cuts between words, and inside a word that no text has (a picture in base 64, a line of 200 MB)."""
    start, tokens = begin, 0
    for found in re.compile(rf"\S{{1,{_LONGEST_WORD}}}\s*").finditer(text, begin, end):
        size = count(found.group())
        if tokens and tokens + size > limit:
            yield start, found.start(), tokens
            start, tokens = found.start(), 0
        tokens += size
    if tokens:
        yield start, end, tokens


def _between(text: str, separator: re.Pattern[str], start: int, end: int) -> Iterator[tuple[int, int]]:
    for found in separator.finditer(text, start, end):
        if found.end() > start:
            yield start, found.end()
            start = found.end()
    if start < end:
        yield start, end


def _rows(section: Section, limit: int, count: Callable[[str], int]) -> Iterator[_Piece]:
    """A table cut between rows, its header above each part."""
    header = section.header[: limit * 10]
    while count(header) > limit // 2:
        header = header[: len(header) // 2]
    above = count(header)
    found = _RANGE.match(section.location)
    numbered = found if found and found.group(2) == "row" else None  # a table on a slide has that slide for its place
    first = int(numbered.group(3)) if numbered else 1
    held: list[tuple[int, str]] = []
    tokens = above

    def piece() -> _Piece:
        begin, last = held[0][0], held[-1][0]
        rows = f"rows {begin}–{last}" if last > begin else f"row {last}"
        where = numbered.group(1) + rows if numbered else section.location
        return _Piece(section.headings, where, "\n".join([header, *(row for _, row in held)]), tokens, is_split=True)

    for number, row in enumerate(filter(str.strip, section.text.split("\n")), start=first):
        for part in _fitting(row, limit - above, count):
            size = count(part)
            if held and tokens + size > limit:
                yield piece()
                held, tokens = [], above
            held.append((number, part))
            tokens += size
    if held:
        yield piece()
    else:
        yield _Piece(section.headings, section.location, header, above)


def _fitting(row: str, limit: int, count: Callable[[str], int]) -> list[str]:
    if len(row) < limit * 20 and count(row) <= limit:
        return [row]
    return [row[begin:end].strip() for begin, end, _ in _forced(row, 0, len(row), limit, count)]


def _merge(pieces: Sequence[_Piece], limit: int, min_tokens: int) -> list[_Piece]:
    """Joins what is too short to stand alone to the piece before it, where both are about the same."""
    merged: list[_Piece] = []
    for piece in pieces:
        before = merged[-1] if merged else None
        if before and before.tokens + piece.tokens + 20 <= limit and _belong(before, piece, min_tokens):
            merged[-1] = _joined(before, piece)
        else:
            merged.append(piece)
    return merged


def _belong(before: _Piece, piece: _Piece, min_tokens: int) -> bool:
    """Short neighbours under the same headings; tiny ones also under the same parent, or under each other."""
    if before.is_split and piece.is_split:
        return False
    shorter = min(before.tokens, piece.tokens)
    if before.headings == piece.headings and not before.joined:
        return shorter < min_tokens
    shared = before.headings if before.joined else piece.headings[:-1]
    follows = piece.headings[:-1] == shared and len(shared) > 0 and before.headings in (shared, (*shared, *before.headings[-1:]))
    return follows and shorter < min_tokens // 2


def _joined(before: _Piece, piece: _Piece) -> _Piece:
    """Both, under the headings they share; a heading of one alone stands in the text as a line of its own."""
    if before.headings == piece.headings and not before.joined:
        where = _joined_location(before.where, piece.where)
        return _Piece(before.headings, where, f"{before.text}\n\n{piece.text}", before.tokens + piece.tokens)
    shared = piece.headings[:-1]
    first = before.headings[len(shared) :]
    names = (*before.joined, *(() if before.joined else first), *piece.headings[-1:])
    text = "\n\n".join(["\n".join([*(() if before.joined else first), before.text]), f"{piece.headings[-1]}\n{piece.text}"])
    where = _joined_location(before.where, piece.where) if piece.where else ""
    return _Piece(shared, where, text, before.tokens + piece.tokens + 10, joined=names)


def _joined_location(before: str, after: str) -> str:
    first, second = _RANGE.match(before), _RANGE.match(after)
    if before == after or not second:
        return before
    if not first or first.group(1, 2) != second.group(1, 2):
        return before or after
    last = second.group(4) or second.group(3)
    return before if first.group(3) == last else f"{first.group(1)}{first.group(2)}s {first.group(3)}–{last}"
