"""The layers against dense propagation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from analysis.layers import (
    LAST,
    MEAN,
    Smoothing,
    mean_cosine,
    reach,
    smoothing,
)
from analysis.network import Network, lesson_network, message_sizes, propagated
from data_preparation import MovieData
from model.splits import PROTOCOLS, Split
from model.trained import TrainedModel
from model_training import train
from tests.analysis.graphs import dense_adjacency, rated_cells
from tests.dense import dense_layers, e0_of


@pytest.fixture
def model(model_of_any_depth: TrainedModel) -> TrainedModel:
    return model_of_any_depth


@pytest.fixture
def lesson(planted_data: MovieData, hybrid: TrainedModel) -> Network:
    """What the lessons take apart of a hybrid."""
    return lesson_network(planted_data, hybrid)


def test_the_network_of_the_papers_model_is_the_model_itself(
    planted_data: MovieData, model: TrainedModel
) -> None:
    network = lesson_network(planted_data, model)
    assert network.layers == model.config.layers
    np.testing.assert_array_equal(e0_of(network), model.e0)


def test_the_network_of_a_hybrid_has_its_films_and_people_at_zero(
    planted_data: MovieData, hybrid: TrainedModel, lesson: Network
) -> None:
    films = lesson.start["movie"]
    assert lesson.layers == 2
    assert not lesson.start["user"].any() and films.shape[1] == min(64, hybrid.dim)
    # The same films up to one factor, so alike in the same way.
    factor = np.linalg.norm(films) / np.linalg.norm(hybrid.e0)
    np.testing.assert_allclose(films, factor * hybrid.e0, rtol=1e-4, atol=1e-6)
    scores = lesson.final("user") @ lesson.final("movie").T
    margin = scores[rated_cells(planted_data)].mean() - scores.mean()  # every film is rated
    assert margin == pytest.approx(3.0, rel=1e-3)


def test_only_the_strongest_columns_of_a_wide_hybrid_are_taken(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    rng = np.random.default_rng(0)
    strength = rng.permutation(np.linspace(1, 2, 70)).astype(np.float32)
    e0 = rng.normal(size=(48, 70)).astype(np.float32)
    e0 *= strength / np.linalg.norm(e0, axis=0)
    wide = lesson_network(planted_data, dataclasses.replace(hybrid, e0=e0))
    chosen = np.argsort(-strength)[:64]
    films = wide.start["movie"]
    np.testing.assert_allclose(
        films / np.linalg.norm(films), e0[:, chosen] / np.linalg.norm(e0[:, chosen]), atol=1e-5
    )


def test_in_the_network_of_a_hybrid_people_and_films_take_turns(
    planted_data: MovieData, lesson: Network
) -> None:
    for k in range(4):
        assert lesson.side("user", k).any() == (k % 2 == 1)
        assert lesson.side("movie", k).any() == (k % 2 == 0)
    check_layers(planted_data, lesson)


def measured(
    layers: Iterable[tuple[Smoothing, Smoothing, Any]],
) -> dict[tuple[str, int], Smoothing]:
    return {(each.kind, each.layer): each for layer in layers for each in layer[:2]}


def test_the_lab_of_a_hybrid_keeps_the_last_layer_that_holds_something(
    planted_data: MovieData, lesson: Network, split: Split
) -> None:
    results = measured(smoothing(split, lesson.over(split.train), 3))
    train_part = split.train.toarray() > 0
    layers, films = dense_layers(train_part, e0_of(lesson), 3), train_part.any(axis=0)
    assert np.isnan(results[LAST, 0].users) and np.isnan(results[MEAN, 0].ndcg)
    for k, (of_people, of_films) in {1: (1, 0), 2: (1, 2), 3: (3, 2)}.items():
        found = results[LAST, k]
        assert found.users == pytest.approx(mean_cosine(layers[of_people][:30]), abs=1e-4)
        assert found.films == pytest.approx(mean_cosine(layers[of_films][30:][films]), abs=1e-4)
        assert 0 < found.ndcg <= 1


def test_layers_and_their_mean_are_those_of_dense_propagation(
    planted_data: MovieData, model: TrainedModel
) -> None:
    network = lesson_network(planted_data, model)
    check_layers(planted_data, network)
    np.testing.assert_allclose(network.final("user"), model.user_factors, atol=1e-5)
    np.testing.assert_allclose(network.final("movie"), model.movie_factors, atol=1e-5)
    for user in range(planted_data.n_users):
        expected = model.movie_factors @ model.user_factors[user]
        np.testing.assert_allclose(network.scores(user), expected, atol=1e-4)


def check_layers(data: MovieData, network: Network) -> None:
    """Whole sides, layer after layer, and every node alone."""
    dense = np.array(dense_layers(rated_cells(data), e0_of(network), network.layers))
    near: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-5}
    for k, layer in enumerate(propagated(network, network.start, network.layers)):
        np.testing.assert_allclose(
            np.concatenate([layer["user"], layer["movie"]]), dense[k], **near
        )
        np.testing.assert_allclose(network.side("movie", k), layer["movie"], **near)
    for row in range(data.n_users + data.n_movies):
        is_user = row < data.n_users
        alone = network.layers_of(("user", row) if is_user else ("movie", row - data.n_users))
        np.testing.assert_allclose(alone, dense[:, row], **near)


def test_neighbours_are_those_of_the_matrix_with_their_weights(toy_data: MovieData) -> None:
    empty = (
        np.zeros((toy_data.n_users, 1), np.float32),
        np.zeros((toy_data.n_movies, 1), np.float32),
    )
    network = Network(toy_data.ratings, {"user": empty[0], "movie": empty[1]}, 1)
    dense = dense_adjacency(rated_cells(toy_data))
    n_users = toy_data.n_users
    for row in range(len(dense)):
        near, weights = network.neighbours(
            ("user", row) if row < n_users else ("movie", row - n_users)
        )
        rows = near + n_users * (row < n_users)
        assert rows.tolist() == np.flatnonzero(dense[row]).tolist()
        np.testing.assert_allclose(weights, dense[row, rows], rtol=1e-6)


def test_the_sizes_of_messages_are_those_of_weight_times_embedding_for_all_users(
    planted_data: MovieData, model: TrainedModel, lesson: Network
) -> None:
    dense = dense_adjacency(rated_cells(planted_data))
    for network in (lesson_network(planted_data, model), lesson):
        for user in range(planted_data.n_users):
            movies = planted_data.rated_by(user)
            sent = dense[user, planted_data.n_users + movies, None] * network.start["movie"][movies]
            sizes = message_sizes(network, user)
            np.testing.assert_allclose(sizes, np.linalg.norm(sent, axis=1), rtol=1e-5)


def test_reach_counts_what_matrix_powers_connect(toy_data: MovieData) -> None:
    step = dense_adjacency(rated_cells(toy_data)) > 0
    for user in range(toy_data.n_users):
        within = np.eye(len(step), dtype=bool)[user]
        for found in reach(toy_data, user, 4):
            users, films = within[: toy_data.n_users], within[toy_data.n_users :]
            assert (found.users, found.films) == (users.sum(), films.sum()), found
            within = within | step[within].any(axis=0)


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    rows = np.random.default_rng(3).normal(size=(7, 4)) + 0.5
    pairs = [
        a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        for n, a in enumerate(rows)
        for b in rows[n + 1 :]
    ]
    with_empty = np.vstack([rows, np.zeros(4)])
    assert mean_cosine(with_empty) == pytest.approx(np.mean(pairs), rel=1e-12)
    assert np.isnan(mean_cosine(rows[:1]))


def test_smoothing_gives_the_models_own_validation_metric_and_dense_cosines(
    planted_data: MovieData, model: TrainedModel
) -> None:
    split = PROTOCOLS[model.protocol](planted_data)
    network = lesson_network(planted_data, model).over(split.train)
    results = measured(smoothing(split, network, 4))
    kept = results[MEAN, model.config.layers]
    recorded = model.history[model.best_epoch].metrics["NDCG@20"]
    assert kept.ndcg == pytest.approx(recorded, abs=1e-9)
    train_part = split.train.toarray() > 0
    layers = dense_layers(train_part, model.e0, 4)
    films = train_part.any(axis=0)
    for k in range(5):
        for kind, values in ((LAST, layers[k]), (MEAN, np.mean(layers[: k + 1], axis=0))):
            found = results[kind, k]
            assert found.users == pytest.approx(mean_cosine(values[:30]), abs=1e-4)
            assert found.films == pytest.approx(mean_cosine(values[30:][films]), abs=1e-4)


def test_the_model_key_tells_models_apart(planted_data: MovieData, model: TrainedModel) -> None:
    split = PROTOCOLS["random_80_10_10"](planted_data)
    config = dataclasses.replace(model.config, seed=9)
    assert model.key == train(planted_data, split, model.config).key
    other = train(planted_data, split, config)
    assert other.key != model.key
