"""The map of films and its neighbours, against dense NumPy and plain counting."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import normalize

from analysis.movie_map import (
    cluster_names,
    clusters,
    decades,
    movie_map,
    neighbour_table,
    pictured,
    pictured_columns,
    principal_components,
    tsne_map,
)
from data_preparation import MovieData
from model.config import Kind, TrainingConfig
from model.splits import temporal_leave_one_out
from model.trained import TrainedModel
from model_training import train

KINDS: tuple[Kind, ...] = ("paper", "hybrid")


def quick_model(data: MovieData, dim: int = 4, kind: Kind = "paper") -> TrainedModel:
    epochs = 2 if kind == "paper" else 0
    config = TrainingConfig(model=kind, dim=dim, layers=1, epochs=epochs, learning_rate=0.05)
    return train(data, temporal_leave_one_out(data), config)


@pytest.fixture(scope="module")
def planted_model(planted_data: MovieData) -> TrainedModel:
    return quick_model(planted_data, 8, "hybrid")


def dense_directions(model: TrainedModel, movies: np.ndarray) -> np.ndarray:
    rows = model.movie_factors[movies].astype(float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def weighted_axes(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores without signs, and shares, by the SVD of rows that are repeated by their weights."""
    repeated = np.repeat(rows, weights, axis=0)
    centred = repeated - repeated.mean(0)
    _, sigma, right = np.linalg.svd(centred, full_matrices=False)
    return np.abs((rows - repeated.mean(0)) @ right.T), sigma**2 / (sigma**2).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_the_map_holds_every_known_film_and_its_variance(toy_data: MovieData, kind: Kind) -> None:
    model = quick_model(toy_data, kind=kind)
    chart = movie_map(toy_data, model)
    rated = toy_data.movie_degree > 0
    if kind == "hybrid":  # a fit knows nothing of a film whose ratings are all held out
        known = np.zeros(toy_data.n_movies, bool)
        known[temporal_leave_one_out(toy_data).train.indices] = True
        assert (rated & ~known).any()
        rated &= known
    movies = chart.points["movie"].to_numpy()
    assert sorted(movies) == np.flatnonzero(rated).tolist() and chart.n_known == rated.sum()
    degree = toy_data.movie_degree[movies]
    assert (np.diff(degree) <= 0).all()  # the best known first
    scores, shares = weighted_axes(dense_directions(model, movies), degree)
    np.testing.assert_allclose(chart.explained, shares[:4], rtol=1e-6)
    np.testing.assert_allclose(np.abs(chart.components), scores[:, :4], atol=1e-6)
    np.testing.assert_allclose(chart.points[["x", "y"]], chart.components[:, :2])
    assert chart.points["decade"].tolist()[0] == "1990s"


def test_of_many_films_the_map_holds_the_best_known(
    planted_data: MovieData, planted_model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.movie_map.MOST_FILMS", 20)
    chart = movie_map(planted_data, planted_model)
    assert len(chart.points) == len(chart.components) == 20
    left_out = np.setdiff1d(np.arange(planted_data.n_movies), chart.points["movie"])
    assert planted_data.movie_degree[left_out].max() <= chart.points["ratings"].min()
    assert chart.n_known == planted_data.n_movies


def test_the_picture_of_a_wide_fitted_model_is_made_of_its_first_columns() -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(30, 100)).astype(np.float32)
    movies = np.array([3, 4, 9])
    fitted = SimpleNamespace(
        dim=100, values=np.ones(100), movie_factors=factors, directions=normalize(factors)
    )
    learned = SimpleNamespace(**vars(fitted) | {"values": np.zeros(0)})
    assert (pictured_columns(fitted), pictured_columns(learned)) == (64, 100)
    first = factors[movies, :64].astype(float)
    expected = first / np.linalg.norm(first, axis=1, keepdims=True)
    np.testing.assert_allclose(pictured(fitted, movies), expected, atol=1e-6)
    np.testing.assert_allclose(pictured(learned, movies), learned.directions[movies])


def test_principal_components_count_each_row_by_its_weight() -> None:
    rng = np.random.default_rng(1)
    rows = (rng.normal(size=(50, 12)) * 0.8 ** np.arange(12) + 0.3).astype(np.float32)
    weights = rng.integers(0, 9, 50)
    scores, shares = principal_components(rows, 5, weights)
    expected, expected_shares = weighted_axes(rows.astype(float), weights)
    np.testing.assert_allclose(shares, expected_shares[:5], rtol=1e-5)
    np.testing.assert_allclose(np.abs(scores), expected[:, :5], atol=1e-5)
    nothing, _ = principal_components(rows, 5, np.zeros(50, int))
    same, _ = principal_components(rows, 5, np.ones(50, int))
    np.testing.assert_allclose(nothing, same)


def test_a_model_of_one_dimension_still_has_a_map(toy_data: MovieData) -> None:
    chart = movie_map(toy_data, quick_model(toy_data, dim=1))
    assert (chart.points["y"] == 0).all()
    assert np.isfinite(chart.points["x"]).all()


def test_principal_components_of_equal_rows_are_zero() -> None:
    scores, shares = principal_components(np.ones((5, 3)), 2, np.arange(5))
    assert scores.tolist() == [[0.0, 0.0]] * 5
    assert shares == (0.0, 0.0)


def test_clusters_find_the_planted_groups_largest_first(
    planted_data: MovieData, planted_model: TrainedModel
) -> None:
    directions = dense_directions(planted_model, np.arange(48))
    labels = clusters(directions, 3)
    for group in range(3):
        members = labels[group::3]  # films of one planted group
        assert (members == np.bincount(members).argmax()).mean() > 0.8
    assert (np.diff(np.bincount(labels)) <= 0).all()


def test_clusters_are_never_more_than_the_distinct_directions() -> None:
    rows = np.repeat(np.eye(3), [4, 2, 3], axis=0)
    labels = clusters(rows, 8)
    assert labels.tolist() == [0] * 4 + [2] * 2 + [1] * 3


def test_a_cluster_is_named_by_the_genres_that_it_has_more_than_others() -> None:
    genres = [("Drama", "War"), ("Drama", "War"), ("Drama", "Comedy"), ("Drama",)]
    names = cluster_names(genres, np.array([0, 0, 1, 1]))
    # War: 1 − ½ in the first; Comedy: ½ − ¼ in the second; Drama is everywhere: 0.
    assert names == ["1 War & Drama"] * 2 + ["2 Comedy & Drama"] * 2
    assert cluster_names([(), ()], np.array([0, 1])) == ["1", "2"]


def test_neighbours_say_what_they_share(toy_data: MovieData) -> None:
    model = quick_model(toy_data)
    movie = toy_data.inner_movie(10)
    table = neighbour_table(toy_data, model, movie, k=6).set_index("movie")
    assert movie not in table.index and len(table) == 6
    assert table["cosine"].is_monotonic_decreasing
    stars = toy_data.ratings.toarray()
    directions = dense_directions(model, np.arange(7))
    for near, row in table.iterrows():
        assert row["cosine"] == pytest.approx(directions[movie] @ directions[near], abs=1e-5)
        assert row["shared_viewers"] == ((stars[:, movie] > 0) & (stars[:, near] > 0)).sum()
        assert row["ratings"] == (stars[:, near] > 0).sum()
    alien, heat = toy_data.inner_movie(110), toy_data.inner_movie(20)
    assert table.loc[alien, "shared_tags"] == ("sci fi", "time travel")
    assert table.loc[alien, "shared_genres"] == ("Sci-Fi",)
    assert table.loc[heat, "shared_genres"] == ("Action",)
    assert table.loc[heat, "shared_tags"] == ()


def test_a_film_without_ratings_has_no_neighbours(toy_data: MovieData) -> None:
    table = neighbour_table(toy_data, quick_model(toy_data), toy_data.inner_movie(200))
    assert table.empty
    assert list(table.columns)[:2] == ["movie", "cosine"]


@pytest.mark.parametrize("laid_out", [48, 30])
def test_tsne_puts_the_planted_groups_apart(
    planted_data: MovieData,
    planted_model: TrainedModel,
    monkeypatch: pytest.MonkeyPatch,
    laid_out: int,
) -> None:
    """Those that are not laid out go where their nearest are."""
    monkeypatch.setattr("analysis.movie_map.MOST_LAID_OUT", laid_out)
    monkeypatch.setattr("analysis.movie_map._CHUNK", 7)
    place = tsne_map(planted_data, planted_model, np.arange(48))
    assert place.shape == (48, 2) and np.isfinite(place).all()
    apart = np.linalg.norm(place[:, None] - place[None], axis=2)
    same = np.arange(48)[:, None] % 3 == np.arange(48) % 3
    assert apart[same].mean() < 0.7 * apart[~same].mean()
    late = apart[laid_out:, :laid_out]
    if laid_out < 48:
        own = same[laid_out:, :laid_out]
        assert late[own].mean() < 0.7 * late[~own].mean()


def test_labels_are_those_of_the_other_tabs(toy_data: MovieData) -> None:
    assert [toy_data.labels[m] for m in range(toy_data.n_movies)] == [
        "The Matrix (1999)",
        "Heat (1995)",
        "Jumanji (1995)",
        "The Postman (1994)",
        "Up (2009)",
        "Seven (1995)",
        "Alien (1979)",
        "Babylon 5",
    ]


def test_decades_names_missing_years_unknown(toy_data: MovieData) -> None:
    names = decades(toy_data.movies["year"])
    assert names[toy_data.inner_movie(200)] == "unknown"
    assert names[toy_data.inner_movie(70)] == "2000s"


def test_films_without_any_year_or_genre_still_have_a_map(load: Callable[..., MovieData]) -> None:
    movies = [(m, f"Film {m}", "(no genres listed)") for m in (10, 20, 35, 50, 70, 90, 110, 200)]
    data = load(movies=movies, tags=None)
    points = movie_map(data, quick_model(data)).points
    assert set(points["decade"]) == {"unknown"} and set(points["genre"]) == {"none"}
    assert points["cluster"].str.fullmatch(r"\d+").all()
    assert points["year"].isna().all() and pd.api.types.is_float_dtype(points["year"])
