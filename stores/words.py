"""Finds the words of a question that stand as values in the data, so that a query can use the stored spelling."""

from __future__ import annotations

import re
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import lru_cache

from stores.connections import Fetch
from stores.errors import QueryRejected, QueryTimeout
from stores.introspect import quote
from stores.values import Schema, TableInfo, ValueMatch

Reading = Callable[[], AbstractContextManager[Fetch]]
"""Opens the database for rows that the user may see."""

_TEXT_TYPE = re.compile(r"CHAR|TEXT|CLOB|STRING|ENUM|^$", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STOP_WORDS = frozenset(
    """a about above after all also am an and any are as at be been before below between both but by can could did do does done down
    each few find for from get give had has have having he her here him his how i if in into is it its last least less list many me more
    most much my name names new no none nor not number of off on one only or other our out over own per please same she show should so
    some such tell than that the their them then there these they this those to too under up us very was we were what when where which
    while who whom whose why will with would yes you your aber alle als am an auf aus bei bin bis das dass dem den der des die dir doch du
    ein eine einem einen einer es für gib hat hatte ich ihr im in ist ja kann kein man mein mit nach nein nicht noch nur oder ohne
    sein sich sie sind so um und uns viel viele von vor war was wann warum welche welcher wenn wer wie wir wird wo zu zum zur""".split()
)


@dataclass
class _Index:
    """Values by their folded words: whole, and by each word in them."""

    whole: dict[str, list[ValueMatch]] = field(default_factory=dict)
    within: dict[str, list[ValueMatch]] = field(default_factory=dict)

    def add(self, value: str, table: str, column: str, max_words: int) -> None:
        words = fold(value)
        if not words or len(words) > max_words:
            return
        match = ValueMatch(value, table, column, value)
        self.whole.setdefault(" ".join(words), []).append(match)
        if len(words) > 1:
            for word in set(words):
                self.within.setdefault(word, []).append(match)


class Words:
    """Keeps an index of the values of text columns for each user and state of the data."""

    def __init__(
        self,
        *,
        max_values: int = 2000,
        max_columns: int = 2000,
        max_matches: int = 8,
        max_per_run: int = 4,
        max_run: int = 5,
        max_value_words: int = 12,
        build_seconds: float = 2.0,
        kept: int = 16,
    ) -> None:
        self.max_values = max_values
        self.max_columns = max_columns
        self.max_matches = max_matches
        self.max_per_run = max_per_run
        self.max_run = max_run
        self.max_value_words = max_value_words
        self.build_seconds = build_seconds
        self.kept = kept
        self._indexes: OrderedDict[Hashable, _Index] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, question: str, schema: Schema, reading: Reading, key: Hashable) -> list[ValueMatch]:
        """At most `max_matches`, the longest first. `key` names whose data it is and its state."""
        index = self._index(schema, reading, key)
        return self._matches(question, index, _schema_words(schema))[: self.max_matches]

    def whole(self, value: str, schema: Schema, reading: Reading, key: Hashable) -> list[ValueMatch]:
        """Where this very value stands, in whatever case and number."""
        return self._index(schema, reading, key).whole.get(" ".join(fold(value)), [])

    def _index(self, schema: Schema, reading: Reading, key: Hashable) -> _Index:
        with self._lock:
            if (known := self._indexes.get(key)) is not None:
                self._indexes.move_to_end(key)
                return known
        with reading() as fetch:
            built = self._built(schema, fetch)
        with self._lock:
            self._indexes[key] = built
            while len(self._indexes) > self.kept:
                self._indexes.popitem(last=False)
        return built

    def _built(self, schema: Schema, fetch: Fetch) -> _Index:
        """The values of as many text columns as the time allows; columns with more than `max_values` are left out."""
        deadline = time.monotonic() + self.build_seconds
        index = _Index()
        for table, column in list(_text_columns(schema))[: self.max_columns]:
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                break
            name, source = quote(column, schema.dialect), quote(table.name, schema.dialect)
            sql = f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL LIMIT {self.max_values + 1}"
            try:
                found = fetch(sql, seconds, self.max_values)
            except QueryRejected:  # a broken view: the other columns can still be read
                continue
            except QueryTimeout:
                break
            if not found.truncated:
                for (value,) in found.rows:
                    if isinstance(value, str):
                        index.add(value, table.name, column, self.max_value_words)
        return index

    def _matches(self, question: str, index: _Index, schema_words: set[str]) -> list[ValueMatch]:
        words = list(_WORD.finditer(question))
        covered: set[int] = set()
        found: dict[tuple[str, str, str], ValueMatch] = {}
        for look in (self._whole, self._within):  # a whole value goes before a part of one
            for first, last in _runs(len(words), self.max_run):
                run = question[words[first].start() : words[last].end()]
                span = set(range(first, last + 1))
                if span & covered or not _tells_something(run, schema_words):
                    continue
                matches = look(fold(run), index)
                if matches:
                    covered |= span
                for match in matches:
                    found.setdefault((match.table, match.column, match.value), replace(match, words=run))
        return sorted(found.values(), key=lambda m: (-len(m.words.split()), -len(m.words)))

    def _whole(self, run: list[str], index: _Index) -> list[ValueMatch]:
        return index.whole.get(" ".join(run), [])[: self.max_per_run]

    def _within(self, run: list[str], index: _Index) -> list[ValueMatch]:
        """Values that hold the run as whole words; none where so many do that it says little."""
        if len(run) == 1 and len(run[0]) < 3:
            return []
        phrase = f" {' '.join(run)} "
        matches = [m for m in index.within.get(run[0], []) if phrase in f" {' '.join(fold(m.value))} "]
        return matches if len({m.value for m in matches}) <= self.max_per_run else []


def fold(text: str) -> list[str]:
    """The words of a text without case, accents, umlauts (ä, ae and a are one), possessives and plural endings."""
    return [_folded_word(match.group()) for match in _WORD.finditer(text)]


def name_words(name: str) -> list[str]:
    """The words of a table's or column's name, folded: "song", "name" of "SongNames" and "song_name"."""
    return list(_name_words(name))


@lru_cache(maxsize=20_000)  # a schema's names are looked at again for every pair of tables, and for every question
def _name_words(name: str) -> tuple[str, ...]:
    return tuple(fold(_CAMEL.sub(" ", name).replace("_", " ")))


def _folded_word(word: str) -> str:
    word = unicodedata.normalize("NFKD", re.sub(r"['’]s$", "", word).casefold())
    word = "".join(c for c in word if not unicodedata.combining(c) and c not in "'’")
    word = word.replace("ae", "a").replace("oe", "o").replace("ue", "u")
    return _singular(word)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _runs(count: int, longest: int) -> Iterator[tuple[int, int]]:
    """(first word, last word) of every run, the longest runs first."""
    for length in range(min(longest, count), 0, -1):
        for first in range(count - length + 1):
            yield first, first + length - 1


def _tells_something(run: str, schema_words: set[str]) -> bool:
    """Not only numbers and stop words, and not just the name of a table or column."""
    words = _WORD.findall(run)
    if not any(w.lower() not in _STOP_WORDS and not w.isdigit() for w in words):
        return False
    return " ".join(fold(run)) not in schema_words


def _schema_words(schema: Schema) -> set[str]:
    """The names of tables and columns, and each word of them, folded."""
    found: set[str] = set()
    for name in (n for t in schema.tables for n in (t.name, *(c.name for c in t.columns))):
        words = name_words(name)
        found |= {*words, " ".join(words), "".join(words)}
    return found


def _text_columns(schema: Schema) -> Iterator[tuple[TableInfo, str]]:
    for table in schema.tables:
        for column in table.columns:
            if _TEXT_TYPE.search(column.type):
                yield table, column.name
