"""What a training leaves behind: factors from all ratings, read-only; and the model as measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data_preparation import MovieData
from model.evaluation import evaluate
from model.hybrid_graph import build_graph, content_edges, visible_content
from model.profiles import PROFILES
from model.splits import Split, temporal_leave_one_out
from model.trained import TrainedModel, fitted_graph, kept_epoch, measured_scorer
from model_training import refit, train
from tests.dense import dense_graph, dense_hybrid, dense_layers
from tests.small_training import config, hybrid_config


def test_factors_for_serving_come_from_all_ratings(
    planted_data: MovieData, model: TrainedModel
) -> None:
    expected = np.mean(dense_layers(planted_data.ratings.toarray() > 0, model.e0, 2), axis=0)
    expected[30:][planted_data.movie_degree == 0] = 0
    np.testing.assert_allclose(model.user_factors, expected[:30], atol=1e-5)
    np.testing.assert_allclose(model.movie_factors, expected[30:], atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_films_of_the_hybrid_are_read_over_the_graph_of_all_ratings(
    planted_data: MovieData, split: Split, layers: int
) -> None:
    settings = hybrid_config(layers=layers)
    model = train(planted_data, split, settings)
    content = {kind: rows.toarray() for kind, rows in content_edges(planted_data).items()}
    stars, met = planted_data.ratings.toarray().astype(float), model.scale.astype(float)
    dense = dense_hybrid(stars, content, settings, met)
    e0 = model.e0.astype(float)
    np.testing.assert_allclose(model.movie_factors, dense.maps()[1] @ e0, atol=2e-3)
    sends = replace(dense, profiles=np.eye(48)).maps()[0] @ e0
    np.testing.assert_allclose(model.movie_messages, sends, atol=2e-3)
    assert model.movie_factors.std() > 0.01


def test_movie_messages_and_e0_add_up_to_the_user_factors(
    planted_data: MovieData, model: TrainedModel
) -> None:
    # As the docstring says: f_u = e(0)_u/(K+1) + Σ_j movie_messages[j]/√(d_u·d_j), here K = 2.
    for user in range(30):
        films = planted_data.rated_by(user)
        weights = 1 / np.sqrt(len(films) * planted_data.movie_degree[films])
        expected = model.e0[user] / 3 + weights @ model.movie_messages[films]
        np.testing.assert_allclose(model.user_factors[user], expected, atol=1e-5)


@pytest.mark.parametrize("kind", [config, hybrid_config])
def test_a_film_without_ratings_has_zero_factors(toy_data: MovieData, kind: Any) -> None:
    settings = kind(dim=3) if kind is hybrid_config else kind(dim=3, epochs=1)
    model = train(toy_data, temporal_leave_one_out(toy_data), settings)
    assert not model.movie_factors[7].any() and not model.directions[7].any()
    train_part = temporal_leave_one_out(toy_data).train
    rated = np.bincount(train_part.indices, minlength=8) > 0
    assert model.movie_factors[rated].any(axis=1).all()


def test_arrays_of_a_model_are_read_only(model: TrainedModel, hybrid: TrainedModel) -> None:
    for each in (model, hybrid):
        names = ("e0", "scale", "values", "user_factors", "movie_factors", "movie_messages")
        for name in (*names, "fold_in_map", "directions"):
            array = getattr(each, name)
            if array.size:
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 1.0


def test_a_model_says_of_which_kind_it_is(model: TrainedModel, hybrid: TrainedModel) -> None:
    assert hybrid.is_hybrid and not model.is_hybrid
    assert (hybrid.e0.shape, hybrid.scale.shape) == ((48, hybrid.dim), (48,))
    assert len(hybrid.values) == hybrid.dim and hybrid.fold_in_map.size == 0
    assert (model.e0.shape, model.scale.size, model.values.size) == ((78, 8), 0, 0)
    assert hybrid.user_factors.shape == hybrid.own_factors.shape == (0, hybrid.dim)
    np.testing.assert_allclose(model.own_factors, model.e0[:30] / 3)


def test_directions_are_factors_of_length_1(hybrid: TrainedModel) -> None:
    length = np.linalg.norm(hybrid.movie_factors, axis=1, keepdims=True)
    np.testing.assert_allclose(hybrid.directions * length, hybrid.movie_factors, atol=1e-6)


def test_the_key_tells_models_apart(planted_data: MovieData, split: Split) -> None:
    model = train(planted_data, split, hybrid_config())
    same = train(planted_data, split, hybrid_config())
    others = [
        train(planted_data, split, hybrid_config(like=0.5)),
        train(planted_data, split, hybrid_config(ridge=0.04)),
        refit(planted_data, model),
    ]
    assert same.key == model.key and len({each.key for each in (model, *others)}) == 4


def test_the_kept_epoch_in_words(model: TrainedModel, hybrid: TrainedModel) -> None:
    assert kept_epoch(hybrid) == "the fitted start"
    assert kept_epoch(replace(model, best_epoch=3)) == "epoch 3"
    assert "random start itself" in kept_epoch(replace(model, best_epoch=0))
    # The paper's model starts at random whatever `warm_start` says.
    other = replace(model, config=config(warm_start=True), best_epoch=0)
    assert "random start itself" in kept_epoch(other)
    learned = replace(hybrid, config=hybrid_config(epochs=2))
    assert "fitted start itself" in kept_epoch(learned)


# --- the model as it was measured -----------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("epochs", [0, 2])
def test_measured_scorer_reproduces_the_metrics_of_the_hybrid(
    planted_data: MovieData, split: Split, layers: int, epochs: int
) -> None:
    model = train(planted_data, split, hybrid_config(layers=layers, epochs=epochs))
    for profile, metrics in zip(PROFILES, (model.watch_metrics, model.test_metrics), strict=True):
        scorer = measured_scorer(planted_data, model, split, profile)
        assert evaluate(scorer, split, "test").mean() == pytest.approx(metrics)
        kept = model.history[model.best_epoch].metrics
        found = evaluate(scorer, split, "validation").mean()
        assert (found == pytest.approx(kept)) or profile == "watch"


def test_measured_scorer_reproduces_the_metrics_of_the_papers_model(
    planted_data: MovieData, split: Split, model: TrainedModel
) -> None:
    scorer = measured_scorer(planted_data, model, split)
    assert evaluate(scorer, split, "test").mean() == pytest.approx(model.test_metrics)
    assert model.watch_metrics == {}


def test_the_fitted_graph_is_of_the_train_part_until_a_refit(
    planted_data: MovieData, split: Split, hybrid: TrainedModel
) -> None:
    content = visible_content(planted_data, split.hidden())
    expected = build_graph(split.train, content, hybrid.config)
    assert (fitted_graph(planted_data, hybrid).edges != expected.edges).nnz == 0
    whole = fitted_graph(planted_data, refit(planted_data, hybrid))
    dense = {kind: rows.toarray() for kind, rows in content_edges(planted_data).items()}
    blocks = dense_graph(planted_data.ratings.toarray(), dense, hybrid.config)
    rows = np.concatenate(list(blocks.values()))
    np.testing.assert_allclose(whole.edges.toarray(), rows, atol=1e-5)


def test_film_vectors_lie_as_a_list_reads_them(model: TrainedModel, hybrid: TrainedModel) -> None:
    for each in (model, hybrid):
        assert each.movie_factors.flags.f_contiguous
