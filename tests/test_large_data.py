"""The made-up data of MovieLens's shapes: readable, of the shape, repeatable, and learnable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.large_data import SHAPES, Shape, make
from data_preparation import MovieData, load_movie_data
from model.baselines import ease, popularity
from model.evaluation import evaluate
from model.splits import random_80_10_10
from tests.conftest import snapshot

SMALL = Shape(n_users=300, n_movies=400, per_user=45.0, tags=900, tag_names=120)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MovieData:
    folder = tmp_path_factory.mktemp("made")
    make(SMALL, folder)
    return load_movie_data(folder)


def test_the_shape_is_as_wished(made: MovieData) -> None:
    assert (made.n_users, made.n_movies, len(made.tags)) == (300, 400, 900)
    assert made.n_ratings == pytest.approx(300 * 45, rel=0.03)
    assert made.user_degree.min() >= 19
    assert set(np.unique(made.ratings.data)) <= {half / 2 for half in range(1, 11)}
    assert made.tag_names and made.movies["year"].notna().all() and len(made.genre_names) > 10
    assert (made.movies["tmdb_id"] != "").all()


def test_degrees_have_long_tails(made: MovieData) -> None:
    for degrees in (made.user_degree, made.movie_degree):
        assert degrees.max() > 3 * np.median(degrees)


def test_what_is_held_out_can_be_learned(made: MovieData) -> None:
    split = random_80_10_10(made)
    learned, popular = (
        evaluate(scorer, split, "test").mean()["NDCG@20"]
        for scorer in (ease(split.train, 100.0), popularity(split.train))
    )
    assert learned > 1.5 * popular


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    tiny = Shape(n_users=30, n_movies=90, per_user=22.0, tags=20, tag_names=50)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make(tiny, tmp_path / name, seed)
    a, b, c = (snapshot(tmp_path / name) for name in "abc")
    assert a == b != c


def test_the_shapes_are_those_of_the_releases() -> None:
    ratings = {name: shape.n_users * shape.per_user for name, shape in SHAPES.items()}
    wanted = {"1m": 1_000_209, "10m": 10_000_054, "25m": 25_000_095, "32m": 32_000_204}
    assert ratings == pytest.approx(wanted, rel=0.002)
