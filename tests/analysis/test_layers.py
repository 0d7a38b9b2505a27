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
    all_layers,
    lesson_network,
    mean_cosine,
    message_sizes,
    node_of,
    reach,
    row_of,
    senders,
    smoothing,
)
from data_preparation import MovieData, normalised_adjacency
from model.splits import PROTOCOLS
from model.trained import TrainedModel
from model_training import train
from tests.analysis.graphs import dense_adjacency, rated_cells
from tests.dense import dense_layers


@pytest.fixture
def model(model_of_any_depth: TrainedModel) -> TrainedModel:
    return model_of_any_depth


@pytest.fixture
def lesson(planted_data: MovieData, hybrid: TrainedModel) -> TrainedModel:
    """What the lessons take apart of a hybrid."""
    return lesson_network(planted_data, hybrid)


def test_the_network_of_the_papers_model_is_the_model_itself(
    planted_data: MovieData, model: TrainedModel
) -> None:
    assert lesson_network(planted_data, model) is model


def test_the_network_of_a_hybrid_has_its_films_and_people_at_zero(
    planted_data: MovieData, hybrid: TrainedModel, lesson: TrainedModel
) -> None:
    people, films = np.split(lesson.e0, [planted_data.n_users])
    assert not lesson.is_hybrid and lesson.config.layers == 2
    assert lesson.key != hybrid.key and lesson.protocol == hybrid.protocol
    assert not people.any() and films.shape[1] == min(64, hybrid.dim)
    # The same films up to one factor, so alike in the same way.
    factor = np.linalg.norm(films) / np.linalg.norm(hybrid.e0)
    np.testing.assert_allclose(films, factor * hybrid.e0, rtol=1e-4, atol=1e-6)
    scores = lesson.user_factors @ lesson.movie_factors.T
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
    films = wide.e0[planted_data.n_users :]
    np.testing.assert_allclose(
        films / np.linalg.norm(films), e0[:, chosen] / np.linalg.norm(e0[:, chosen]), atol=1e-5
    )


def test_in_the_network_of_a_hybrid_people_and_films_take_turns(
    planted_data: MovieData, lesson: TrainedModel
) -> None:
    layers = all_layers(normalised_adjacency(planted_data.ratings), lesson)
    for k, layer in enumerate(layers):
        people, films = np.split(layer, [planted_data.n_users])
        assert people.any() == (k % 2 == 1) and films.any() == (k % 2 == 0)
    np.testing.assert_allclose(
        layers, dense_layers(rated_cells(planted_data), lesson.e0, 2), rtol=1e-3, atol=1e-5
    )


def measured(
    layers: Iterable[tuple[Smoothing, Smoothing, Any]],
) -> dict[tuple[str, int], Smoothing]:
    return {(each.kind, each.layer): each for layer in layers for each in layer[:2]}


def test_the_lab_of_a_hybrid_keeps_the_last_layer_that_holds_something(
    planted_data: MovieData, lesson: TrainedModel
) -> None:
    split = PROTOCOLS[lesson.protocol](planted_data)
    results = measured(smoothing(split, lesson, 3))
    train_part = split.train.toarray() > 0
    layers, films = dense_layers(train_part, lesson.e0, 3), train_part.any(axis=0)
    assert np.isnan(results[LAST, 0].users) and np.isnan(results[MEAN, 0].ndcg)
    for k, (of_people, of_films) in {1: (1, 0), 2: (1, 2), 3: (3, 2)}.items():
        found = results[LAST, k]
        assert found.users == pytest.approx(mean_cosine(layers[of_people][:30]), abs=1e-4)
        assert found.films == pytest.approx(mean_cosine(layers[of_films][30:][films]), abs=1e-4)
        assert 0 < found.ndcg <= 1


def test_layers_and_their_mean_are_those_of_dense_propagation(
    planted_data: MovieData, model: TrainedModel
) -> None:
    layers = all_layers(normalised_adjacency(planted_data.ratings), model)
    expected = dense_layers(rated_cells(planted_data), model.e0, model.config.layers)
    np.testing.assert_allclose(layers, expected, rtol=1e-3, atol=1e-5)
    mean = layers.mean(axis=0)
    np.testing.assert_allclose(mean[: planted_data.n_users], model.user_factors, atol=1e-5)
    np.testing.assert_allclose(mean[planted_data.n_users :], model.movie_factors, atol=1e-5)


def test_senders_are_the_neighbours_with_their_weights(toy_data: MovieData) -> None:
    adjacency = normalised_adjacency(toy_data.ratings)
    dense = dense_adjacency(rated_cells(toy_data))
    for row in range(len(dense)):
        rows, weights = senders(adjacency, row)
        assert rows.tolist() == np.flatnonzero(dense[row]).tolist()
        np.testing.assert_allclose(weights, dense[row, rows], rtol=1e-6)
        assert row_of(toy_data, node_of(toy_data, row)) == row


def test_the_sizes_of_messages_are_those_of_weight_times_embedding_for_all_users(
    planted_data: MovieData, model: TrainedModel, lesson: TrainedModel
) -> None:
    dense = dense_adjacency(rated_cells(planted_data))
    for network in (model, lesson):
        for user in range(planted_data.n_users):
            movies = planted_data.n_users + planted_data.rated_by(user)
            sent = dense[user, movies, None] * network.e0[movies]
            sizes = message_sizes(planted_data, network, user)
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
    results = measured(smoothing(split, model, 4))
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
