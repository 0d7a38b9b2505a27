"""How many stars someone will give: film and person biases, and a regression on film directions.

    stars_ui = μ + b_i + b_u + g_i·β_u + noise

g_i is the film's vector in the leading directions of the model, of length 1. β_u is fitted to what
the person's rated films leave over, by ridge regression: the posterior mean of a Gaussian prior on
β_u, whose variance says how sure the prediction is (Rasmussen & Williams 2006, eq. 2.8–2.9). The
same formula serves users of the data and visitors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from sklearn.preprocessing import normalize

# Chosen on validation (benchmarks/run.py stars).
DIRECTIONS = 64
RIDGE = 3.0
BIAS_RIDGE = 4.0
_BIAS_ROUNDS = 10
LOWEST, HIGHEST = 0.5, 5.0


@dataclass(frozen=True, eq=False)
class StarModel:
    """What the ratings say about stars.

    Attributes:
        mean: μ.
        film_bias: b_i, float64 [n_movies]; 0 without ratings.
        directions: g_i, float32 [n_movies, ≤ `DIRECTIONS`], rows of length 1 or 0.
        noise: standard deviation of a rating around its prediction, in stars.
    """

    mean: float
    film_bias: NDArray[np.float64]
    directions: NDArray[np.float32]
    noise: float


def fit_stars(ratings: sparse.csr_array, film_vectors: NDArray[np.float32]) -> StarModel:
    """The star model of these ratings.

    Args:
        ratings: csr [n_users, n_movies], stars.
        film_vectors: float32 [n_movies, dim], leading directions first.
    """
    mean = float(ratings.data.mean(dtype=np.float64))
    film_bias, user_bias = _biases(ratings, mean)
    users = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    left_over = ratings.data - mean - film_bias[ratings.indices] - user_bias[users]
    directions = normalize(film_vectors[:, :DIRECTIONS])
    noise = float(np.sqrt(np.square(left_over).mean())) if ratings.nnz else 1.0
    return StarModel(mean, film_bias, directions, noise)


def predict_stars(
    model: StarModel,
    movies: NDArray[np.integer],
    stars: NDArray[np.floating],
    wanted: NDArray[np.integer] | slice = slice(None),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected stars of someone with these ratings, 0.5 to 5, and how unsure each is.

    Args:
        movies, stars: the person's rated films (inner ids) and their stars, [n_rated] each.
        wanted: inner ids of the films to predict; all by default.

    Returns:
        Expected stars and standard deviation, float64 [n_wanted] each.
    """
    above = stars - model.mean - model.film_bias[movies]
    bias = float(above.sum() / (len(movies) + BIAS_RIDGE))
    rated = model.directions[movies].astype(np.float64)  # [n_rated, dim]
    precision = rated.T @ rated + RIDGE * np.eye(rated.shape[1])
    factor = linalg.cho_factor(precision, lower=True, check_finite=False)
    slope = linalg.cho_solve(factor, rated.T @ (above - bias), check_finite=False)  # β_u
    asked = model.directions[wanted].astype(np.float64)  # [n_wanted, dim]
    expected = model.mean + model.film_bias[wanted] + bias + asked @ slope
    spread = linalg.solve_triangular(factor[0], asked.T, lower=True, check_finite=False)
    unsure = model.noise * np.sqrt(1 + np.square(spread).sum(axis=0))
    return expected.clip(LOWEST, HIGHEST), unsure


def biases_only(
    model: StarModel,
    movies: NDArray[np.integer],
    stars: NDArray[np.floating],
    wanted: NDArray[np.integer],
) -> NDArray[np.float64]:
    """The baseline: μ + b_i + b_u without the regression, float64 [n_wanted]."""
    above = stars - model.mean - model.film_bias[movies]
    bias = float(above.sum() / (len(movies) + BIAS_RIDGE))
    return (model.mean + model.film_bias[wanted] + bias).clip(LOWEST, HIGHEST)


def _biases(
    ratings: sparse.csr_array, mean: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """b_i and b_u by alternating ridge means (Koren 2008, eq. 1 and 2)."""
    n_users, n_movies = ratings.shape
    users = np.repeat(np.arange(n_users), np.diff(ratings.indptr))
    above, films = ratings.data.astype(np.float64) - mean, ratings.indices
    of_user = np.diff(ratings.indptr) + BIAS_RIDGE
    of_film = np.bincount(films, minlength=n_movies) + BIAS_RIDGE
    user_bias, film_bias = np.zeros(n_users), np.zeros(n_movies)
    for _ in range(_BIAS_ROUNDS):
        film_bias = np.bincount(films, above - user_bias[users], minlength=n_movies) / of_film
        user_bias = np.bincount(users, above - film_bias[films], minlength=n_users) / of_user
    return film_bias, user_bias
