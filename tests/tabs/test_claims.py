"""What the lessons say in general, held to the numbers: all users, kinds of model, two datasets.

What a chapter computes while it is shown is tested where the chapter is; here are the sentences
that stand in it whatever the numbers, each with the test that would fail were it false.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.bpr_step import bpr_step, couplings
from analysis.layers import DEPTH, mean_cosine
from analysis.neighbourhood import Node
from analysis.network import lesson_network, message_sizes, propagated
from data_preparation import MovieData, load_movie_data, normalised_adjacency
from model.config import TrainingConfig
from model.splits import random_80_10_10
from model.trained import TrainedModel
from model.viewers import Viewer, user_viewer
from model_training import train
from prediction import DEFAULT_TAG_WEIGHT, blend, score_all, unseen
from settings import DEMO_DIR
from tests.dense import e0_of

KINDS = {
    "paper": TrainingConfig(model="paper", dim=8, layers=2, epochs=1),
    "fitted": TrainingConfig(dim=32),
    "refined": TrainingConfig(dim=32, epochs=1),
    "unfitted": TrainingConfig(warm_start=False, dim=8, layers=2, epochs=1),
}
_cases = list(itertools.product(("demo", "small"), KINDS))


@pytest.fixture(scope="module")
def demo() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module", params=_cases, ids=["-".join(case) for case in _cases])
def served(request: pytest.FixtureRequest, demo: MovieData) -> tuple[MovieData, TrainedModel]:
    """Data, and a model of each kind that can serve them."""
    which, kind = request.param
    data = demo if which == "demo" else request.getfixturevalue("real_data")
    return data, train(data, random_80_10_10(data), KINDS[kind])


def viewers(data: MovieData, model: TrainedModel) -> list[Viewer]:
    return [user_viewer(data, model, user) for user in range(data.n_users)]


def test_a_line_is_heavier_the_fewer_rated_the_film_and_lighter_the_more_the_person_rated(
    demo: MovieData,
) -> None:
    adjacency = normalised_adjacency(demo.ratings).toarray()
    for user in range(demo.n_users):
        movies, weights = demo.rated_by(user), demo.edge_weights(user)
        np.testing.assert_allclose(adjacency[user, demo.n_users + movies], weights, rtol=1e-6)
        order = np.argsort(demo.movie_degree[movies], kind="stable")
        assert (np.diff(weights[order]) <= 0).all()
    for movie in range(demo.n_movies):
        users = np.flatnonzero(adjacency[demo.n_users + movie, : demo.n_users])
        column = adjacency[users, demo.n_users + movie]
        order = np.argsort(demo.user_degree[users], kind="stable")
        assert (np.diff(column[order]) <= 0).all()


def test_no_layer_explodes(demo: MovieData) -> None:
    """The largest eigenvalue of the weights is 1."""
    values = np.linalg.eigvalsh(normalised_adjacency(demo.ratings).toarray().astype(float))
    assert values.max() == pytest.approx(1, abs=1e-5) and values.min() >= -1 - 1e-5


def test_people_of_a_hybrid_get_everything_from_their_films(
    served: tuple[MovieData, TrainedModel],
) -> None:
    data, model = served
    network = lesson_network(data, model)
    if not model.is_hybrid:
        np.testing.assert_array_equal(e0_of(network), model.e0)
        return
    assert not network.start["user"].any()
    for viewer in viewers(data, model):
        assert not viewer.own.any()
        total = viewer.weights @ viewer.messages
        np.testing.assert_allclose(viewer.factor, total, atol=1e-4 * max(1, np.abs(total).max()))


def test_a_film_counts_more_the_more_stars_the_person_gave_it(
    served: tuple[MovieData, TrainedModel],
) -> None:
    data, model = served
    if not model.is_hybrid or model.config.like <= 0:
        return  # and then the page does not say so
    for viewer in viewers(data, model):
        order = np.argsort(viewer.stars, kind="stable")
        assert (np.diff(viewer.weights[order]) >= -1e-6).all()
        if len(np.unique(viewer.stars)) > 1 and viewer.weights.max() > 0:
            assert viewer.weights[order[-1]] > viewer.weights[order[0]]


def test_the_more_messages_are_passed_the_more_alike_everybody_grows(
    served: tuple[MovieData, TrainedModel],
) -> None:
    data, model = served
    network, rated = lesson_network(data, model), data.movie_degree > 0
    sides: tuple[list[float], list[float]] = ([], [])
    for layer in propagated(network, network.start, DEPTH):
        for side, rows in zip(sides, (layer["user"], layer["movie"][rated]), strict=True):
            if rows.any():  # where people start at zero a side holds something every other layer
                side.append(mean_cosine(rows))
    for side in sides:
        assert side[-1] > 0.9 and side[-1] == pytest.approx(max(side), abs=1e-2)
        assert side[0] < side[1] < side[-1]


def test_a_step_of_bpr_moves_the_positive_ahead_of_the_negative(
    served: tuple[MovieData, TrainedModel],
) -> None:
    data, model = served
    network = lesson_network(data, model)
    popular = np.argsort(-data.movie_degree, kind="stable")
    for user in range(0, data.n_users, max(1, data.n_users // 12)):
        rated = data.rated_by(user)
        scores = network.scores(user)
        positive = int(rated[np.argmin(scores[rated])])
        free = popular[~np.isin(popular, rated)]
        for negative, size in ((int(free[0]), 0.01), (int(free[-1]), 0.1)):
            nodes: list[Node] = [("user", user), ("movie", positive), ("movie", negative)]
            step = bpr_step(couplings(network, nodes, model.is_hybrid), (0, 1, 2), size)
            gap = [good - bad for good, bad in zip(step.positive, step.negative, strict=True)]
            assert gap[1] >= gap[0] and step.loss[1] <= step.loss[0]
            assert step.pull == pytest.approx(1 / (1 + np.exp(gap[0])), rel=1e-4)


def test_tags_and_genres_make_no_more_of_a_score_than_is_said(
    served: tuple[MovieData, TrainedModel],
) -> None:
    data, model = served
    for viewer in viewers(data, model):
        scores = score_all(data, model, viewer)
        if scores.candidates.any():
            assert scores.tag_part[scores.candidates].max() <= DEFAULT_TAG_WEIGHT + 1e-6


def test_a_film_that_nobody_rated_has_no_graph_score(
    served: tuple[MovieData, TrainedModel],
) -> None:
    data, model = served
    lonely = np.flatnonzero(data.movie_degree == 0)
    assert len(lonely)
    assert not model.movie_factors[lonely].any()


def test_a_message_is_the_weight_times_what_the_film_holds(
    served: tuple[MovieData, TrainedModel],
) -> None:
    """And so no general sentence says that heavy lines are loud: they are not, for many."""
    data, model = served
    network = lesson_network(data, model)
    for user in range(data.n_users):
        films = network.start["movie"][data.rated_by(user)].astype(float)
        sent = data.edge_weights(user)[:, None] * films
        np.testing.assert_allclose(
            message_sizes(network, user), np.linalg.norm(sent, axis=1), rtol=1e-4, atol=1e-9
        )


def test_a_film_left_out_does_not_compete(served: tuple[MovieData, TrainedModel]) -> None:
    """The caption of “What if”, and that the best of those that compete sets the scale."""
    data, model = served
    viewer = user_viewer(data, model, 0)
    scores = score_all(data, model, viewer)
    movie = int(viewer.movies[0])
    candidates = scores.candidates & unseen(data, np.array([movie]))
    assert not candidates[movie]
    graph_part, _ = blend(scores.graph, scores.tags, candidates, DEFAULT_TAG_WEIGHT)
    if scores.graph[candidates].max() > 0:
        assert graph_part[candidates].max() == pytest.approx(1 - DEFAULT_TAG_WEIGHT, rel=1e-5)
