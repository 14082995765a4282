"""Memory: are the turns that hold an answer found again among months of conversation?"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage, SystemMessage

from assistant.evaluation.report import Metrics, Report
from assistant.evaluation.run import Record, Run, Start, asked, read_records, workspace
from assistant.evaluation.scoring import mean, recall, says_unknown, share, token_f1
from graphs import prompts
from graphs.speaking import Meter, Speaker
from stores.errors import DocumentUnreadable
from stores.values import Memory

if TYPE_CHECKING:
    from assistant.api import Assistant
    from graphs.values import Answer

DATE = "%I:%M %p on %d %B, %Y"
LAST = 40
"""Turns that the model is given alone, to compare with: the end of the conversation, as much as a small context holds."""


def evaluate(run: Run, start: Start, *, conversations: Path, questions: Path, k: int = 10, answers: bool = False) -> Report:
    """Remember every turn as said in its conversation, one user each; then search, and with `answers` ask, every question."""
    turns = read_records(conversations, needs=("conversation", "date", "dia_id", "speaker", "text"))
    needs = ("id", "conversation", "question", "answer", "evidence", "category_name", "answerable")
    records = run.choose(read_records(questions, needs=needs))
    fixed: Record = {"evaluation": "memory", "k": k, "answers": answers}
    with workspace(run, start) as space:
        seconds = None
        if run.waiting(records, fixed):
            wanted = {record["conversation"] for record in records}
            seconds = _remember(space.assistant, [turn for turn in turns if turn["conversation"] in wanted], run)

        def ask(question: Record) -> Record:
            found = {**_searched(space.assistant, question, k), "seconds_per_turn_remembered": seconds}
            if not answers:
                return found
            told = [turn for turn in turns if turn["conversation"] == question["conversation"]][-LAST:]
            return {**found, **_answered(space.assistant, question), f"f1_last_{LAST}": _from_the_last(space.assistant, told, question)}

        predictions = run.go_through(records, ask, fixed)
    names = dict.fromkeys(record["category"] for record in predictions)
    groups = {name: _metrics([record for record in predictions if record["category"] == name], k) for name in names}
    return Report.of("memory", run, overall=_metrics(predictions, k), by="category", groups=groups)


def _remember(assistant: Assistant, turns: Sequence[Record], run: Run) -> float:
    """Remember the turns, a session at once; returns the seconds that one turn took."""
    began = time.perf_counter()
    done = 0
    for (conversation, _), session in groupby(turns, key=lambda turn: (turn["conversation"], turn.get("session"))):
        listed = list(session)
        run.progress(done, len(turns), f"remembering {conversation}")
        assistant.memories.add_many([(said(turn), turn["dia_id"], said_at(turn)) for turn in listed], user=conversation)
        done += len(listed)
    return (time.perf_counter() - began) / len(turns) if turns else 0.0


def said(turn: Record) -> str:
    """A turn as a memory: who, when, what, and what the picture that came with it shows."""
    day = said_at(turn)
    picture = f" [picture: {turn['image_caption']}]" if turn.get("image_caption") else ""
    return f"{turn['speaker']} ({day.day} {day:%B %Y}): {turn['text']}{picture}"


def said_at(turn: Record) -> datetime:
    """When a turn was said."""
    try:
        return datetime.strptime(turn["date"], DATE).astimezone()
    except ValueError as error:
        raise DocumentUnreadable(f'The date "{turn["date"]}" of turn {turn["dia_id"]} is not like "1:56 pm on 8 May, 2023".') from error


def _searched(assistant: Assistant, question: Record, k: int) -> Record:
    # More than k are fetched, so that k distinct turns are left where one turn was kept as several memories.
    began = time.perf_counter()
    found = assistant.memories.search(question["question"], user=question["conversation"], k=2 * k)
    turns = [turn for turn in dict.fromkeys(memory.source for memory in found) if turn is not None][:k]
    hit = recall(turns, question["evidence"], k) if question["evidence"] else None
    return {
        "category": question["category_name"],
        "answerable": bool(question["answerable"]),
        "turns": turns,
        "evidence_recall": hit,
        "right": bool(hit),
        "search_seconds": time.perf_counter() - began,
    }


def _answered(assistant: Assistant, question: Record) -> Record:
    answer, cost = asked(assistant, question["question"], user=question["conversation"], words=True)
    silent = answer is None or declined(answer)
    f1 = token_f1(answer.text, str(question["answer"])) if answer is not None and question["answerable"] else None
    return {
        "predicted": answer.text if answer is not None else None,
        "route": answer.route if answer is not None else None,
        "declined": silent,
        "f1": f1,
        "right": bool(f1) if question["answerable"] else silent,
        **cost,
    }


def _from_the_last(assistant: Assistant, turns: Sequence[Record], question: Record) -> float | None:
    """Token F1 of what the same model says to the same instruction when it reads nothing but the last turns."""
    if not question["answerable"]:
        return None
    user = question["conversation"]
    memories = [Memory(turn["dia_id"], user, said(turn), said_at(turn)) for turn in turns]
    asked = prompts.memory_question(question=question["question"], memories=memories, said=(), here=(), talks=())
    # Under a name of its own, so that the turns are read once and kept beside the user's prompts.
    speaker = Speaker(assistant._models.chat(), Meter(), f"{user}, the last {LAST}", threading.Event())
    return token_f1(speaker.write([SystemMessage(prompts.MEMORY_SYSTEM), HumanMessage(asked)], max_tokens=160), str(question["answer"]))


def declined(answer: Answer) -> bool:
    """Whether an answer is none: it jokes it away, asks back, or says that it does not know."""
    return answer.route == "off_topic" or bool(answer.choices) or says_unknown(answer.text)


def _metrics(predictions: Sequence[Record], k: int) -> Metrics:
    judged = [record["evidence_recall"] for record in predictions if record["evidence_recall"] is not None]
    speeds: list[float] = [record["seconds_per_turn_remembered"] for record in predictions if record["seconds_per_turn_remembered"]]
    metrics: Mapping[str, float | None] = {"n": len(predictions), f"evidence_recall@{k}": mean(judged)}
    if any("f1" in record for record in predictions):
        metrics = {
            **metrics,
            "f1": mean(record["f1"] for record in predictions if record.get("f1") is not None),
            f"f1_last_{LAST}": mean(record[f"f1_last_{LAST}"] for record in predictions if record.get(f"f1_last_{LAST}") is not None),
            "declined": share(record["declined"] for record in predictions if not record["answerable"]),
            "declined_answerable": share(record["declined"] for record in predictions if record["answerable"]),
        }
    return {**metrics, "seconds_per_turn_remembered": mean(speeds)}
