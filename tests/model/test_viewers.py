"""Viewers: one formula for users of the data and for visitors, and what someone is fond of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from data_preparation import MovieData
from model.profiles import DEFAULT_PROFILE, PROFILES, Profile
from model.trained import TrainedModel
from model.viewers import fold_in, tag_profiles, user_vectors, user_viewer


def stars_of(data: MovieData, user: int) -> dict[int, float]:
    return dict(zip(data.rated_by(user).tolist(), data.stars_of(user).tolist(), strict=True))


@pytest.mark.parametrize("profile", PROFILES)
def test_in_the_hybrid_a_visitor_with_the_same_ratings_is_the_same_person(
    planted_data: MovieData, hybrid: TrainedModel, profile: Profile
) -> None:
    for user in range(planted_data.n_users):
        own = user_viewer(planted_data, hybrid, user, profile)
        visitor = fold_in(planted_data, hybrid, stars_of(planted_data, user), profile)
        for name in ("movies", "stars", "weights", "messages", "own", "factor"):
            np.testing.assert_array_equal(getattr(own, name), getattr(visitor, name))
        assert not own.own.any()


def test_in_the_hybrid_everybody_is_the_sum_of_their_films(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    # The level is shrunk to the mean of the ratings that were fitted to, the train part's.
    table = planted_data.ratings.toarray()
    strengths = {"watch": 0.2, "like": 0.4}
    for profile, delta in strengths.items():
        for user in range(planted_data.n_users):
            viewer = user_viewer(planted_data, hybrid, user, profile)
            films = np.flatnonzero(table[user])
            level = (table[user].sum() + 20 * hybrid.mean_stars) / (len(films) + 20)
            above = table[user, films] - level
            weights = np.where(above <= -1.5, 0, np.maximum(1 + delta * above, 0))
            np.testing.assert_allclose(viewer.weights, weights, atol=1e-5)
            expected = weights @ hybrid.movie_messages[films].astype(float)
            np.testing.assert_allclose(viewer.factor, expected, atol=1e-5)


def test_the_factors_of_the_users_are_those_of_the_profile_that_serves(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    vectors = user_vectors(planted_data, hybrid, slice(None))
    for user in range(planted_data.n_users):
        viewer = user_viewer(planted_data, hybrid, user)
        assert not viewer.only_averse
        np.testing.assert_allclose(vectors[user], viewer.factor, atol=1e-5)
    watch = user_viewer(planted_data, hybrid, 0, "watch")
    assert DEFAULT_PROFILE == "like" and not np.allclose(watch.factor, vectors[0])


@given(st.dictionaries(st.integers(0, 47), st.sampled_from(np.arange(1, 11) / 2), max_size=10))
def test_any_visitor_is_the_weighted_sum_of_what_their_films_send(
    planted_data: MovieData, hybrid: TrainedModel, model: TrainedModel, stars: dict[int, float]
) -> None:
    for each in (hybrid, model):
        viewer = fold_in(planted_data, each, stars)
        assert viewer.movies.tolist() == sorted(stars)
        assert viewer.stars.tolist() == [stars[film] for film in sorted(stars)]
        expected = viewer.own + viewer.weights @ viewer.messages.astype(float)
        np.testing.assert_allclose(viewer.factor, expected, atol=1e-4)
        assert not viewer.own.any() and np.isfinite(viewer.factor).all()


def test_the_papers_model_weighs_a_film_by_degrees_and_not_by_stars(
    planted_data: MovieData, model: TrainedModel
) -> None:
    low, high = (fold_in(planted_data, model, {1: s, 5: s, 9: s}) for s in (0.5, 5.0))
    degree = planted_data.movie_degree[[1, 5, 9]] + 1  # the visitor is one more
    np.testing.assert_allclose(low.weights, 1 / np.sqrt(3 * degree))
    np.testing.assert_array_equal(low.factor, high.factor)
    np.testing.assert_allclose(
        low.messages, model.movie_messages[[1, 5, 9]] @ model.fold_in_map, atol=1e-6
    )


def test_the_papers_model_adds_what_it_learned_about_a_person(
    planted_data: MovieData, model: TrainedModel
) -> None:
    for user in range(planted_data.n_users):
        viewer = user_viewer(planted_data, model, user)
        np.testing.assert_allclose(viewer.own, model.e0[user] / 3, rtol=1e-6)
        expected = viewer.own + viewer.weights @ viewer.messages
        np.testing.assert_allclose(viewer.factor, expected, atol=1e-5)
        np.testing.assert_array_equal(viewer.factor, model.user_factors[user])


def test_tag_profile_weighs_films_by_stars_above_the_middle() -> None:
    # stars 4.5, 3.5 and 1.0 weigh 2, 1 and 0: the profile is (2, 1)/√5, the disliked film is out
    stars = sparse.csr_array(np.array([[4.5, 3.5, 1.0]], np.float32))
    tags = sparse.csr_array(np.array([[1, 0], [0, 1], [0, 1]], np.float32))
    profile = tag_profiles(stars, tags).toarray()
    np.testing.assert_allclose(profile, [[2 / 5**0.5, 1 / 5**0.5]], rtol=1e-6)


def test_tag_profiles_of_data_without_tags_are_empty() -> None:
    stars = sparse.csr_array(np.array([[4.5, 0, 1.0]], np.float32))
    assert tag_profiles(stars, sparse.csr_array((3, 0), dtype=np.float32)).shape == (1, 0)
