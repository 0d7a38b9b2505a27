"""The baselines on anyone's films: on those of a user of the data, what `model.baselines` says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from data_preparation import MovieData
from model import baselines, item_models
from model.item_models import ProfileScorer
from tests.conftest import REPOSITORY

PAIRS: list[tuple[Callable, Callable[..., ProfileScorer]]] = [
    (baselines.popularity, item_models.popularity_model),
    (baselines.item_knn, item_models.item_knn_model),
    (baselines.ease, item_models.ease_model),
]


@pytest.mark.parametrize(("known", "general"), PAIRS, ids=["popularity", "item_knn", "ease"])
@pytest.mark.parametrize("turned", [False, True], ids=["fewer users", "fewer films"])
def test_a_users_own_row_scores_as_the_baseline_scores_the_user(
    known: Callable, general: Callable[..., ProfileScorer], turned: bool, planted_data: MovieData
) -> None:
    ratings = planted_data.ratings.T.tocsr() if turned else planted_data.ratings
    users = np.arange(ratings.shape[0])
    np.testing.assert_allclose(
        general(ratings)(ratings), known(ratings)(users), rtol=2e-4, atol=2e-5
    )


@pytest.mark.parametrize("turned", [False, True])
def test_ease_on_a_visitors_row_is_the_row_times_the_dense_weights(
    turned: bool, planted_data: MovieData
) -> None:
    ratings = planted_data.ratings.T.tocsr() if turned else planted_data.ratings
    dense, n = (ratings.toarray() > 0).astype(float), ratings.shape[1]
    inverse = np.linalg.inv(dense.T @ dense + 7.0 * np.eye(n))
    weights = np.eye(n) - inverse / np.diag(inverse)
    row = np.zeros(n)
    row[[1, 4, 5]] = 1
    visitor = sparse.csr_array(row[None] * 3.5)  # stars play no part
    found = item_models.ease_model(ratings, 7.0)(visitor)
    np.testing.assert_allclose(found, (row @ weights)[None], atol=1e-5)


FIT = """
import sys
import numpy as np
from scipy import sparse
from model import item_models

def peak():  # ru_maxrss would begin with the peak of the process that started this one
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024

name, users, movies, ratings = sys.argv[1], *map(int, sys.argv[2:])
rng = np.random.default_rng(0)
places = rng.integers(users, size=ratings), rng.integers(movies, size=ratings)
rated = sparse.csr_array((np.full(ratings, 4, np.float32), places), shape=(users, movies))
rated.sum_duplicates()
fit, cost = getattr(item_models, f"{name}_model"), getattr(item_models, f"{name}_cost")
before = peak()
scores = fit(rated)
scores(rated[:200])
print(peak() - before, cost(users, movies, rated.nnz).peak)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("ease", (700, 5000, 60_000)),  # fewer users
        ("ease", (5000, 1400, 200_000)),  # fewer films
        ("ease", (1500, 1600, 500_000)),  # as many, and nearly every pair of films has viewers
        ("item_knn", (2000, 6000, 100_000)),
    ],
)
def test_a_fit_takes_at_most_the_memory_that_is_foretold(
    name: str, size: tuple[int, int, int]
) -> None:
    command = [sys.executable, "-c", FIT, name, *map(str, size)]
    told = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    measured, foretold = map(int, told.stdout.split())
    assert 0.4 * foretold < measured <= foretold


def test_what_is_kept_is_what_is_foretold(planted_data: MovieData) -> None:
    for ratings in (planted_data.ratings, planted_data.ratings.T.tocsr()):
        scores = item_models.ease_model(ratings)
        closure = [cell.cell_contents for cell in scores.__closure__ or ()]
        largest = max(each.nbytes for each in closure if isinstance(each, np.ndarray))
        assert largest == item_models.ease_cost(*ratings.shape, ratings.nnz).kept


def test_a_larger_ease_takes_more_memory_on_either_side() -> None:
    assert item_models.ease_cost(162_541, 59_047, 25_000_095).peak > 60e9
    assert item_models.ease_cost(59_047, 162_541, 25_000_095).peak > 60e9
    assert item_models.ease_cost(6040, 3706, 1_000_209).peak < 400e6
    assert item_models.ease_cost(40_000, 3_000, 4_000_000).peak < 400e6  # films², not users × films
