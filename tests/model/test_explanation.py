"""Explanations add up to the scores, and are what dense propagation says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_preparation import MovieData
from model.config import TrainingConfig
from model.explanation import explain
from model.splits import random_80_10_10, temporal_leave_one_out
from model.trained import TrainedModel
from model.viewers import fold_in, user_viewer
from model_training import train
from prediction import score_all


@pytest.fixture(scope="session")
def models(planted_data: MovieData) -> list[TrainedModel]:
    """One trained model per number of layers 0 to 4, of different sizes."""
    split = random_80_10_10(planted_data)
    return [
        train(planted_data, split, TrainingConfig(dim=3 + 4 * k, layers=k, epochs=2, seed=k))
        for k in range(5)
    ]


@given(layers=st.integers(0, 4), user=st.integers(0, 29), movie=st.integers(0, 47))
def test_contributions_and_self_term_sum_to_the_score(
    planted_data: MovieData, models: list[TrainedModel], layers: int, user: int, movie: int
) -> None:
    model = models[layers]
    reasons = explain(planted_data, model, user_viewer(planted_data, model, user), movie)
    score = float(model.user_factors[user] @ model.movie_factors[movie])
    size = np.abs(reasons.contributions).sum() + abs(reasons.self_term)
    assert reasons.graph_score == pytest.approx(score, abs=1e-4 * max(size, 1e-6))
    assert len(reasons.contributions) == planted_data.user_degree[user]


def test_a_contribution_is_what_dense_propagation_says(
    planted_data: MovieData, models: list[TrainedModel]
) -> None:
    model, user, movie = models[2], 4, 11
    n = planted_data.n_users
    adjacency = np.zeros((n + planted_data.n_movies,) * 2)
    for u in range(n):
        for i in planted_data.rated_by(u):
            weight = (planted_data.user_degree[u] * planted_data.movie_degree[i]) ** -0.5
            adjacency[u, n + i] = adjacency[n + i, u] = weight
    e0 = model.e0.astype(float)
    e1, e2 = adjacency @ e0, adjacency @ adjacency @ e0
    target = (e0 + e1 + e2)[n + movie] / 3
    reasons = explain(planted_data, model, user_viewer(planted_data, model, user), movie)
    for film, contribution in zip(reasons.rated, reasons.contributions, strict=True):
        expected = adjacency[user, n + film] * (e0 + e1)[n + film] @ target / 3
        assert contribution == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_without_layers_only_the_self_term_is_left(
    planted_data: MovieData, models: list[TrainedModel]
) -> None:
    viewer = user_viewer(planted_data, models[0], 1)
    assert not explain(planted_data, models[0], viewer, 2).contributions.any()


@given(layers=st.integers(0, 4), movie=st.integers(0, 47), data=st.data())
def test_a_visitors_contributions_sum_to_the_score_with_no_self_term(
    planted_data: MovieData,
    models: list[TrainedModel],
    layers: int,
    movie: int,
    data: st.DataObject,
) -> None:
    films = data.draw(st.sets(st.integers(0, 47), max_size=10))
    viewer = fold_in(planted_data, models[layers], dict.fromkeys(films, 4.0))
    reasons = explain(planted_data, models[layers], viewer, movie)
    score = float(models[layers].movie_factors[movie] @ viewer.factor)
    size = np.abs(reasons.contributions).sum()
    assert reasons.self_term == 0
    assert reasons.graph_score == pytest.approx(score, abs=1e-4 * max(size, 1e-6))


def test_the_tags_sum_to_the_tag_similarity(toy_data: MovieData) -> None:
    model = train(toy_data, temporal_leave_one_out(toy_data), TrainingConfig(dim=4, epochs=1))
    for user in range(toy_data.n_users):
        viewer = user_viewer(toy_data, model, user)
        scores = score_all(toy_data, model, viewer)
        for movie in range(toy_data.n_movies):
            reasons = explain(toy_data, model, viewer, movie)
            assert reasons.tag_similarity == pytest.approx(scores.tags[movie], abs=1e-6)
            shares = [share for _, share in reasons.tags]
            assert shares == sorted(shares, reverse=True)


def test_edge_weights_by_hand(toy_data: MovieData) -> None:
    user = toy_data.inner_user(7)  # rated 3 films, with 3, 3 and 2 ratings
    np.testing.assert_allclose(toy_data.edge_weights(user), [1 / 3, 1 / 3, 6**-0.5])
