"""Linear probes: what a model holds of a prompt without saying it, weighed out of the values that its attention keeps.

A small model often knows in its middle layers that a text does not answer a question, and says "yes" all the same (Slobodkin et al. 2023,
"The Curious Case of Hallucinatory (Un)answerability"; Azaria and Mitchell 2023, "The Internal State of an LLM Knows When It's Lying").
llama.cpp hands out no states of middle layers, but each layer's values are a linear image of them, and those it hands out.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).resolve().parent / "fitted"
TOKENS = 6
"""A probe looks at the first and the last of so many tokens at a prompt's end: in ChatML the message's own last and the template's."""

Values = npt.NDArray[np.float16]
"""What attention keeps of tokens, shape (layers, tokens, width)."""
_F16 = 1  # GGML_TYPE_F16


@dataclass(frozen=True)
class Probe:
    """Weights for the layers from `first` on, shape (layers, 2, width), and what their sum begins with."""

    first: int
    weights: npt.NDArray[np.float32]
    bias: float

    @classmethod
    def load(cls, name: str, fingerprint: str) -> Self | None:
        """The probe of that name for the model file with that fingerprint; None where there is none."""
        path = FOLDER / f"{name}-{fingerprint[:16]}.npz"
        if not path.is_file():
            return None
        with np.load(path) as stored:
            return cls(int(stored["first"]), stored["weights"].astype(np.float32), float(stored["bias"]))

    def save(self, name: str, fingerprint: str) -> Path:
        """Write it where `load` finds it."""
        path = FOLDER / f"{name}-{fingerprint[:16]}.npz"
        np.savez(path, first=self.first, weights=self.weights.astype(np.float16), bias=self.bias)
        return path

    def log_odds(self, values: Values) -> float:
        """Of what the probe was fitted to find. `values` are those of a prompt's last `TOKENS` tokens."""
        seen = values[self.first : self.first + len(self.weights), [0, -1]].astype(np.float32)
        return float(np.sum(seen * self.weights) + self.bias)


def values_in(state: bytes | bytearray, *, layers: int, tokens: int, width: int) -> Values | None:
    """The values in the state of a sequence, which llama.cpp writes last: for each layer the type (4 bytes), the bytes of a row (8), the rows.

    None where it is laid out otherwise.
    """
    row = width * 2
    part = struct.calcsize("<iQ") + row * tokens
    if not tokens or len(state) < layers * part:
        return None
    blocks = np.frombuffer(state, np.uint8)[-layers * part :].reshape(layers, part)
    if (blocks[:, :12] != np.frombuffer(struct.pack("<iQ", _F16, row), np.uint8)).any():
        return None
    return np.ascontiguousarray(blocks[:, 12:]).view(np.float16).reshape(layers, tokens, width)
