"""Words to search by, as SQLite's FTS5 cuts and stems them: of a query that cannot leak its syntax, and of texts."""

from __future__ import annotations

import re
import sqlite3
import threading
import zlib
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing

# English function words: they match everywhere and say nothing. In a question so do "what", "tell", "please".
STOP_WORDS = frozenset(
    """a about above after again all am an and any are as at be because been before being below between both but by can
    could did do does doing down during each few for from further had has have having he her here hers him his how i if in
    into is it its itself just let me more most my no nor not of off on once only or other our out over own please same she
    should so some such tell than that the their them then there these they this those through to too under until up us was
    we were what when where which while who whom why will with would you your""".split()
)
_WORD = re.compile(r"\w+")
_CUT = "tokenize = 'porter unicode61 remove_diacritics 2'"


def query_words(query: str, *, limit: int = 48) -> list[str]:
    """The distinct words of a query that carry meaning, at most `limit`; all its words where none do."""
    words: dict[str, None] = {}
    for match in _WORD.finditer(query[: limit * 200]):
        words.setdefault(match.group().lower()[:64])
    telling = [word for word in words if word not in STOP_WORDS]
    return (telling or list(words))[:limit]


def match_expression(query: str) -> str | None:
    """An FTS5 expression that finds rows with any of the query's words, or None where it has no words."""
    words = query_words(query)
    return " OR ".join(f'"{word}"' for word in words) if words else None


def query_terms(query: str) -> Counter[int]:
    """The query's words, stemmed, as hashes, with how often each stands in it."""
    return Counter(dict(_terms([" ".join(query_words(query))])[0]))


def counted(texts: Sequence[str]) -> list[bytes]:
    """For each text its words, stemmed, ascending: in 8 bytes each a hash (the upper half) and how often it stands there (up to 255)."""
    return [array("Q", sorted(word << 32 | min(times, 255) for word, times in terms)).tobytes() for terms in _terms(texts)]


def _terms(texts: Sequence[str]) -> list[list[tuple[int, int]]]:
    found: list[list[tuple[int, int]]] = [[] for _ in texts]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(f"CREATE VIRTUAL TABLE words USING fts5 (text, content = '', {_CUT})")
        db.execute("CREATE VIRTUAL TABLE terms USING fts5vocab (words, instance)")
        db.execute("BEGIN")
        db.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", list(enumerate(texts)))
        db.execute("COMMIT")
        for row, term, times in db.execute("SELECT doc, term, count(*) FROM terms GROUP BY term, doc"):
            found[row].append((zlib.crc32(term.encode()), times))
    return found


class WordIndex:
    """A small keyword index in memory, for what is kept elsewhere. Texts under ids, found by BM25."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._db.execute(f"CREATE VIRTUAL TABLE words USING fts5 (id UNINDEXED, text, {_CUT})")
        self.put(texts)

    def put(self, texts: Mapping[str, str]) -> None:
        """Adds texts, replacing those under the same ids."""
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany("DELETE FROM words WHERE id = ?", [(key,) for key in texts])
            self._db.executemany("INSERT INTO words (id, text) VALUES (?, ?)", list(texts.items()))
            self._db.execute("COMMIT")

    def scores(self, query: str, *, limit: int) -> dict[str, float]:
        """BM25 of the texts that hold words of the query, higher is better, best first."""
        expression = match_expression(query)
        if expression is None:
            return {}
        with self._lock:
            return dict(
                self._db.execute(
                    "SELECT id, -bm25(words) AS score FROM words WHERE words MATCH ? ORDER BY score DESC, rowid LIMIT ?", (expression, limit)
                ).fetchall()
            )

    def close(self) -> None:
        """Frees the memory."""
        with self._lock:
            self._db.close()
