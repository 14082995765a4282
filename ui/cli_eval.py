"""`assistant eval`: measures how well the assistant does on question sets with known answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli_session import fetch, session
from ui.terminal import note, progress, say

if TYPE_CHECKING:
    from assistant.evaluation.report import Report
    from assistant.evaluation.run import Run, Start

app = typer.Typer(help="Measure how well the assistant does on questions with known answers.", no_args_is_help=True)

Questions = Annotated[Path, typer.Option(help="Questions, a JSON object a line.", exists=True, dir_okay=False, metavar="FILE")]
Limit = Annotated[int | None, typer.Option(min=1, help="Ask only the first so many.")]
Ids = Annotated[Path | None, typer.Option(help="Ask only the ids in this file, one a line.", exists=True, dir_okay=False, metavar="FILE")]
Predictions = Annotated[
    Path | None, typer.Option(help="Write a line for each question; the ones it holds are not asked again.", dir_okay=False, metavar="FILE")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def nl2sql(
    ctx: typer.Context,
    questions: Questions,
    databases: Annotated[Path, typer.Option(help="The folder with <db>.sqlite.", exists=True, file_okay=False, metavar="FOLDER")],
    limit: Limit = None,
    ids: Ids = None,
    predictions: Predictions = None,
    as_json: Json = False,
) -> None:
    """Text to SQL: does the query find what the gold query finds?"""
    from assistant.evaluation.nl2sql import evaluate

    run = Options(ctx, limit, ids, predictions, as_json)
    run.measure(lambda run, start: evaluate(run, start, questions=questions, databases=databases))


@app.command()
def answers(
    ctx: typer.Context,
    paragraphs: Annotated[Path, typer.Option(help="Paragraphs, each becomes a document.", exists=True, dir_okay=False, metavar="FILE")],
    questions: Questions,
    limit: Limit = None,
    ids: Ids = None,
    predictions: Predictions = None,
    as_json: Json = False,
) -> None:
    """Answers from documents: right, cited, and silent where there is no answer?"""
    from assistant.evaluation.answers import evaluate

    run = Options(ctx, limit, ids, predictions, as_json)
    run.measure(lambda run, start: evaluate(run, start, paragraphs=paragraphs, questions=questions))


@app.command()
def retrieval(
    ctx: typer.Context,
    corpus: Annotated[Path, typer.Option(help="Documents, a JSON object a line.", exists=True, dir_okay=False, metavar="FILE")],
    queries: Annotated[Path, typer.Option(help="Queries, a JSON object a line.", exists=True, dir_okay=False, metavar="FILE")],
    qrels: Annotated[Path, typer.Option(help="Judgements: query, document, grade, by tabs.", exists=True, dir_okay=False, metavar="FILE")],
    limit: Limit = None,
    ids: Ids = None,
    predictions: Predictions = None,
    as_json: Json = False,
) -> None:
    """Search alone: dense, keyword, hybrid, and as the assistant searches."""
    from assistant.evaluation.retrieval import evaluate

    run = Options(ctx, limit, ids, predictions, as_json)
    run.measure(lambda run, start: evaluate(run, start, corpus=corpus, queries=queries, qrels=qrels), chat=False)


@app.command()
def memory(
    ctx: typer.Context,
    conversations: Annotated[Path, typer.Option(help="Turns, a JSON object a line.", exists=True, dir_okay=False, metavar="FILE")],
    questions: Questions,
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="Turns that may be fetched for a question.")] = 10,
    with_answers: Annotated[bool, typer.Option("--answers", help="Ask the questions too, not only search.")] = False,
    limit: Limit = None,
    ids: Ids = None,
    predictions: Predictions = None,
    as_json: Json = False,
) -> None:
    """Memory: are the turns that hold the answer found again?"""
    from assistant.evaluation.memory import evaluate

    run = Options(ctx, limit, ids, predictions, as_json)
    run.measure(lambda run, start: evaluate(run, start, conversations=conversations, questions=questions, k=k, answers=with_answers), chat=with_answers)


@app.command()
def routing(
    ctx: typer.Context,
    questions: Questions,
    database: Annotated[str, typer.Option(metavar="URL", help="The workspace's database, such as sqlite:///shop.db.")],
    documents: Annotated[Path, typer.Option(help="The folder of the workspace's documents.", exists=True, file_okay=False, metavar="FOLDER")],
    limit: Limit = None,
    ids: Ids = None,
    predictions: Predictions = None,
    as_json: Json = False,
) -> None:
    """Routing: does a question go to what can answer it?"""
    from assistant.evaluation.routing import evaluate

    run = Options(ctx, limit, ids, predictions, as_json)
    run.measure(lambda run, start: evaluate(run, start, questions=questions, database=database, documents=documents))


class Options:
    """The options that all evaluations share, and how one is run with them."""

    def __init__(self, ctx: typer.Context, limit: int | None, ids: Path | None, predictions: Path | None, as_json: bool) -> None:
        self._session = session(ctx)
        self._limit, self._ids, self._predictions, self._as_json = limit, ids, predictions, as_json

    def measure(self, evaluate: Callable[[Run, Start], Report], *, chat: bool = True) -> None:
        """Run an evaluation on the models of the settings and print its report; `chat`: the chat model takes part."""
        from assistant import Assistant
        from assistant.evaluation.identity import chat_model, embedding_model
        from assistant.evaluation.run import Run

        settings = self._session.settings()
        fetch(self._session, settings.local_models(chat=chat))
        model, embedding = chat_model(settings), embedding_model(settings)
        note(f"Model {model.name} {model.sha256}")
        try:
            with progress("Measuring") as tell:
                report = evaluate(Run(settings, model, embedding, self._limit, self._ids, self._predictions, tell), Assistant)
        except KeyboardInterrupt:
            if self._predictions is not None:
                note(f"What was asked stands in {self._predictions}: the same command goes on from there.")
            raise
        say(report.to_json() if self._as_json else report.to_text())
