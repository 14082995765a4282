"""Fit graphs/enough.py: how the model's "yes" and the nearest sentence are weighed, and what is enough.

uv run python scripts/fit_enough.py record OUT.jsonl             ask about the questions of scripts/enough (minutes); a line each
uv run python scripts/fit_enough.py record OUT.jsonl PARAGRAPHS QUESTIONS SAMPLE [N]   ask N of a SQuAD-like set (120), without those of its sample
uv run python scripts/fit_enough.py fit OUT.jsonl…              print the weights, and how they do on what they were not fitted on
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from langchain_core.messages import HumanMessage, SystemMessage

from assistant import Assistant, Settings
from assistant.evaluation.documents import write_documents
from assistant.sample import workspace as sample
from graphs import enough, prompts
from graphs.documents import relevant
from graphs.recall import safe
from graphs.speaking import Meter, Speaker

ROOT = Path(__file__).resolve().parent
SAMPLE = "cooperative"
LOST = 0.1
"""The share of what can be answered that may be declined."""

Line = dict[str, Any]
Floats = npt.NDArray[np.float64]


def own() -> Iterator[Line]:
    """Each question of scripts/enough with what is heard about it; half of them ask for what the documents do not tell."""
    asked = [json.loads(line) for line in (ROOT / "enough" / "questions.jsonl").read_text("utf-8").splitlines()]
    for space in dict.fromkeys(line["workspace"] for line in asked):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            handbook = space == SAMPLE
            paths = [sample.set_up(Path(folder)).handbook] if handbook else sorted((ROOT / "routes" / space).glob("*.md"))
            yield from heard([{**line, "group": space} for line in asked if line["workspace"] == space], paths, Path(folder))


def squad(paragraphs: Path, questions: Path, sample_ids: Path, most: int) -> Iterator[Line]:
    """Some questions of a SQuAD-like set, as many that can be answered as not, in turn by article, none of the sample's."""
    kept_out = set(sample_ids.read_text("utf-8").split())
    asked = [line for line in map(json.loads, questions.read_text("utf-8").splitlines()) if line["id"] not in kept_out]
    random.Random(5).shuffle(asked)
    seen: dict[tuple[str, bool], int] = {}
    for line in asked:
        line["group"] = f"squad {line['article']}"
        line["turn"] = seen[line["article"], line["answerable"]] = seen.get((line["article"], line["answerable"]), 0) + 1
    chosen = [line for wanted in (True, False) for line in sorted((x for x in asked if x["answerable"] == wanted), key=lambda x: x["turn"])[: most // 2]]
    random.Random(6).shuffle(chosen)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        texts = map(json.loads, paragraphs.read_text("utf-8").splitlines())
        write_documents(Path(folder) / "paragraphs", ((text["paragraph_id"], text["article"], text["text"]) for text in texts))
        yield from heard(chosen, [Path(folder) / "paragraphs"], Path(folder))


def heard(asked: Sequence[Line], paths: Sequence[Path], folder: Path) -> Iterator[Line]:
    """Each question with the model's probability of "yes" and how the question stands to the nearest sentence."""
    settings = Settings(home=folder / "home", sample=False, model={"directory": Settings().models_directory})
    with Assistant(settings) as assistant:
        assistant.documents.add(*paths)
        speaker = Speaker(assistant._models.chat(), Meter(), "fit", threading.Event())
        for line in asked:
            question = line["question"]
            passages = [p for p in relevant([safe(p) for p in assistant.documents.search(question, k=settings.documents.passages)]) if p.text]
            human = HumanMessage(prompts.documents_question(question=question, passages=passages))
            yes = speaker.choose([SystemMessage(prompts.DOCUMENTS_SYSTEM), human], ["yes", "no"])["yes"] if passages else 0.0
            near, own = enough.nearest(question, passages, assistant.documents)
            yield {"group": line["group"], "question": question, "answerable": line["answerable"], "yes": yes, "near": near, "own": own}


def matrix(lines: Sequence[Line]) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(log-odds, nearness, own words, whether polar) of each line, whether it can be answered, and whether it is of a set that is not ours."""
    rows = [[enough.log_odds(line["yes"]), line["near"], line["own"], float(enough.is_polar(line["question"]))] for line in lines]
    return np.array(rows), np.array([line["answerable"] for line in lines]), np.array([line["group"].startswith("squad") for line in lines])


def fit(rows: Floats, right: npt.NDArray[np.bool_], squad: npt.NDArray[np.bool_], *, l2: float = 0.05) -> tuple[Floats, float]:
    """What each column weighs, the log-odds 1, and the bar: a logistic regression (Newton), the two sets counting alike."""
    share = np.where(squad, 1 / max(1, squad.sum()), 1 / max(1, (~squad).sum())) * len(rows) / 2
    mean, scale = rows.mean(0), rows.std(0) + 1e-9
    design = np.column_stack((np.ones(len(rows)), (rows - mean) / scale))
    weights = np.zeros(design.shape[1])
    hold = l2 * len(rows) * np.diag([0.0] + [1.0] * rows.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (share * (chance - right)) + hold @ weights
        weights -= np.linalg.solve(design.T @ (design * (share * chance * (1 - chance))[:, None]) + hold + 1e-6 * np.eye(len(weights)), slope)
    found = weights[1:] / scale
    found = found / found[0]
    order = np.argsort(rows[right] @ found)
    lost = np.cumsum(share[right][order]) / share[right].sum()
    return found, float((rows[right] @ found)[order][np.searchsorted(lost, LOST)])


def auc(scores: Floats, right: npt.NDArray[np.bool_]) -> float:
    """The chance that what can be answered scores above what cannot."""
    better = scores[right][:, None] - scores[~right][None, :]
    return float((better > 0).mean() + 0.5 * (better == 0).mean())


def declined(scores: Floats, right: npt.NDArray[np.bool_], least: float) -> str:
    """How many of both kinds fall below a bar."""
    return f"{(scores[~right] < least).mean():.2f} of the unanswerable and {(scores[right] < least).mean():.2f} of the answerable declined"


def report(lines: list[Line]) -> None:
    """Print the weights as they stand in graphs/enough.py, and the cross-validation by workspace and article."""
    rows, right, squad = matrix(lines)
    groups = np.array([line["group"] for line in lines])
    above = np.zeros(len(lines))
    for group in np.unique(groups):
        there = groups == group
        weights, least = fit(rows[~there], right[~there], squad[~there])
        above[there] = rows[there] @ weights - least
    standing = rows @ [1.0, enough.NEAR, enough.OWN_WORDS, enough.POLAR]
    for name, part in (("all", squad | ~squad), ("squad", squad), ("own", ~squad)):
        if right[part].any() and not right[part].all():
            print(f"{name}: {part.sum()} questions; AUC of the model's yes alone {auc(rows[part, 0], right[part]):.3f}, weighed {auc(above[part], right[part]):.3f}")
            print(f"  cross-validated: {declined(above[part], right[part], 0.0)}; as it stands: {declined(standing[part], right[part], enough.ENOUGH)}")
    (_, near, own, polar), least = fit(rows, right, squad)
    print(f"NEAR = {near:.1f}\nOWN_WORDS = {own:.1f}\nPOLAR = {polar:.1f}\nENOUGH = {least:.2f}")


if __name__ == "__main__":
    verb, path, *rest = sys.argv[1:]
    if verb == "record":
        with Path(path).open("w", encoding="utf-8") as out:
            found = squad(*map(Path, rest[:3]), int(rest[3]) if len(rest) > 3 else 120) if rest else own()
            for line in found:
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                out.flush()
    else:
        report([json.loads(line) for name in [path, *rest] for line in Path(name).read_text("utf-8").splitlines()])
