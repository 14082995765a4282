"""llama.cpp's working memory: cells for keys and values of the call under way."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import numpy as np

from assistant.errors import ModelUnavailable
from assistant.models.library import byte_is_set, last_complaint
from assistant.models.lock import FairLock
from assistant.models.probes import Values, values_in
from assistant.models.scoring import Row
from assistant.models.weights import Weights
from graphs.errors import QuestionTooLong, TurnCancelled

_OK, _NO_ROOM, _ABORTED = 0, 1, 2
_WATCH_SECONDS = 0.05
_WATCHED_CELLS = 16
"""Shorter reads end by themselves before a watch over them pays."""
BRANCHES = 4
_OUTPUTS = 16
_STOPPED = "The reader went away, so the model was stopped."
Cell = tuple[int, int, int, bool]
"""A token to read: the token, its sequence, its position, whether its logits are wanted."""


class Cancelled(Protocol):
    """What says that the reader went away, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


def stop_if(cancelled: Cancelled | None) -> None:
    """Raise `TurnCancelled` once the reader went away."""
    if cancelled is not None and cancelled.is_set():
        raise TurnCancelled(_STOPPED)


class Context:
    """`cells` tokens of keys and values, in `sequences` and `BRANCHES` more; a copy of a sequence takes no cells.

    Whoever uses it holds `lock`.
    """

    def __init__(self, weights: Weights, *, cells: int, batch: int, threads: int, sequences: int) -> None:
        self.lock = FairLock()
        self.branches = range(sequences, sequences + BRANCHES)
        self._scratch = sequences + BRANCHES
        self.library = weights.library
        self.weights = weights
        self.batch_size = batch
        params = self.library.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = self._scratch + 1
        # A row of logits is 600 KB for a vocabulary of 151,000: room for a few, not for one a token.
        params.n_outputs_max = self.outputs = min(batch, _OUTPUTS)
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        # Without it the scores of a batch against all cells are held at once.
        params.flash_attn_type = self.library.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.no_perf = True
        last_complaint()
        self._context: Any = self.library.llama_init_from_model(weights.model, params)
        if not self._context:
            raise ModelUnavailable(
                f"The model {weights.name} did not get the memory it needs ({last_complaint() or 'no reason given'}). "
                "Lower model.context or model.prefix_cache_mb, or choose a smaller model."
            )
        self._memory: Any = self.library.llama_get_memory(self._context)
        self._batch: Any = self.library.llama_batch_init(batch, 0, 1)
        self._ending = False
        self._stop = ctypes.create_string_buffer(2)
        self._stop_asked = ctypes.cast(byte_is_set(), self.library.ggml_abort_callback)
        self.library.llama_set_abort_callback(self._context, self._stop_asked, ctypes.cast(self._stop, ctypes.c_void_p))

    @property
    def closed(self) -> bool:
        """Whether the cells are freed; then nothing else here may be asked for."""
        return self._context is None

    def stop(self) -> None:
        """Stop the read that is under way, for good."""
        self._ending = True
        self._stop[0] = b"\1"

    def set_threads(self, write: int, read: int) -> None:
        """Threads for one token at a time, and for several in a batch; the next read has them."""
        self.library.llama_set_n_threads(self._context, write, read)

    @contextmanager
    def _stopping_for(self, cancelled: Cancelled) -> Iterator[None]:
        """While this lasts, `cancelled` stops the read that is under way."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_WATCH_SECONDS):
                if cancelled.is_set():
                    self._stop[0] = b"\1"
                    return

        watcher = threading.Thread(target=watch, name="model-cancel", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            if not self._ending:
                self._stop[0] = b"\0"

    def decode(self, cells: Sequence[Cell], cancelled: Cancelled | None = None) -> list[Row]:
        """Read at most `batch_size` tokens, and give the logits that are wanted (at most `outputs` rows).

        Raises `TurnCancelled` (the sequence may then hold part of the batch), `QuestionTooLong`, `ModelUnavailable`.
        """
        stop_if(cancelled)
        self.check_open()
        batch = self._batch
        batch.n_tokens = len(cells)
        for index, (token, sequence, position, wanted) in enumerate(cells):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = wanted
        watched = cancelled is not None and len(cells) > _WATCHED_CELLS
        with self._stopping_for(cancelled) if watched and cancelled else nullcontext():
            code = self.library.llama_decode(self._context, batch)
        if code == _NO_ROOM:
            raise QuestionTooLong("The model's memory is full. Shorten the question, or raise model.context.")
        if code == _ABORTED:
            raise TurnCancelled(_STOPPED)
        if code != _OK:
            raise ModelUnavailable(
                f"The model {self.weights.name} failed on a prompt (llama.cpp error {code}: {last_complaint() or 'no reason given'}). "
                "Ask again; if it happens again, lower model.context or choose another model."
            )
        return [self._row(index) for index, cell in enumerate(cells) if cell[3]]

    def _row(self, index: int) -> Row:
        """The logits after a token of the last read, shape (vocabulary,): a copy, for the next read overwrites them."""
        pointer = self.library.llama_get_logits_ith(self._context, index)
        view: Row = np.ctypeslib.as_array(pointer, (self.weights.n_vocab,))
        return view.copy()

    def check_open(self) -> None:
        """Raise `ModelUnavailable` once the cells are freed."""
        if self.closed:
            raise ModelUnavailable("The model was closed while it was in use. Open the assistant again.")

    def clear(self) -> None:
        """Forget everything. What comes next lies in the first cells, as it does in a new context."""
        self.library.llama_memory_clear(self._memory, False)

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        """Let `target` share the tokens of `source` from `start` to before `end` (-1: to the last)."""
        self.library.llama_memory_seq_cp(self._memory, source, target, start, end)

    def cut(self, sequence: int, end: int) -> None:
        """Forget what a sequence holds from `end` on."""
        self.check_open()
        self.library.llama_memory_seq_rm(self._memory, sequence, end, -1)

    def drop(self, sequence: int) -> None:
        """Forget a sequence; cells that the other one shares stay."""
        self.library.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def state(self, sequence: int, start: int, end: int) -> bytearray:
        """Keys and values of a sequence's tokens from `start` to before `end`, as llama.cpp writes them."""
        part = self._scratch
        self.copy(sequence, part, start, end)
        size = self.library.llama_state_seq_get_size(self._context, part)
        data = bytearray(size)
        pointer = (ctypes.c_uint8 * size).from_buffer(data)
        written = self.library.llama_state_seq_get_data(self._context, pointer, size, part)
        del pointer
        self.drop(part)
        return data if written == size else data[:written]

    def values(self, sequence: int, start: int, end: int) -> Values | None:
        """What attention keeps of a sequence's tokens from `start` to before `end`; None where this llama.cpp writes it otherwise."""
        weights = self.weights
        return values_in(self.state(sequence, start, end), layers=weights.layers, tokens=end - start, width=weights.value_width)

    def restore(self, data: bytearray, *, sequence: int) -> bool:
        """Put what `state` gave after what a sequence holds; False when llama.cpp refuses it or has no room for it."""
        pointer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        done = self.library.llama_state_seq_set_data(self._context, pointer, len(data), self._scratch)
        del pointer
        if done:
            self.copy(self._scratch, sequence, 0, -1)
        self.drop(self._scratch)
        return bool(done)

    def close(self) -> None:
        """Free the cells."""
        if self._context:
            self.library.llama_batch_free(self._batch)
            self.library.llama_free(self._context)
            self._context = None
