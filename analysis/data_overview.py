"""The ratings at a glance: over time, per user, per film, and how empty the matrix is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_preparation import MovieData


@dataclass(frozen=True, eq=False)
class Overview:
    """The tables of the section, from the functions of this module.

    Attributes:
        years: `ratings_per_year`.
        stars: `ratings_by_stars`.
        users, films: `long_tail` of each.
        matrix: `density_grid`.
    """

    years: pd.DataFrame
    stars: pd.DataFrame
    users: pd.DataFrame
    films: pd.DataFrame
    matrix: pd.DataFrame


def overview(data: MovieData) -> Overview:
    return Overview(
        ratings_per_year(data),
        ratings_by_stars(data),
        long_tail(data.user_degree),
        long_tail(data.movie_degree),
        density_grid(data),
    )


def ratings_per_year(data: MovieData) -> pd.DataFrame:
    """year (of the rating, UTC), ratings, users (who rated in it); years without ratings are 0."""
    years = data.timestamps.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64)
    first = int(years.min())
    years -= first
    ratings = np.bincount(years)  # [n_years]
    rated_in = np.flatnonzero(ratings)
    column = np.searchsorted(rated_in, np.arange(len(ratings)))
    users = np.repeat(np.arange(data.n_users), data.user_degree)
    seen = np.zeros((data.n_users, len(rated_in)), bool)
    seen[users, column[years]] = True
    active = np.zeros(len(ratings), np.int64)
    active[rated_in] = seen.sum(axis=0)
    every = np.arange(len(ratings)) + first + 1970
    return pd.DataFrame({"year": every, "ratings": ratings, "users": active})


def ratings_by_stars(data: MovieData) -> pd.DataFrame:
    """stars, ratings; every half star from 0.5 to 5."""
    halves = np.bincount((data.ratings.data * 2).astype(np.int8), minlength=11)
    return pd.DataFrame({"stars": np.arange(1, 11) / 2, "ratings": halves[1:]})


def long_tail(degree: NDArray[np.int64]) -> pd.DataFrame:
    """Users or films by their ratings, most first: rank (from 1), ratings, share (cumulative).

    Those without ratings are left out. Of equal counts only the first and the last rank are kept:
    the curve is the same with far fewer points.
    """
    ordered = np.sort(degree[degree > 0])[::-1]
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(ordered) + 1),
            "ratings": ordered,
            "share": ordered.cumsum() / ordered.sum(),
        }
    )
    ends = np.r_[True, ordered[1:] != ordered[:-1]] | np.r_[ordered[1:] != ordered[:-1], True]
    return table[ends].reset_index(drop=True)


def top_share(degree: NDArray[np.int64], part: float = 0.1) -> float:
    """The share of all ratings that the most rated tenth (`part`) holds, 0 to 1."""
    ordered = np.sort(degree[degree > 0])[::-1]
    return float(ordered[: max(round(part * len(ordered)), 1)].sum() / ordered.sum())


def density_grid(data: MovieData, rows: int = 20, columns: int = 40) -> pd.DataFrame:
    """How full the matrix is, users and films ordered by their ratings and cut into equal groups.

    Returns:
        users, films (group numbers from 1, most ratings first), density (share of the cells of
        the block that hold a rating, 0 to 1). Films without ratings are left out.
    """
    n_rated = int((data.movie_degree > 0).sum())
    rows, columns = min(rows, data.n_users), min(columns, n_rated)
    user_group = _groups(data.user_degree, data.n_users, rows)
    film_group = _groups(data.movie_degree, n_rated, columns)
    row = np.repeat(user_group, data.user_degree)
    places = row * columns + film_group[data.ratings.indices]
    cells = np.bincount(places, minlength=rows * columns).reshape(rows, columns)
    rated = film_group[data.movie_degree > 0]
    size = np.outer(np.bincount(user_group, minlength=rows), np.bincount(rated, minlength=columns))
    user, film = np.indices(cells.shape)
    return pd.DataFrame(
        {"users": user.ravel() + 1, "films": film.ravel() + 1, "density": (cells / size).ravel()}
    )


def _groups(degree: NDArray[np.int64], n: int, n_groups: int) -> NDArray[np.int64]:
    """Group from 0 of each node, of equal size, most ratings first; −1 beyond the first n."""
    order = np.argsort(-degree, kind="stable")[:n]
    groups = np.full(len(degree), -1)
    groups[order] = np.arange(n) * n_groups // n
    return groups
