"""Texts to unit vectors with a small ONNX model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from assistant.errors import ModelFileCorrupt, ModelUnavailable
from assistant.models.library import physical_cores
from stores.keywords import STOP_WORDS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

T = TypeVar("T")

_MOST_TOKENS = 256
_READ_TEXTS = 256
"""Texts whose words' vectors are kept for the next question about them: at most 200 KB each."""
_TOKENS_AT_ONCE = 256
"""Long texts go one by one, short ones together. Batches of 2048 tokens took 1.4 to 1.6 times the processor time of these (70 passages of
180 tokens on average, 3 runs in turn), and 160 MB: what lies between two layers must stay in the cache."""


class OnnxEmbedder:
    """A sentence embedding model: `model.onnx` and `tokenizer.json` in one directory. May be called from many threads.

    The mean of the last hidden state over the tokens, normalised to length 1 (Sentence-BERT, arXiv:1908.10084).
    Raises `ModelUnavailable` (files missing) or `ModelFileCorrupt`.
    """

    def __init__(self, directory: Path, *, batch: int = 32, threads: int | None = None) -> None:
        self.name = directory.name
        self._batch = batch
        self._tokenizer, self._counter = _tokenizers(directory / "tokenizer.json")
        self._threads = threads or physical_cores()
        self._session = _session(directory / "model.onnx")
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._lock = threading.Lock()
        self._cores = threading.Semaphore(self._threads)
        self._read: OrderedDict[str, npt.NDArray[np.float16]] = OrderedDict()
        self.dimensions = int(self(["?"]).shape[1])

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n, dimensions); a text is read up to 256 tokens."""
        import numpy as np

        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        encoded = [(item.ids, sum(item.attention_mask)) for item in self._tokenizer.encode_batch(list(texts))]
        # Texts of like length share a batch, so that little padding is computed.
        order = sorted(range(len(texts)), key=lambda index: encoded[index][1])
        batches = []
        while order:
            longest = encoded[order[min(self._batch, len(order)) - 1]][1]
            size = max(1, min(self._batch, _TOKENS_AT_ONCE // longest))
            batches.append(order[:size])
            del order[:size]
        found = np.concatenate(self._each(self._embed, [[encoded[index][0] for index in batch] for batch in batches]))
        vectors = np.empty_like(found)
        vectors[[index for batch in batches for index in batch]] = found
        return vectors

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well the texts answer a query, -1 to 1: late interaction over this model's own token vectors.

        For each telling word of the query the nearest word of the text counts (MaxSim: ColBERT, arXiv:2004.12832).
        """
        import numpy as np

        encoded = self._tokenizer.encode(query)
        tokens = list(enumerate(encoded.tokens))[1:-1]
        words = [at for at, token in tokens if token.lstrip("#").isalnum()] or [at for at, _ in tokens]
        telling = [at for at in words if encoded.tokens[at] not in STOP_WORDS] or words
        if not telling:
            return [0.0] * len(texts)
        asked = self._words([query])[0][[at - 1 for at in telling]].astype(np.float32)
        return [float((asked @ text.astype(np.float32).T).max(axis=1).mean()) if len(text) else 0.0 for text in self._words(texts)]

    def _words(self, texts: Sequence[str]) -> list[npt.NDArray[np.float16]]:
        """Unit vectors of the texts' tokens without the two frame tokens, each of shape (tokens, dimensions)."""
        import numpy as np

        with self._lock:
            found = {text: self._read[text] for text in texts if text in self._read}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        for text, hidden in zip(missing, self._each(self._tokens, missing), strict=True):
            found[text] = (hidden / np.maximum(np.linalg.norm(hidden, axis=1, keepdims=True), 1e-12)).astype(np.float16)
        with self._lock:
            for text in texts:
                self._read[text] = found[text]
                self._read.move_to_end(text)
            while len(self._read) > _READ_TEXTS:
                self._read.popitem(last=False)
        return [found[text] for text in texts]

    def _each(self, compute: Callable[[T], npt.NDArray[np.float32]], items: Sequence[T]) -> list[npt.NDArray[np.float32]]:
        """Every item computed, a core for each: threads that work on one text together mostly wait for each other."""
        if len(items) < 2 or self._threads == 1:
            return [compute(item) for item in items]
        with ThreadPoolExecutor(self._threads, thread_name_prefix="embedding") as pool:
            return list(pool.map(compute, items))

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has for this model, its two frame tokens included, however long it is."""
        return len(self._counter.encode(text).ids)

    def _tokens(self, text: str) -> npt.NDArray[np.float32]:
        return self._hidden(*_padded([self._tokenizer.encode(text).ids]))[0, 1:-1]

    def _embed(self, rows: list[list[int]]) -> npt.NDArray[np.float32]:
        import numpy as np

        ids, mask = _padded(rows)
        hidden = self._hidden(ids, mask)
        weights = mask[:, :, None].astype(np.float32)
        mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        norm = np.linalg.norm(mean, axis=1, keepdims=True)
        vectors: npt.NDArray[np.float32] = (mean / np.maximum(norm, 1e-12)).astype(np.float32)
        return vectors

    def _hidden(self, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The last hidden state, shape (texts, tokens, dimensions)."""
        import numpy as np

        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        with self._cores:
            hidden: npt.NDArray[np.float32] = self._session.run(None, {name: value for name, value in feed.items() if name in self._inputs})[0]
        return hidden


def _padded(rows: list[list[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(token ids, which of them are no padding), each of shape (rows, the longest row)."""
    import numpy as np

    width = max(len(row) for row in rows)
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


def _tokenizers(path: Path) -> tuple[Any, Any]:
    """(one that cuts at 256 tokens, one that counts)."""
    _check(path)
    from tokenizers import Tokenizer

    text = path.read_text(encoding="utf-8")
    made = []
    for most in (_MOST_TOKENS, None):
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the Rust binding raises bare Exception
            raise ModelFileCorrupt(f"{path} is not a tokenizer file ({error}). Fetch the embedding model again.") from error
        tokenizer.no_padding()
        if most is None:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(most)
        made.append(tokenizer)
    return made[0], made[1]


def _session(path: Path) -> Any:
    _check(path)
    import onnxruntime  # type: ignore[import-untyped]
    from onnxruntime.capi import onnxruntime_pybind11_state as failures  # type: ignore[import-untyped]

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # whoever calls brings the thread
    options.inter_op_num_threads = 1
    # The arena would keep the memory of the largest batch for good, and saves nothing measurable.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (failures.Fail, failures.InvalidGraph, failures.InvalidProtobuf, failures.RuntimeException) as error:
        raise ModelFileCorrupt(f"{path} is not a whole ONNX model ({error}). Fetch the embedding model again.") from error


def _check(path: Path) -> None:
    if not path.is_file():
        raise ModelUnavailable(f"There is no {path}. Fetch the embedding model with `assistant models pull`, or name its folder with embedding.name.")
