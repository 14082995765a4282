"""Keyword search in memory: as FTS5 scores, for what a user may see, in step with what comes and goes."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stores import postings
from stores.keywords import match_expression, query_terms
from tests import prose
from tests.test_stores_documents import Index

QUESTIONS = [" ".join(text.split()[:9]) for text in prose.paragraphs(random.Random(8), 12)] + ["créé Crées creation", "zebra", "", "the of"]


def scores(index: Index, query: str, user: str = "local", limit: int = 1000) -> dict[str, float]:
    return index.documents._postings.scores(query, user=user, limit=limit)


def by_fts5(index: Index, query: str) -> dict[str, float]:
    """What SQLite says of the same passages."""
    expression = match_expression(query)
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE words USING fts5 (id UNINDEXED, heading, text, tokenize = 'porter unicode61 remove_diacritics 2')")
        db.executemany("INSERT INTO words VALUES (?, ?, ?)", index.rows("SELECT id, heading, text FROM chunks ORDER BY number"))
        found = "SELECT id, -bm25(words, 0, 1, 1) FROM words WHERE words MATCH ?"
        return dict(db.execute(found, (expression,))) if expression else {}


def test_it_scores_as_fts5_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "_FEW", 40)
    index = Index(tmp_path / "home")
    files = prose.write(tmp_path / "files", 60)
    for part in sorted((files / "00").iterdir())[::2], sorted((files / "00").iterdir())[1::2]:  # the second beside the first
        index.documents.add(*part)
        for question in QUESTIONS:
            ours, theirs = scores(index, question), by_fts5(index, question)
            assert ours.keys() == theirs.keys()
            assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-9)
    assert len(scores(index, QUESTIONS[0], limit=7)) == 7
    assert list(scores(index, QUESTIONS[0], limit=7)) == list(scores(index, QUESTIONS[0]))[:7]
    index.close()


def test_what_others_have_changes_nothing_and_what_is_gone_is_not_found(tmp_path: Path) -> None:
    index = Index(tmp_path / "home")
    files = prose.write(tmp_path / "files", 30)
    one, *rest = sorted((files / "00").iterdir())
    index.documents.add(one)
    question = QUESTIONS[0]
    before = scores(index, question, "7")
    index.documents.add(*rest, user="8")
    assert scores(index, question, "7") == before
    assert len(scores(index, question, "8")) > len(before)
    index.documents.forget_all(user="8")
    assert scores(index, question, "8") == scores(index, question, "7") == before
    index.documents.add(*rest[:3])
    assert len(scores(index, question, "7")) >= len(before)
    index.close()


def test_words_of_one_stem_count_together() -> None:
    assert query_terms("created creates the") == {next(iter(query_terms("creating"))): 2}
