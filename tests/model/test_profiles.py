"""What a rating weighs in a profile: by hand, and what may never happen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from data_preparation import MovieData
from model.profiles import (
    CLEARLY_BELOW,
    DEFAULT_PROFILE,
    PROFILES,
    profile_weights,
    strength,
)
from model.trained import TrainedModel
from model.viewers import fold_in
from prediction import often_and_well_rated, recommend, score_all, similar_movies
from tests.dense import STARS, csr, dense_levels, dense_profiles
from tests.small_training import hybrid_config

TABLES = arrays(np.int8, (4, 6), elements=st.integers(0, 10)).filter(np.any)
STRENGTHS = st.sampled_from([0.0, 0.2, 0.4, 1.0, 5.0])


def test_weights_by_hand() -> None:
    # One person, 5, 3.5 and 1 stars, everyone's mean 3.5: μ = (9.5 + 70)/23 = 3.4565.
    weights = profile_weights(csr([[5.0, 0, 3.5, 1.0]]), 0.4, 3.5).toarray()[0]
    level = 79.5 / 23
    assert weights[:3] == pytest.approx([1 + 0.4 * (5 - level), 0, 1 + 0.4 * (3.5 - level)])
    assert weights[3] == 0  # 2.4565 below: counts for nothing, at any strength
    assert profile_weights(csr([[5.0, 1.0]]), 0.0, 3.5).toarray()[0].tolist() == [1, 0]


def test_a_film_1_5_stars_below_counts_for_nothing_and_one_at_1_4_does() -> None:
    # 20 ratings at the mean of all hold the level near 3: two films of 3 + x and 3 − x keep it.
    for below, counts in ((1.5, False), (1.4, True)):
        stars = csr([[3 - below, 3 + below]])
        assert (profile_weights(stars, 0.1, 3.0).toarray()[0, 0] > 0) == counts
    assert CLEARLY_BELOW == 1.5


def test_a_strong_profile_stops_at_0() -> None:
    weights = profile_weights(csr([[2.0, 4.0]]), 5.0, 3.0).toarray()[0]
    assert weights.tolist() == [0, 6]


@given(TABLES, STRENGTHS)
def test_weights_are_what_a_dense_reference_says_on_the_pattern_of_the_ratings(
    table: NDArray, delta: float
) -> None:
    ratings = csr(table / 2)
    weights = profile_weights(ratings, delta, float(ratings.data.mean(dtype=np.float64)))
    np.testing.assert_allclose(weights.toarray(), dense_profiles(table / 2, delta), atol=1e-5)
    assert weights.indices.tolist() == ratings.indices.tolist()  # a weight of 0 stays stored
    assert weights.dtype == np.float32


@given(TABLES, STRENGTHS)
def test_no_weight_is_negative_and_what_is_clearly_below_ones_level_has_none(
    table: NDArray, delta: float
) -> None:
    stars = table / 2
    weights = profile_weights(csr(stars), delta, float(stars[stars > 0].mean())).toarray()
    assert (weights >= 0).all()
    levels = np.array(dense_levels(stars))[:, None]
    assert not weights[(stars > 0) & (stars < levels - 1.5 - 1e-9)].any()


@given(
    st.lists(st.integers(1, 10), min_size=1, max_size=8), st.integers(0, 7), STRENGTHS,
    st.floats(0.5, 5),
)  # fmt: skip
def test_more_stars_never_weigh_less(
    halves: list[int], place: int, delta: float, overall: float
) -> None:
    place %= len(halves)
    weights = []
    for stars in range(1, 11):
        profile = csr([[*halves[:place], stars, *halves[place + 1 :]]]) / 2
        weights.append(float(profile_weights(profile, delta, overall).toarray()[0, place]))
    # Where more stars here leave nothing that speaks, a film may begin to speak against: below 0.
    assert all(max(low, 0) <= max(high, 0) + 1e-6 for low, high in pairwise(weights))
    assert delta == 0 or max(weights) > min(weights) or overall > 4.9


def test_equal_stars_weigh_the_same_and_the_order_of_films_follows_the_stars() -> None:
    weights = profile_weights(csr([[3.0, 4.5, 3.0, 5.0]]), 0.4, 3.5).toarray()[0]
    assert weights[0] == weights[2] < weights[1] < weights[3]


def test_aversion_by_hand() -> None:
    # 0.5 and 2 stars, mean 3.5: μ = (2.5 + 70)/22.
    level = 72.5 / 22
    assert 2 - level < -CLEARLY_BELOW + 0.5  # close to the rule, and 2 stars are above it
    weights = profile_weights(csr([[0.5, 1.5]]), 0.4, 3.5).toarray()[0]
    level = 72.0 / 22
    assert weights == pytest.approx([0.5 - level, 1.5 - level])
    assert profile_weights(csr([[5.0, 0.5]]), 0.4, 3.5).toarray()[0, 1] == 0  # something speaks


def test_every_profile_has_a_strength_of_its_own() -> None:
    settings = hybrid_config(watch=0.1, like=0.7)
    assert [strength(settings, profile) for profile in PROFILES] == [0.1, 0.7]
    assert DEFAULT_PROFILE == "like"


# --- what it does to a list -----------------------------------------------------------------------


def test_only_a_profile_in_which_nothing_speaks_for_anything_is_averse(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    for stars, averse in (
        ({1: 0.5, 4: 0.5, 7: 0.5}, True),  # everyone's mean is 2.75 here, so 1 star would do
        ({1: 0.5, 4: 0.5, 7: 1.5}, False),
        ({1: 0.5}, True),
        ({1: 0.5, 4: 0.5, 7: 4.0}, False),
        ({1: 3.0}, False),
        ({}, False),
    ):
        viewer = fold_in(planted_data, hybrid, stars)
        assert viewer.only_averse == averse
        assert (viewer.weights < 0).all() == (averse or not stars)


@pytest.mark.parametrize("profile", PROFILES)
def test_turning_5_stars_into_half_a_star_lowers_the_nearest_films(
    planted_data: MovieData, hybrid: TrainedModel, profile: str
) -> None:
    rng, fell = np.random.default_rng(0), []
    for _ in range(60):
        films = rng.choice(48, 5, replace=False).tolist()
        flipped = films[0]
        stars = dict.fromkeys(films, 4.0)
        high, low = (
            hybrid.movie_factors
            @ fold_in(planted_data, hybrid, stars | {flipped: value}, profile).factor
            for value in (5.0, 0.5)
        )
        nearest, _ = similar_movies(hybrid, flipped, 10)
        nearest = [film for film in nearest.tolist() if film not in films]
        if nearest:  # a film without ratings has no neighbours
            fell.append((low - high)[nearest].mean() < 0)
    assert len(fell) > 50
    assert np.mean(fell) >= 0.95


def test_who_liked_nothing_gets_only_films_rated_often_and_well_and_none_like_them(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    eligible = often_and_well_rated(planted_data)
    for group in range(3):
        disliked = [group, group + 3, group + 6]
        viewer = fold_in(planted_data, hybrid, dict.fromkeys(disliked, 0.5))
        listed = recommend(hybrid, score_all(planted_data, hybrid, viewer), 3)
        found = [item.movie for item in listed]
        assert eligible[found].all() and not set(found) & set(disliked)
        assert found[0] % 3 != group
        similar = hybrid.movie_factors @ hybrid.movie_messages[disliked].sum(axis=0)
        assert similar[found].tolist() == sorted(similar[found].tolist())  # least like them first


def test_of_equal_films_the_better_rated_one_speaks_louder() -> None:
    weights = dense_profiles(STARS, 0.4)
    assert weights[0, 0] > weights[0, 3] > weights[0, 5] > weights[0, 1] == 0
