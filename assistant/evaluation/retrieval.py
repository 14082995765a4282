"""Search alone, by each mode and as the assistant uses it, on judged queries."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.evaluation.documents import write_documents
from assistant.evaluation.report import Metrics, Report
from assistant.evaluation.run import Record, Run, Start, read_records, read_text, workspace
from assistant.evaluation.scoring import mean, ndcg, recall, reciprocal_rank
from stores.errors import DocumentUnreadable

if TYPE_CHECKING:
    from assistant.api import Assistant

MODES = ("dense", "keyword", "hybrid", "assistant")
CUT = 10


def evaluate(run: Run, start: Start, *, corpus: Path, queries: Path, qrels: Path, passages: int = 100) -> Report:
    """Ingest every document, then search every judged query in each mode.

    `passages` are fetched a query; a document stands where its first passage stands.
    """
    grades = read_grades(qrels)
    texts = read_records(corpus, needs=("id", "title", "text"))
    records = run.choose([query for query in read_records(queries, needs=("id", "text")) if grades.get(query["id"])])
    fixed: Record = {"evaluation": "retrieval", "passages": passages}
    with workspace(run, start) as space:
        folder = space.folder / "corpus"
        speed = None
        ids: dict[str, str] = {}
        if run.waiting(records, fixed):
            ids = write_documents(folder, ((text["id"], text["title"], text["text"]) for text in texts))
            began = time.perf_counter()
            space.assistant.documents.add(folder, progress=lambda at: run.progress(at.done, at.total, "corpus"))
            speed = len(ids) / (time.perf_counter() - began)

        def search(query: Record) -> Record:
            return {**_searched(space.assistant, query, ids, passages), "documents_per_second": speed}

        predictions = run.go_through(records, search, fixed)
    return Report.of("retrieval", run, by="mode", groups={mode: _metrics(mode, predictions, grades) for mode in MODES})


def read_grades(path: Path) -> dict[str, dict[str, float]]:
    """The judgements above 0 of a qrels file (query, document, grade by tabs, with a header): by query, by document."""
    grades: dict[str, dict[str, float]] = {}
    for number, line in enumerate(read_text(path).splitlines()[1:], 2):
        if not line.strip():
            continue
        try:
            query, document, grade = line.split("\t")
            value = float(grade)
        except ValueError as error:
            raise DocumentUnreadable(f"Line {number} of {path} is not query, document and grade with tabs between: {line[:80]}") from error
        if value > 0:
            grades.setdefault(query, {})[document] = value
    return grades


def _searched(assistant: Assistant, query: Record, ids: Mapping[str, str], passages: int) -> Record:
    ranked: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for mode in MODES:
        named: dict[str, Any] = {} if mode == "assistant" else {"mode": mode}
        began = time.perf_counter()
        found = assistant.documents.search(query["text"], k=passages, **named)
        seconds[mode] = time.perf_counter() - began
        ranked[mode] = list(dict.fromkeys(ids.get(Path(passage.document).name, passage.document) for passage in found))[:CUT]
    return {"predicted": ranked, "seconds": seconds}


def _metrics(mode: str, predictions: Sequence[Record], grades: Mapping[str, Mapping[str, float]]) -> Metrics:
    results = [(record["predicted"][mode], grades[record["id"]]) for record in predictions]
    seconds = sum(record["seconds"][mode] for record in predictions)
    return {
        "n": len(predictions),
        **{f"recall@{k}": mean(recall(ranked, relevant, k) for ranked, relevant in results) for k in (1, 5, 10)},
        f"mrr@{CUT}": mean(reciprocal_rank(ranked, relevant, CUT) for ranked, relevant in results),
        f"ndcg@{CUT}": mean(ndcg(ranked, relevant, CUT) for ranked, relevant in results),
        "queries_per_second": len(predictions) / seconds if seconds else None,
        "documents_per_second": mean(record["documents_per_second"] for record in predictions if record["documents_per_second"]),
    }
