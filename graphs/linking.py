"""Narrows a large schema to the tables that a question needs, before the model sees any."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from stores.values import Schema, TableInfo, ValueMatch
from stores.words import fold, name_words

SCHEMA_TABLES = 40
"""A schema of at most so many tables is shown whole: it is read once and kept."""
SHOWN, AT_LEAST, RELEVANT = 8, 4, 0.3
"""Tables shown of a larger one, at most and at least, and the share of the best score from which one is. They are read anew for each question,
140 tokens a table. Of 456 questions over 500 tables (scripts/merge_databases.py) 453 see all that they need among 8; cut off there, 450 do,
with 4.6 tables: half the reading, and less for a small model to be led astray by."""
IN_NAME, IN_COLUMN, VALUE, NEAR = 3.0, 1.0, 2.0, 0.3
"""What a word of the question weighs in a table's name and in a column's, a stored value that it names, and what is found one key away."""


def linked(schema: Schema, question: str, values: Sequence[ValueMatch]) -> Sequence[TableInfo]:
    """The tables to show: all, or of a large schema those that the question speaks of and those that tie them together.

    A word counts by how few tables have it, as in any keyword search.
    """
    if len(schema.tables) <= SCHEMA_TABLES:
        return schema.tables
    asked = set(fold(question))
    held = {table.name: (set(name_words(table.name)), _words(c.name for c in table.columns), _words(_told(table))) for table in schema.tables}
    common = Counter(word for sets in held.values() for word in asked & set().union(*sets))
    rare = {word: math.log(1 + len(schema.tables) / common[word]) for word in asked if word in common}
    own = {
        name: sum(rare.get(word, 0.0) * (IN_NAME if word in named else IN_COLUMN) for word in asked & (named | columns | told))
        for name, (named, columns, told) in held.items()
    }
    for place in {(value.table, value.words) for value in values}:
        own[place[0]] = own.get(place[0], 0.0) + VALUE * math.log(1 + len(schema.tables))
    return _chosen(schema, own)


def _chosen(schema: Schema, own: Mapping[str, float]) -> list[TableInfo]:
    """The tables of the highest scores, their neighbours' scores counted in part, in the schema's order."""
    beside = neighbours(schema)
    score = {name: found + NEAR * max((own[other] for other in beside[name]), default=0.0) for name, found in own.items()}
    ranked = sorted(score, key=lambda name: (-score[name], name))[:SHOWN]
    names = {name for place, name in enumerate(ranked) if place < AT_LEAST or score[name] >= RELEVANT * score[ranked[0]]}
    return [table for table in schema.tables if table.name in names]


def neighbours(schema: Schema) -> dict[str, set[str]]:
    """The tables that a key leads to from each table, in either direction."""
    found: dict[str, set[str]] = {table.name: set() for table in schema.tables}
    for table in schema.tables:
        for column in table.columns:
            other = (column.references or "").rpartition(".")[0]
            if other in found and other != table.name:
                found[table.name].add(other)
                found[other].add(table.name)
    return found


def _told(table: TableInfo) -> list[str]:
    """What the schema says of a table in other words: comments, and the few values of a column."""
    return [table.comment or "", *(text for column in table.columns for text in (column.comment or "", *column.values))]


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in name_words(text)}
