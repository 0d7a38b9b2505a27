"""What the model is compared with: against dense arithmetic, by hand, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from data_preparation import MovieData
from model.baselines import (
    ease,
    item_knn,
    popularity,
    pure_svd,
    tuned_ease,
)
from model.evaluation import evaluate
from model.splits import Split, random_80_10_10


def rated(n_users: int, n_movies: int, share: float = 0.3) -> sparse.csr_array:
    chance = np.random.default_rng(n_users).random((n_users, n_movies))
    return sparse.csr_array(np.where(chance < share, 4.0, 0.0).astype(np.float32))


def test_popularity_counts_train_ratings_and_not_stars() -> None:
    train = sparse.csr_array(np.array([[5.0, 0.5, 0], [0, 0.5, 0]], np.float32))
    scores = popularity(train)(np.array([0, 1, 1]))
    assert scores.tolist() == [[1, 2, 0]] * 3


def test_popularity_has_test_ndcg_0_1356_on_the_published_random_split(
    real_data: MovieData,
) -> None:
    split = random_80_10_10(real_data)
    metrics = evaluate(popularity(split.train), split, "test").mean()
    assert metrics["NDCG@20"] == pytest.approx(0.1356, abs=0.003)
    assert metrics["Recall@20"] == pytest.approx(0.1251, abs=0.003)


def test_the_length_of_the_lists_changes_no_metric_of_a_shorter_one(split: Split) -> None:
    # Popularity is full of equal scores, and every list must order them alike.
    scorer = popularity(split.train)
    short, long = (evaluate(scorer, split, "test", ks) for ks in ((10,), (5, 10, 40)))
    assert short.per_user["NDCG@10"].tolist() == long.per_user["NDCG@10"].tolist()
    np.testing.assert_array_equal(short.top, long.top[:, :10])


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (20, 20)])
def test_ease_is_the_inverse_with_a_zero_diagonal(shape: tuple[int, int]) -> None:
    train, l2 = rated(*shape), 7.0
    x = (train.toarray() > 0).astype(float)
    inverse = np.linalg.inv(x.T @ x + l2 * np.eye(shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    users = np.array([3, 0, 7])
    np.testing.assert_allclose(ease(train, l2)(users), (x @ weights)[users], atol=1e-5)


def test_the_ridge_of_ease_is_chosen_on_validation_alone(split: Split) -> None:
    grid = (1.0, 30.0, 1000.0)
    scorer, chosen = tuned_ease(split, grid)
    values = [evaluate(ease(split.train, l2), split, "validation").mean()["NDCG@20"] for l2 in grid]
    assert chosen == grid[int(np.argmax(values))]
    users = np.arange(4)
    np.testing.assert_array_equal(scorer(users), ease(split.train, chosen)(users))


def test_item_neighbours_by_hand() -> None:
    # Films 0 and 1 share one of two viewers each: cosine 1/2; film 2 shares nobody.
    train = sparse.csr_array(np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    scores = item_knn(train)(np.array([1, 3]))
    np.testing.assert_allclose(scores, [[0, 0.5, 0], [0, 0, 0]], atol=1e-6)


def test_pure_svd_with_every_direction_gives_the_ratings_back() -> None:
    train = rated(8, 12)
    np.testing.assert_allclose(pure_svd(train)(np.arange(8)), train.toarray() > 0, atol=1e-4)


def test_ease_scores_people_that_it_never_saw() -> None:
    train, strangers, l2 = rated(15, 25), rated(6, 25), 5.0
    x, y = ((part.toarray() > 0).astype(float) for part in (train, strangers))
    inverse = np.linalg.inv(x.T @ x + l2 * np.eye(25))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    users = np.array([1, 4])
    scores = ease(train, l2, strangers)(users)
    np.testing.assert_allclose(scores, (y @ weights)[users], atol=1e-5)
