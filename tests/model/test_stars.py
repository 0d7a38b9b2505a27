"""Predicted stars: worked by hand, against a dense solution, and how sure they are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from model.stars import (
    BIAS_RIDGE,
    StarErrors,
    StarModel,
    biases_only,
    fit_stars,
    measure_stars,
    predict_stars,
)

AXES = np.array([[1.0, 0], [1, 0], [0, 1]], np.float32)  # films 0 and 1 alike, 2 of another kind


def by_hand(ridge: float = 1.0, noise: float = 0.5) -> StarModel:
    return StarModel(3.5, np.array([0.5, 0.0, -0.5]), AXES, ridge, noise)


def test_a_prediction_worked_by_hand() -> None:
    # Film 0 with 5 stars is 1 above μ + b_0 = 4; the person's bias is 1/(1 + 4) = 0.2, which
    # leaves 0.8; along the first axis β = 0.8/(1 + 1) = 0.4. Film 1: 3.5 + 0 + 0.2 + 0.4.
    expected, unsure = predict_stars(by_hand(), np.array([0]), np.array([5.0]))
    np.testing.assert_allclose(expected[1:], [4.1, 3.2])
    # Variance of β: 1/(1 + 1) along the first axis, 1 along the other, in units of the noise.
    np.testing.assert_allclose(unsure[1:], [0.5 * np.sqrt(1.5), 0.5 * np.sqrt(2)])


def test_without_ratings_everyone_gets_the_film_means() -> None:
    none = np.array([], int)
    expected, unsure = predict_stars(by_hand(), none, none.astype(float))
    np.testing.assert_allclose(expected, [4, 3.5, 3])
    np.testing.assert_allclose(unsure, 0.5 * np.sqrt(2))
    np.testing.assert_allclose(biases_only(by_hand(), none, none, np.arange(3)), [4, 3.5, 3])


def test_predictions_stay_between_half_a_star_and_five() -> None:
    films = np.arange(3)
    high, _ = predict_stars(by_hand(0.01), films, np.full(3, 9.0))
    low, _ = predict_stars(by_hand(0.01), films, np.full(3, -9.0))
    assert high.max() <= 5 and low.min() >= 0.5


def test_the_regression_is_the_dense_ridge_solution() -> None:
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((20, 6)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    model = StarModel(3.0, rng.standard_normal(20) / 9, directions, 2.0, 1.0)
    films, stars = np.arange(9), rng.uniform(2, 4, 9)
    above = stars - 3.0 - model.film_bias[:9]
    bias = above.sum() / (9 + BIAS_RIDGE)
    g = directions.astype(float)
    slope = np.linalg.solve(g[:9].T @ g[:9] + 2 * np.eye(6), g[:9].T @ (above - bias))
    variance = np.linalg.inv(g[:9].T @ g[:9] + 2 * np.eye(6))
    expected, unsure = predict_stars(model, films, stars, np.arange(10, 20))
    np.testing.assert_allclose(expected, 3.0 + model.film_bias[10:] + bias + g[10:] @ slope)
    np.testing.assert_allclose(
        unsure, np.sqrt(1 + np.einsum("id,de,ie->i", g[10:], variance, g[10:])), rtol=1e-6
    )


def planted(
    noise: float, n_users: int = 200, n_films: int = 80
) -> tuple[sparse.csr_array, NDArray]:
    """Stars = a person's taste in two directions plus noise."""
    rng = np.random.default_rng(1)
    films = rng.standard_normal((n_films, 2)).astype(np.float32)
    films /= np.linalg.norm(films, axis=1, keepdims=True)
    stars = 3 + rng.standard_normal((n_users, 2)) * 0.5 @ films.T
    stars = np.clip(stars + noise * rng.standard_normal(stars.shape), 0.5, 5)
    return sparse.csr_array(np.where(rng.random(stars.shape) < 0.5, stars, 0)), films


@pytest.mark.parametrize("noise", [0.2, 0.6])
def test_the_uncertainty_covers_what_it_says(noise: float) -> None:
    ratings, films = planted(noise)
    half = np.random.default_rng(2).random(ratings.shape) < 0.8
    known, held_out = (sparse.csr_array(ratings.toarray() * part) for part in (half, ~half))
    found = measure_stars(fit_stars(known, films), known, held_out)
    assert found.coverage(1) == pytest.approx(0.683, abs=0.05)
    assert found.coverage(2) == pytest.approx(0.954, abs=0.03)
    assert np.sqrt(np.mean(found.error**2)) < 0.9 * np.sqrt(np.mean(found.of_biases**2))
    assert len(found.error) == held_out.nnz and set(found.user) <= set(range(200))


def test_coverage_counts_errors_within_so_many_deviations() -> None:
    found = StarErrors(np.arange(4), np.array([0.5, -0.9, 2.0, 1.0]), np.ones(4), np.zeros(4))
    assert (found.coverage(1), found.coverage(2), found.coverage(0.4)) == (0.75, 1.0, 0.0)


def test_equal_stars_everywhere_are_predicted_as_such() -> None:
    ratings = sparse.csr_array(np.full((5, 6), 4.0))
    expected, unsure = predict_stars(
        fit_stars(ratings, np.eye(6, 3, dtype=np.float32)), np.array([0]), np.array([4.0])
    )
    np.testing.assert_allclose(expected, 4.0, atol=1e-9)
    assert np.isfinite(unsure).all() and (unsure > 0).all()


def test_a_single_rating_gives_a_finite_model() -> None:
    ratings = sparse.csr_array(np.array([[0, 2.5, 0]]))
    expected, unsure = predict_stars(fit_stars(ratings, AXES), np.array([1]), np.array([2.5]))
    assert np.isfinite([*expected, *unsure]).all()


def test_directions_and_ridge_have_an_effect() -> None:
    ratings, films = planted(0.3)
    user = ratings[[0]]
    rated = user.indices, user.data
    plain = predict_stars(fit_stars(ratings, films), *rated)[0]
    for changes in ({"directions": 1}, {"ridge": 50.0}):
        assert not np.allclose(
            predict_stars(fit_stars(ratings, films, **changes), *rated)[0], plain
        )
