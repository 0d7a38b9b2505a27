"""Popularity, by hand and against the published number."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from data_preparation import MovieData
from model.baselines import popularity
from model.evaluation import evaluate
from model.splits import random_80_10_10


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
