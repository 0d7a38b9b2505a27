"""The layers against dense propagation."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.layers import (
    LAST,
    MEAN,
    all_layers,
    mean_cosine,
    node_of,
    reach,
    row_of,
    senders,
    smoothing,
)
from data_preparation import MovieData, normalised_adjacency
from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model.trained import TrainedModel
from model_training import train
from tests.analysis.graphs import dense_adjacency, rated_cells
from tests.dense import dense_layers


@pytest.fixture
def model(model_of_any_depth: TrainedModel) -> TrainedModel:
    return model_of_any_depth


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
    results = {(r.kind, r.layer): r for r in smoothing(planted_data, model, 4)}
    kept = results[MEAN, model.config.layers]
    recorded = model.history[model.best_epoch].metrics["NDCG@20"]
    assert kept.ndcg == pytest.approx(recorded, abs=1e-9)
    train_part = PROTOCOLS[model.protocol](planted_data).train.toarray() > 0
    layers = dense_layers(train_part, model.e0, 4)
    films = train_part.any(axis=0)
    for k in range(5):
        for kind, values in ((LAST, layers[k]), (MEAN, np.mean(layers[: k + 1], axis=0))):
            found = results[kind, k]
            assert found.users == pytest.approx(mean_cosine(values[:30]), abs=1e-4)
            assert found.films == pytest.approx(mean_cosine(values[30:][films]), abs=1e-4)


def test_the_model_key_tells_models_apart(planted_data: MovieData, model: TrainedModel) -> None:
    split = PROTOCOLS["random_80_10_10"](planted_data)
    config = TrainingConfig(dim=6, layers=model.config.layers, epochs=2, batch_size=64, seed=9)
    assert model.key == train(planted_data, split, model.config).key
    other = train(planted_data, split, config)
    assert other.key != model.key
