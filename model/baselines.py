"""What the model is compared with: popularity, item neighbours, EASE, PureSVD."""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse
from sklearn.utils.extmath import randomized_svd

from model.evaluation import Scorer


def popularity(train: sparse.csr_array) -> Scorer:
    """The first baseline: everyone gets the films with most ratings in train."""
    counts = np.bincount(train.indices, minlength=train.shape[1]).astype(np.float32)
    return lambda users: np.broadcast_to(counts, (len(users), len(counts)))


def item_knn(train: sparse.csr_array, neighbours: int = 30) -> Scorer:
    """Item-based neighbours: x_u S, S the cosines of film columns (Sarwar et al. 2001).

    Only the strongest `neighbours` similarities of each film are kept.
    """
    rated = train.astype(bool).astype(np.float32)
    norms = np.sqrt(rated.sum(axis=0))  # [n_movies]
    columns = rated.tocsc()
    kept = []
    for begin in range(0, rated.shape[1], 1024):
        block = (columns[:, begin : begin + 1024].T @ rated).toarray()  # shared viewers
        block /= norms[begin : begin + 1024, None] * norms + 1e-9
        block[np.arange(len(block)), np.arange(begin, begin + len(block))] = 0
        if neighbours < block.shape[1]:
            block[block < -np.partition(-block, neighbours, axis=1)[:, [neighbours]]] = 0
        kept.append(sparse.csr_array(block))
    similarity = sparse.vstack(kept, format="csr").T.tocsr()  # [n_movies, n_movies]
    return lambda users: (rated[users] @ similarity).toarray()


def ease(train: sparse.csr_array, l2: float = 200.0) -> Scorer:
    """EASE^R, a linear autoencoder with zero diagonal (Steck 2019, eq. 8): x_u B, B = I − P/diag P.

    P = (XᵀX + λI)^-1. With fewer users than films it goes through G = XXᵀ + λI instead, because
    x_u P is row u of G^-1 X, and diag P = (1 − diag Xᵀ G^-1 X)/λ (Woodbury).
    """
    dense = train.astype(bool).toarray().astype(np.float64)  # X  [n_users, n_movies]
    n_users, n_movies = dense.shape
    if n_users < n_movies:
        projected = linalg.solve(dense @ dense.T + l2 * np.eye(n_users), dense, assume_a="pos")
        diagonal = (1 - (dense * projected).sum(axis=0)) / l2  # [n_movies]
    else:
        inverse = linalg.inv(dense.T @ dense + l2 * np.eye(n_movies))
        projected, diagonal = dense @ inverse, np.diag(inverse)
    scores = (dense - projected / diagonal).astype(np.float32)
    return lambda users: scores[users]


def pure_svd(train: sparse.csr_array, dim: int = 48, seed: int = 0) -> Scorer:
    """Projection of x_u on the top right singular vectors (Cremonesi et al. 2010)."""
    rated = train.astype(bool).astype(np.float32)
    _, _, right = randomized_svd(rated, dim, random_state=seed)  # [dim, n_movies]
    right = right.astype(np.float32)
    return lambda users: (rated[users] @ right.T) @ right
