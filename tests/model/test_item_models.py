"""The baselines on anyone's films: on those of a user of the data, what `model.baselines` says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from data_preparation import MovieData
from model import baselines, item_models
from model.item_models import ProfileScorer

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


def test_a_larger_ease_takes_more_memory_on_either_side() -> None:
    by_users = item_models.ease_bytes(610, 9742, 100_836)
    assert 3 * 610 * 9742 * 8 < by_users < 250e6
    assert item_models.ease_bytes(162_541, 59_047, 25_000_095) > 80e9
    assert item_models.ease_bytes(6040, 3706, 1_000_209) < 400e6
