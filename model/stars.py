"""How many stars someone will give: film and person biases, and a regression on film directions.

    stars_ui = μ + b_i + b_u + g_i·β_u + noise

g_i is the film's vector in the leading directions of the model, of length 1. β_u is fitted to what
the person's rated films leave over, by ridge regression: the posterior mean of a Gaussian prior on
β_u, whose variance says how sure the prediction is (Rasmussen & Williams 2006, eq. 2.8–2.9). The
same formula serves users of the data and visitors.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from model.splits import cut_validation

# Chosen on validation: `python benchmarks/run.py stars`.
DIRECTIONS = 96
RIDGE = 3.0
BIAS_RIDGE = 4.0
# Of the fit whose film vectors serve as directions: many of them, hardly damped.
FILM_DIRECTIONS, FILM_RIDGE = 512, 1.0

LOWEST, HIGHEST = 0.5, 5.0
_BIAS_ROUNDS = 10
_ONE_FIT = threading.Lock()
_CALIBRATED_ON = 2_000  # people, at most, whose held-out ratings say how far off predictions are


@dataclass(frozen=True, eq=False)
class StarModel:
    """What the ratings say about stars.

    Attributes:
        mean: μ.
        film_bias: b_i, float64 [n_movies]; 0 without ratings.
        directions: g_i, float32 [n_movies, ≤ `DIRECTIONS`], rows of length 1 or 0.
        ridge: of β_u.
        noise: standard deviation of a rating around its prediction, in stars, where β_u is known.
    """

    mean: float
    film_bias: NDArray[np.float64]
    directions: NDArray[np.float32]
    ridge: float
    noise: float


def fit_stars(
    ratings: sparse.csr_array,
    film_vectors: NDArray[np.float32],
    directions: int = DIRECTIONS,
    ridge: float = RIDGE,
) -> StarModel:
    """The star model of these ratings.

    The noise is measured, not assumed: a tenth of everyone's ratings is predicted from the rest.

    Args:
        ratings: csr [n_users, n_movies], stars; at least one.
        film_vectors: float32 [n_movies, dim], leading directions first.
    """
    unit = normalize(film_vectors[:, :directions])
    # One small system of equations for each person: several threads only wait for one another,
    # on a busy machine twenty times as long as one takes. The limit holds for the whole process,
    # so two fits must not undo each other's.
    with _ONE_FIT, threadpool_limits(1, "blas"):
        return _calibrated(ratings, unit, ridge)


def _calibrated(ratings: sparse.csr_array, unit: NDArray[np.float32], ridge: float) -> StarModel:
    """The fit with the noise that its own predictions show."""
    rest, cut = cut_validation(ratings)
    noise = 1.0
    if rest.nnz and cut.nnz:
        partly = _fitted(rest, unit, ridge, noise)
        measured = measure_stars(partly, rest, cut, _CALIBRATED_ON)
        noise = float(np.sqrt(np.mean(np.square(measured.error / measured.unsure)))) or 1.0
    return _fitted(ratings, unit, ridge, noise)


def _fitted(
    ratings: sparse.csr_array, unit: NDArray[np.float32], ridge: float, noise: float
) -> StarModel:
    mean = float(ratings.data.mean(dtype=np.float64))
    film_bias, _ = _biases(ratings, mean)
    return StarModel(mean, film_bias, unit, ridge, noise)


@dataclass(frozen=True, eq=False)
class Taste:
    """What someone's ratings say of how they give stars.

    Attributes:
        bias: b_u.
        slope: β_u, float64 [dim].
        factor: lower Cholesky factor of the precision of β_u, float32 [dim, dim]: half of what a
            server keeps for each person, and more than exact enough for "± 0.8".
    """

    bias: float
    slope: NDArray[np.float64]
    factor: NDArray[np.float32]


def taste_of(model: StarModel, movies: NDArray[np.integer], stars: NDArray[np.floating]) -> Taste:
    """Of someone with these rated films (inner ids) and their stars, [n_rated] each."""
    above = stars - model.mean - model.film_bias[movies]
    bias = float(above.sum() / (len(movies) + BIAS_RIDGE))
    rated = model.directions[movies].astype(np.float64)  # [n_rated, dim]
    precision = rated.T @ rated
    precision.flat[:: len(precision) + 1] += model.ridge  # its diagonal
    factor = np.linalg.cholesky(precision)
    slope = lapack.dpotrs(factor, rated.T @ (above - bias), lower=True)[0]
    return Taste(bias, slope, np.asfortranarray(factor, np.float32))


def predict(
    model: StarModel, taste: Taste, wanted: NDArray[np.integer] | slice = slice(None)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected stars of someone with this taste, 0.5 to 5, and how unsure each is.

    Args:
        wanted: inner ids of the films to predict; all by default.

    Returns:
        Expected stars and standard deviation, float64 [n_wanted] each.
    """
    asked = model.directions[wanted].astype(np.float64)  # [n_wanted, dim]
    expected = model.mean + model.film_bias[wanted] + taste.bias + asked @ taste.slope
    spread = lapack.dtrtrs(taste.factor.astype(np.float64), asked.T, lower=True)[0]
    unsure = model.noise * np.sqrt(1 + np.square(spread).sum(axis=0))
    return expected.clip(LOWEST, HIGHEST), unsure


def predict_stars(
    model: StarModel,
    movies: NDArray[np.integer],
    stars: NDArray[np.floating],
    wanted: NDArray[np.integer] | slice = slice(None),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`predict` for someone with these rated films (inner ids) and their stars, [n_rated] each."""
    return predict(model, taste_of(model, movies, stars), wanted)


@dataclass(frozen=True, eq=False)
class StarErrors:
    """Held-out ratings and their predictions, float64 [n_ratings] each.

    Attributes:
        user: inner id of who gave the rating, int64.
        error: predicted less given stars.
        unsure: the standard deviation that was predicted.
        of_biases: predicted less given stars by film and person biases alone.
    """

    user: NDArray[np.int64]
    error: NDArray[np.float64]
    unsure: NDArray[np.float64]
    of_biases: NDArray[np.float64]

    def coverage(self, deviations: float) -> float:
        """The share of ratings within so many standard deviations of the prediction."""
        return float((np.abs(self.error) <= deviations * self.unsure).mean())


def measure_stars(
    model: StarModel,
    known: sparse.csr_array,
    held_out: sparse.csr_array,
    most_users: int | None = None,
    seed: int = 0,
) -> StarErrors:
    """Predict everyone's held-out ratings from their known ones.

    Args:
        known, held_out: csr [n_users, n_movies], stars.
        most_users: a random sample of so many people instead of all.
    """
    users = np.flatnonzero(np.diff(held_out.indptr))
    if most_users is not None and most_users < len(users):
        users = np.sort(np.random.default_rng(seed).choice(users, most_users, replace=False))
    who, parts = [], []
    for user in users.tolist():
        rated, given = (_row(part, user) for part in (known, held_out))
        expected, unsure = predict_stars(model, *rated, given[0])
        plain = biases_only(model, *rated, given[0])
        who.append(np.full(len(given[0]), user))
        parts.append(np.stack([expected - given[1], unsure, plain - given[1]]))
    error, unsure, of_biases = np.concatenate(parts, axis=1)
    return StarErrors(np.concatenate(who), error, unsure, of_biases)


def _row(matrix: sparse.csr_array, user: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    place = slice(matrix.indptr[user], matrix.indptr[user + 1])
    return matrix.indices[place], matrix.data[place].astype(np.float64)


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
