"""Fit the weights of graphs/evidence.py on the messages of scripts/routes.

uv run python scripts/fit_routes.py record OUT.jsonl   ask the model about each message (minutes); a line each
uv run python scripts/fit_routes.py fit OUT.jsonl      print the weights, and how they do on workspaces they were not fitted on
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant import Assistant, Settings
from assistant.sample import workspace as sample
from graphs import evidence, relevance
from graphs.errors import TurnCancelled
from graphs.values import ROUTES
from stores.history import History
from stores.values import Message

ROOT = Path(__file__).resolve().parent
SAMPLE = "cooperative"
"""The sample workspace's name; the others are folders of scripts/routes, a schema.sql and documents each."""
L2, BALANCE, STEPS = 0.003, 0.25, 2000
"""L2: by what the squares of the weights are held down; BALANCE: by which power of its size a route counts less."""

Line = dict[str, Any]
Floats = npt.NDArray[np.float64]


def messages() -> list[Line]:
    """What was made up, and the thirty questions of the sample workspace."""
    made = [json.loads(line) for line in (ROOT / "routes" / "messages.jsonl").read_text("utf-8").splitlines()]
    asked = [json.loads(line) for line in (ROOT.parent / "tests" / "thirty.jsonl").read_text("utf-8").splitlines()]
    by_id = {line["id"]: line for line in asked}
    for line in asked:
        before = {"after": by_id[line["after"]]["question"], "after_route": by_id[line["after"]]["route"]} if "after" in line else {}
        made.append({"workspace": SAMPLE, "question": line["question"], "route": line["route"], **before})
    return made


def record(out: Path) -> None:
    """Write what the model and the stores say about each message."""
    with out.open("w", encoding="utf-8") as lines:
        made = messages()
        for space in dict.fromkeys(line["workspace"] for line in made):
            for line in heard(space, [line for line in made if line["workspace"] == space]):
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                lines.flush()


def heard(space: str, asked: list[Line]) -> Iterator[Line]:
    """Each message with the model's probabilities and the evidence; the turn ends there."""
    before: dict[str, list[Message]] = {}
    last: Line = {}

    def listen(said: Mapping[str, float], found: Mapping[str, float], following: str | None = None) -> dict[str, float]:
        last.update(said=dict(said), evidence=dict(found), following=following)
        raise TurnCancelled("heard")

    relevance.weigh = listen
    History.recent = lambda self, conversation, *, user, turns: before.get(user, [])  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        database, documents = set_up(space, Path(folder))
        settings = Settings(home=Path(folder) / "home", sample=False, database={"url": f"sqlite:///{database.as_posix()}"}, model={"directory": Settings().models_directory})
        with Assistant(settings) as assistant:
            assistant.documents.add(*documents)
            for number, line in enumerate(asked):
                user = f"user-{number}"
                if "after" in line:
                    before[user] = earlier(line["after"], line["after_route"])
                try:
                    assistant.ask(line["question"], user=user, words=False)
                except TurnCancelled:
                    yield {**line, **last}


def set_up(space: str, folder: Path) -> tuple[Path, list[Path]]:
    """A workspace's database, made in the folder, and its documents."""
    if space == SAMPLE:
        made = sample.set_up(folder)
        return made.database, [made.handbook]
    with sqlite3.connect(folder / "database.sqlite") as connection:
        connection.executescript((ROOT / "routes" / space / "schema.sql").read_text("utf-8"))
    connection.close()
    return folder / "database.sqlite", sorted((ROOT / "routes" / space).glob("*.md"))


def earlier(question: str, route: str) -> list[Message]:
    """A conversation of one turn."""
    now = datetime.now(UTC)
    answer = Message("a", "c", "assistant", "So it is.", now, json.dumps({"route": route, "sql": None}))
    return [Message("q", "c", "user", question, now), answer]


def matrices(lines: list[Line]) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """What the model says (log-odds of following included), the evidence, and the right route of each line."""
    kinds = list(evidence.WEIGHTS)
    said = [[np.log(max(line["said"][r], 1e-4)) + (line["following"] == r) * evidence.FOLLOWING / evidence.TEMPERATURE for r in ROUTES] for line in lines]
    found = [[line["evidence"][kind] for kind in kinds] for line in lines]
    return np.array(said), np.array(found), np.array([ROUTES.index(line["route"]) for line in lines])


def fit(said: Floats, found: Floats, right: npt.NDArray[np.int64]) -> tuple[Floats, float]:
    """Weights and temperature by multinomial logistic regression (Adam)."""
    weights, temperature = np.zeros((found.shape[1], len(ROUTES))), 0.8
    share = (1 / np.maximum(np.bincount(right, minlength=len(ROUTES)), 1) ** BALANCE)[right]
    share /= share.sum()
    first, second = np.zeros(weights.size + 1), np.zeros(weights.size + 1)
    for step in range(1, STEPS + 1):
        odds = temperature * said + found @ weights
        wrong = np.exp(odds - odds.max(1, keepdims=True))
        wrong = (wrong / wrong.sum(1, keepdims=True) - np.eye(len(ROUTES))[right]) * share[:, None]
        slope = np.append((found.T @ wrong + L2 * weights).ravel(), (wrong * said).sum() + 0.02 * (temperature - 0.8))
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        rate = 0.05 * min(1.0, 2 * (1 - step / STEPS))
        move = rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-9)
        weights, temperature = weights - move[:-1].reshape(weights.shape), temperature - 0.3 * float(move[-1])
    return weights, temperature


def report(lines: list[Line]) -> None:
    """Print the weights as they stand in graphs/evidence.py, and the cross-validation by workspace."""
    for space in dict.fromkeys(line["workspace"] for line in lines):
        weights, temperature = fit(*matrices([line for line in lines if line["workspace"] != space]))
        said, found, right = matrices([line for line in lines if line["workspace"] == space])
        hits = (temperature * said + found @ weights).argmax(1) == right
        shares = ", ".join(f"{route} {hits[right == n].mean():.2f}" for n, route in enumerate(ROUTES) if (right == n).any())
        print(f"fitted without {space}: {hits.mean():.3f} of its {len(hits)} ({shares})")
    weights, temperature = fit(*matrices(lines))
    print(f"TEMPERATURE = {temperature:.2f}")
    for kind, row in zip(evidence.WEIGHTS, weights, strict=True):
        print(f'    "{kind}": {{{", ".join(f"{route!r}: {w:.1f}" for route, w in zip(ROUTES, row, strict=True) if abs(w) >= 0.2)}}},')


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record(Path(sys.argv[2]))
    else:
        report([json.loads(line) for line in Path(sys.argv[2]).read_text("utf-8").splitlines()])
