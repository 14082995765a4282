"""Does a correction teach? Questions that were answered wrongly are corrected and then asked in other words.

uv run python scripts/measure_learning.py QUESTIONS DATABASES OUT.jsonl [--others IDS] [--limit N]

scripts/learning/rephrased.jsonl holds the other words, by the ids of QUESTIONS; those that were right before are left out. IDS names others
that are asked before and after all corrections: none that was right should be wrong after. Each step is a line in OUT; what it holds is
not asked again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import Assistant, Settings
from assistant.evaluation.identity import chat_model, embedding_model
from assistant.evaluation.nl2sql import _assistants
from assistant.evaluation.run import Predictions, Run, asked, read_records
from assistant.evaluation.scoring import judge, median, share

REPHRASED = Path(__file__).parent / "learning" / "rephrased.jsonl"
NOVICE, LEARNER = "novice", "learner"

Line = dict[str, Any]


def measure(questions: Path, databases: Path, out: Path, others: Sequence[str], limit: int | None) -> None:
    """Ask, correct, ask in other words, ask the others again, and print what came of it."""
    settings = Settings()
    run = Run(settings, chat_model(settings), embedding_model(settings))
    known = {line["id"]: line for line in read_records(questions, needs=("id", "db", "question", "gold_sql", "ordered"))}
    said = {line["id"]: line["question"] for line in read_records(REPHRASED, needs=("id", "question"))[:limit]}
    taught = [known[key] for key in said]
    left = [known[key] for key in others if key not in said]
    fixed = {"model": run.model.name, "sha256": run.model.sha256, "evaluation": "learning"}
    with Predictions(out, fixed) as steps, _assistants(run, Assistant, databases) as assistant_for:
        for db in dict.fromkeys(line["db"] for line in (*taught, *left)):
            step = Steps(steps, assistant_for(db), databases / f"{db}.sqlite")
            lesson(step, [line for line in taught if line["db"] == db], said, [line for line in left if line["db"] == db])
        report(steps.done)


@dataclass(frozen=True)
class Steps:
    """Asks over one database; what was asked before is taken from the file."""

    kept: Predictions
    assistant: Assistant
    database: Path

    def ask(self, name: str, line: Line, question: str, user: str) -> bool:
        """Whether the question is answered rightly; a line of the file."""
        key = f"{name}:{line['id']}"
        if key not in self.kept.done:
            answer, cost = asked(self.assistant, question, user=user, words=False)
            sql = answer.sql if answer is not None else None
            right = judge(self.database, sql, golds(line), ordered=bool(line["ordered"])).right
            self.kept.add({"id": key, "db": line["db"], "right": right, "predicted": sql, **cost})
            print(key, "right" if right else "wrong", flush=True)
        return bool(self.kept.done[key]["right"])


def lesson(step: Steps, taught: list[Line], said: dict[str, str], others: list[Line]) -> None:
    """All of one database: before, the corrections, after."""
    examples, fingerprint = step.assistant.examples, step.assistant.data.schema().fingerprint
    wrong = [line for line in taught if not step.ask("before", line, words_of(line), NOVICE)]
    right = [line for line in others if step.ask("other before", line, words_of(line), NOVICE)]
    for line in wrong:  # as `Assistant.feedback` does with `corrected_sql`
        examples.add(words_of(line), line["gold_sql"], fingerprint=fingerprint, user=LEARNER)
    for line in wrong:
        step.ask("in other words before", line, said[line["id"]], NOVICE)
        step.ask("after", line, said[line["id"]], LEARNER)
    for line in right:
        # Without an example in it, the prompt is the one of before.
        if examples.search(words_of(line), fingerprint=fingerprint, user=LEARNER):
            step.ask("other after", line, words_of(line), LEARNER)


def words_of(line: Line) -> str:
    """The question as `eval nl2sql` asks it."""
    return "\n".join(filter(None, (line["question"], line.get("instructions"))))


def golds(line: Line) -> list[str]:
    """All SQL that counts as right."""
    return [line["gold_sql"], *line.get("gold_sql_alternatives", ())]


def report(done: dict[str, Line]) -> None:
    """Print the shares, and the prompt tokens that were read anew."""
    for name in ("before", "in other words before", "after", "other before", "other after"):
        found = [line for key, line in done.items() if key.startswith(f"{name}:")]
        anew = median(line.get("prompt_tokens", 0) - line.get("cached_tokens", 0) for line in found)
        print(f"{name}: {sum(line['right'] for line in found)} of {len(found)} right ({share(line['right'] for line in found)}), read anew (median) {anew}")
    print("lost:", [line["id"] for key, line in done.items() if key.startswith("other after:") and not line["right"]])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("questions", "databases", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--others", type=Path, help="a file of ids")
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    others = given.others.read_text("utf-8").split() if given.others else []
    measure(given.questions, given.databases, given.out, others, given.limit)


if __name__ == "__main__":
    main()
