"""The baselines in a form that scores anyone's rated films, not only the users they know.

Each is linear in who rated what: a row x of ones at the rated films times item-item weights, which
are never held as a table of all pairs of films unless that is the smaller one. Stars play no part.
`model.baselines` gives the same scores for the users of a matrix.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

ProfileScorer = Callable[[sparse.csr_array], NDArray[np.float32]]
"""csr [n, n_movies], a stored entry per rated film → scores float32 [n, n_movies]."""

NEIGHBOURS = 30
L2 = 200.0  # of EASE; the default of `model.baselines.ease`
_BLOCK = 1024  # films at a time
_DOUBLE, _FLOAT = 8, 4  # bytes


def popularity_model(ratings: sparse.csr_array) -> ProfileScorer:
    """Everyone gets the films with most ratings."""
    counts = np.bincount(ratings.indices, minlength=ratings.shape[1]).astype(np.float32)
    return lambda rows: np.broadcast_to(counts, (rows.shape[0], len(counts)))


def item_knn_model(ratings: sparse.csr_array, neighbours: int = NEIGHBOURS) -> ProfileScorer:
    """x S with S the cosines of film columns, each film's strongest only (Sarwar et al. 2001)."""
    rated = _ones(ratings)
    norms = np.sqrt(rated.sum(axis=0))  # [n_movies]
    columns = rated.tocsc()
    kept = []
    for begin in range(0, rated.shape[1], _BLOCK):
        block = (columns[:, begin : begin + _BLOCK].T @ rated).toarray()  # shared viewers
        block /= norms[begin : begin + _BLOCK, None] * norms + 1e-9
        block[np.arange(len(block)), np.arange(begin, begin + len(block))] = 0
        if neighbours < block.shape[1]:
            block[block < -np.partition(-block, neighbours, axis=1)[:, [neighbours]]] = 0
        kept.append(sparse.csr_array(block))
    similarity = sparse.vstack(kept, format="csr").T.tocsr()  # [n_movies, n_movies]
    return lambda rows: (_ones(rows) @ similarity).toarray()


def ease_model(ratings: sparse.csr_array, l2: float = L2) -> ProfileScorer:
    """x B with B = I − P/diag P, P = (XᵀX + λI)^-1 (Steck 2019, eq. 8).

    With fewer users than films P is never made: by Woodbury x P = (x − (x Xᵀ) G^-1 X)/λ with
    G = XXᵀ + λI, and diag P = (1 − diag Xᵀ G^-1 X)/λ.
    """
    rated = _ones(ratings)
    n_users, n_movies = rated.shape
    if n_users < n_movies:
        dense = rated.toarray().astype(np.float64)
        gram = dense @ dense.T + l2 * np.eye(n_users)
        solved = linalg.solve(gram, dense, assume_a="pos", overwrite_a=True)  # G^-1 X
        scale = (1 - np.einsum("ui,ui->i", dense, solved)) / l2  # diag P  [n_movies]
        solved, back = solved.astype(np.float32), rated.T.tocsr()

        def by_users(rows: sparse.csr_array) -> NDArray[np.float32]:
            x = _ones(rows)
            shared = (x @ back).toarray()  # films in common with each user  [n, n_users]
            projected = (x - shared @ solved) / l2
            return (x - projected / scale).astype(np.float32)

        return by_users
    gram = (rated.T @ rated).toarray().astype(np.float64)
    gram.flat[:: n_movies + 1] += l2
    inverse = linalg.inv(gram, overwrite_a=True)
    weights = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0)
    return lambda rows: _ones(rows) @ weights


def _ones(ratings: sparse.csr_array) -> sparse.csr_array:
    """The same pattern with 1 for every rating."""
    ones = np.ones(ratings.nnz, np.float32)
    return sparse.csr_array((ones, ratings.indices, ratings.indptr), shape=ratings.shape)


# --- what they take -------------------------------------------------------------------------------


def popularity_bytes(n_users: int, n_movies: int, n_ratings: int) -> int:
    """Memory of `popularity_model`, at most."""
    return _FLOAT * n_movies


def item_knn_bytes(n_users: int, n_movies: int, n_ratings: int) -> int:
    """Memory of `item_knn_model` at its peak: copies of the ratings, blocks, kept neighbours."""
    block = 4 * _FLOAT * min(_BLOCK, n_movies) * n_movies
    return block + 2 * 2 * _FLOAT * (n_ratings + NEIGHBOURS * n_movies)


def ease_bytes(n_users: int, n_movies: int, n_ratings: int) -> int:
    """Memory of `ease_model` at its peak: users × films, or films², whichever it takes."""
    if n_users < n_movies:
        return _DOUBLE * (4 * n_users * n_movies + 2 * n_users**2)
    return _DOUBLE * 3 * n_movies**2
