"""A changed rating against dense propagation over the changed graph."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.network import lesson_network
from analysis.what_if import own_level, what_if, with_rating
from data_preparation import MovieData
from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model.trained import TrainedModel
from model.viewers import fold_in, user_viewer
from model_training import train
from prediction import DEFAULT_TAG_WEIGHT, recommend, score_all
from tests.analysis.graphs import dense_adjacency, rated_cells
from tests.dense import dense_layers


@pytest.mark.parametrize("add", [False, True])
def test_what_if_is_dense_propagation_over_the_changed_graph(
    planted_data: MovieData, model_of_any_depth: TrainedModel, add: bool
) -> None:
    model = model_of_any_depth
    user, n_users = 7, planted_data.n_users
    rated = rated_cells(planted_data)
    movie = int(np.flatnonzero(rated[user] != add)[2])
    result = what_if(
        planted_data, model, user_viewer(planted_data, model, user), movie, 4.5 if add else None
    )
    rated[user, movie] = add
    final = np.mean(dense_layers(rated, model.e0, model.config.layers), axis=0)
    np.testing.assert_allclose(result.viewer.factor, final[user], atol=1e-4)
    np.testing.assert_allclose(result.model.movie_factors, final[n_users:], atol=1e-4)
    dense = dense_adjacency(rated)[user, n_users:]
    np.testing.assert_allclose(result.viewer.weights, dense[rated[user]], rtol=1e-6)
    total = result.viewer.own + result.viewer.weights @ result.viewer.messages
    np.testing.assert_allclose(total, result.viewer.factor, atol=1e-4)
    best = recommend(result.model, result.scores, 5)
    rated[user, movie] = True  # the film of the change does not compete
    scores = np.where(rated[user], -np.inf, result.scores.final)
    assert [r.movie for r in best] == np.argsort(-scores, kind="stable")[:5].tolist()
    assert (movie in result.viewer.movies) == add


@pytest.mark.parametrize("stars", [None, 0.5, 5.0])
def test_in_a_hybrid_the_whole_profile_is_worked_out_anew(
    planted_data: MovieData, hybrid: TrainedModel, stars: float | None
) -> None:
    data = planted_data
    for user in range(data.n_users):
        given = dict(zip(data.rated_by(user).tolist(), data.stars_of(user).tolist(), strict=True))
        movie = next(iter(given))
        result = what_if(data, hybrid, user_viewer(data, hybrid, user), movie, stars)
        given = {m: s for m, s in given.items() if m != movie}
        if stars is not None:
            given[movie] = stars
        movies, values = np.array(sorted(given)), np.array([given[m] for m in sorted(given)])
        level = (values.sum() + 20 * hybrid.mean_stars) / (len(values) + 20)
        assert own_level(hybrid, result.viewer) == pytest.approx(level, abs=1e-5)
        weights = np.maximum(1 + hybrid.config.like * (values - level), 0)
        weights[values - level <= -1.5] = 0
        if not weights.any():
            weights = np.minimum(values - level, 0)
        np.testing.assert_allclose(result.viewer.weights, weights, atol=1e-5)
        factor = weights @ hybrid.movie_messages[movies]
        np.testing.assert_allclose(result.viewer.factor, factor, atol=1e-4)
        scores = hybrid.movie_factors @ factor
        np.testing.assert_allclose(result.scores.graph, scores, atol=1e-4)
        assert result.model is hybrid and result.viewer.user == user


def test_a_film_that_was_left_out_never_comes_first_because_of_that(
    planted_data: MovieData, either_kind: TrainedModel
) -> None:
    for user in range(planted_data.n_users):
        before = user_viewer(planted_data, either_kind, user)
        for movie in planted_data.rated_by(user)[:3].tolist():
            result = what_if(planted_data, either_kind, before, movie, None)
            assert movie not in {r.movie for r in recommend(result.model, result.scores, 48)}
            parts = result.scores.graph_part[result.scores.candidates]
            if result.scores.graph[result.scores.candidates].max() > 0:
                # The best of the films that compete sets the scale.
                assert parts.max() == pytest.approx(1 - DEFAULT_TAG_WEIGHT, rel=1e-5)


def test_in_a_hybrid_a_rating_that_is_not_there_cannot_be_removed(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    movie = next(m for m in range(48) if m not in planted_data.rated_by(0))
    with pytest.raises(ValueError, match="no such rating"):
        what_if(planted_data, hybrid, user_viewer(planted_data, hybrid, 0), movie, None)


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
    config = TrainingConfig(model="paper", dim=3, layers=2, epochs=1)  # no row of E(0) is zero
    model = train(toy_data, split, config)
    user = toy_data.inner_user(21)  # rated one film
    before = user_viewer(toy_data, model, user)
    result = what_if(toy_data, model, before, int(toy_data.rated_by(user)[0]), None)
    assert not len(result.viewer.movies)
    np.testing.assert_allclose(result.viewer.factor, model.e0[user] / 3, atol=1e-6)
    lonely = toy_data.inner_movie(110)  # one rating, by user 105
    before = user_viewer(toy_data, model, toy_data.inner_user(105))
    result = what_if(toy_data, model, before, lonely, None)
    assert not result.model.movie_factors[lonely].any()


@pytest.mark.parametrize("stars", [None, 0.5, 5.0])
def test_a_visitor_is_folded_in_anew(
    planted_data: MovieData, either_kind: TrainedModel, stars: float | None
) -> None:
    given = {3: 4.0, 8: 2.5, 20: 5.0}
    before = fold_in(planted_data, either_kind, given)
    movie = 8 if stars is None else 30
    result = what_if(planted_data, either_kind, before, movie, stars)
    changed = {m: s for m, s in given.items() if m != movie} | ({movie: stars} if stars else {})
    after = fold_in(planted_data, either_kind, changed)
    np.testing.assert_array_equal(result.viewer.factor, after.factor)
    assert result.viewer.user is None and not result.scores.candidates[movie]


def test_scores_of_an_unchanged_user_agree_with_the_page(
    planted_data: MovieData, either_kind: TrainedModel
) -> None:
    """Adding and then removing a rating brings the same scores back."""
    model = either_kind
    scores = score_all(planted_data, model, user_viewer(planted_data, model, 2))
    movie = int(np.flatnonzero(~scores.rated)[0])
    more = with_rating(planted_data, 2, movie, 4.0)
    back = what_if(more, model, user_viewer(more, model, 2), movie, None)
    np.testing.assert_allclose(back.scores.graph, scores.graph, atol=1e-3)
    np.testing.assert_allclose(back.scores.tags, scores.tags, atol=1e-6)


def test_on_the_real_data_no_film_comes_back_because_it_was_left_out(real_data: MovieData) -> None:
    split = PROTOCOLS["random_80_10_10"](real_data)
    fitted = train(real_data, split, TrainingConfig(dim=64))
    network = lesson_network(real_data, fitted)
    assert np.isfinite(network.start["movie"]).all() and not network.start["user"].any()
    for user in range(0, real_data.n_users, 20):
        before = user_viewer(real_data, fitted, user)
        scores = score_all(real_data, fitted, before)
        movie = int(real_data.rated_by(user)[0])
        result = what_if(real_data, fitted, before, movie, None)
        # The same films compete as before.
        np.testing.assert_array_equal(result.scores.candidates, scores.candidates)
        assert not result.scores.candidates[movie]
