"""Terms of time in the benchmark: each finds the effect that made the stars, as of then."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import drift
from benchmarks.drift import Ratings, Term
from model import stars
from tests.dense import csr

DAY = drift.DAY


def made(table: np.ndarray, when: np.ndarray) -> Ratings:
    """Ratings of the stored entries, with these times [n_users, n_movies]."""
    matrix = csr(table)
    user = np.repeat(np.arange(len(table)), np.diff(matrix.indptr))
    film = matrix.indices.astype(np.int64)
    return Ratings(matrix, user, film, when[user, film].astype(np.int64))


def everybody(change: np.ndarray, when: np.ndarray) -> tuple[Ratings, Ratings]:
    """3 stars and a change [n_users, n_movies]; a fifth of the ratings are to be predicted."""
    rng = np.random.default_rng(0)
    held = rng.random(change.shape) < 0.2
    return made((3 + change) * ~held, when), made((3 + change) * held, when)


def off(known: Ratings, later: Ratings, terms: list[Term]) -> float:
    """Root mean square of what biases and terms leave of the stars to predict."""
    film_bias, added, expected = drift.said_by(terms, known, later)
    mean = known.matrix.data.mean()
    left = known.matrix.data - added - mean - film_bias[known.film]
    count = np.bincount(known.user) + stars.BIAS_RIDGE
    person = np.bincount(known.user, left) / count
    told = mean + film_bias[later.film] + person[later.user] + expected
    return float(np.sqrt(np.mean((told - later.matrix.data) ** 2)))


def test_a_film_that_lost_its_shine_has_a_bias_for_each_half_of_its_life() -> None:
    rng = np.random.default_rng(1)
    when = rng.integers(0, 4000 * DAY, (60, 20))
    change = np.where(when < 2000 * DAY, 1.0, -1.0) * (np.arange(20) % 2)
    known, later = everybody(change, when)
    term = drift.film_by_time(known, later, 0, 1.0)
    assert off(known, later, [term]) < 0.5 * off(known, later, [])


def test_a_person_who_grows_strict_drifts() -> None:
    when = np.random.default_rng(2).integers(0, 4000 * DAY, (30, 40))
    slope = np.linspace(-1, 1, 30)[:, None]
    known, later = everybody(slope * (when / (2000 * DAY) - 1), when)
    term = drift.drift_of_person(known, later, 0.7, 1.0)
    assert off(known, later, [term]) < 0.5 * off(known, later, [])


@pytest.mark.parametrize("each", [False, True])
def test_a_first_sitting_of_its_own_kind_is_found(each: bool) -> None:
    place = np.tile(np.arange(40), (30, 1))
    when = np.where(place < 16, place * 60, 100 * DAY + place * DAY)
    known, later = everybody(np.where(place < 16, 1.0, -1.0), when)
    # The films have the order of the sitting here, so they tell as much: compare what is added.
    inside = later.when < DAY
    _, _, expected = drift.said_by([drift.first_sitting(known, later, each, 1.0)], known, later)
    assert (expected[~inside] == 0).all() and expected[inside].mean() > 0.05


def test_tonight_has_the_latest_of_everything() -> None:
    when = np.random.default_rng(3).integers(0, 4000 * DAY, (10, 30))
    known, _ = everybody(np.zeros((10, 30)), when)
    tonight = made(np.eye(10, 30), np.full((10, 30), 90_000 * DAY))

    def latest(of: np.ndarray, one: int) -> int:
        return int(np.flatnonzero(of == one)[np.argmax(known.when[of == one])])

    term = drift.film_by_time(known, tonight, 1, 1.0)
    of_film = [latest(known.film, film) for film in tonight.film]
    assert term.later_group.tolist() == term.group[of_film].tolist()
    term = drift.drift_of_person(known, tonight, 0.4, 1.0)
    of_person = [latest(known.user, user) for user in tonight.user]
    assert term.later_value.tolist() == pytest.approx(term.value[of_person].tolist())
    assert (drift.first_sitting(known, tonight, True, 1.0).later_group == -1).all()


def test_without_terms_the_biases_are_those_of_the_model() -> None:
    rng = np.random.default_rng(4)
    table = rng.integers(1, 6, (20, 15)) * (rng.random((20, 15)) < 0.6)
    known = made(table.astype(float), np.zeros((20, 15)))
    fitted = stars.fit_stars(known.matrix, rng.normal(size=(15, 4)).astype(np.float32))
    film_bias, added, expected = drift.said_by([], known, known)
    np.testing.assert_allclose(film_bias, fitted.film_bias, atol=1e-12)
    assert not added.any() and not expected.any()
