"""E(0) before training: at random, or fitted to the leading directions of the ratings."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from model.config import TrainingConfig
from model.lightgcn import layer_mean

RANDOM_STD = 0.1  # of E(0) without a warm start, as in the authors' code
# Of the warm start, chosen on validation (random_80_10_10).
WARM_USER_EXPONENT, WARM_RIDGE, WARM_MARGIN = 0.25, 0.05, 9.0


def initial_embeddings(
    interactions: sparse.csr_array, adjacency: Tensor, config: TrainingConfig
) -> Tensor:
    """E(0) before training, float32 [n_users + n_movies, dim]: `warm_embeddings` or random normal.

    Args:
        interactions: csr [n_users, n_movies], the training ratings.
        adjacency: Ê of these interactions.
    """
    if config.warm_start:
        return warm_embeddings(interactions, adjacency, config)
    generator = torch.Generator().manual_seed(config.seed)
    return RANDOM_STD * torch.randn(sum(interactions.shape), config.dim, generator=generator)


def warm_embeddings(
    interactions: sparse.csr_array, adjacency: Tensor, config: TrainingConfig
) -> Tensor:
    """E(0) fitted so that the *propagated* embeddings are the leading directions of the ratings.

    1. The top-d singular triples of D_u^-¼ R, each σ shrunk to σ³/(σ² + λσ₁²), split as √ onto
       users and movies: a ridge-filtered PureSVD (cf. Cremonesi et al. 2010).
    2. E(0) with layer_mean(E(0)) = these, by conjugate gradients on the same sparse products.
    3. One factor for all, so that rated films score `WARM_MARGIN` above random ones on average:
       the scale on which the BPR loss still has something to say.

    Float32 [n_users + n_movies, dim].
    """
    n_users, n_movies = interactions.shape
    rng = np.random.default_rng(config.seed)
    degree = np.maximum(np.diff(interactions.indptr), 1)
    rated = sparse.diags_array(degree**-WARM_USER_EXPONENT) @ interactions.astype(bool)
    rank = min(config.dim, n_users, n_movies)
    left, sigma, right = randomized_svd(
        sparse.csr_array(rated), rank, n_oversamples=32, n_iter=6, random_state=config.seed
    )
    shrunk = sigma**3 / (sigma**2 + WARM_RIDGE * sigma[0] ** 2)
    directions = np.concatenate([left, right.T]) * np.sqrt(shrunk)  # [n_nodes, rank]
    # Dimensions beyond the rank start small and random: at zero they could never learn.
    noise = rng.normal(size=(n_users + n_movies, config.dim - rank)) * 0.1 * directions.std()
    target = torch.from_numpy(np.concatenate([directions, noise], axis=1).astype(np.float32))
    e0 = _unpropagate(adjacency, target, config.layers)

    final = layer_mean(adjacency, e0, config.layers)
    users, positives = interactions.nonzero()
    sample = rng.choice(len(users), min(len(users), 20_000), replace=False)
    users, positives = users[sample], positives[sample]
    negatives = rng.integers(n_movies, size=len(sample))
    difference = final[n_users + positives] - final[n_users + negatives]  # [sample, dim]
    margin = (final[users] * difference).sum(1).mean().clamp(min=1e-6)
    return e0 * (WARM_MARGIN / margin).sqrt()


def _unpropagate(adjacency: Tensor, target: Tensor, layers: int, steps: int = 10) -> Tensor:
    """E with layer_mean(E) ≈ target by conjugate gradients, float32 [n_nodes, dim].

    The layer mean is symmetric, but not far from singular (Ê has eigenvalues down to −1), hence
    the small ridge.
    """
    solution, residual = torch.zeros_like(target), target.clone()
    direction, size = residual.clone(), residual.square().sum()
    for _ in range(steps):
        if size == 0:
            break
        image = layer_mean(adjacency, direction, layers) + 0.03 * direction
        step = size / (direction * image).sum()
        solution += step * direction
        residual -= step * image
        size, last = residual.square().sum(), size
        direction = residual + (size / last) * direction
    return solution
