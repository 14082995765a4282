"""A table drawn out of documents, each row with its source: out of their own tables where these have the columns that are asked for,
else written by the model under a grammar, and the values looked up in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from langchain_core.messages import HumanMessage, SystemMessage

from graphs import prompts
from graphs.grounding import cite, split
from graphs.parts import Part, Work, nothing_in, reading, still_there, work
from graphs.tables import read
from graphs.turn import Turn
from graphs.values import Citation
from stores.values import Document, Passage, Table

MOST_ROWS = 200
ROWS_TOKENS = 600
"""The longest list of rows that one part is asked for."""
_CELL = r'"\"" ([^"\\\x00-\x1F] | "\\" ["\\/bfnrt])* "\""'


def grammar(columns: int) -> str:
    """GBNF of a JSON list of arrays with so many strings."""
    cells = ' ws "," ws '.join(["cell"] * columns)
    return f'root ::= "[" ws (row (ws "," ws row)*)? ws "]"\nrow ::= "[" {cells} "]"\ncell ::= {_CELL}\nws ::= [ \\n]?'


def extract(turn: Turn, documents: Sequence[Document], *, thing: str, columns: Sequence[str]) -> dict[str, object]:
    """Give the table. A value that does not stand in the text is left empty, a row without its first value left out, and that is said."""
    todo = work(turn, documents)
    if not todo.parts:
        turn.say(nothing_in(documents, ""))
        return {"grounded": False}
    citations: list[Citation] = []
    rows: dict[tuple[str, ...], int] = {}
    for part in todo.parts:
        for passage in part.passages:
            for cells, line in read(passage, thing, columns):
                if cells not in rows and len(rows) <= MOST_ROWS:
                    rows[cells] = cite(citations, passage, line)
    ready, left_out = bool(rows), 0
    if not ready:
        left_out = _drawn_out(turn, todo, thing, columns, rows, citations)
    table = Table((*columns, "source"), tuple((*row, f"[{n}]") for row, n in rows.items())[:MOST_ROWS], len(rows) > MOST_ROWS)
    _say(turn, documents, table, ready, left_out, todo.cut)
    return {"table": table if rows else None, "citations": citations, "grounded": bool(rows)}


def _drawn_out(
    turn: Turn, todo: Work, thing: str, columns: Sequence[str], rows: dict[tuple[str, ...], int], citations: list[Citation]
) -> int:
    """Adds the rows that the model finds, part by part; how many were left out because they do not stand in the text."""
    left_out = 0
    for number, part in enumerate(todo.parts, 1):
        with reading(turn, number, len(todo.parts), part):
            for written in _written(turn, part, thing, columns):
                found = _stands(written, part)
                if found is None:
                    left_out += 1
                elif found[0] not in rows and len(rows) <= MOST_ROWS:
                    rows[found[0]] = cite(citations, found[1], found[2])
    return left_out


def _written(turn: Turn, part: Part, thing: str, columns: Sequence[str]) -> Iterator[list[str]]:
    """The rows that the model writes. Not kept: they are asked for in the user's own words."""
    still_there(turn, part.document)
    human = prompts.extract_part(text=part.text, thing=thing, columns=columns)
    messages = [SystemMessage(prompts.EXTRACT_SYSTEM), HumanMessage(human)]
    text = turn.speaker.write(messages, max_tokens=ROWS_TOKENS, greedy=True, grammar=grammar(len(columns)))
    # Row by row, for the list may have been cut off.
    for found in re.finditer(r'\[\s*"(?:[^"\\]|\\.)*"(?:\s*,\s*"(?:[^"\\]|\\.)*")*\s*\]', text):
        try:
            row = [" ".join(cell.split()) for cell in json.loads(found.group())]
        except ValueError:  # a server that knows no grammar
            continue
        if len(row) == len(columns) and any(row):
            yield row


def _stands(row: Sequence[str], part: Part) -> tuple[tuple[str, ...], Passage, str] | None:
    """(row, passage, its words): of the row what stands together in one passage; None where its first value does not."""
    best: tuple[int, Passage, str] | None = None
    for passage in part.passages:
        if _holds(passage.text, row[0]) and row[0]:
            for line in split(passage.text):
                count = sum(_holds(line, cell) for cell in row if cell) + _holds(line, row[0])
                if best is None or count > best[0]:
                    best = count, passage, line
    if best is None:
        return None
    _, passage, line = best
    # In a table each line is a thing of its own, and so are the cells of another line.
    where = line if "|" in line else passage.text
    return tuple(cell if _holds(where, cell) else "" for cell in row), passage, " ".join(line.split())


def _holds(text: str, cell: str) -> bool:
    """Whether a value stands in a text, as words of their own."""
    flat = " ".join(text.split()).casefold()
    return re.search(rf"(?<!\w){re.escape(cell.casefold())}(?!\w)", flat) is not None


def _say(turn: Turn, documents: Sequence[Document], table: Table, ready: bool, left_out: int, cut: str) -> None:
    names = list(dict.fromkeys(document.name for document in documents))
    where = names[0] if len(names) == 1 else f"{len(names)} documents"
    if rows := len(table.rows):
        more = "more than " if table.truncated else ""
        turn.say(f"I found {more}{rows} {'row' if rows == 1 else 'rows'} in {where}; the last column names the source of each.")
    else:
        turn.say(f"I found nothing of that kind in {where}.")
    if ready:
        turn.say(" They are from its tables; the text beside these was not searched.")
    if left_out:
        turn.say(f" (I left out {left_out} whose values do not stand in the text.)")
    if cut:
        turn.say(f" {cut}")
