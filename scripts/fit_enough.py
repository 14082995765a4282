"""Fit the probe that graphs/enough.py asks, and what it weighs that with: do the passages tell the answer?

uv run python scripts/fit_enough.py record OUT.npz             ask about the questions of scripts/enough (hours on two cores)
uv run python scripts/fit_enough.py record OUT.npz PARAGRAPHS QUESTIONS SAMPLE [N]   ask N of a SQuAD-like set (120), without those of its sample
uv run python scripts/fit_enough.py fit OUT.npz [OTHER.npz…]   fit the probe on the first and write it; fit what it is weighed with on all, print it and how it does
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

from assistant import Assistant, Settings
from assistant.evaluation.documents import write_documents
from assistant.models.chat import turns
from assistant.models.engine import Call
from assistant.models.probes import Probe, Values
from assistant.sample import workspace as sample
from graphs import enough
from graphs.documents import relevant
from graphs.recall import safe
from graphs.speaking import Meter, Speaker

ROOT = Path(__file__).resolve().parent
SAMPLE = "cooperative"
LOST = 0.10
"""The share of what can be answered that may be declined: in the sets given beside the own one, which was made to be hard, or else in that."""
FIRST, END = 16, 24
"""The layers that the probe looks at. Of the 28, those from 16 to 23 know the most."""
RIDGE = 1.0
FOLDS = 10

Line = dict[str, Any]
Floats = npt.NDArray[np.float64]
Heard = tuple[Line, Values]


def own() -> Iterator[Heard]:
    """Each question of scripts/enough with what is heard about it; half of them ask for what the documents do not tell."""
    asked = _lines(ROOT / "enough" / "questions.jsonl")
    for space in dict.fromkeys(line["workspace"] for line in asked):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            handbook = space == SAMPLE
            paths = [sample.set_up(Path(folder)).handbook] if handbook else sorted((ROOT / "routes" / space).glob("*.md"))
            yield from heard([{**line, "group": space} for line in asked if line["workspace"] == space], paths, Path(folder))
    texts = _lines(ROOT / "enough" / "texts.jsonl")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        write_documents(Path(folder) / "texts", ((text["id"], text["title"], text["text"]) for text in texts))
        # Questions about one text stand together, so that its passages are mostly read once.
        questions = [
            {"question": question, "answerable": kind == "answerable", "group": text["title"]}
            for text in texts
            for kind in ("answerable", "unanswerable")
            for question in text[kind]
        ]
        yield from heard(questions, [Path(folder) / "texts"], Path(folder))


def squad(paragraphs: Path, questions: Path, sample_ids: Path, most: int) -> Iterator[Heard]:
    """Some questions of a SQuAD-like set, as many that can be answered as not, in turn by article, none of the sample's."""
    kept_out = set(sample_ids.read_text("utf-8").split())
    asked = [line for line in _lines(questions) if line["id"] not in kept_out]
    random.Random(5).shuffle(asked)
    seen: dict[tuple[str, bool], int] = {}
    for line in asked:
        line["group"] = f"squad {line['article']}"
        line["turn"] = seen[line["article"], line["answerable"]] = seen.get((line["article"], line["answerable"]), 0) + 1
    chosen = [line for wanted in (True, False) for line in sorted((x for x in asked if x["answerable"] == wanted), key=lambda x: x["turn"])[: most // 2]]
    random.Random(6).shuffle(chosen)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        write_documents(Path(folder) / "paragraphs", ((text["paragraph_id"], text["article"], text["text"]) for text in _lines(paragraphs)))
        yield from heard(chosen, [Path(folder) / "paragraphs"], Path(folder))


def heard(asked: Sequence[Line], paths: Sequence[Path], folder: Path) -> Iterator[Heard]:
    """Each question with the model's probability of "yes", how surprising its words are, and what attention keeps of it."""
    settings = Settings(home=folder / "home", sample=False, model={"directory": Settings().models_directory})
    with Assistant(settings) as assistant:
        assistant.documents.add(*paths)
        chat = assistant._models.chat()
        speaker = Speaker(chat, Meter(), "fit", threading.Event())
        for line in asked:
            question = line["question"]
            passages = [p for p in relevant([safe(p) for p in assistant.documents.search(question, k=settings.documents.passages)]) if p.text]
            if not passages:  # declined whatever the model says
                continue
            messages = enough.reading(question, passages)
            said = speaker.sense(messages, ["yes", "no"], closely=question)
            values = chat.engine.values(Call(chat.engine.template.prompt(turns(messages)), user="fit"))
            found = {"yes": said.probabilities["yes"], "surprise": enough.surprise(said)}
            yield {"group": line["group"], "question": question, "answerable": line["answerable"], **found}, values


def ridge(values: Floats, right: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weights and what to add, so that the sum is near 1 for what can be answered and near -1 for the rest."""
    mean, scale = values.mean(0), (values.std(0) + 1e-3) * np.sqrt(values.shape[1])
    design = (values - mean) / scale
    wanted = np.where(right, 1.0, -1.0)
    weights = design.T @ np.linalg.solve(design @ design.T + RIDGE * np.eye(len(design)), wanted - wanted.mean()) / scale
    return weights, float(wanted.mean() - mean @ weights)


def logistic(rows: Floats, right: npt.NDArray[np.bool_], share: Floats, *, l2: float = 0.01) -> tuple[Floats, float]:
    """Weights and what to add for log-odds: a logistic regression (Newton) in which each row counts for its share."""
    mean, scale = rows.mean(0), rows.std(0) + 1e-9
    design = np.column_stack((np.ones(len(rows)), (rows - mean) / scale))
    weights = np.zeros(design.shape[1])
    hold = l2 * share.sum() * np.diag([0.0] + [1.0] * rows.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (share * (chance - right)) + hold @ weights
        weights -= np.linalg.solve(design.T @ (design * (share * chance * (1 - chance))[:, None]) + hold, slope)
    return weights[1:] / scale, float(weights[0] - mean @ (weights[1:] / scale))


def left_out(values: Floats, right: npt.NDArray[np.bool_], groups: npt.NDArray[np.str_]) -> Floats:
    """What a probe says of each question that was fitted without the texts of its tenth."""
    names = np.random.default_rng(0).permutation(np.unique(groups))
    found = np.zeros(len(right))
    for part in np.array_split(names, FOLDS):
        out = np.isin(groups, part)
        weights, bias = ridge(values[~out], right[~out])
        found[out] = values[out] @ weights + bias
    return found


def auc(scores: Floats, right: npt.NDArray[np.bool_]) -> float:
    """The chance that what can be answered scores above what cannot."""
    better = scores[right][:, None] - scores[~right][None, :]
    return float((better > 0).mean() + 0.5 * (better == 0).mean())


def declined(scores: Floats, right: npt.NDArray[np.bool_], least: float) -> str:
    """How many of both kinds fall below a bar."""
    return f"{(scores[~right] < least).mean():.2f} of the unanswerable and {(scores[right] < least).mean():.2f} of the answerable declined"


def report(recorded: Path, others: Sequence[Path]) -> None:
    """Fit, write the probe, and print the weights as they stand in graphs/enough.py and how they do."""
    lines, values = _read(recorded)
    right, seen = _right(lines), _flat(values)
    weights, bias = ridge(seen, right)
    sets = [(recorded.name, lines, left_out(seen, right, np.array([line["group"] for line in lines])))]
    for path in others:
        lines, values = _read(path)
        sets.append((path.name, lines, _flat(values) @ weights + bias))
    rows = np.vstack([_rows(lines, probed) for _, lines, probed in sets])
    right = np.concatenate([_right(lines) for _, lines, _ in sets])
    (slope, *rest), start = logistic(rows, right, np.concatenate([_share(_right(lines)) for _, lines, _ in sets]))
    # Scaled such that the probe counts 1 beside the others.
    probe = Probe(FIRST, (weights * slope).reshape(END - FIRST, 2, -1), bias * slope + start)
    whole = [_rows(lines, probed) @ [slope, *rest] + start for _, lines, probed in sets]
    bars = [float(np.quantile(scores[_right(lines)], LOST)) for scores, (_, lines, _) in zip(whole, sets, strict=True)]
    least = min(bars[1:] or bars)
    print(f"written: {probe.save(enough.PROBE, _fingerprint()).name}\nSURPRISE = {rest[0]:.2f}\nYES = {rest[1]:.2f}\nENOUGH = {least:.2f}")
    for scores, (name, lines, probed) in zip(whole, sets, strict=True):
        right, yes = _right(lines), _rows(lines, probed)[:, 2]
        print(f"{name}: {len(lines)} questions; AUC of yes {auc(yes, right):.3f}, of the probe {auc(probed, right):.3f}, weighed {auc(scores, right):.3f}")
        standing = np.array([enough.weighed(slope * row[0] + start, row[1], row[2]) for row in _rows(lines, probed)])
        print(f"  {declined(scores, right, least)}; as it stands {declined(standing, right, enough.ENOUGH)}")


def _rows(lines: Sequence[Line], probed: Floats) -> Floats:
    """What the probe said, the surprise and the log-odds of "yes" of each line."""
    return np.column_stack((probed, [line["surprise"] for line in lines], [enough.log_odds(line["yes"]) for line in lines]))


def _right(lines: Sequence[Line]) -> npt.NDArray[np.bool_]:
    return np.array([line["answerable"] for line in lines])


def _share(right: npt.NDArray[np.bool_]) -> Floats:
    """What each question of a set counts: all sets alike, and in each both answers."""
    return np.where(right, 1 / right.sum(), 1 / (~right).sum())


def _flat(values: Values) -> Floats:
    return values[:, FIRST:END].astype(np.float64).reshape(len(values), -1)


def _fingerprint() -> str:
    from assistant.models.files import ModelFiles
    from assistant.models.weights import fingerprint

    path = ModelFiles(Settings().models_directory).path(Settings().model.name)
    assert path is not None
    return fingerprint(path)


def _lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _read(path: Path) -> tuple[list[Line], Values]:
    with np.load(path) as stored:
        return [json.loads(line) for line in stored["lines"]], stored["values"]


def _write(path: Path, found: Iterator[Heard]) -> None:
    lines, values = list[str](), list[Values]()
    try:
        for line, kept in found:
            lines.append(json.dumps(line, ensure_ascii=False))
            values.append(kept[:, [0, -1]])
    finally:  # what was heard before an interruption is kept
        print(f"{len(lines)} questions")
        if lines:
            np.savez(path, lines=np.array(lines), values=np.stack(values))


if __name__ == "__main__":
    verb, path, *rest = sys.argv[1:]
    if verb == "record":
        _write(Path(path), squad(*map(Path, rest[:3]), int(rest[3]) if len(rest) > 3 else 120) if rest else own())
    else:
        report(Path(path), [Path(name) for name in rest])
