"""Tags told from the directions of the films: planted tags, scikit-learn, numbers by hand."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import normalize

from analysis import tag_evaluation
from analysis.tag_evaluation import (
    auc,
    average_precision,
    measure_suggestions,
    movie_cosines,
    neighbour_weights,
    predictability_bytes,
    saw_tags,
    suggestion_scores,
    suggestions_bytes,
    tag_predictability,
    without_tag_nodes,
)
from data_preparation import MovieData
from model.splits import random_80_10_10
from model.trained import TrainedModel
from model_training import train
from prediction import similar_movies, suggest_tags
from tests.analysis.conftest import PLANTED_FILMS, planted_tags
from tests.conftest import planted_ratings
from tests.small_training import hybrid_config


def model_with(factors: np.ndarray) -> SimpleNamespace:
    """All that these functions look at."""
    factors = factors.astype(np.float32)
    return SimpleNamespace(
        movie_factors=factors, directions=normalize(factors), has_direction=factors.any(axis=1)
    )


def planted_model(noise: float = 0.3) -> SimpleNamespace:
    """Films of a group point the same way, more or less."""
    rng = np.random.default_rng(1)
    return model_with(np.eye(6)[np.arange(48) % 3] + noise * rng.normal(size=(48, 6)))


def test_measuring_tags_takes_at_most_the_memory_that_is_foretold(
    planted_data: MovieData,
) -> None:
    rng = np.random.default_rng(0)
    films, tags = 900, 40
    counts = sparse.csr_array((rng.random((films, tags)) < 0.1).astype(np.float32))
    data = dataclasses.replace(
        planted_data,
        ratings=sparse.csr_array(np.ones((3, films), np.float32)),
        tag_counts=counts,
        tag_names=tuple(map(str, range(tags))),
    )
    model = model_with(rng.normal(size=(films, 30)))
    for measure, foretold in (
        (lambda: tag_predictability(data, model, 2), predictability_bytes(data, 30)),
        (lambda: measure_suggestions(data, model), suggestions_bytes(data)),
    ):
        tracemalloc.start()
        measure()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 0.3 * foretold < peak <= foretold


# --- held-out tags --------------------------------------------------------------------------------


def test_auc_and_average_precision_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((60, 5)) < 0.2
    scores = rng.normal(size=(60, 5)) + truth
    for column in range(5):
        t, s = truth[:, column], scores[:, column]
        assert auc(truth, scores)[column] == pytest.approx(roc_auc_score(t, s))
        assert average_precision(truth, scores)[column] == pytest.approx(
            average_precision_score(t, s)
        )
    ties = scores.round()
    expected = [roc_auc_score(truth[:, c], ties[:, c]) for c in range(5)]
    np.testing.assert_allclose(auc(truth, ties), expected)


def test_planted_tags_are_told_from_directions_and_random_ones_are_not(tagged: MovieData) -> None:
    table = tag_predictability(tagged, planted_model()).set_index("tag")
    grouped = table[table.index.str.contains("group")]
    assert len(grouped) == 6 and (grouped["auc"] > 0.75).all()
    assert table.loc["anywhere", "auc"] < grouped["auc"].min() - 0.03
    carries = (tagged.tag_counts > 0).toarray()
    degree = tagged.movie_degree[carries.any(axis=1)]
    for tag, row in table.iterrows():
        truth = carries[carries.any(axis=1), tagged.tag_names.index(tag)]
        assert row["prevalence"] == pytest.approx(truth.mean())
        assert row["popularity_auc"] == pytest.approx(roc_auc_score(truth, degree))


def test_a_tag_is_predicted_by_ridge_regression_on_the_other_folds(tagged: MovieData) -> None:
    rows = np.random.default_rng(3).normal(size=(40, 6))
    truth = np.random.default_rng(4).random((40, 2)) < 0.3
    scores = tag_evaluation._held_out_scores(rows, truth, seed=5)
    fold = np.random.default_rng(5).permutation(40) % 5
    for number in range(5):
        ridge = Ridge(alpha=10.0).fit(rows[fold != number], truth[fold != number].astype(float))
        np.testing.assert_allclose(scores[fold == number], ridge.predict(rows[fold == number]))


def test_more_dimensions_than_films_give_the_same_ridge_regression() -> None:
    rows = np.random.default_rng(3).normal(size=(40, 90))
    truth = np.random.default_rng(4).random((40, 2)) < 0.3
    scores = tag_evaluation._held_out_scores(rows, truth, seed=5)
    fold = np.random.default_rng(5).permutation(40) % 5
    for number in range(5):
        ridge = Ridge(alpha=10.0).fit(rows[fold != number], truth[fold != number].astype(float))
        np.testing.assert_allclose(scores[fold == number], ridge.predict(rows[fold == number]))


def test_a_hybrid_with_tags_in_its_graph_is_measured_without_them(tagged: MovieData) -> None:
    split = random_80_10_10(tagged)
    saw = train(tagged, split, hybrid_config(tag=50.0))
    assert saw_tags(saw)
    without = without_tag_nodes(tagged, saw)
    blind = train(tagged, split, hybrid_config(tag=0.0))
    np.testing.assert_array_equal(without.e0, blind.e0)
    assert without_tag_nodes(tagged, blind) is blind
    # What it saw, it can tell: so it must not be its own witness.
    told, honest = tag_predictability(tagged, saw), tag_predictability(tagged, without)
    assert told["auc"].mean() > honest["auc"].mean() + 0.05


def test_models_whose_vectors_come_from_ratings_alone_saw_no_tag(
    model: TrainedModel, hybrid: TrainedModel
) -> None:
    learned = {"warm_start": False, "epochs": 1, "layers": 1}
    plain = dataclasses.replace(hybrid, config=dataclasses.replace(hybrid.config, **learned))
    assert not saw_tags(model) and not saw_tags(plain) and saw_tags(hybrid)


def test_too_few_films_per_tag_give_an_empty_table(toy_data: MovieData) -> None:
    assert tag_predictability(toy_data, model_with(np.eye(8))).empty


# --- suggestions ----------------------------------------------------------------------------------


def test_the_measured_rule_is_that_of_suggest_tags(tagged: MovieData) -> None:
    model = planted_model()
    films = np.arange(48)
    tagged_films = np.diff(tagged.tag_counts.indptr) > 0
    assert 30 < tagged_films.sum() < 48  # so some films are no neighbours
    weights = neighbour_weights(movie_cosines(model, films), tagged_films, 30)
    scores = suggestion_scores((tagged.tag_counts > 0).astype(float).tocsr(), weights)
    compared = 0
    for film in films:
        for suggestion in suggest_tags(tagged, model, int(film), n_neighbours=30):
            column = tagged.tag_names.index(suggestion.tag)
            assert scores[film, column] == pytest.approx(suggestion.score, abs=1e-6)
            compared += 1
    assert compared > 100


def test_neighbour_weights_are_squared_cosines_of_the_nearest_tagged_films() -> None:
    model = planted_model()
    tagged = np.arange(48) % 4 > 0
    cosine = movie_cosines(model, np.array([4, 9]))
    weights = neighbour_weights(cosine, tagged, 5).toarray()
    for row, film in zip(weights, (4, 9), strict=True):
        nearest, cosines = similar_movies(model, film, 48)
        of_tagged = tagged[nearest]
        assert set(np.flatnonzero(row)) == set(nearest[of_tagged][:5].tolist())
        np.testing.assert_allclose(row[nearest[of_tagged][:5]], cosines[of_tagged][:5] ** 2, 1e-5)


def test_films_without_ratings_and_the_film_itself_are_no_neighbours() -> None:
    factors = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    weights = neighbour_weights(movie_cosines(model_with(factors), np.arange(3)), np.ones(3) > 0, 3)
    expected = [[0, 0, 0.5], [0, 0, 0], [0.5, 0, 0]]
    np.testing.assert_allclose(weights.toarray(), expected, atol=1e-6)


def test_precision_counts_hidden_tags_in_the_top_k_by_hand() -> None:
    # 3 films, 4 tags; film 0's neighbours are 1 (weight 0.9) and 2 (0.6).
    visible = sparse.csr_array(np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0]], float))
    weights = sparse.csr_array(np.array([[0.0, 0.9, 0.6]]))
    wanted = np.array([[False, True, False, True]])  # hidden: tags 1 and 3
    result = tag_evaluation._fold_precision(visible, wanted, weights, np.array([0]), k=2)
    # Suggested: tag 1 (score 1.0), then tag 2 (0.4); tag 0 is its own. Common: 0 and 1 twice.
    assert result[:, 0].tolist() == [0.5, 0.5, 1.0, 0.0]


def test_suggestions_beat_popularity_on_planted_tags_and_not_on_random_directions(
    tagged: MovieData,
) -> None:
    planted = measure_suggestions(tagged, planted_model(), k=2)
    random = model_with(np.random.default_rng(2).normal(size=(48, 6)))
    chance = measure_suggestions(tagged, random, k=2)
    pairs = (tagged.tag_counts > 0).sum()
    assert planted.hidden == chance.hidden == pairs
    assert planted.precision > 1.4 * planted.baseline
    assert chance.precision < planted.precision / 1.4
    assert planted.precision <= planted.ceiling <= 1
    assert planted.recall == pytest.approx(planted.precision * planted.films * 2 / pairs)


def test_hiding_a_pair_hides_everybodys_assignment_of_it(load: Callable[..., MovieData]) -> None:
    """Ten people giving the same tag make one hidden pair, never a visible remainder."""
    many = [(user, movie, tag, 1) for user, movie, tag, _ in planted_tags() for user in range(10)]
    movies = {"ratings": planted_ratings(), "movies": PLANTED_FILMS, "links": None}
    data = load(tags=many, **movies)
    assert data.tag_counts.max() == 10
    single = load(tags=[row for row in many if row[0] == 0], **movies)
    assert measure_suggestions(data, planted_model()) == measure_suggestions(
        single, planted_model()
    )


@pytest.mark.parametrize("most", [100, 10**9])
def test_the_witnesses_are_counted_without_taking_their_ratings(
    planted_data: MovieData, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(tag_evaluation, "_MOST_RATINGS", most)
    n = tag_evaluation.n_witnesses(planted_data)
    assert n == tag_evaluation.witnesses(planted_data).n_users
    assert (n < planted_data.n_users) == (most == 100)
