"""The draw by lot: chances by hand, on any scale, and as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from analysis.surprise import chances, draw


def test_two_scores_by_hand() -> None:
    # σ of 1 and 3 is 1, so the better one is e² times as likely.
    expected = np.array([np.e**2, 1]) / (np.e**2 + 1)
    np.testing.assert_allclose(chances(np.array([3.0, 1.0])), expected)


def test_equal_scores_have_equal_chances_and_one_film_is_certain() -> None:
    np.testing.assert_array_equal(chances(np.full(4, -2.5)), np.full(4, 0.25))
    np.testing.assert_array_equal(chances(np.array([0.3], np.float32)), [1.0])


@given(
    some.lists(some.integers(-50, 50), min_size=1, max_size=50),
    some.sampled_from((1e-3, 1.0, 1e4)),
    some.integers(-9, 9),
)
def test_chances_follow_the_scores_and_no_scale(
    scores: list[int], scale: float, shift: int
) -> None:
    plain = np.array(scores, float)
    chance = chances(plain)
    assert chance.sum() == pytest.approx(1) and (chance > 0).all()
    order = np.argsort(plain, kind="stable")
    assert (np.diff(chance[order]) >= -1e-12).all()
    np.testing.assert_allclose(chances(plain * scale + shift), chance, rtol=1e-6)


def test_a_seed_draws_the_same_and_seeds_draw_as_often_as_the_chances_say() -> None:
    chance = chances(np.array([1.0, 0.8, 0.1, 0.0]))
    drawn = [draw(chance, seed) for seed in range(4000)]
    assert drawn == [draw(chance, seed) for seed in range(4000)]
    share = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(share, chance, atol=4 * 0.5 / np.sqrt(len(drawn)))
