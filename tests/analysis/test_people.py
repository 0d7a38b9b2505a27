"""Personas by their definition, and the visitor as one more user of the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from analysis.network import lesson_network
from analysis.people import YOU, personas, with_names, with_visitor
from data_preparation import MovieData, load_movie_data
from model.trained import TrainedModel
from model.viewers import fold_in
from settings import DEMO_DIR
from tests.dense import dense_layers, e0_of


@pytest.fixture(scope="module")
def demo() -> MovieData:
    return load_movie_data(DEMO_DIR)


def films_of(data: MovieData, taste: str) -> list[bool]:
    """By the words of the taste, from the table of films."""
    if taste.startswith("the "):
        first = int(taste.removeprefix("the ").removesuffix("s"))
        return [not pd.isna(y) and first <= y < first + 10 for y in data.movies["year"]]
    return [taste in genres for genres in data.movies["genres"]]


@pytest.mark.parametrize("which", ["demo", "real_data"])
def test_what_is_said_of_a_persona_is_true_of_their_ratings(
    which: str, request: pytest.FixtureRequest
) -> None:
    data: MovieData = request.getfixturevalue(which)
    people = personas(data)
    assert len(people) == 4
    assert len({p.user for p in people}) == len({p.taste for p in people}) == 4
    stars = data.ratings.toarray()
    for person in people:
        kind, own = np.array(films_of(data, person.taste)), stars[person.user]
        rated = own > 0
        assert person.films == rated.sum()
        assert person.share == pytest.approx((rated & kind).sum() / rated.sum())
        assert person.usual == pytest.approx((stars > 0)[:, kind].sum() / data.n_ratings)
        assert person.share > person.usual
        gain = own[rated & kind].mean() - own[rated].mean()
        assert person.above == pytest.approx(gain, abs=1e-6) and gain >= 0
        assert all(kind[movie] for movie in person.favourites)
        two_best = np.sort(own[kind])[-2:][::-1]
        assert [own[movie] for movie in person.favourites] == two_best.tolist()
        assert np.median(data.user_degree) <= person.films <= np.quantile(data.user_degree, 0.9)


def test_a_planted_taste_is_found(toy_data: MovieData) -> None:
    """Sixty users rate at random, one of them horror alone."""
    rng = np.random.default_rng(0)
    genres = [("Horror",) if n < 20 else ("Drama",) for n in range(100)]
    stars = np.zeros((60, 100))
    for user in range(60):
        chosen = rng.permutation(20 if user == 17 else 100)[:15]
        stars[user, chosen] = rng.integers(1, 11, len(chosen)) / 2
    stars[17, stars[17] > 0] = 4.0
    movies = pd.DataFrame(
        {
            "title": [f"Film {n}" for n in range(100)],
            "name": [f"Film {n}" for n in range(100)],
            "year": pd.array([pd.NA] * 100, dtype="Int64"),
            "genres": genres,
        }
    )
    data = replace(
        toy_data,
        ratings=sparse.csr_array(stars.astype(np.float32)),
        timestamps=np.zeros(900, np.int64),
        movies=movies,
        user_ids=np.arange(60),
        movie_ids=np.arange(100),
    )
    first = personas(data)[0]
    assert (first.user, first.taste, first.share) == (17, "Horror", 1.0)


def test_data_without_genres_and_years_have_no_personas(toy_data: MovieData) -> None:
    movies = toy_data.movies.assign(
        genres=[()] * toy_data.n_movies, year=pd.array([pd.NA] * toy_data.n_movies, dtype="Int64")
    )
    assert personas(replace(toy_data, movies=movies)) == []


def test_a_persona_goes_by_one_name(demo: MovieData) -> None:
    people = personas(demo)
    named = with_names(demo, people)
    for person in people:
        assert named.user_name(person.user) == person.name
    others = set(range(demo.n_users)) - {p.user for p in people}
    assert all(named.user_name(u) == f"User {demo.user_ids[u]}" for u in others)


def test_the_visitor_is_the_last_user_and_the_rest_is_as_it_was(demo: MovieData) -> None:
    mine = {7: 4.5, 2: 1.0}
    data = with_visitor(demo, mine)
    you = demo.n_users
    assert data.user_name(you) == YOU and data.n_users == you + 1
    np.testing.assert_array_equal(data.ratings.toarray()[:you], demo.ratings.toarray())
    assert dict(zip(data.rated_by(you).tolist(), data.stars_of(you).tolist(), strict=True)) == mine
    more = data.movie_degree - demo.movie_degree
    assert set(np.flatnonzero(more).tolist()) == {2, 7}
    assert len(data.timestamps) == data.n_ratings
    assert data.fingerprint != demo.fingerprint != with_visitor(demo, {7: 4.0}).fingerprint


def test_the_visitors_layers_come_from_their_films(
    planted_data: MovieData, either_kind: TrainedModel
) -> None:
    data = with_visitor(planted_data, {3: 4.0, 8: 2.5})
    network = lesson_network(planted_data, either_kind).over(data.ratings)
    you, e0 = planted_data.n_users, e0_of(network)
    assert not e0[you].any()
    dense = dense_layers(data.ratings.toarray() > 0, e0, network.layers)
    found = network.layers_of(("user", you))
    np.testing.assert_allclose(found, np.array(dense)[:, you], atol=1e-4)
    assert found[1].any()
    if not either_kind.is_hybrid:  # all others hold what was learned
        np.testing.assert_array_equal(np.delete(e0, you, axis=0), either_kind.e0)
    assert fold_in(planted_data, either_kind, {3: 4.0, 8: 2.5}).factor.any()
