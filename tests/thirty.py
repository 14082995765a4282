"""Ask the thirty questions of the sample workspace and judge the answers.

`python -m tests.thirty HOME OUT [ids…]` asks them and writes one JSON line each; importing the module gives the judge.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from assistant.evaluation.rows import same_rows

QUESTIONS = Path(__file__).with_name("thirty.jsonl")
TODAY = date(2026, 11, 21)
"""The day on which "this year" is 2026, whenever the test runs."""


def questions() -> list[dict[str, Any]]:
    """The thirty, in the order in which they are asked."""
    return [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines() if line.strip()]


Ask = Callable[[str, str, str], dict[str, Any]]
"""A question, its user and its conversation; gives the answer as JSON has it."""


def ask(home: Path, out: Path, ids: set[str], models: Path | None) -> None:
    """Ask each question, in its conversation, of an assistant over the sample workspace in `home`."""
    from assistant import Assistant, AssistantError, Settings, answer_to_json

    settings = Settings(home=home, model={"directory": models} if models else {})
    with Assistant(settings, today=lambda: TODAY) as assistant:
        assistant.prepare()

        def asked(question: str, user: str, conversation: str) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(answer_to_json(assistant.ask(question, user=user, conversation=conversation)))
            return found

        ask_all(asked, out, ids, AssistantError)


def ask_all(asked: Ask, out: Path, ids: set[str], error: type[Exception]) -> None:
    """Ask each question, and write what came of it; where it is asked back, say what a user would: where to look."""
    with out.open("w", encoding="utf-8") as lines:
        for question in questions():
            if ids and question["id"] not in ids:
                continue
            who, where = question.get("user", "local"), question["conversation"]
            try:
                answer = asked(question["question"], who, where)
                if answer["choices"]:
                    wanted = {"sql": "In the database", "documents": "In the documents", "both": "In both"}
                    answer = asked(wanted.get(question["route"], answer["choices"][0]), who, where)
                line = {"id": question["id"], "answer": answer}
            except error as failed:
                line = {"id": question["id"], "error": f"{type(failed).__name__}: {failed}"}
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
            lines.flush()


def problems(question: dict[str, Any], line: dict[str, Any], database: Path) -> list[str]:
    """What is wrong with an answer; empty where it is right."""
    if "error" in line:
        return [line["error"]]
    answer = line["answer"]
    found = []
    if answer["route"] != question["route"]:
        found.append(f"route {answer['route']}")
    if gold := question.get("gold_sql"):
        table = answer["table"]
        if table is None:
            found.append("no rows")
        elif not covers(table["rows"], _rows(database, gold)):
            found.append(f"rows differ: {answer['sql']}")
    if wanted := question.get("document"):
        cited = [citation["document"] for citation in answer["citations"]]
        if wanted not in cited:
            found.append(f"cites {cited}")
    for pattern in question.get("contains", []):
        if not re.search(pattern, answer["text"], re.IGNORECASE):
            found.append(f"lacks /{pattern}/")
    for pattern in question.get("not_contains", []):
        if re.search(pattern, answer["text"], re.IGNORECASE):
            found.append(f"must not say /{pattern}/")
    return found


def covers(rows: list[list[Any]], gold: list[tuple[Any, ...]]) -> bool:
    """Whether some of the columns of `rows` are the gold rows: a name or a total beside what was asked does no harm."""
    if len(rows) != len(gold):
        return False
    width = len(gold[0]) if gold else 0
    if not rows or len(rows[0]) < width:
        return not rows and not gold
    columns = list(zip(*rows, strict=True))
    chosen = []
    for wanted in zip(*gold, strict=True):
        same = [n for n, column in enumerate(columns) if n not in chosen and same_rows([(c,) for c in column], [(w,) for w in wanted], ordered=False)]
        if not same:
            return False
        chosen.append(same[0])
    return same_rows([tuple(columns[n][r] for n in chosen) for r in range(len(rows))], gold, ordered=False)


def _rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{database.as_posix()}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def report(out: Path, database: Path) -> list[tuple[str, list[str], str]]:
    """(id, problems, text) of every answer in `out`."""
    lines = {line["id"]: line for line in map(json.loads, out.read_text("utf-8").splitlines())}
    return [
        (q["id"], problems(q, lines[q["id"]], database), lines[q["id"]].get("answer", {}).get("text", ""))
        for q in questions()
        if q["id"] in lines
    ]


if __name__ == "__main__":
    home, out = Path(sys.argv[1]), Path(sys.argv[2])
    models = Path(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3] != "-" else None
    ask(home, out, set(sys.argv[4:]), models)
