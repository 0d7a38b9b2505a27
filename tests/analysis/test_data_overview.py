"""The data at a glance, against plain counting."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from analysis.data_overview import (
    density_grid,
    long_tail,
    ratings_by_stars,
    ratings_per_year,
    top_share,
)
from data_preparation import MovieData
from tests.conftest import TOY_RATINGS


def at(year: int) -> int:
    """The last second of a year, in UTC."""
    end = datetime.datetime(year, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    return int(end.timestamp())


def test_ratings_per_year_count_by_utc_and_fill_gaps(load: Callable[..., MovieData]) -> None:
    years = [1999, 1999, 1999, 2002, 2002]
    ratings = [(*row[:3], at(y)) for row, y in zip(TOY_RATINGS[2:7], years, strict=True)]
    table = ratings_per_year(load(ratings=ratings, tags=None))
    assert table["year"].tolist() == [1999, 2000, 2001, 2002]
    assert table["ratings"].tolist() == [3, 0, 0, 2]
    assert table["users"].tolist() == [2, 0, 0, 1]  # users 3, 3, 7 and 7, 7


def test_ratings_by_stars_count_every_half_star(toy_data: MovieData) -> None:
    table = ratings_by_stars(toy_data)
    counted = Counter(stars for _, _, stars, _ in TOY_RATINGS)
    assert table["stars"].tolist() == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]
    assert table["ratings"].tolist() == [counted[stars] for stars in table["stars"]]


def test_the_long_tail_keeps_the_ends_of_each_step() -> None:
    table = long_tail(np.array([1, 0, 7, 1, 1, 3, 1]))
    assert table["rank"].tolist() == [1, 2, 3, 6]
    assert table["ratings"].tolist() == [7, 3, 1, 1]
    np.testing.assert_allclose(table["share"], np.array([7, 10, 11, 14]) / 14)


def test_top_share_of_the_most_rated_tenth() -> None:
    assert top_share(np.array([11] + [1] * 9 + [0] * 5)) == pytest.approx(11 / 20)


def test_density_grid_adds_up_to_all_ratings(toy_data: MovieData) -> None:
    whole = density_grid(toy_data, rows=1, columns=1)
    assert whole["density"].tolist() == [pytest.approx(15 / (5 * 7))]  # film 200 has no rating
    cells = density_grid(toy_data, rows=5, columns=7)
    assert cells["density"].sum() == 15  # a cell of one user and one film is rated or not
    stars = toy_data.ratings.toarray() > 0
    users = np.argsort(-stars.sum(axis=1), kind="stable")
    films = np.argsort(-stars.sum(axis=0), kind="stable")[:7]
    grid = cells["density"].to_numpy().reshape(5, 7)
    assert (grid == stars[users][:, films]).all()
