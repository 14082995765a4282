"""The answer from rows and passages: sentence by sentence, each shown only after its check."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from graphs import prompts
from graphs.enough import enough, reading
from graphs.evidence import parts
from graphs.grounding import cite, sentences, stands_on_rows, support, without_currency
from graphs.hop import follow, leads
from graphs.quoting import quoted, strays, told, without_preamble
from graphs.recall import leans, previous_question, standalone
from graphs.sql import says_nothing
from graphs.state import State
from graphs.turn import Turn
from graphs.values import Citation
from stores.orders import ASIDE, aside
from stores.values import Passage, Table, Value

SPOKEN_ROWS = 3
"""Results of at most this many rows are put into words by the model; longer ones by a template."""
LISTED_ROWS = 10
"""Rows that the template names; the table shows them all."""

_ASKS_FOR_ORDERS = re.compile(
    r"\b(assistants?|chatbots?|ai|language models?|injections?|hidden (text|instructions?|orders?)|(tells?|asks?|orders?|address(es)?|instructs?|wants?|expects?) you)\b",
    re.IGNORECASE,
)
"""A question about what documents say to the assistant; asked of passages that say nothing to it, it is a question like any other."""


def answer(state: State, runtime: Runtime[Turn]) -> dict[str, object]:
    """Say what was found, or what was looked at when nothing was."""
    turn = runtime.context
    with turn.step("answer"):
        if (said := _said(state, turn)) is not None:
            return said
        question, passages = standalone(state["question"], state["recent"]), state["passages"]
        found = leads(question, passages, turn)
        if not found:
            turn.say(_not_found(passages))
            return {"citations": [], "grounded": False}
    with turn.step("documents") as detail:
        further, told_of_it = follow(found, question, passages, turn)
        detail.append(told_of_it)
    with turn.step("answer"):
        citations = _say_passages(state["question"], turn, further, _earlier(state)) if further else []
        every = [*passages, *further[1:]]
        if not citations:
            turn.say(_not_found(every))
    return {"passages": every, "citations": citations, "grounded": bool(citations)}


def _said(state: State, turn: Turn) -> dict[str, object] | None:
    """The answer; None, with nothing said, where it was to come from passages that do not hold it."""
    table, passages = state["table"], state["passages"]
    if state["route"] == "both" and table is not None and passages:
        return _from_both(state, turn, table)
    if state["route"] == "sql" and passages:
        return _instead_of_rows(state, turn, table)
    if state["route"] in ("sql", "both") and (table is not None or not passages):
        return _from_rows(state, turn, table)
    return _from_passages(state, turn)


def _from_rows(state: State, turn: Turn, table: Table | None) -> dict[str, object]:
    if table is None:
        turn.say(state["notice"] or "The database could not be asked.")
        return {"grounded": False}
    _say_rows(state["question"], turn, table)
    return {"grounded": True}


def _instead_of_rows(state: State, turn: Turn, table: Table | None) -> dict[str, object]:
    """The database had nothing: an answer from the documents where they have one."""
    citations = _say_passages(state["question"], turn, state["passages"], None)
    if not citations:
        return _from_rows(state, turn, table)
    return {"route": "documents", "table": None, "citations": citations, "grounded": True}


def _say_rows(question: str, turn: Turn, table: Table) -> None:
    if says_nothing(table):
        turn.say("Nothing in the database matches that.")
    elif len(table.rows) > SPOKEN_ROWS or not _spoken(question, turn, table):
        turn.say(listed(table))


def _spoken(question: str, turn: Turn, table: Table) -> bool:
    """Put few rows into words; False when no sentence of the model stood on the rows."""
    if any(isinstance(cell, str) and aside(cell) == ASIDE for row in table.rows for cell in row):
        return False  # a cell that addresses the assistant is quoted by the template
    messages = [SystemMessage(prompts.ROWS_SYSTEM), HumanMessage(prompts.rows_question(question=question, table=table))]
    shown, known = 0, f"{question} {table.columns} {table.rows}"
    for sentence in sentences(turn.speaker.stream(messages, max_tokens=120)):
        if stands_on_rows(sentence, table, question):
            turn.say((" " if shown else "") + without_currency(sentence, known))
            shown += 1
    return shown > 0


def listed(table: Table) -> str:
    """Rows in words without a model: "I found 3: Anna (12), Ben (9), Cleo (7)."."""
    if len(table.rows) == 1:
        cells = dict(zip(table.columns, table.rows[0], strict=True))
        # Of a whole record nobody wants the keys and the empty fields read out; the table has them.
        telling = {
            name: cell for name, cell in cells.items() if cell is not None and not name.lower().endswith("id")
        } or cells
        if len(telling) == 1:
            return f"{_text(next(iter(telling.values())))}."
        return "; ".join(f"{name.replace('_', ' ')}: {_text(cell)}" for name, cell in telling.items()) + "."
    # A person's first and last name are one thing to say.
    head = next((n for n, name in enumerate(table.columns) if "name" not in name.lower()), len(table.columns)) or 1
    shown = ", ".join(_row(row, head) for row in table.rows[:LISTED_ROWS])
    count = f"more than {len(table.rows)}" if table.truncated else str(len(table.rows))
    if len(set(table.rows)) == 1:
        return f"I found {count}, all the same: {_row(table.rows[0], head)}."
    if len(table.rows) > LISTED_ROWS:
        return f"I found {count}; the first {LISTED_ROWS} are {shown}."
    return f"I found {count}: {shown}."


def _row(row: Sequence[Value], head: int) -> str:
    first, rest = " ".join(map(_text, row[:head])), ", ".join(map(_text, row[head:]))
    return f"{first} ({rest})" if rest else first


def _text(cell: Value) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}".rstrip("0").rstrip(".") if abs(cell) >= 0.01 or cell == 0 else f"{cell:g}"
    return "none" if cell is None else f'"{cell}"' if aside(str(cell)) == ASIDE else str(cell)


def _from_passages(state: State, turn: Turn) -> dict[str, object] | None:
    passages = state["passages"]
    if not passages:
        turn.say("I found nothing about that in your documents.")
        return {"grounded": False}
    citations = _say_passages(state["question"], turn, passages, _earlier(state))
    return {"citations": citations, "grounded": True} if citations else None


def _earlier(state: State) -> str | None:
    before = previous_question(state["recent"]) if leans(state["question"]) else None
    return f"The question before: {before}" if before else None


def _say_orders(turn: Turn, passages: Sequence[Passage]) -> list[Citation]:
    """Quote, by program, what the passages tell the assistant to do: the user asks for it."""
    citations: list[Citation] = []
    for passage in passages:
        for order in passage.orders:
            number = cite(citations, passage, order)
            gap = " " if turn.text else "Some text there addresses me. I quote it and do not follow it: "
            turn.say(f'{gap}"{quoted(order)}" [{number}]')
    return citations


def _say_passages(question: str, turn: Turn, passages: Sequence[Passage], earlier: str | None) -> list[Citation]:
    """Answer from passages where these hold the answer; no citations where they do not, and then nothing was said."""
    if _ASKS_FOR_ORDERS.search(question) and any(passage.orders for passage in passages):
        return _say_orders(turn, passages)
    passages = [passage for passage in passages if passage.text]
    if not passages:
        return []
    messages = reading(question, passages, earlier)
    if not enough(messages, question, passages, turn):
        return []
    pieces = turn.speaker.stream([*messages, AIMessage("yes\n")], max_tokens=turn.bounds.max_tokens // 2)
    return _say_supported(turn, pieces, passages, f"{earlier} {question}" if earlier else question, None)


def _from_both(state: State, turn: Turn, table: Table) -> dict[str, object]:
    passages, question = state["passages"], state["question"]
    assert turn.services.database is not None  # it gave the rows
    rows_part, passages_part = parts(question, turn.services.database.schema())
    if rows_part != passages_part:
        # Two short answers, each to its own question, are more than a small model makes of one long prompt.
        _say_rows(rows_part, turn, table)
        # What the rows said is known to the second: "which tier do I have, and what does it include?"
        known = f"The question before: {rows_part} The answer: {''.join(turn.text)}"
        citations = _say_passages(passages_part, turn, passages, known)
    else:
        human = HumanMessage(prompts.documents_question(question=question, passages=passages, table=table))
        pieces = turn.speaker.stream(
            [SystemMessage(prompts.BOTH_SYSTEM), human], max_tokens=turn.bounds.max_tokens // 2
        )
        citations = _say_supported(turn, pieces, passages, question, table)
        if not turn.text:
            turn.say(listed(table))
    if not citations:
        turn.say(f" {_not_found(passages, besides=True)}")
    return {"citations": citations, "grounded": bool(citations)}


def _say_supported(
    turn: Turn, pieces: Iterable[str], passages: Sequence[Passage], question: str, table: Table | None
) -> list[Citation]:
    """Show the sentences that stand on a passage (cited) or on the rows; leave out the others, and say so."""
    citations: list[Citation] = []
    left_out, has_quoted = 0, False
    for written in sentences(pieces):
        sentence = without_preamble(written)
        found = support(sentence, passages, question)
        gap = " " if turn.text else ""
        if table is not None and stands_on_rows(sentence, table, question) and _names_a_cell(sentence, table):
            turn.say(gap + sentence)
        elif found and not strays(sentence, found, question):
            passage = passages[found.passage]
            number = cite(citations, passage, found.quote)
            # A passage that gave orders is not trusted with more of the answer than was asked for.
            shown = told(sentence, found, f"{passage.location} {passage.text}", question, quoting=not has_quoted and not passage.orders)
            turn.say(f"{gap}{shown} [{number}]")
            has_quoted = True
        else:
            left_out += 1
    if left_out and citations:
        turn.say(" (I left out what the documents do not bear out.)")
    return citations


def _names_a_cell(sentence: str, table: Table) -> bool:
    folded = sentence.casefold()
    return any(_text(cell).casefold() in folded for row in table.rows for cell in row if cell not in (None, ""))


def _not_found(passages: Sequence[Passage], *, besides: bool = False) -> str:
    """What was looked at in vain; `besides` the rows that were found."""
    given = list(dict.fromkeys(p.document for p in passages if p.orders))[:3]
    note = f" In {'; '.join(given)} I set aside text that addresses me; ask what it tells the assistant, and I will quote it." if given else ""
    looked = list(dict.fromkeys(f"{p.document} ({p.location})" for p in passages))[:3]
    what = "In your documents I did not find anything that answers this." if besides else "I don't know: I did not find that in your documents."
    return f"{what} The nearest I looked at: {'; '.join(looked)}.{note}"
