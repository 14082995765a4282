"""Routing: does a question go to what can answer it?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assistant.evaluation.report import Metrics, Report
from assistant.evaluation.run import Record, Run, Start, asked, read_records, workspace
from assistant.evaluation.scoring import mean, median, share
from stores.errors import DocumentUnreadable

ASKED_BACK = "asked_back"
FAILED = "failed"
FIXED: Record = {"evaluation": "routing"}


def evaluate(run: Run, start: Start, *, questions: Path, database: str, documents: Path) -> Report:
    """Set up a workspace of this database URL and this folder of documents, then ask every question up to its route."""
    records = run.choose(read_records(questions, needs=("id", "question", "route")))
    if not documents.is_dir():
        raise DocumentUnreadable(f"There is no folder {documents}. Name the folder of the workspace's documents.")
    with workspace(run, start, database_url=database) as space:
        if run.waiting(records, FIXED):
            space.assistant.documents.add(documents, progress=lambda at: run.progress(at.done, at.total, "documents"))

        def ask(question: Record) -> Record:
            answer, cost = asked(space.assistant, question["question"], user=f"eval-{question['id']}", words=False)
            # Both where one was asked for, or a question back, is not the route that was asked for.
            predicted = FAILED if answer is None else ASKED_BACK if answer.choices else answer.route
            return {"route": question["route"], "predicted": predicted, "right": predicted == question["route"], **cost}

        predictions = run.go_through(records, ask, FIXED)
    return Report.of("routing", run, overall=_metrics(predictions), confusion=_confusion(predictions))


def _metrics(predictions: Sequence[Record]) -> Metrics:
    return {
        "n": len(predictions),
        "accuracy": share(record["right"] for record in predictions),
        "seconds_median": median(record["seconds"] for record in predictions),
        "model_calls": mean(record.get("model_calls", 0) for record in predictions),
    }


def _confusion(predictions: Sequence[Record]) -> dict[str, dict[str, int]]:
    """How often each true route was taken for each route."""
    table: dict[str, dict[str, int]] = {}
    for record in sorted(predictions, key=lambda record: (record["route"], record["predicted"])):
        row = table.setdefault(record["route"], {})
        row[record["predicted"]] = row.get(record["predicted"], 0) + 1
    return table
