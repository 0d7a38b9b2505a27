"""The closed-form start: film vectors fitted to the hybrid graph in one go.

With Y the edges (`model.hybrid_graph`) and G = YᵀY, the ridge regression that rebuilds every row of
Y from itself is B = G(G + λI)⁻¹ = V diag(w/(w + λ)) Vᵀ, with the eigenpairs (w, V) of G. In graph
terms it is a low-pass filter: all walks film → node → film → … at once, long ones damped. The rows
of E(0) are e_j = V_j ∘ √(w/(w + λ)), so that e_j·e_i = B_ji.

EASE (Steck 2019) forbids that a film votes for itself; the same is one factor per film where the
films are met (`model.lightgcn.hybrid_factors`). With only `seen` in Y, a = b = c = 0 and every
eigenpair, e_j·e_i/(1 − B_ii) is EASE's weight exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from model.hybrid_graph import SEEN, HybridGraph

# Up to so many nodes YYᵀ is held as a table (its square in 4-byte numbers) and can be solved whole.
MAX_DENSE_NODES = 6_000
_EXTRA_COLUMNS = 40  # of the block power iteration, for the accuracy of the last wanted ones
ROUNDS = 6  # of the block power iteration from a random start
_NEGLIGIBLE = 1e-6  # of the first eigenvalue: what float32 cannot tell from 0

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The largest eigenpairs of G = YᵀY, largest first.

    Attributes:
        values: w, float64 [rank].
        vectors: V, float32 [n_movies, rank], columns of length 1.
        first_seen: the first eigenvalue of the `seen` part alone, the unit of the ridge: it does
            not move when the weights of the other kinds do.
    """

    values: NDArray[np.float64]
    vectors: Floats
    first_seen: float

    def filtered(self, ridge: float) -> Floats:
        """E(0) of the films, e_j = V_j ∘ √(w/(w + λ)), float32 [n_movies, rank].

        Args:
            ridge: λ as a share of `first_seen`.
        """
        kept = self.values / (self.values + ridge * self.first_seen)
        return self.vectors * np.sqrt(kept).astype(np.float32)


def spectrum(
    graph: HybridGraph,
    rank: int,
    seed: int = 0,
    near: Floats | None = None,
    rounds: int = ROUNDS,
) -> Spectrum:
    """The `rank` largest eigenpairs of YᵀY; fewer where there are fewer.

    Few nodes: from the table YYᵀ, by LAPACK where a good part of it is wanted. Else by block power
    iteration (Halko et al. 2011, alg. 4.4), over that table or over sparse products.

    Args:
        seed: of the random start.
        near: float32 [n_movies, any], directions of a similar graph to start from.
        rounds: of the power iteration.
    """
    edges, back = graph.edges, graph.transposed
    n_nodes, n_movies = edges.shape
    wanted = min(rank, n_nodes, n_movies)
    if n_nodes <= MAX_DENSE_NODES:
        table = (edges @ back).toarray()  # YYᵀ  [n_nodes, n_nodes]
        if wanted > n_nodes // 3:
            values, nodes = linalg.eigh(table, driver="evd", overwrite_a=True, check_finite=False)
            values, nodes = values[::-1][:wanted], nodes[:, ::-1][:, :wanted]
        else:
            start = None if near is None else edges @ near
            values, nodes = _block_power(table.__matmul__, n_nodes, wanted, seed, start, rounds)
        values, nodes = _not_negligible(values, nodes)
        vectors = back @ np.ascontiguousarray(nodes / np.sqrt(values, dtype=np.float32))
    else:
        apply = lambda block: back @ (edges @ block)  # noqa: E731 – G without building it
        values, vectors = _block_power(apply, n_movies, wanted, seed, near, rounds)
        values, vectors = _not_negligible(values, vectors)
    return Spectrum(
        values.astype(np.float64), vectors, first_eigenvalue(graph.edges[graph.rows_of(SEEN)])
    )


def _not_negligible(values: Floats, vectors: Floats) -> tuple[Floats, Floats]:
    kept = values > _NEGLIGIBLE * max(float(values[0]), 0.0)
    return values[kept], np.ascontiguousarray(vectors[:, kept])


def _block_power(
    apply: Callable[[Floats], Floats],
    size: int,
    wanted: int,
    seed: int,
    start: Floats | None,
    rounds: int,
) -> tuple[Floats, Floats]:
    """The largest eigenpairs of a symmetric operator on vectors of this size."""
    columns = min(wanted + _EXTRA_COLUMNS, size)
    block = np.random.default_rng(seed).standard_normal((size, columns), np.float32)
    if start is not None:
        width = min(columns, start.shape[1])
        block[:, :width] = start[:, :width]
    for _ in range(rounds):
        block = linalg.qr(apply(block), mode="economic", overwrite_a=True, check_finite=False)[0]
    values, turn = linalg.eigh(block.T @ apply(block), driver="evd", check_finite=False)
    return values[::-1][:wanted], block @ turn[:, ::-1][:, :wanted]


def first_eigenvalue(edges: sparse.csr_array, steps: int = 30) -> float:
    """Of edgesᵀ·edges, by power iteration from the sums of the columns; 1 for a matrix of zeros."""
    back, size = edges.T.tocsr(), 0.0
    vector = np.ones(edges.shape[1], np.float32)
    for _ in range(steps):
        vector = back @ (edges @ vector)
        size = float(np.linalg.norm(vector))
        if size == 0:
            return 1.0
        vector /= np.float32(size)
    return size
