"""E(0) before training: finite, at random as published, or fitted to the ratings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_preparation import MovieData, normalised_adjacency
from model.lightgcn import layer_mean, to_torch
from model.splits import Split
from model_training import train
from tests.dense import csr
from tests.small_training import config, ndcg, start_of


@pytest.mark.parametrize("warm_start", [True, False])
@pytest.mark.parametrize("dim", [4, 64])  # below and above the rank of the matrix
def test_initial_embeddings_are_finite_and_no_dimension_is_stuck(
    split: Split, warm_start: bool, dim: int
) -> None:
    e0 = start_of(split.train, config(dim=dim, warm_start=warm_start))
    assert e0.shape == (30 + 48, dim) and e0.dtype == torch.float32
    assert e0.isfinite().all()
    assert (e0.std(dim=0) > 0).all()


def test_a_random_start_has_the_published_standard_deviation(split: Split) -> None:
    e0 = start_of(split.train, config(dim=64, warm_start=False))
    assert e0.std().item() == pytest.approx(0.1, rel=0.05)
    assert e0.mean().item() == pytest.approx(0, abs=0.01)


def test_warm_embeddings_propagate_to_the_ridge_filtered_singular_directions(
    split: Split,
) -> None:
    # An independent dense reference: numpy's SVD of D_u^-1/4 R, σ³/(σ² + 0.05 σ₁²).
    rated = (split.train.toarray() > 0).astype(float)
    left, sigma, right = np.linalg.svd(
        rated / rated.sum(1, keepdims=True) ** 0.25, full_matrices=False
    )
    shrunk = sigma**3 / (sigma**2 + 0.05 * sigma[0] ** 2)
    expected = (left[:, :6] * shrunk[:6]) @ right[:6]
    settings = config(dim=6, layers=2, warm_start=True)
    final = layer_mean(
        to_torch(normalised_adjacency(split.train)), start_of(split.train, settings), 2
    ).numpy()
    scores = final[:30] @ final[30:].T
    # Equal but for the overall scale and the small ridge of the inversion.
    assert np.corrcoef(scores.ravel(), expected.ravel())[0, 1] > 0.98


def test_a_warm_start_scores_rated_films_a_margin_of_9_above_random_ones(split: Split) -> None:
    settings = config(dim=16, warm_start=True)
    final = layer_mean(
        to_torch(normalised_adjacency(split.train)), start_of(split.train, settings), 2
    ).numpy()
    scores = final[:30] @ final[30:].T
    users, movies = split.train.nonzero()
    margin = scores[users, movies].mean() - scores[users].mean()
    assert margin == pytest.approx(9, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (1, 1)])
def test_initial_embeddings_of_a_single_user_or_film_are_finite(shape: tuple[int, int]) -> None:
    e0 = start_of(csr(np.ones(shape)), config(warm_start=True))
    assert e0.shape == (sum(shape), 8) and e0.isfinite().all()


def test_a_warm_start_ranks_far_better_than_chance_before_any_step(
    planted_data: MovieData, split: Split
) -> None:
    warm = train(planted_data, split, config(warm_start=True, epochs=1, dim=4))
    cold = train(planted_data, split, config(warm_start=False, epochs=1, dim=4))
    assert ndcg(warm)[0] > 1.5 * ndcg(cold)[0]
