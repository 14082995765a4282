"""The embedding model: unit vectors that mean something, whatever the batch."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from assistant.errors import ModelFileCorrupt, ModelUnavailable
from assistant.models.embeddings import OnnxEmbedder

TEXTS = [
    "A cat sat on the mat.",
    "The feline rested on a rug.",
    "Stock prices fell sharply on Monday.",
    "Refunds are paid within fourteen days. " * 60,
    "",
]


@pytest.mark.model
def test_vectors_have_length_one_and_meaning(embed: OnnxEmbedder) -> None:
    vectors = embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embed.dimensions) == (5, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.4 > 0.2 > vectors[0] @ vectors[2]


@pytest.mark.model
def test_the_batch_changes_neither_order_nor_meaning(embed: OnnxEmbedder, fetched) -> None:  # type: ignore[no-untyped-def]
    one_by_one = np.vstack([embed([text]) for text in TEXTS])
    in_twos = OnnxEmbedder(fetched("all-minilm-l6-v2"), batch=2, threads=1)(TEXTS)
    # Weights are 8-bit and activations are quantised over a whole batch, so padding moves a vector a little.
    assert (one_by_one * in_twos).sum(axis=1).min() > 0.98


@pytest.mark.model
def test_no_texts_give_no_vectors(embed: OnnxEmbedder) -> None:
    assert embed([]).shape == (0, 384)


@pytest.mark.model
def test_tokens_are_counted_beyond_what_the_model_reads(embed: OnnxEmbedder) -> None:
    assert embed.count_tokens("hello world") == 4
    assert embed.count_tokens("hello " * 500) == 502


@pytest.mark.model
def test_what_stands_after_the_limit_is_not_read(embed: OnnxEmbedder) -> None:
    long = "refund " * 300
    first, second = embed([long, long + "elephants"])
    assert np.array_equal(first, second)


@pytest.mark.model
def test_threads_may_share_it(embed: OnnxEmbedder) -> None:
    expected = embed(TEXTS)
    found: list[bool] = []

    def work() -> None:
        found.append(np.array_equal(embed(TEXTS), expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json"):
        OnnxEmbedder(tmp_path)


def test_a_broken_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelFileCorrupt, match=r"tokenizer\.json"):
        OnnxEmbedder(tmp_path)


@pytest.mark.model
def test_a_broken_model_is_named(tmp_path: Path, fetched) -> None:  # type: ignore[no-untyped-def]
    whole = fetched("all-minilm-l6-v2")
    (tmp_path / "tokenizer.json").write_bytes((whole / "tokenizer.json").read_bytes())
    (tmp_path / "model.onnx").write_bytes((whole / "model.onnx").read_bytes()[:100_000])
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx"):
        OnnxEmbedder(tmp_path)


@pytest.mark.model
def test_reranking_prefers_the_text_whose_words_answer(embed: OnnxEmbedder) -> None:
    texts = [
        "The workshop has many tools, and members may use the workshop on every day that the workshop is open.",
        "A bike that was lent must be brought back by six in the evening.",
        "Paint is bought in spring.",
    ]
    first, second, third = embed.rerank("When do I have to return a bike?", texts)
    assert second > max(first, third)
    assert embed.rerank("When do I have to return a bike?", texts[::-1]) == pytest.approx([third, second, first], abs=1e-3)
    assert embed.rerank("the of", texts)[0] != 0.0  # nothing but function words: they count then
    assert embed.rerank("", texts) == [0.0] * 3
    assert embed.rerank("bike", [""]) == [0.0]
