"""The baselines in a form that scores anyone's rated films, not only the users they know.

Each is linear in who rated what: a row x of ones at the rated films times item-item weights, which
are never held as a table of all pairs of films unless that is the smaller one. Stars play no part.
`model.baselines` gives the same scores for the users of a matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

ProfileScorer = Callable[[sparse.csr_array], NDArray[np.float32]]
"""csr [n, n_movies], a stored entry per rated film → scores float32 [n, n_movies]."""

NEIGHBOURS = 30
L2 = 200.0  # of EASE; the default of `model.baselines.ease`
_BLOCK = 1024  # films at a time
_DOUBLE, _FLOAT, _INDEX = 8, 4, 4  # bytes
_WORK = 32 * 2**20  # bytes that BLAS and LAPACK take for themselves


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
    """EASE^R: x B with zero diagonal, B = I − P/diag P, P = (XᵀX + λI)^-1 (Steck 2019, eq. 8).

    With fewer users than films P is never made: by Woodbury x P = (x − (x Xᵀ) G^-1 X)/λ with
    G = XXᵀ + λI, and diag P = (1 − diag Xᵀ G^-1 X)/λ. Each table takes the place of the one before,
    as `ease_cost` counts on.
    """
    rated = _ones(ratings).astype(np.float64)
    n_users, n_movies = rated.shape
    if n_users < n_movies:
        factor = linalg.cho_factor(
            _gram(rated.T.tocsr(), l2), lower=True, overwrite_a=True, check_finite=False
        )
        dense = rated.toarray(order="F")
        solved = linalg.cho_solve(factor, dense, overwrite_b=True, check_finite=False)  # G^-1 X
        del dense, factor
        stored = rated.tocoo()
        own = np.bincount(stored.col, solved[stored.row, stored.col], minlength=n_movies)
        scale = ((1 - own) / l2).astype(np.float32)  # diag P  [n_movies]
        solved, back = solved.astype(np.float32), _ones(ratings).T.tocsr()

        def by_users(rows: sparse.csr_array) -> NDArray[np.float32]:
            x = _ones(rows)
            shared = (x @ back).toarray()  # films in common with each user  [n, n_users]
            projected = (x - shared @ solved) / np.float32(l2)
            projected /= scale
            return x - projected

        return by_users
    inverse = linalg.inv(_gram(rated, l2), overwrite_a=True, check_finite=False)
    inverse /= -np.diag(inverse)
    weights = inverse.astype(np.float32)
    np.fill_diagonal(weights, 0)
    return lambda rows: _ones(rows) @ weights


def _gram(rows: sparse.csr_array, l2: float) -> NDArray[np.float64]:
    """rowsᵀ·rows + λI as a table that LAPACK can overwrite."""
    gram = (rows.T @ rows).toarray(order="F")
    gram[np.diag_indices(len(gram))] += l2
    return gram


def _ones(ratings: sparse.csr_array) -> sparse.csr_array:
    """The same pattern with 1 for every rating."""
    ones = np.ones(ratings.nnz, np.float32)
    return sparse.csr_array((ones, ratings.indices, ratings.indptr), shape=ratings.shape)


# --- what they take -------------------------------------------------------------------------------


class Cost(NamedTuple):
    """Memory in bytes: at the peak of a fit, and of what is kept of it."""

    peak: int
    kept: int


def popularity_cost(n_users: int, n_movies: int, n_ratings: int) -> Cost:
    """Of `popularity_model`, at most."""
    return Cost(_FLOAT * n_movies, _FLOAT * n_movies)


def item_knn_cost(n_users: int, n_movies: int, n_ratings: int) -> Cost:
    """Of `item_knn_model`: copies of the ratings, blocks, kept neighbours."""
    block = 4 * _FLOAT * min(_BLOCK, n_movies) * n_movies
    neighbours = (_FLOAT + _INDEX) * NEIGHBOURS * n_movies
    return Cost(block + 2 * (_FLOAT + _INDEX) * n_ratings + 2 * neighbours, neighbours)


def ease_cost(n_users: int, n_movies: int, n_ratings: int) -> Cost:
    """Of `ease_model`: films², or users × films, whichever it takes."""
    few = min(n_users, n_movies)
    pairs = (_DOUBLE + _INDEX + _DOUBLE) * few**2  # sparse, and as the table made from it
    copies = 3 * (_DOUBLE + _INDEX) * n_ratings
    kept = _FLOAT * few * n_movies
    if n_users < n_movies:
        solved = _DOUBLE * n_users * n_movies + kept
        return Cost(_WORK + copies + max(pairs, _DOUBLE * few**2 + solved), kept)
    return Cost(_WORK + copies + max(pairs, 2 * _DOUBLE * few**2 + kept), kept)
