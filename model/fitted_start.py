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
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from model.devices import gram_on
from model.hybrid_graph import SEEN, HybridGraph
from model.processes import ALONE, Processes

# Up to so many nodes (or films) YYᵀ (or YᵀY) is held as a table and can be solved whole.
MAX_DENSE_NODES = 6_000
# Where both are more, a fit has at most so many directions: on 30,000 people and 41,000 items they
# take 13 CPU seconds and 1 GiB, both growing in proportion.
MOST_DIRECTIONS = 512
ROUNDS = 6  # products with G from a random start
EXTRA_COLUMNS = 40  # of the iteration, for the accuracy of the last wanted ones
_RANDOM_ROUNDS = 2  # plain ones, before the spectrum is known well enough to filter it
_MOST_DAMPED = 1e6  # between the first direction and the last in a filter: float32 holds no more
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
    before_product: Callable[[], None] | None = None,
) -> Spectrum:
    """The `rank` largest eigenpairs of YᵀY; fewer where there are fewer.

    Few nodes or few films: from the table YYᵀ or YᵀY, by LAPACK where a good part of it is wanted.
    Else, up to `MOST_DIRECTIONS`, by subspace iteration over that table or over sparse products.

    Args:
        seed: of the random start.
        near: float32 [n_movies, any], directions of a similar graph to start from.
        rounds: of the iteration.
        before_product: called before every product of the iteration; may block or raise.
    """
    wait = before_product or (lambda: None)
    edges, processes = graph.edges, graph.processes
    n_movies, n_nodes = edges.shape[1], int(processes.total_of(edges.shape[0]))
    wanted = min(rank, most_directions(n_nodes, n_movies))
    if n_nodes <= min(n_movies, MAX_DENSE_NODES):
        edges = _everybodys(graph)
        back = edges.T.tocsr()
        table = (edges @ back).toarray()  # YYᵀ  [n_nodes, n_nodes]
        start = None if near is None else edges @ near
        values, nodes = _not_negligible(*_of_table(table, wanted, seed, start, rounds, wait))
        vectors = back @ np.ascontiguousarray(nodes / np.sqrt(values, dtype=np.float32))
    elif n_movies <= MAX_DENSE_NODES:
        # YᵀY  [n_movies, n_movies]
        table = processes.total((graph.transposed @ edges).toarray())
        values, vectors = _not_negligible(*_of_table(table, wanted, seed, near, rounds, wait))
    else:
        product: Callable[[Floats], Floats] = partial(_gram_times, edges)  # G without building it
        if processes.device != "cpu":
            product = gram_on(edges, processes.device)

        def apply(block: Floats) -> Floats:
            wait()
            return processes.total(product(block))

        found = _subspace(apply, n_movies, wanted, seed, near, rounds)
        values, vectors = _not_negligible(*found)
    seen = graph.edges[graph.rows_of(SEEN)]
    return Spectrum(values.astype(np.float64), vectors, first_eigenvalue(seen, processes))


def _everybodys(graph: HybridGraph) -> sparse.csr_array:
    """Y with the rows of all processes, in the order of one process. The only case in which edges
    are sent: of at most `MAX_DENSE_NODES` nodes."""
    if graph.processes.size == 1:
        return graph.edges
    everybodys = graph.processes.everybodys(graph.edges)
    starts = graph.processes.everybodys(graph.starts)
    rows = [
        edges[begins[kind] : begins[kind + 1]]
        for kind in range(len(graph.kinds))
        for edges, begins in zip(everybodys, starts, strict=True)
    ]
    return sparse.csr_array(sparse.vstack(rows, format="csr"))


def _gram_times(edges: sparse.csr_array, block: Floats) -> Floats:
    """YᵀY times a block [n_movies, columns], for as many nodes at once as there are films: what it
    needs beside the edges is three times the block, however many nodes there are."""
    n_nodes, n_movies = edges.shape
    total = np.zeros_like(block)
    for begin in range(0, n_nodes, n_movies):
        begins = edges.indptr[begin : begin + n_movies + 1]
        stored = slice(begins[0], begins[-1])
        some = sparse.csr_array(
            (edges.data[stored], edges.indices[stored], begins - begins[0]),
            shape=(len(begins) - 1, n_movies),
        )
        total += some.T @ (some @ block)  # without a transposed copy of the edges
    return total


def most_directions(n_nodes: int, n_movies: int) -> int:
    """How many eigenpairs `spectrum` computes at most."""
    every = min(n_nodes, n_movies)
    return every if every <= MAX_DENSE_NODES else MOST_DIRECTIONS


def _of_table(
    table: Floats,
    wanted: int,
    seed: int,
    start: Floats | None,
    rounds: int,
    wait: Callable[[], None],
) -> tuple[Floats, Floats]:
    """The largest eigenpairs of a symmetric table, which is overwritten."""
    wait()
    if wanted > len(table) // 3:
        values, vectors = linalg.eigh(table, driver="evd", overwrite_a=True, check_finite=False)
        return values[::-1][:wanted], vectors[:, ::-1][:, :wanted]

    def apply(block: Floats) -> Floats:
        wait()
        return table @ block

    return _subspace(apply, len(table), wanted, seed, start, rounds)


def _not_negligible(values: Floats, vectors: Floats) -> tuple[Floats, Floats]:
    kept = values > _NEGLIGIBLE * max(float(values[0]), 0.0)
    return values[kept], np.ascontiguousarray(vectors[:, kept])


def _subspace(
    apply: Callable[[Floats], Floats],
    size: int,
    wanted: int,
    seed: int,
    start: Floats | None,
    rounds: int,
) -> tuple[Floats, Floats]:
    """The largest eigenpairs of a symmetric operator on vectors of this size, by subspace iteration
    with Chebyshev polynomials (Saad 2011, § 7.4): they damp all below the smallest value in the
    block far more than as many plain products do."""
    columns = min(wanted + EXTRA_COLUMNS, size)
    block = np.random.default_rng(seed).standard_normal((size, columns), np.float32)
    if start is not None:
        width = min(columns, start.shape[1])
        block[:, :width] = start[:, :width]
    plain = min(_RANDOM_ROUNDS, rounds) if start is None else 0
    block = _orthonormal(block)
    for _ in range(plain):
        block = _orthonormal(apply(block))
    left = rounds - plain
    while left > 0:
        values, block, applied = _ritz(block, apply(block))
        degree = min(_degree(float(values[0]), float(values[-1])), left)
        block = _orthonormal(_chebyshev(apply, block, applied, float(values[-1]), degree))
        left -= degree
    values, block, _ = _ritz(block, apply(block))
    return values[:wanted], block[:, :wanted]


def _ritz(block: Floats, applied: Floats) -> tuple[Floats, Floats, Floats]:
    """The eigenpairs within the span of an orthonormal block, largest first, and G times them."""
    values, turn = linalg.eigh(block.T @ applied, driver="evd", check_finite=False)
    turn = np.ascontiguousarray(turn[:, ::-1])
    return values[::-1], block @ turn, applied @ turn


def _degree(first: float, last: float) -> int:
    """The highest degree that float32 can bear between these eigenvalues."""
    if last <= _NEGLIGIBLE * first:
        return 1
    return max(int(np.arccosh(_MOST_DAMPED) / np.arccosh(max(2 * first / last - 1, 2.0))), 1)


def _chebyshev(
    apply: Callable[[Floats], Floats], block: Floats, applied: Floats, cut: float, degree: int
) -> Floats:
    """T_degree(2G/cut − 1) times a block, whose product with G is given already."""
    if degree == 1:
        return applied
    twice = np.float32(2 / cut)
    before, now = block, twice * applied - block
    for _ in range(degree - 1):
        after = apply(now)
        after *= twice
        after -= now
        after *= 2
        after -= before
        before, now = now, after
    return now


def _orthonormal(block: Floats) -> Floats:
    """Orthonormal columns with the same span, through the Cholesky factor of their products (a
    quarter of the time of a QR factorisation); by QR where they are too nearly dependent."""
    block = block / np.maximum(np.abs(block).max(axis=0), np.float32(1e-30))
    for _ in range(2):  # the first time loses half of the digits
        gram = (block.T @ block).astype(np.float64)
        try:
            upper = linalg.cholesky(gram, check_finite=False)
        except linalg.LinAlgError:
            return linalg.qr(block, mode="economic", check_finite=False)[0]
        if upper.diagonal().min() <= 1e-3 * np.sqrt(gram.diagonal().max()):
            return linalg.qr(block, mode="economic", check_finite=False)[0]
        unity = np.eye(len(upper))
        block = block @ linalg.solve_triangular(upper, unity, check_finite=False).astype(np.float32)
    return block


def first_eigenvalue(
    edges: sparse.csr_array, processes: Processes = ALONE, steps: int = 30
) -> float:
    """Of edgesᵀ·edges, by power iteration from the sums of the columns; 1 for a matrix of zeros."""
    size = 0.0
    vector = np.ones(edges.shape[1], np.float32)
    for _ in range(steps):
        vector = processes.total(edges.T @ (edges @ vector))
        size = float(np.linalg.norm(vector))
        if size == 0:
            return 1.0
        vector /= np.float32(size)
    return size
