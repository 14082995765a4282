"""A GGUF model file, memory-mapped: its weights, its vocabulary, its metadata."""

from __future__ import annotations

import ctypes
import hashlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant.errors import ModelFileCorrupt, ModelUnavailable
from assistant.models.library import last_complaint, llama

_MAGIC = b"GGUF"
_HEAD = 4 << 20
_TAIL = 1 << 20
_MADV_DONTNEED = 4


class Weights:
    """A model file opened by llama.cpp. Raises `ModelUnavailable` (no file) or `ModelFileCorrupt` (not a whole model)."""

    def __init__(self, path: Path, *, gpu_layers: int | None = None, verbose: bool = False) -> None:
        self.path = path
        self.library = llama(verbose=verbose)
        _check_header(path)
        params = self.library.llama_model_default_params()
        params.load_mode = self.library.LLAMA_LOAD_MODE_MMAP
        offload = bool(self.library.llama_supports_gpu_offload())
        params.n_gpu_layers = gpu_layers if gpu_layers is not None else (-1 if offload else 0)
        self.gpu_layers: int = params.n_gpu_layers if offload else 0
        last_complaint()
        self.model: Any = self.library.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise ModelFileCorrupt(
                f"The model file {path} cannot be loaded: {last_complaint() or 'llama.cpp gave no reason'}. Fetch it again, or choose another model."
            )
        _release_pages(path)
        self.vocab: Any = self.library.llama_model_get_vocab(self.model)
        self.n_vocab: int = self.library.llama_vocab_n_tokens(self.vocab)
        self.trained_context: int = self.library.llama_model_n_ctx_train(self.model)
        self._lock = threading.Lock()
        self._fingerprint: str | None = None

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem

    @property
    def cell_bytes(self) -> int:
        """Bytes that keys and values of one token take (16-bit floats)."""
        return self.layers * (self._width("key") + self.value_width) * 2

    @property
    def layers(self) -> int:
        """Layers of the model."""
        return int(self.library.llama_model_n_layer(self.model))

    @property
    def value_width(self) -> int:
        """Numbers that a layer's attention keeps as a token's value, of all heads together."""
        return self._width("value")

    def _width(self, kind: str) -> int:
        named = self.metadata(f"{self.metadata('general.architecture')}.attention.{kind}_length")
        head = int(named) if named else self.library.llama_model_n_embd(self.model) // max(1, self.library.llama_model_n_head(self.model))
        return int(self.library.llama_model_n_head_kv(self.model)) * head

    @property
    def rewinds(self) -> bool:
        """Whether part of a sequence can be taken back and shared; models with a recurrent state cannot."""
        return not (self.library.llama_model_is_recurrent(self.model) or self.library.llama_model_is_hybrid(self.model))

    def fingerprint(self) -> str:
        """`fingerprint` of the file, read once: it may be gone later, while its pages are still mapped."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self.path)
        return self._fingerprint

    def metadata(self, key: str) -> str:
        """A value of the file's metadata as text, empty when it is not there."""
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = self.library.llama_model_meta_val_str(self.model, key.encode(), buffer, size)
            if length < size:
                return buffer.value.decode("utf-8", "replace") if length > 0 else ""
            size = length + 1

    def chat_template(self) -> str:
        """The Jinja template that the model was trained with, empty when it has none."""
        found: bytes | None = self.library.llama_model_chat_template(self.model, None)
        return found.decode("utf-8", "replace") if found else ""

    def token_text(self, token: int) -> str:
        """How the vocabulary spells a token, such as "<|im_end|>"; empty for none."""
        found: bytes | None = self.library.llama_vocab_get_text(self.vocab, token) if token >= 0 else None
        return found.decode("utf-8", "replace") if found else ""

    @property
    def bos(self) -> int:
        """The token that begins a text, -1 for none."""
        return int(self.library.llama_vocab_bos(self.vocab))

    @property
    def adds_bos(self) -> bool:
        """Whether every prompt begins with `bos`."""
        return bool(self.library.llama_vocab_get_add_bos(self.vocab))

    @property
    def end_of_turn(self) -> int:
        """The token that ends an answer."""
        turn = int(self.library.llama_vocab_eot(self.vocab))
        return turn if turn >= 0 else int(self.library.llama_vocab_eos(self.vocab))

    def ends(self, token: int) -> bool:
        """Whether a token ends the answer."""
        return bool(self.library.llama_vocab_is_eog(self.vocab, token))

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Tokens of a text. With `special`, names like "<|im_end|>" become control tokens: only for a template's own text."""
        if self.model is None:
            raise ModelUnavailable(f"The model {self.name} was closed. Open the assistant again.")
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            tokens = (self.library.llama_token * room)()
            count: int = self.library.llama_tokenize(self.vocab, data, len(data), tokens, room, False, special)
            if count >= 0:
                return list(tokens[:count])
            room = -count

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; nothing for a control token."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length: int = self.library.llama_token_to_piece(self.vocab, token, buffer, size, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def text(self, tokens: Sequence[int]) -> str:
        """The text that tokens spell."""
        return b"".join(self.piece(token) for token in tokens).decode("utf-8", "replace")

    def close(self) -> None:
        """Unmap the file. Contexts on it must be closed before."""
        with self._lock:
            if self.model:
                self.library.llama_model_free(self.model)
                self.model = None


def fingerprint(path: Path) -> str:
    """A SHA-256 of a file's size, head and tail: tells two model files apart without reading gigabytes. Raises `OSError`."""
    digest = hashlib.sha256(str(path.stat().st_size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_HEAD))
        file.seek(max(0, path.stat().st_size - _TAIL))
        digest.update(file.read(_TAIL))
    return digest.hexdigest()


def _release_pages(path: Path) -> None:
    """Give back the file's pages that loading touched; those still in use come back by themselves.

    llama.cpp copies part of the weights into an order that suits the processor, and never looks at the original again.
    Without this the 1.5B model takes 600 MB that it does not need.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    name = str(path.resolve())
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = line.split(maxsplit=5)
        # Only shared or read-only mappings of the file: their pages are the file's own and can be read again.
        if len(fields) == 6 and fields[5] == name and "w" not in fields[1]:
            start, end = (int(address, 16) for address in fields[0].split("-"))
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def _check_header(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelUnavailable(
            f"The model file {path} cannot be opened: {error.strerror or error}. Fetch it with `assistant models pull`, or name another with model.name."
        ) from error
    if magic != _MAGIC:
        raise ModelFileCorrupt(f"{path} is not a GGUF model file. Fetch it again, or choose another model.")
