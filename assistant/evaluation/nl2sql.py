"""Text to SQL: is what the assistant's query finds what the gold query finds?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.evaluation.report import Metrics, Report
from assistant.evaluation.run import Record, Run, Start, asked, read_records, workspace
from assistant.evaluation.scoring import judge, mean, median, percentile, share
from stores.errors import DocumentUnreadable

if TYPE_CHECKING:
    from assistant.api import Assistant

COSTS = ("model_calls", "prompt_tokens", "cached_tokens", "completion_tokens")
FIXED: Record = {"evaluation": "nl2sql"}


def evaluate(run: Run, start: Start, *, questions: Path, databases: Path, timeout: float = 30.0) -> Report:
    """Ask every question over its database, `databases`/<db>.sqlite; `timeout` bounds each query of the scorer."""
    records = run.choose(read_records(questions, needs=("id", "source", "db", "question", "gold_sql", "ordered")))
    for name in {str(record["db"]) for record in records}:
        if not _file(databases, name).is_file():
            raise DocumentUnreadable(f"There is no database {_file(databases, name)}. Name the folder that holds <db>.sqlite.")
    # One database after the other: each is opened once, and what the model has read of its schema is kept.
    order = list(dict.fromkeys(record["db"] for record in records))
    records = sorted(records, key=lambda record: order.index(record["db"]))
    with _assistants(run, start, databases) as assistant_for:

        def ask(question: Record) -> Record:
            return _predict(assistant_for(question["db"]), question, _file(databases, question["db"]), timeout)

        predictions = run.go_through(records, ask, FIXED)
    return Report.of("nl2sql", run, overall=_metrics(predictions), by="source", groups=_by_source(predictions))


@contextmanager
def _assistants(run: Run, start: Start, databases: Path) -> Iterator[Callable[[str], Assistant]]:
    """Gives the assistant over a database; asking for another database closes the one before."""
    # The assistant of the workspace has no database: it holds the model that the others share.
    with workspace(run, start) as space, ExitStack() as current:
        opened: dict[str, Assistant] = {}

        def assistant_for(name: str) -> Assistant:
            if name not in opened:
                current.close()
                opened.clear()
                url = f"sqlite:///{_file(databases, name).resolve().as_posix()}"
                opened[name] = current.enter_context(space.beside(name, url))
            return opened[name]

        yield assistant_for


def _predict(assistant: Assistant, question: Record, database: Path, timeout: float) -> Record:
    """Ask, then judge. The gold SQL is seen here alone, after the answer."""
    words = "\n".join(filter(None, (question["question"], question.get("instructions"))))
    answer, cost = asked(assistant, words, user=f"eval-{question['id']}", words=False)
    sql = answer.sql if answer is not None else None
    golds = [question["gold_sql"], *question.get("gold_sql_alternatives", ())]
    verdict = judge(database, sql, golds, ordered=bool(question["ordered"]), timeout=timeout)
    return {
        "source": question["source"],
        "db": question["db"],
        "predicted": sql,
        "route": answer.route if answer is not None else None,
        "right": verdict.right,
        "valid": verdict.valid,
        "attempts": len(answer.attempts) if answer is not None else 0,
        **({"error": verdict.error} if verdict.error else {}),
        **cost,
    }


def _by_source(predictions: Sequence[Record]) -> dict[str, Metrics]:
    sources = dict.fromkeys(record["source"] for record in predictions)
    return {source: _metrics([record for record in predictions if record["source"] == source]) for source in sources}


def _metrics(predictions: Sequence[Record]) -> Metrics:
    return {
        "n": len(predictions),
        "execution_accuracy": share(record["right"] for record in predictions),
        "valid_sql": share(record["valid"] for record in predictions),
        "seconds_median": median(record["seconds"] for record in predictions),
        "seconds_p90": percentile((record["seconds"] for record in predictions), 90),
        **{cost: mean(record.get(cost, 0) for record in predictions) for cost in COSTS},
    }


def _file(databases: Path, name: str) -> Path:
    return databases / f"{name}.sqlite"
