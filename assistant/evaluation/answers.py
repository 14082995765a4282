"""Answers from documents: does the answer hold the gold answer, cite where it stands, and stay silent where there is none?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from assistant.evaluation.documents import write_documents
from assistant.evaluation.report import Metrics, Report
from assistant.evaluation.run import Record, Run, Start, asked, read_records, workspace
from assistant.evaluation.scoring import contains_answer, median, says_unknown, share

if TYPE_CHECKING:
    from graphs.values import Answer

# "[2]" after a sentence points at a citation; it is no word of the answer.
_MARKER = re.compile(r"\s*\[\d+\]")
FIXED: Record = {"evaluation": "answers"}


def evaluate(run: Run, start: Start, *, paragraphs: Path, questions: Path) -> Report:
    """Ingest every paragraph as a document, then ask every question; the assistant finds its own passages."""
    texts = read_records(paragraphs, needs=("paragraph_id", "article", "text"))
    records = run.choose(read_records(questions, needs=("id", "question", "answers", "answerable", "paragraph_id")))
    with workspace(run, start) as space:
        folder = space.folder / "paragraphs"
        ids = write_documents(folder, ((text["paragraph_id"], text["article"], text["text"]) for text in texts))
        if run.waiting(records, FIXED):
            space.assistant.documents.add(folder, progress=lambda at: run.progress(at.done, at.total, "paragraphs"))

        def ask(question: Record) -> Record:
            answer, cost = asked(space.assistant, question["question"], user=f"eval-{question['id']}", words=True)
            return {**_judged(answer, question, ids), **cost}

        predictions = run.go_through(records, ask, FIXED)
    return Report.of("answers", run, overall=_metrics(predictions))


def abstained(answer: Answer) -> bool:
    """Whether an answer is none: one from documents cites no passage, any other jokes, asks back or says that it does not know.

    Talk that invents an answer without having looked is no abstention.
    """
    if answer.route in ("documents", "both") and not answer.choices:
        return not answer.citations
    return answer.route == "off_topic" or bool(answer.choices) or says_unknown(answer.text)


def _judged(answer: Answer | None, question: Record, ids: dict[str, str]) -> Record:
    silent = answer is None or abstained(answer)
    citations = answer.citations if answer is not None else ()
    text = _MARKER.sub("", answer.text) if answer is not None else ""
    # A "not found" names where it looked, and may so hold the answer by accident.
    contains = not silent and contains_answer(text, question["answers"])
    return {
        "predicted": answer.text if answer is not None else None,
        "route": answer.route if answer is not None else None,
        "answerable": bool(question["answerable"]),
        "abstained": silent,
        "contains": contains,
        "right": contains if question["answerable"] else silent,
        "words": len(text.split()),
        "cited": [ids.get(PurePath(citation.document).name, citation.document) for citation in citations],
        "paragraph_id": question["paragraph_id"],
        "citations_with_answer": sum(contains_answer(citation.quote, question["answers"]) for citation in citations),
    }


def _metrics(predictions: Sequence[Record]) -> Metrics:
    answerable = [record for record in predictions if record["answerable"]]
    silent = [record for record in predictions if record["abstained"]]
    cited = [document == record["paragraph_id"] for record in answerable for document in record["cited"]]
    with_answer = sum(record["citations_with_answer"] for record in answerable)
    return {
        "n": len(predictions),
        "n_answerable": len(answerable),
        "answer_contains": share(record["contains"] for record in answerable),
        "words_median": median(record["words"] for record in answerable),
        "abstain_precision": share(not record["answerable"] for record in silent),
        "abstain_recall": share(record["abstained"] for record in predictions if not record["answerable"]),
        "citation_precision": share(cited),
        "citation_contains_answer": with_answer / len(cited) if cited else None,
        "seconds_median": median(record["seconds"] for record in predictions),
    }
