"""The answer from rows and passages: sentence by sentence, each shown only after its check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from graphs import prompts
from graphs.grounding import cite, sentences, stands_on_rows, support
from graphs.recall import leans, previous_question
from graphs.state import State
from graphs.turn import Turn
from graphs.values import Citation
from stores.values import Passage, Table, Value

ENOUGH = 0.35
"""Least probability that the passages hold the answer; below it the assistant says that it did not find it."""
SPOKEN_ROWS = 3
"""Results of at most this many rows are put into words by the model; longer ones by a template."""
LISTED_ROWS = 10
"""Rows that the template names; the table shows them all."""


def answer(state: State, runtime: Runtime[Turn]) -> dict[str, object]:
    """Say what was found, or what was looked at when nothing was."""
    turn = runtime.context
    with turn.step("answer"):
        table, passages = state["table"], state["passages"]
        if state["route"] == "both" and table is not None and table.rows and passages:
            return _from_both(state, turn, table)
        if state["route"] in ("sql", "both") and (table is not None or not passages):
            return _from_rows(state, turn, table)
        return _from_passages(state, turn)


def _from_rows(state: State, turn: Turn, table: Table | None) -> dict[str, object]:
    if table is None:
        turn.say(state["notice"] or "The database could not be asked.")
        return {"grounded": False}
    if not table.rows or all(cell is None for row in table.rows for cell in row):
        turn.say("Nothing in the database matches that.")
    elif len(table.rows) > SPOKEN_ROWS or not _spoken(state, turn, table):
        turn.say(listed(table))
    return {"grounded": True}


def _spoken(state: State, turn: Turn, table: Table) -> bool:
    """Put few rows into words; False when no sentence of the model stood on the rows."""
    messages = [
        SystemMessage(prompts.ROWS_SYSTEM),
        HumanMessage(prompts.rows_question(question=state["question"], table=table)),
    ]
    shown = 0
    for sentence in sentences(turn.speaker.stream(messages, max_tokens=120)):
        if stands_on_rows(sentence, table, state["question"]):
            turn.say((" " if shown else "") + sentence)
            shown += 1
    return shown > 0


def listed(table: Table) -> str:
    """Rows in words without a model: "I found 3: Anna (12), Ben (9), Cleo (7)."."""
    if len(table.rows) == 1:
        pairs = [f"{name}: {_text(cell)}" for name, cell in zip(table.columns, table.rows[0], strict=True)]
        return f"{_text(table.rows[0][0])}." if len(pairs) == 1 else "; ".join(pairs) + "."
    shown = ", ".join(_row(row) for row in table.rows[:LISTED_ROWS])
    count = f"more than {len(table.rows)}" if table.truncated else str(len(table.rows))
    if len(table.rows) > LISTED_ROWS:
        return f"I found {count}; the first {LISTED_ROWS} are {shown}."
    return f"I found {count}: {shown}."


def _row(row: Sequence[Value]) -> str:
    first, rest = _text(row[0]), ", ".join(_text(cell) for cell in row[1:])
    return f"{first} ({rest})" if rest else first


def _text(cell: Value) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}".rstrip("0").rstrip(".") if abs(cell) >= 0.01 or cell == 0 else f"{cell:g}"
    return "none" if cell is None else str(cell)


def _from_passages(state: State, turn: Turn) -> dict[str, object]:
    passages, question = state["passages"], state["question"]
    if not passages:
        turn.say("I found nothing about that in your documents.")
        return {"grounded": False}
    earlier = previous_question(state["recent"]) if leans(question) else None
    messages = [
        SystemMessage(prompts.DOCUMENTS_SYSTEM),
        HumanMessage(prompts.documents_question(question=question, passages=passages, earlier=earlier)),
    ]
    if turn.speaker.choose(messages, ["yes", "no"])["yes"] >= ENOUGH:
        pieces = turn.speaker.stream([*messages, AIMessage("yes\n")], max_tokens=turn.bounds.max_tokens // 2)
        context = f"{earlier} {question}" if earlier else question
        citations = _say_supported(turn, pieces, passages, context, None)
        if citations:
            return {"citations": citations, "grounded": True}
    turn.say(_not_found(passages))
    return {"grounded": False}


def _from_both(state: State, turn: Turn, table: Table) -> dict[str, object]:
    passages, question = state["passages"], state["question"]
    messages: list[BaseMessage] = [
        SystemMessage(prompts.BOTH_SYSTEM),
        HumanMessage(prompts.documents_question(question=question, passages=passages, table=table)),
    ]
    pieces = turn.speaker.stream(messages, max_tokens=turn.bounds.max_tokens // 2)
    citations = _say_supported(turn, pieces, passages, question, table)
    if not turn.text:
        turn.say(listed(table))
    if not citations:
        # The rows were said; the passage that is nearest is quoted, so that the other half is answered too.
        best = passages[0]
        found = support(best.text, [best], question)
        number = cite(citations, best, found.quote if found else best.text)
        turn.say(f' The documents say: "{citations[number - 1].quote}" [{number}]')
    return {"citations": citations, "grounded": True}


def _say_supported(
    turn: Turn, pieces: Iterable[str], passages: Sequence[Passage], question: str, table: Table | None
) -> list[Citation]:
    """Show the sentences that stand on a passage (cited) or on the rows; leave out the others, and say so."""
    citations: list[Citation] = []
    left_out = 0
    for sentence in sentences(pieces):
        found = support(sentence, passages, question)
        gap = " " if turn.text else ""
        if table is not None and stands_on_rows(sentence, table, question) and _names_a_cell(sentence, table):
            turn.say(gap + sentence)
        elif found:
            number = cite(citations, passages[found.passage], found.quote)
            turn.say(f"{gap}{sentence} [{number}]")
        else:
            left_out += 1
    if left_out and turn.text:
        turn.say(" (I left out what the documents do not bear out.)")
    return citations


def _names_a_cell(sentence: str, table: Table) -> bool:
    folded = sentence.casefold()
    return any(_text(cell).casefold() in folded for row in table.rows for cell in row if cell not in (None, ""))


def _not_found(passages: Sequence[Passage]) -> str:
    looked = list(dict.fromkeys(f"{p.document} ({p.location})" for p in passages))[:3]
    return f"I don't know: I did not find that in your documents. The nearest I looked at: {'; '.join(looked)}."
