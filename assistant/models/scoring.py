"""Probabilities from rows of logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Row = npt.NDArray[np.float32]


def log_probability(logits: Row, token: int) -> float:
    """The log of a token's softmax probability."""
    top = float(logits.max())
    return float(logits[token]) - top - float(np.log(np.exp(logits - top, dtype=np.float32).sum(dtype=np.float64)))


def surprise(logits: Row, token: int) -> float:
    """How much less likely a token is than a token drawn from the model would be on average, in nats.

    Large where the model was sure and another word came: "the Unique Model" of a text that speaks of the Standard Model.
    """
    shifted = logits - logits.max()
    weights = np.exp(shifted, dtype=np.float32)
    total = float(weights.sum(dtype=np.float64))
    return float(np.dot(weights, shifted)) / total - float(shifted[token])


def normalised(logs: Sequence[float]) -> list[float]:
    """Log weights to probabilities that add up to 1."""
    weights = np.exp(np.asarray(logs, np.float64) - max(logs))
    return [float(weight) for weight in weights / weights.sum()]


def begins_another(sequences: Sequence[Sequence[int]]) -> bool:
    """Whether one of the sequences is the beginning of another (or the same)."""
    return any(
        list(longer[: len(shorter)]) == list(shorter)
        for at, shorter in enumerate(sequences)
        for other, longer in enumerate(sequences)
        if at != other
    )
