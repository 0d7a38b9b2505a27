"""A changed rating against dense propagation over the changed graph."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.what_if import what_if, with_rating
from data_preparation import MovieData
from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import train
from prediction import recommend, score_all
from tests.analysis.graphs import dense_adjacency, rated_cells
from tests.dense import dense_layers


@pytest.fixture
def model(model_of_any_depth: TrainedModel) -> TrainedModel:
    return model_of_any_depth


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


def test_scores_of_an_unchanged_user_agree_with_the_page(
    planted_data: MovieData, model: TrainedModel
) -> None:
    """Adding and then removing a rating brings the same list back."""
    scores = score_all(planted_data, model, user_viewer(planted_data, model, 2))
    movie = int(np.flatnonzero(~scores.rated)[0])
    more = with_rating(planted_data, 2, movie, 4.0)
    back = what_if(more, model, 2, movie, None)
    np.testing.assert_allclose(back.scores.final, scores.final, atol=1e-3)
