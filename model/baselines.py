"""What the model is compared with: popularity, item neighbours, EASE, PureSVD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from sklearn.utils.extmath import randomized_svd

from model.evaluation import Scorer, evaluate
from model.item_models import NEIGHBOURS, item_knn_model
from model.splits import Split

EASE_GRID = (50.0, 100.0, 200.0, 300.0, 500.0, 1000.0)
EASE_BUDGET = 2 * 2**30  # bytes: beyond that the baseline is not worth its memory


def popularity(train: sparse.csr_array) -> Scorer:
    """The first baseline: everyone gets the films with most ratings in train."""
    counts = np.bincount(train.indices, minlength=train.shape[1]).astype(np.float32)
    return lambda users: np.broadcast_to(counts, (len(users), len(counts)))


def item_knn(train: sparse.csr_array, neighbours: int = NEIGHBOURS) -> Scorer:
    """Item-based neighbours: x_u S, S the cosines of film columns (Sarwar et al. 2001).

    Only the strongest `neighbours` similarities of each film are kept.
    """
    scores = item_knn_model(train, neighbours)
    return lambda users: scores(train[users])


def ease(train: sparse.csr_array, l2: float = 200.0) -> Scorer:
    """EASE^R, a linear autoencoder with zero diagonal (Steck 2019, eq. 8): x_u B, B = I − P/diag P.

    P = (XᵀX + λI)^-1. With fewer users than films it goes through G = XXᵀ + λI instead, because
    x_u P is row u of G^-1 X, and diag P = (1 − diag Xᵀ G^-1 X)/λ (Woodbury). `ease_bytes` says what
    it needs.
    """
    rated = train.astype(bool).astype(np.float64)  # X  [n_users, n_movies]
    n_users, n_movies = rated.shape
    if n_users < n_movies:
        gram = (rated @ rated.T).toarray()
        gram[np.diag_indices(n_users)] += l2
        factor = linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
        projected = linalg.cho_solve(factor, rated.toarray(order="F"), True, check_finite=False)
        stored = rated.tocoo()
        diagonal = (
            1 - np.bincount(stored.col, projected[stored.row, stored.col], minlength=n_movies)
        ) / l2
        projected /= diagonal
        return lambda users: (rated[users].toarray() - projected[users]).astype(np.float32)
    gram = (rated.T @ rated).toarray()
    gram[np.diag_indices(n_movies)] += l2
    inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    profiles = rated.astype(np.float32)
    return lambda users: profiles[users] @ weights


def ease_of_others(train: sparse.csr_array, known: sparse.csr_array, l2: float) -> Scorer:
    """EASE fitted to `train` for people who need not be in it: x B for their rows x of `known`.

    Through the Gram of the users: B = Z/(1 − diag Z) off the diagonal, with Z = Xᵀ G^-1 X.
    """
    rated = train.astype(bool).astype(np.float64)
    gram = (rated @ rated.T).toarray()
    gram[np.diag_indices(len(gram))] += l2
    projected = linalg.solve(gram, rated.toarray(), assume_a="pos", check_finite=False)  # G⁻¹ X
    stored = rated.tocoo()
    own = np.bincount(
        stored.col, projected[stored.row, stored.col], minlength=rated.shape[1]
    )  # diag Z
    profiles = known.astype(bool).astype(np.float64)
    shared = sparse.csr_array(profiles @ rated.T)

    def scores(users: NDArray[np.int64]) -> NDArray[np.float32]:
        votes = shared[users].toarray() @ projected - profiles[users].toarray() * own
        return (votes / (1 - own)).astype(np.float32)

    return scores


def ease_bytes(n_users: int, n_movies: int, n_ratings: int) -> int:
    """The memory that `ease` needs at most, by the sizes of its tables."""
    fewer, entries = min(n_users, n_movies), 30 * n_ratings
    if n_users < n_movies:
        return entries + 8 * 3 * fewer**2 + 8 * 2 * n_users * n_movies
    return entries + 8 * 5 * fewer**2


def ease_too_large(train: sparse.csr_array, budget: int = EASE_BUDGET) -> str | None:
    """Why EASE is left out, a sentence; None where it fits."""
    n_users, n_movies = train.shape
    needed = ease_bytes(n_users, n_movies, train.nnz)
    if needed <= budget:
        return None
    return (
        f"EASE would need {needed / 2**30:.1f} GiB for its tables of {n_users:,} people and "
        f"{n_movies:,} films, so it is left out."
    )


def tuned_ease(split: Split, grid: Sequence[float] = EASE_GRID) -> tuple[Scorer, float]:
    """EASE fitted to train with the λ that has the highest NDCG@20 on validation, and that λ."""
    found = {l2: evaluate(ease(split.train, l2), split, "validation", (20,)) for l2 in grid}
    best = max(grid, key=lambda l2: found[l2].mean()["NDCG@20"])
    return ease(split.train, best), best


def pure_svd(train: sparse.csr_array, dim: int = 48, seed: int = 0) -> Scorer:
    """Projection of x_u on the top right singular vectors (Cremonesi et al. 2010)."""
    rated = train.astype(bool).astype(np.float32)
    dim = min(dim, *rated.shape)
    _, _, right = randomized_svd(rated, dim, random_state=seed)  # [dim, n_movies]
    right = right.astype(np.float32)
    return lambda users: (rated[users] @ right.T) @ right
