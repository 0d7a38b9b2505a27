"""The map and the tag tables, against direct counting."""

from __future__ import annotations

import numpy as np
import pytest

from data_preparation import MovieData
from evaluation import temporal_leave_one_out
from insights import decades, movie_map, tag_frequencies, tag_pairs
from model_training import TrainingConfig, train


def test_the_map_holds_every_rated_film_and_its_variance(toy_data: MovieData) -> None:
    model = train(toy_data, temporal_leave_one_out(toy_data), TrainingConfig(dim=4, epochs=2))
    chart = movie_map(toy_data, model)
    assert chart.points["movie"].tolist() == np.flatnonzero(toy_data.movie_degree).tolist()
    directions = model.movie_factors[chart.points["movie"]].astype(float)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    spectrum = np.linalg.svd(directions - directions.mean(0), compute_uv=False) ** 2
    expected = spectrum[:2] / spectrum.sum()
    np.testing.assert_allclose(chart.explained, expected, rtol=1e-3)
    assert chart.points["decade"].tolist()[0] == "1990s"


def test_tag_frequencies_count_films_and_list_spellings(toy_data: MovieData) -> None:
    table = tag_frequencies(toy_data).set_index("tag")
    assert table.loc["time travel", "films"] == 3
    assert table.loc["sci fi", "films"] == 2
    assert set(table.loc["sci fi", "spellings"].split(", ")) == {"Sci-Fi", "sci fi"}


def test_tag_pairs_count_the_films_with_both(toy_data: MovieData) -> None:
    pairs = tag_pairs(toy_data, min_films=1)  # sci fi + time travel on The Matrix and Alien
    assert pairs[["first", "second", "films"]].to_numpy().tolist() == [["sci fi", "time travel", 2]]
    assert pairs["lift"][0] == pytest.approx(2 * 3 / (2 * 3))
    assert tag_pairs(toy_data, min_films=3).empty


def test_decades_names_missing_years_unknown(toy_data: MovieData) -> None:
    names = decades(toy_data.movies["year"])
    assert names[toy_data.inner_movie(200)] == "unknown"
    assert names[toy_data.inner_movie(70)] == "2000s"
