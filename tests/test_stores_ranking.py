"""How passages are put in order: by themselves, by their words, by their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from stores.ranking import LEADING, RERANKED, SMOOTHED, Vector, found_by, reranked, smoothed


def unit(*parts: float) -> Vector:
    vector = np.array(parts, np.float32)
    return vector / np.linalg.norm(vector)


def test_a_passage_among_good_ones_rises_above_one_that_shares_only_words_with_the_query() -> None:
    good = {f"good{number}": unit(1, 0.1 * number, 0) for number in range(5)}
    stray = {f"stray{number}": unit(0, 0.1 * number, 1) for number in range(5)}
    scores = {**dict.fromkeys(good, 0.9), **dict.fromkeys(stray, 0.2), "good4": 0.5, "stray4": 0.6}
    found = smoothed(scores, {**good, **stray})
    assert found["good4"] > found["stray4"]
    assert found["good0"] > found["good4"]
    assert max(found.values()) <= 0.9
    assert min(found.values()) >= 0.2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 6, 40])
def test_any_number_of_passages_is_smoothed_and_put_in_order(count: int) -> None:
    vectors = {str(at): unit(1, at, 0) for at in range(count)}
    scores = {key: 1 / (1 + at) for at, key in enumerate(vectors)}
    assert smoothed(scores, vectors).keys() == scores.keys()
    found = reranked(lambda query, texts: [0.0] * len(texts), "q", scores, vectors, dict.fromkeys(vectors, "text"))
    assert found.keys() == scores.keys()
    assert max(found.values(), default=0) == next(iter(found.values()), 0)


def test_what_has_nothing_near_it_keeps_its_score() -> None:
    axes = {str(at): axis for at, axis in enumerate(np.eye(12, dtype=np.float32))}
    scores = {key: 1 / (1 + at) for at, key in enumerate(axes)}
    assert smoothed(scores, axes) == pytest.approx(scores)
    opposite = {"a": unit(1, 0), "b": unit(-1, 0)}
    assert smoothed({"a": 1.0, "b": 0.5}, opposite) == pytest.approx({"a": 1.0, "b": 0.5})


def test_of_two_versions_of_one_text_the_better_stays_before_the_other() -> None:
    """They are nearest to each other; their scores come together, and do not change places."""
    others = {f"other{at}": unit(1, at, 0, 0) for at in range(20)}
    scores = {**dict.fromkeys(others, 0.3), "new": 0.9, "old": 0.6}
    for vectors in (others | {"new": unit(0, 0, 1, 0.1), "old": unit(0, 0, 1, -0.1)}, {"new": unit(0, 1), "old": unit(0.1, 1)}):
        found = smoothed({key: scores[key] for key in vectors}, vectors)
        assert 0.9 > found["new"] > found["old"] > 0.6


def test_the_rest_follows_in_its_own_order() -> None:
    vectors = {f"{at:03}": unit(1, at, 0) for at in range(SMOOTHED + 30)}
    scores = {key: 1 / (1 + at) for at, key in enumerate(vectors)}
    assert len(smoothed(scores, vectors)) == SMOOTHED
    assert list(reranked(None, "q", scores, vectors, {}))[SMOOTHED:] == list(vectors)[SMOOTHED:]


def test_those_whose_words_fit_lead_and_without_words_the_best_themselves_do() -> None:
    vectors = {f"{at:02}": unit(1, at / 10, 0) for at in range(20)}
    scores = {key: 1 - at / 40 for at, key in enumerate(vectors)}
    asked: list[Sequence[str]] = []

    def rerank(query: str, texts: Sequence[str]) -> list[float]:
        asked.append(texts)
        return [float(text == "here") for text in texts]

    texts = {key: "here" if key == "05" else "elsewhere" for key in vectors}
    assert next(iter(reranked(rerank, "q", scores, vectors, texts))) == "05"
    assert [len(texts) for texts in asked] == [RERANKED]
    assert list(reranked(None, "q", scores, vectors, texts))[:LEADING] == ["00", "01", "02", "03"]


def test_those_that_fit_far_worse_than_the_best_do_not_lead() -> None:
    """They stand where their neighbours put them: the second best, which lies among bad ones, behind those of the good group."""
    good, bad = {f"good{at}": unit(1, 0.01 * at, 0) for at in range(9)}, {f"bad{at}": unit(0, 0.01 * at, 1) for at in range(9)}
    scores = {**dict.fromkeys(good, 0.7), **dict.fromkeys(bad, 0.1), "good0": 1.0, "bad0": 0.75}
    found = list(reranked(None, "q", scores, good | bad, dict.fromkeys(scores, "")))
    assert found[0] == "good0"
    assert found.index("bad0") == len(good)


def test_what_is_found_comes_best_first() -> None:
    vectors = {"near": unit(1, 0.1), "far": unit(0, 1), "between": unit(1, 1)}
    scores, similarity = found_by("dense", {}, unit(1, 0), vectors)
    assert list(scores) == ["near", "between", "far"]
    assert similarity["near"] > similarity["between"] > similarity["far"]
