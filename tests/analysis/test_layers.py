"""The numbers behind the lessons against dense propagation, autograd and the page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from analysis.layers import (
    LAST,
    MEAN,
    all_layers,
    bpr_step,
    mean_cosine,
    node_of,
    reach,
    row_of,
    senders,
    smoothing,
    what_if,
    with_rating,
)
from data_preparation import MovieData, normalised_adjacency
from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import train
from prediction import recommend, score_all


@pytest.fixture(scope="module", params=[0, 1, 3])
def model(request: pytest.FixtureRequest, planted_data: MovieData) -> Iterator[TrainedModel]:
    config = TrainingConfig(dim=6, layers=request.param, epochs=2, batch_size=64)
    yield train(planted_data, PROTOCOLS["random_80_10_10"](planted_data), config)


def dense_adjacency(rated: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Ê of a dense bool [n_users, n_movies]."""
    n_users, n_movies = rated.shape
    degrees = np.outer(rated.sum(axis=1), rated.sum(axis=0))
    block = np.divide(rated, np.sqrt(degrees), out=np.zeros(rated.shape), where=rated)
    matrix = np.zeros((n_users + n_movies,) * 2)
    matrix[:n_users, n_users:], matrix[n_users:, :n_users] = block, block.T
    return matrix


def dense_layers(
    rated: NDArray[np.bool_], e0: NDArray[np.floating], depth: int
) -> list[NDArray[np.float64]]:
    layers = [e0.astype(float)]
    for _ in range(depth):
        layers.append(dense_adjacency(rated) @ layers[-1])
    return layers


def rated_cells(data: MovieData) -> NDArray[np.bool_]:
    return data.ratings.toarray() > 0


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


@pytest.mark.parametrize(("positive", "negative"), [(0, 1), (5, 20)])
def test_the_bpr_step_is_what_autograd_does_to_e0(
    planted_data: MovieData, model: TrainedModel, positive: int, negative: int
) -> None:
    n_users, step = planted_data.n_users, 0.7
    rows = (4, n_users + positive, n_users + negative)
    found = bpr_step(normalised_adjacency(planted_data.ratings), model, rows, step)
    matrix = torch.tensor(dense_adjacency(rated_cells(planted_data)))
    e0 = torch.tensor(model.e0.astype(float), requires_grad=True)

    def scores_and_loss() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        layer, total = e0, e0
        for _ in range(model.config.layers):
            layer = matrix @ layer
            total = total + layer
        user, good, bad = (total / (model.config.layers + 1))[list(rows)]
        return user @ good, user @ bad, -torch.nn.functional.logsigmoid(user @ (good - bad))

    before = scores_and_loss()
    before[2].backward()
    with torch.no_grad():
        e0 -= step * e0.grad
        after = scores_and_loss()
    for n, pair in enumerate((found.positive, found.negative, found.loss)):
        assert pair == pytest.approx((before[n].item(), after[n].item()), rel=1e-4, abs=1e-6)
    margin = before[0].item() - before[1].item()
    assert found.pull == pytest.approx(1 / (1 + np.exp(margin)), rel=1e-4)
    assert found.loss[1] < found.loss[0]


@pytest.mark.parametrize("add", [False, True])
def test_what_if_is_dense_propagation_over_the_changed_graph(
    planted_data: MovieData, model: TrainedModel, add: bool
) -> None:
    user, n_users = 7, planted_data.n_users
    rated = rated_cells(planted_data)
    movie = int(np.flatnonzero(rated[user] != add)[2])
    result = what_if(planted_data, model, user, movie, 4.5 if add else None)
    rated[user, movie] = add
    final = np.mean(dense_layers(rated, model.e0, model.config.layers), axis=0)
    np.testing.assert_allclose(result.viewer.factor, final[user], atol=1e-4)
    np.testing.assert_allclose(result.model.movie_factors, final[n_users:], atol=1e-4)
    dense = dense_adjacency(rated)[user, n_users:]
    np.testing.assert_allclose(result.viewer.weights, dense[rated[user]], rtol=1e-6)
    total = result.viewer.own + result.viewer.weights @ result.viewer.messages
    np.testing.assert_allclose(total, result.viewer.factor, atol=1e-4)
    best = recommend(result.model, result.scores, 5)
    scores = np.where(rated[user], -np.inf, result.scores.final)
    assert [r.movie for r in best] == np.argsort(-scores, kind="stable")[:5].tolist()
    assert (movie in result.viewer.movies) == add


def test_adding_and_removing_a_rating_gives_the_data_back(toy_data: MovieData) -> None:
    for user in range(toy_data.n_users):
        for movie in range(toy_data.n_movies):
            if toy_data.ratings[user, movie]:
                continue
            more = with_rating(toy_data, user, movie, 3.5)
            assert more.ratings[user, movie] == 3.5
            assert more.n_ratings == toy_data.n_ratings + 1 == len(more.timestamps)
            back = with_rating(more, user, movie, None)
            np.testing.assert_array_equal(back.ratings.toarray(), toy_data.ratings.toarray())
            np.testing.assert_array_equal(back.timestamps, toy_data.timestamps)
            assert more.fingerprint != toy_data.fingerprint


def test_a_rating_that_is_there_cannot_be_added_nor_an_absent_one_removed(
    toy_data: MovieData,
) -> None:
    with pytest.raises(ValueError, match="there already"):
        with_rating(toy_data, 0, 0, 4.0)
    with pytest.raises(ValueError, match="no such rating"):
        with_rating(toy_data, 0, 7, None)


def test_taking_the_only_rating_leaves_film_and_user_without_evidence(
    toy_data: MovieData,
) -> None:
    split = PROTOCOLS["temporal_leave_one_out"](toy_data)
    config = TrainingConfig(dim=3, epochs=1, warm_start=False)  # no row of E(0) is zero
    model = train(toy_data, split, config)
    user = toy_data.inner_user(21)  # rated one film
    result = what_if(toy_data, model, user, int(toy_data.rated_by(user)[0]), None)
    assert not len(result.viewer.movies)
    np.testing.assert_allclose(result.viewer.factor, model.e0[user] / 3, atol=1e-6)
    lonely = toy_data.inner_movie(110)  # one rating, by user 105
    result = what_if(toy_data, model, toy_data.inner_user(105), lonely, None)
    assert not result.model.movie_factors[lonely].any()


def test_the_model_key_tells_models_apart(planted_data: MovieData, model: TrainedModel) -> None:
    split = PROTOCOLS["random_80_10_10"](planted_data)
    config = TrainingConfig(dim=6, layers=model.config.layers, epochs=2, batch_size=64, seed=9)
    assert model.key == train(planted_data, split, model.config).key
    other = train(planted_data, split, config)
    assert other.key != model.key


def test_scores_of_an_unchanged_user_agree_with_the_page(
    planted_data: MovieData, model: TrainedModel
) -> None:
    """Adding and then removing a rating brings the same list back."""
    scores = score_all(planted_data, model, user_viewer(planted_data, model, 2))
    movie = int(np.flatnonzero(~scores.rated)[0])
    more = with_rating(planted_data, 2, movie, 4.0)
    back = what_if(more, model, 2, movie, None)
    np.testing.assert_allclose(back.scores.final, scores.final, atol=1e-3)
