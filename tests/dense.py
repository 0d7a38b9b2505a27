"""Small graphs, and the propagation worked out densely."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import normalised_adjacency

EDGES = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=6))
ASYMMETRIC = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]])


def csr(edges: NDArray) -> sparse.csr_array:
    return sparse.csr_array(np.asarray(edges, np.float32))


def dense_layers(edges: NDArray, e0: NDArray, layers: int) -> list[NDArray]:
    """E(0) … E(K) by the formula: dense, in float64, one product per layer."""
    n_users, n_movies = edges.shape
    adjacency = np.zeros((n_users + n_movies,) * 2)
    adjacency[:n_users, n_users:] = edges
    adjacency[n_users:, :n_users] = edges.T
    degree = adjacency.sum(axis=1)
    root = np.diag([1 / math.sqrt(d) if d else 0.0 for d in degree])
    result = [e0.astype(np.float64)]
    for _ in range(layers):
        result.append(root @ adjacency @ root @ result[-1])
    return result


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
