"""Films for several people, and how alike two tastes are: by hand, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from analysis.together import films_for_all, likeness

ALL = np.ones(5, bool)


def test_the_worst_place_decides_and_then_the_mean() -> None:
    # Films 0 to 4; the second person's scores are on another scale, which must not count.
    scores = np.array([[5.0, 4.0, 3.0, 2.0, 1.0], [100.0, 300.0, 500.0, 400.0, 200.0]])
    stars = np.full((2, 5), 4.0)
    found = films_for_all(scores, stars, ALL, 3.5)
    # Places: one 1 2 3 4 5, other 5 3 1 2 4; worst 5 3 3 4 5; means 3 2.5 2 3 4.5.
    assert found.movies.tolist() == [2, 1, 3, 0, 4]
    assert found.places.tolist() == [[3, 2, 4, 1, 5], [1, 3, 2, 5, 4]]


def test_a_film_below_the_stars_of_one_is_out_and_places_are_among_those_left() -> None:
    scores = np.array([[5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    stars = np.array([[5.0, 4.0, 3.4, 4.0, 4.5], [4.0, 4.0, 5.0, 3.5, 4.2]])
    seen = np.array([True, True, True, True, False])
    found = films_for_all(scores, stars, seen, 3.5)
    assert sorted(found.movies.tolist()) == [0, 1, 3]
    assert found.movies[0] == 1  # place 2 for both
    assert found.highest == 4.0
    assert not len(films_for_all(scores, stars, seen, 4.5).movies)
    assert np.isnan(films_for_all(scores, stars, ~ALL, 1.0).highest)


@given(some.integers(0, 10**6), some.integers(1, 4), some.sampled_from((1.0, 3.0, 4.0)))
def test_nobody_is_below_the_stars_and_no_scale_counts(
    seed: int, people: int, least: float
) -> None:
    random = np.random.default_rng(seed)
    scores, stars = random.random((people, 30)), random.uniform(0.5, 5, (people, 30))
    allowed = random.random(30) < 0.7
    found = films_for_all(scores, stars, allowed, least)
    assert set(found.movies) == set(np.flatnonzero(allowed & (stars.min(axis=0) >= least)))
    worst = found.places.max(axis=0, initial=0)
    assert (np.diff(worst) >= 0).all()
    for places in found.places:
        assert sorted(places) == list(range(1, len(found.movies) + 1))
    stretched = films_for_all(np.exp(scores * random.uniform(1, 9)), stars, allowed, least)
    assert stretched.movies.tolist() == found.movies.tolist()


def rated(*pairs: tuple[int, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([m for m, _ in pairs], int), np.array([s for _, s in pairs], float)


def test_the_agreement_by_hand() -> None:
    # Means 3 and 3.5. In common films 1, 2: a = (2, −1), b = (1, −0.5), so r = 1.
    one, other = rated((1, 5), (2, 2), (3, 2)), rated((1, 4.5), (2, 3), (4, 3))
    found = likeness(one, other, np.arange(9))
    assert found.common == 2 and found.apart == pytest.approx(0.75)
    assert found.agreement == pytest.approx(1)
    assert found.shrunk == pytest.approx(2 / 12)
    # a = (2, −1), b = (−1, 1) after a mean of 3: −3 / √(5 · 2).
    found = likeness(one, rated((1, 2), (2, 4)), np.arange(9))
    assert found.agreement == pytest.approx(-3 / np.sqrt(10))
    assert found.shrunk == pytest.approx(-3 / np.sqrt(10) * 2 / 12)


def test_no_film_in_common_and_films_that_tell_nothing() -> None:
    assert likeness(rated((1, 5)), rated((2, 5)), np.arange(9)).shrunk == 0
    found = likeness(rated((1, 4), (2, 4)), rated((1, 5), (2, 1)), np.arange(9))
    assert (found.common, found.agreement) == (2, 0)  # who gives all films 4 prefers none


def test_twins_of_the_catalogue_are_one_film() -> None:
    canonical = np.array([0, 1, 1])
    found = likeness(rated((0, 1), (1, 5)), rated((0, 1), (2, 5)), canonical)
    assert found.common == 2 and found.agreement == pytest.approx(1)
