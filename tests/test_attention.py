"""Attention in the benchmark: weights that sum as stated, the gradient, a known right answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from benchmarks.attention import FEATURES, Lesson, attend, edge_features, learn, loss
from tests.dense import csr


def lesson(seed: int, n_rated: int = 7, n_liked: int = 2, n_rivals: int = 9) -> Lesson:
    rng = np.random.default_rng(seed)
    stands = np.concatenate([np.zeros(n_liked), rng.integers(1, 5, n_rivals)])
    terms = rng.normal(size=(n_rated, n_liked + n_rivals)).astype(np.float32) / 10
    return Lesson(rng.normal(size=(n_rated, 3)), terms, stands, n_liked)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(0, 99))
def test_weights_are_those_of_a_softmax_and_sum_to_the_number_of_films(
    counts: list[int], seed: int
) -> None:
    table = np.zeros((len(counts), 6))
    for row, n in zip(table, counts, strict=True):
        row[:n] = 3.0
    logits = np.random.default_rng(seed).normal(size=sum(counts)) * 300
    weights = attend(csr(table), logits)
    ends = np.cumsum(counts)[:-1]
    for part, own in zip(np.split(weights, ends), np.split(logits, ends), strict=True):
        if len(part):
            assert part.sum() == pytest.approx(len(part)) and (part >= 0).all()
            expected = np.exp(own - own.max())
            np.testing.assert_allclose(part, len(part) * expected / expected.sum())
    assert attend(csr(table), np.zeros(sum(counts))).tolist() == pytest.approx([1] * sum(counts))


@given(st.integers(0, 50))
def test_the_gradient_is_that_of_finite_differences(seed: int) -> None:
    lessons = [lesson(seed), lesson(seed + 1, n_rated=3, n_liked=1)]
    theta = np.random.default_rng(seed).normal(size=3) / 3
    _, slope = loss(theta, lessons)
    numeric = optimize.approx_fprime(theta, lambda point: loss(point, lessons)[0], 1e-6)
    np.testing.assert_allclose(slope, numeric, atol=1e-5)


def test_theta_finds_the_feature_that_tells_which_films_speak_the_truth() -> None:
    # Films with the first feature speak for what is liked, the others for its rivals.
    rng = np.random.default_rng(0)
    lessons = []
    for _ in range(30):
        telling = rng.permutation([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
        terms = np.zeros((6, 11), np.float32)
        terms[telling == 1, 0] = 0.5
        terms[telling == 0, 1:] = 0.2
        features = np.column_stack([telling, rng.normal(size=6)])
        lessons.append(Lesson(features, terms, np.append(0.0, np.ones(10)), 1))
    theta = learn(lessons)
    assert theta[0] > 0.5 and abs(theta[1]) < 0.3 * theta[0]
    assert loss(theta, lessons)[0] < loss(np.zeros(2), lessons)[0] - 0.1


def test_features_of_an_edge_by_hand() -> None:
    ratings = csr([[5.0, 0, 3.0, 1.0], [0, 4.0, 0, 4.0]])
    sent = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    tagged = np.array([True, False, False, True])
    found = edge_features(ratings, np.array([3, 1, 2, 9, 9]), sent, tagged)
    assert found.shape == (5, len(FEATURES))
    assert found[0, 0] - found[1, 0] == pytest.approx(2)  # stars
    assert np.expm1(found[:, 1]).round().tolist() == [0, 2, 1, 0, 0]  # later films
    assert np.expm1(found[:, 2]).round().tolist() == [1, 1, 2, 1, 2]  # ratings of the film
    assert found[:, 3].tolist() == [1, 0, 1, 0, 1]
    # Film 0 lies with film 2 and across from film 3: (1, 0)·(1, 1)/√2.
    assert found[:, 4] == pytest.approx([0.5**0.5, 0.5**0.5, 0, 1, 1])
    assert found[:, 5] == pytest.approx(found[:, 4] * np.log([3, 3, 3, 2, 2]))
