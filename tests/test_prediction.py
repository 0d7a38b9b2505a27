"""Hybrid scores, top-K, similar films, tag suggestions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from data_preparation import MovieData
from evaluation import temporal_leave_one_out
from model_training import TrainedModel, TrainingConfig, train
from prediction import (
    UserScores,
    blend,
    recommend,
    score_user,
    similar_movies,
    suggest_tags,
    tag_profiles,
)


@pytest.fixture
def toy_model(toy_data: MovieData) -> TrainedModel:
    return train(toy_data, temporal_leave_one_out(toy_data), TrainingConfig(dim=4, epochs=3))


def test_the_graph_score_is_the_dot_product(toy_data: MovieData, toy_model: TrainedModel) -> None:
    for user in range(toy_data.n_users):
        scores = score_user(toy_data, toy_model, user)
        for movie in range(toy_data.n_movies):
            by_hand = float(toy_model.user_factors[user] @ toy_model.movie_factors[movie])
            assert scores.graph[movie] == pytest.approx(by_hand, abs=1e-6)


def test_a_film_without_ratings_has_graph_score_0(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    unrated = toy_data.inner_movie(200)
    assert score_user(toy_data, toy_model, 0).graph[unrated] == 0


def test_tag_profile_weighs_films_by_stars_above_the_middle() -> None:
    # stars 4.5, 3.5 and 1.0 weigh 2, 1 and 0: the profile is (2, 1)/√5, the disliked film is out
    stars = sparse.csr_array(np.array([[4.5, 3.5, 1.0]], np.float32))
    tags = sparse.csr_array(np.array([[1, 0], [0, 1], [0, 1]], np.float32))
    profile = tag_profiles(stars, tags).toarray()
    np.testing.assert_allclose(profile, [[2 / 5**0.5, 1 / 5**0.5]], rtol=1e-6)


def test_tag_similarity_is_the_cosine_of_profile_and_film(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    user = toy_data.inner_user(3)  # rated Heat, The Matrix, Jumanji and Up
    features = toy_data.tag_features.toarray()
    liking = np.maximum(toy_data.stars_of(user) - 2.5, 0)
    profile = liking @ features[toy_data.rated_by(user)]
    expected = features @ profile / np.linalg.norm(profile)
    np.testing.assert_allclose(score_user(toy_data, toy_model, user).tags, expected, atol=1e-6)


def test_someone_who_liked_nothing_tagged_has_tag_similarity_0(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    scores = score_user(toy_data, toy_model, toy_data.inner_user(21), tag_weight=1.0)
    assert not scores.tags.any()  # the only film, rated 2.5
    assert len(recommend(scores, 3)) == 3  # still a list, never NaN
    assert np.isfinite(scores.tag_part).all()


def test_hand_worked_blend() -> None:
    # candidates: films 0 and 1; film 2 is rated, so its higher scores do not set the scale
    graph = np.array([2.0, 1.0, 8.0], np.float32)
    tags = np.array([0.1, 0.2, 0.9], np.float32)
    graph_part, tag_part = blend(graph, tags, np.array([False, False, True]), 0.25)
    np.testing.assert_allclose(graph_part[:2], [0.75, 0.375])
    np.testing.assert_allclose(tag_part[:2], [0.125, 0.25])


def test_blend_of_a_batch_equals_blend_of_each_row() -> None:
    rng = np.random.default_rng(0)
    graph = rng.normal(size=(4, 7)).astype(np.float32)
    tags = rng.random((4, 7)).astype(np.float32)
    rated = rng.random((4, 7)) < 0.3
    together = blend(graph, tags, rated, 0.4)
    for row in range(4):
        for part, alone in zip(
            together, blend(graph[row], tags[row], rated[row], 0.4), strict=True
        ):
            np.testing.assert_allclose(part[row], alone)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_tag_weight_outside_0_to_1_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="tag weight must be from 0 to 1"):
        blend(np.ones(2, np.float32), np.ones(2, np.float32), np.zeros(2, bool), weight)


@given(
    finals=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=12),
    data=st.data(),
    k=st.integers(1, 15),
)
def test_top_k_is_sorted_unrated_allowed_and_complete(
    finals: list[float], data: st.DataObject, k: int
) -> None:
    n = len(finals)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    rated, allowed = np.array(data.draw(flags)), np.array(data.draw(flags))
    graph = np.array(finals, np.float32)
    nothing = np.zeros(n, np.float32)
    found = recommend(UserScores(graph, nothing, graph, nothing, rated), k, allowed)
    eligible = {i for i in range(n) if allowed[i] and not rated[i]}
    assert len(found) == min(k, len(eligible))
    assert {r.movie for r in found} <= eligible
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)
    left_out = eligible - {r.movie for r in found}
    assert all(graph[i] <= found[-1].score for i in left_out) if found else not eligible


def test_k_below_1_is_refused(toy_data: MovieData, toy_model: TrainedModel) -> None:
    with pytest.raises(ValueError, match="K must be at least 1"):
        recommend(score_user(toy_data, toy_model, 0), 0)


def test_similar_movies_are_the_highest_cosines(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    nearest, cosine = similar_movies(toy_model, 0, 3)
    factors = toy_model.movie_factors.astype(float)
    by_hand = {
        m: factors[0] @ factors[m] / np.linalg.norm(factors[0]) / np.linalg.norm(factors[m])
        for m in range(1, toy_data.n_movies)
        if toy_data.movie_degree[m]
    }
    best = sorted(by_hand, key=by_hand.get, reverse=True)[:3]
    assert nearest.tolist() == best
    np.testing.assert_allclose(cosine, [by_hand[m] for m in best], atol=1e-5)


def test_a_film_without_ratings_has_no_neighbours_and_no_suggestions(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    unrated = toy_data.inner_movie(200)
    nearest, cosine = similar_movies(toy_model, unrated, 3)
    assert len(nearest) == len(cosine) == 0
    assert suggest_tags(toy_data, toy_model, unrated) == []


def test_suggested_tags_come_from_neighbours_and_are_new_to_the_film(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    heat = toy_data.inner_movie(20)
    for suggestion in suggest_tags(toy_data, toy_model, heat):
        column = toy_data.tag_names.index(suggestion.tag)
        assert not toy_data.tag_counts[heat, column]
        assert all(toy_data.tag_counts[m, column] for m in suggestion.neighbours)
        assert 0 < suggestion.score <= 1 + 1e-6
