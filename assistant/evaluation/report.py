"""What an evaluation found, as a text table for a reader or as JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from assistant.evaluation.run import Identity, Run

VERSION = 1
Metrics = Mapping[str, "float | None"]


@dataclass(frozen=True)
class Report:
    """Figures in all and by group (`by` names what the groups are); `confusion[true][predicted]` for routes.

    Shares are 0 to 1, times seconds, tokens and calls the mean of a question. None: there was nothing to measure.
    """

    evaluation: str
    model: Identity
    embedding: Identity
    overall: Metrics = field(default_factory=dict)
    by: str = ""
    groups: Mapping[str, Metrics] = field(default_factory=dict)
    confusion: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, evaluation: str, run: Run, **parts: object) -> Report:
        """A report on the models of a run."""
        return cls(evaluation, run.model, run.embedding, **parts)  # type: ignore[arg-type]

    def to_json(self) -> str:
        """One JSON object: version, evaluation, model, embedding, "all", "by_<group>" and "confusion" where there is one."""
        whole: dict[str, object] = {
            "version": VERSION,
            "evaluation": self.evaluation,
            "model": {"name": self.model.name, "sha256": self.model.sha256},
            "embedding": {"name": self.embedding.name, "sha256": self.embedding.sha256},
        }
        if self.overall:
            whole["all"] = _rounded(self.overall)
        if self.groups:
            whole[f"by_{self.by}"] = {name: _rounded(metrics) for name, metrics in self.groups.items()}
        if self.confusion:
            whole["confusion"] = {route: dict(counts) for route, counts in self.confusion.items()}
        return json.dumps(whole, ensure_ascii=False, indent=2)

    def to_text(self) -> str:
        """The models, a table with a line for each figure and a column for each group, and the confusion table."""
        parts = [f"model      {self.model.name}  {self.model.sha256}\nembedding  {self.embedding.name}  {self.embedding.sha256}"]
        columns = ({"all": self.overall} if self.overall else {}) | dict(self.groups)
        names = list(dict.fromkeys(name for metrics in columns.values() for name in metrics))
        parts.append(_table([["", *columns], *([name, *(_figure(metrics.get(name)) for metrics in columns.values())] for name in names)]))
        if self.confusion:
            predicted = sorted({route for counts in self.confusion.values() for route in counts} | set(self.confusion))
            lines = [[true, *(str(counts.get(route, 0)) for route in predicted)] for true, counts in self.confusion.items()]
            parts.append(_table([["true \\ predicted", *predicted], *lines]))
        return "\n\n".join(parts)


def _rounded(metrics: Metrics) -> dict[str, float | None]:
    return {name: value if value is None or isinstance(value, int) else round(value, 4) for name, value in metrics.items()}


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def _table(lines: Iterable[list[str]]) -> str:
    """Lines of cells, the first column to the left, the others to the right."""
    listed = list(lines)
    widths = [max(len(line[column]) for line in listed) for column in range(len(listed[0]))]

    def one(line: list[str]) -> str:
        cells = zip(line[1:], widths[1:], strict=True)
        return "  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in cells)])

    return "\n".join(one(line) for line in listed)
