"""llama.cpp's working memory: cells for keys and values of the call under way."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from assistant.errors import ModelUnavailable
from assistant.models.library import byte_is_set, last_complaint
from assistant.models.weights import Weights
from graphs.errors import QuestionTooLong, TurnCancelled

_OK, _NO_ROOM, _ABORTED = 0, 1, 2
_WATCH_SECONDS = 0.05
BRANCHES = 4
_SEQUENCES = 1 + BRANCHES  # the prompt, and branches of it
_OUTPUTS = 16


class Cancelled(Protocol):
    """What says that the reader went away, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class Context:
    """`cells` tokens of keys and values, in sequence 0 and its `BRANCHES`; a copy of a sequence takes no cells."""

    def __init__(self, weights: Weights, *, cells: int, batch: int, threads: int) -> None:
        self.library = weights.library
        self.weights = weights
        self.batch_size = batch
        params = self.library.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = _SEQUENCES
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
        self._stop = ctypes.create_string_buffer(2)
        self._stop_asked = ctypes.cast(byte_is_set(), self.library.ggml_abort_callback)
        self.library.llama_set_abort_callback(self._context, self._stop_asked, ctypes.cast(self._stop, ctypes.c_void_p))

    @property
    def closed(self) -> bool:
        """Whether the cells are freed; then nothing else here may be asked for."""
        return self._context is None

    def stop(self) -> None:
        """Stop the read that is under way."""
        self._stop[0] = b"\1"

    def set_threads(self, write: int, read: int) -> None:
        """Threads for one token at a time, and for several in a batch; the next read has them."""
        self.library.llama_set_n_threads(self._context, write, read)

    @contextmanager
    def stopping_for(self, cancelled: Cancelled | None) -> Iterator[None]:
        """While this lasts, `cancelled` stops a read that is under way."""
        self._stop[0] = b"\0"
        if cancelled is None:
            yield
            return
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_WATCH_SECONDS):
                if cancelled.is_set():
                    self.stop()
                    return

        watcher = threading.Thread(target=watch, name="model-cancel", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def read(
        self,
        tokens: Sequence[int],
        *,
        sequence: int,
        start: int,
        cancelled: Cancelled | None = None,
        every_row: bool = False,
    ) -> None:
        """Read one batch of at most `batch_size` tokens; the last row of logits is kept, or every row.

        Raises `TurnCancelled` (the sequence may then hold part of the batch), `QuestionTooLong`, `ModelUnavailable`.
        """
        last = len(tokens) - 1
        cells = [(token, sequence, start + at, every_row or at == last) for at, token in enumerate(tokens)]
        self._decode(cells, cancelled)

    def read_across(self, tokens: Mapping[int, int], *, at: int, cancelled: Cancelled | None = None) -> None:
        """Read one token for each sequence, all at position `at`; rows of logits are in the mapping's order. Raises as `read`."""
        self._decode([(token, sequence, at, True) for sequence, token in tokens.items()], cancelled)

    def _decode(self, cells: Sequence[tuple[int, int, int, bool]], cancelled: Cancelled | None) -> None:
        """Read (token, sequence, position, whether its logits are wanted) in one batch."""
        if cancelled is not None and cancelled.is_set():
            raise TurnCancelled("The reader went away, so the model was stopped.")
        self.check_open()
        batch = self._batch
        batch.n_tokens = len(cells)
        for index, (token, sequence, position, wanted) in enumerate(cells):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = wanted
        code = self.library.llama_decode(self._context, batch)
        if code == _NO_ROOM:
            raise QuestionTooLong("The model's memory is full. Shorten the question, or raise model.context.")
        if code == _ABORTED:
            raise TurnCancelled("The reader went away, so the model was stopped.")
        if code != _OK:
            raise ModelUnavailable(
                f"The model {self.weights.name} failed on a prompt (llama.cpp error {code}: {last_complaint() or 'no reason given'}). "
                "Ask again; if it happens again, lower model.context or choose another model."
            )

    def logits(self, row: int = -1) -> npt.NDArray[np.float32]:
        """A row of logits of the last read, shape (vocabulary,): a view that the next read overwrites."""
        self.check_open()
        pointer = self.library.llama_get_logits_ith(self._context, row)
        view: npt.NDArray[np.float32] = np.ctypeslib.as_array(pointer, (self.weights.n_vocab,))
        return view

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
        part = _SEQUENCES - 1
        self.copy(sequence, part, start, end)
        size = self.library.llama_state_seq_get_size(self._context, part)
        data = bytearray(size)
        pointer = (ctypes.c_uint8 * size).from_buffer(data)
        written = self.library.llama_state_seq_get_data(self._context, pointer, size, part)
        del pointer
        self.drop(part)
        return data if written == size else data[:written]

    def restore(self, data: bytearray, *, sequence: int) -> bool:
        """Read back what `state` gave into an empty sequence; False when llama.cpp refuses it."""
        pointer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        done = self.library.llama_state_seq_set_data(self._context, pointer, len(data), sequence)
        del pointer
        return bool(done)

    def close(self) -> None:
        """Free the cells."""
        if self._context:
            self.library.llama_batch_free(self._batch)
            self.library.llama_free(self._context)
            self._context = None
