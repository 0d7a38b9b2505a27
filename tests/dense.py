"""Small graphs, and what the models compute on them worked out densely, in float64.

Written from the formulas in the docstrings of `model/`, one entry or one product at a time, and
sharing no code with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import sparse

from analysis.network import Network
from data_preparation import normalised_adjacency
from model.config import TrainingConfig

EDGES = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=6))
ASYMMETRIC = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]])
# 4 people x 6 films: one rated a single film, one gave the same stars twice, film 4 has no rating.
# Everything that the second gave is the mean of all (3.5), so their taste is exactly 0.
STARS = np.array(
    [
        [5.0, 0.5, 0, 4, 0, 2.5],
        [0, 3.5, 3.5, 0, 0, 0],
        [0, 0, 0, 4.5, 0, 0],
        [4.5, 5, 1.5, 4, 0, 3.5],
    ]
)
CONTENT = np.array([[1.0, 0, 1, 0, 1, 0], [0, 1, 0, 0, 0, 1], [0, 0, 0, 1, 1, 1]])


def csr(edges: NDArray) -> sparse.csr_array:
    return sparse.csr_array(np.asarray(edges, np.float32))


def dense_layers(edges: NDArray, e0: NDArray, layers: int) -> list[NDArray]:
    """E(0) … E(K) by the formula: dense, in float64, one product per layer."""
    root = dense_adjacency(edges)
    result = [e0.astype(np.float64)]
    for _ in range(layers):
        result.append(root @ result[-1])
    return result


def e0_of(network: Network) -> NDArray:
    """E(0) of both sides in one, users first."""
    return np.concatenate([network.start["user"], network.start["movie"]])


def dense_adjacency(edges: NDArray) -> NDArray:
    """D^-½ A D^-½, users first."""
    n_users, n_movies = edges.shape
    adjacency = np.zeros((n_users + n_movies,) * 2)
    adjacency[:n_users, n_users:] = edges
    adjacency[n_users:, :n_users] = edges.T
    degree = adjacency.sum(axis=1)
    root = np.diag([1 / math.sqrt(d) if d else 0.0 for d in degree])
    return root @ adjacency @ root


def adjacency64(edges: NDArray) -> torch.Tensor:
    """Ê for the gradient checks, which need float64."""
    matrix = normalised_adjacency(csr(edges))
    return torch.sparse_csr_tensor(
        torch.tensor(matrix.indptr),
        torch.tensor(matrix.indices),
        torch.tensor(matrix.data, dtype=torch.float64),
        size=matrix.shape,
        check_invariants=True,
    )


# --- the hybrid -----------------------------------------------------------------------------------


def dense_levels(stars: NDArray) -> list[float]:
    """μ_u, everyone's mean stars after 20 more ratings at the mean of all."""
    overall = stars[stars > 0].mean()
    return [(row.sum() + 20 * overall) / ((row > 0).sum() + 20) for row in stars]


def dense_profiles(stars: NDArray, strength: float) -> NDArray:
    """X: 1 + δ·(stars − μ), not below 0, and 0 from 1.5 stars below μ; where nothing is above 0,
    what the stars are below μ."""
    weights = np.zeros(stars.shape)
    for user, level in enumerate(dense_levels(stars)):
        for film in np.flatnonzero(stars[user]):
            above = stars[user, film] - level
            weights[user, film] = 0 if above <= -1.5 else max(0.0, 1 + strength * above)
        if not weights[user].any():
            films = np.flatnonzero(stars[user])
            weights[user, films] = np.minimum(stars[user, films] - level, 0.0)
    return weights


def dense_graph(
    stars: NDArray, content: dict[str, NDArray], settings: TrainingConfig
) -> dict[str, NDArray]:
    """The rows of Y by kind, dense, in the order that the model documents."""
    degree = (stars > 0).sum(axis=0)
    seen, taste = np.zeros(stars.shape), np.zeros(stars.shape)
    for user, level in enumerate(dense_levels(stars)):
        films = np.flatnonzero(stars[user])
        weight = max(len(films), 1) ** -settings.user_exponent
        seen[user, films] = weight
        taste[user, films] = weight * (stars[user, films] - level)
    blocks = {"seen": seen, "taste": taste}
    blocks |= {kind: rows * np.sqrt(degree / (degree + 3)) for kind, rows in content.items()}
    blocks = {
        k: rows * np.maximum(degree, 1.0) ** -settings.film_exponent for k, rows in blocks.items()
    }
    unit, scaled = (blocks["seen"] ** 2).sum(), {}
    for kind, rows in blocks.items():
        share, size = 1.0 if kind == "seen" else getattr(settings, kind), (rows**2).sum()
        if share and size > 1e-9 * unit:
            scaled[kind] = rows * math.sqrt(share * unit / size)
    return scaled


@dataclass
class DenseHybrid:
    """The hybrid's matrices: X, YᵀY over its first eigenvalue, d^-b and s, all float64."""

    profiles: NDArray
    gram: NDArray
    sent: NDArray
    met: NDArray
    layers: int

    def maps(self) -> tuple[NDArray, NDArray]:
        """The matrices that take E(0) to f and to v."""

        def smooth(hops: int) -> NDArray:
            return sum(np.linalg.matrix_power(self.gram, h) for h in range(hops + 1)) / (hops + 1)

        to_users = self.profiles @ (self.sent[:, None] * smooth((self.layers - 1) // 2))
        return to_users, self.met[:, None] * smooth(self.layers // 2)


def dense_hybrid(
    stars: NDArray,
    content: dict[str, NDArray],
    settings: TrainingConfig,
    met: NDArray,
    hidden: NDArray | None = None,
) -> DenseHybrid:
    """The hybrid's matrices; the ratings in `hidden` [n_users, n_movies] weigh 0 after scaling."""
    blocks = dense_graph(stars, content, settings)
    whole = np.concatenate(list(blocks.values()))
    first = np.linalg.eigvalsh(whole.T @ whole)[-1]
    profiles = dense_profiles(stars, settings.watch)
    if hidden is not None:
        profiles = np.where(hidden, 0, profiles)
        for kind in {"seen", "taste"} & blocks.keys():
            blocks[kind] = np.where(hidden, 0, blocks[kind])
        whole = np.concatenate(list(blocks.values()))
    degree = np.maximum((stars > 0).sum(axis=0), 1.0)
    gram = whole.T @ whole / first
    return DenseHybrid(profiles, gram, degree**-settings.film_exponent, met, settings.layers)
