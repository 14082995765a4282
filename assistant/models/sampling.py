"""Which token comes next: greedy or drawn, and held to a grammar when one is given."""

from __future__ import annotations

import ctypes
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.models.weights import Weights

_PENALTY_WINDOW = 64
_FIRST_CANDIDATES = 128
_TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


@dataclass(frozen=True)
class Sampling:
    """How words are drawn; the fields are those of `SamplingSettings`."""

    greedy: bool = True
    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None
    repetition_penalty: float = 1.0


class Sampler:
    """Draws the tokens of one answer.

    A grammar over 151,000 tokens costs 30 ms. So the token is drawn first and checked alone; only when the grammar refuses
    it are the others checked: the likeliest few when greedy (the first that passes is the likeliest allowed), else all.
    """

    def __init__(self, weights: Weights, sampling: Sampling, grammar: str | None = None) -> None:
        self._weights = weights
        self._library = weights.library
        self._greedy = sampling.greedy
        self._data = np.zeros(weights.n_vocab, _TOKEN_DATA)
        self._chain: Any = None if sampling.greedy and sampling.repetition_penalty == 1.0 else self._make_chain(sampling)
        self._grammar: Any = None
        if grammar:
            self._grammar = self._make_grammar(grammar)

    def draw(self, logits: npt.NDArray[np.float32]) -> int:
        """The next token, given a row of logits of shape (vocabulary,)."""
        token = int(logits.argmax()) if self._chain is None else self._drawn(logits, held=False)
        if self._grammar is not None and not self._allows(token):
            token = self._likeliest_allowed(logits) if self._chain is None else self._drawn(logits, held=True)
        if self._grammar is not None:
            self._library.llama_sampler_accept(self._grammar, token)
        if self._chain is not None:
            self._library.llama_sampler_accept(self._chain, token)
        return token

    def close(self) -> None:
        """Free what llama.cpp holds for this answer."""
        for sampler in (self._chain, self._grammar):
            if sampler is not None:
                self._library.llama_sampler_free(sampler)
        self._chain = self._grammar = None

    def _make_chain(self, sampling: Sampling) -> Any:
        lib = self._library
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        if sampling.repetition_penalty != 1.0:
            penalty = lib.llama_sampler_init_penalties(self._weights.n_vocab, _PENALTY_WINDOW, sampling.repetition_penalty, 0.0, 0.0)
            lib.llama_sampler_chain_add(chain, penalty)
        if sampling.greedy or sampling.temperature == 0:
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_greedy())
            return chain
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_k(sampling.top_k))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_p(sampling.top_p, 1))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_min_p(sampling.min_p, 1))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(sampling.temperature))
        seed = sampling.seed if sampling.seed is not None else random.getrandbits(31)
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(seed))
        return chain

    def _make_grammar(self, grammar: str) -> Any:
        made = self._library.llama_sampler_init_grammar(self._weights.vocab, grammar.encode(), b"root")
        if not made:
            self.close()
            raise ValueError(f"The grammar is not valid GBNF, or has no rule named root: {grammar[:200]}")
        return made

    def _array(self, ids: npt.NDArray[np.int32] | None, logits: npt.NDArray[np.float32]) -> Any:
        data = self._data[: len(logits)]
        data["id"] = np.arange(len(logits), dtype=np.int32) if ids is None else ids
        data["logit"] = logits
        data["p"] = 0.0
        pointer = data.ctypes.data_as(self._library.llama_token_data_p)
        return self._library.llama_token_data_array(data=pointer, size=len(logits), selected=-1, sorted=False)

    def _apply_grammar(self, array: Any) -> None:
        self._library.llama_sampler_apply(self._grammar, ctypes.byref(array))

    def _allows(self, token: int) -> bool:
        array = self._array(np.array([token], np.int32), np.zeros(1, np.float32))
        self._apply_grammar(array)
        return bool(np.isfinite(self._data["logit"][0]))

    def _likeliest_allowed(self, logits: npt.NDArray[np.float32]) -> int:
        count = min(_FIRST_CANDIDATES, len(logits))
        likeliest = np.argpartition(logits, -count)[-count:].astype(np.int32)
        for ids in (likeliest, None):
            array = self._array(ids, logits if ids is None else logits[ids])
            self._apply_grammar(array)
            data = self._data[: array.size]
            best = int(data["logit"].argmax())
            if np.isfinite(data["logit"][best]):
                return int(data["id"][best])
        return self._weights.end_of_turn  # unreachable for a sound grammar: some token always goes on or ends

    def _drawn(self, logits: npt.NDArray[np.float32], *, held: bool) -> int:
        array = self._array(None, logits)
        if held:
            self._apply_grammar(array)
        self._library.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(array.data[array.selected].id)
