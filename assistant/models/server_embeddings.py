"""Texts to unit vectors by OpenAI-compatible servers, in place of the local embedding model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assistant.errors import ModelUnavailable
from assistant.models.pool import Pool, Server, shown
from assistant.models.server import CHARACTERS_PER_TOKEN
from assistant.models.server_errors import NotCompleted, server_errors
from assistant.models.wire import Wire
from assistant.settings import EmbeddingSettings, addresses
from graphs.errors import QuestionTooLong

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MOST_CHARACTERS = 1800
"""About 512 tokens, which most embedding models read; a server that refuses so much gets half, and half again."""
_LEAST_CHARACTERS = 200


class ServerEmbedder:
    """An embedding model on servers. May be called from many threads; nothing is sent before the first call.

    Raises `ModelUnavailable` where none answers. It gives no vectors of single words, so passages are not ranked again by them.
    """

    def __init__(self, settings: EmbeddingSettings) -> None:
        self.name = settings.server_model
        self._batch = settings.batch
        self._wire = Wire(settings.server_timeout)
        self.pool = Pool([Server(shown(url), self._wire.calls(url, settings.server_api_key)) for url in addresses(settings.server_url or "")], self._wire.answers)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n, dimensions); a text is read up to some 512 tokens."""
        import numpy as np

        if not texts:
            return np.empty((0, 0), np.float32)
        batches = [texts[at : at + self._batch] for at in range(0, len(texts), self._batch)]
        rows = [row for batch in batches for row in self._embed(batch, _MOST_CHARACTERS)]
        vectors = np.asarray(rows, np.float32)
        unit: npt.NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit

    def count_tokens(self, text: str) -> int:
        """About how many tokens a text has: the server's vocabulary is not known here."""
        return math.ceil(len(text) / CHARACTERS_PER_TOKEN)

    def close(self) -> None:
        """Close the connections."""
        self.pool.close()
        self._wire.close()

    def _embed(self, texts: Sequence[str], most: int) -> list[list[float]]:
        # An empty text is refused by some.
        given = [text[:most] or " " for text in texts]
        try:
            [rows] = self.pool.ask(lambda server: self._sent(server, given))
        except QuestionTooLong:
            if most <= _LEAST_CHARACTERS:
                raise
            return self._embed(texts, most // 2)
        return rows

    def _sent(self, server: Server, texts: list[str]) -> Iterator[list[list[float]]]:
        with server_errors(server.address, None, "embedding"):
            body = {"model": self.name, "input": texts, "encoding_format": "float"}
            reply: Any = server.client.post("/embeddings", cast_to=object, body=body)
            data = reply.get("data") if isinstance(reply, dict) else None
            if not data:
                raise NotCompleted("what it sent are no vectors")
        rows = [_pooled(item["embedding"]) for item in sorted(data, key=lambda item: item["index"])]
        if len(rows) != len(texts) or not all(rows):
            raise ModelUnavailable(f"The model server at {server.address} gave {len(rows)} vectors for {len(texts)} texts. Does it serve an embedding model?")
        yield rows


def _pooled(found: Any) -> list[float]:
    """A text's vector; of a model that is served without pooling, which gives one for each token, their mean."""
    if not found or not isinstance(found[0], list):
        return list(found)
    return [sum(column) / len(found) for column in zip(*found, strict=True)]
