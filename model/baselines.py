"""What the model is compared with: popularity, item neighbours, EASE, PureSVD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from model.evaluation import Scorer, evaluate
from model.hybrid_graph import film_degree
from model.item_models import L2, NEIGHBOURS, ease_model, item_knn_model
from model.processes import ALONE, Processes
from model.splits import Split

EASE_GRID = (50.0, 100.0, 200.0, 300.0, 500.0, 1000.0)


def popularity(train: sparse.csr_array, processes: Processes = ALONE) -> Scorer:
    """The first baseline: everyone gets the films with most ratings in everybody's train."""
    counts = film_degree(train, processes).astype(np.float32)
    return lambda users: np.broadcast_to(counts, (len(users), len(counts)))


def item_knn(train: sparse.csr_array, neighbours: int = NEIGHBOURS) -> Scorer:
    """Item-based neighbours: x_u S, S the cosines of film columns (Sarwar et al. 2001).

    Only the strongest `neighbours` similarities of each film are kept.
    """
    scores = item_knn_model(train, neighbours)
    return lambda users: scores(train[users])


def ease(train: sparse.csr_array, l2: float = L2, known: sparse.csr_array | None = None) -> Scorer:
    """EASE^R (Steck 2019) fitted to `train`; see `model.item_models.ease_model`.

    Args:
        known: rows of other people to score, csr [any, n_movies]; None: those of `train`.
    """
    scores, rows = ease_model(train, l2), train if known is None else known
    return lambda users: scores(rows[users])


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
