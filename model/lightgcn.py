"""The LightGCN network: sparse propagation, and scores from it.

He et al. 2020, arXiv:2002.02126: E(0) is learned; E(k+1) = Ê E(k) with Ê = D^-½ A D^-½; the final
embeddings are F = mean of E(0) … E(K); the score of user u and movie i is f_u·f_i.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from model.evaluation import Scorer

# --- propagation ----------------------------------------------------------------------------------


def to_torch(matrix: sparse.csr_array) -> Tensor:
    """SciPy CSR → torch sparse CSR float32 with int32 indices (4 times as fast as COO)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        return torch.sparse_csr_tensor(
            torch.tensor(matrix.indptr, dtype=torch.int32),
            torch.tensor(matrix.indices, dtype=torch.int32),
            torch.tensor(matrix.data, dtype=torch.float32),
            size=matrix.shape,
            check_invariants=True,
        )


class _LayerMean(torch.autograd.Function):
    """F = (E + ÊE + … + Ê^K E)/(K+1) by Horner's rule, without keeping the layers.

    Ê is symmetric, so dL/dE is the same function of dL/dF.
    """

    @staticmethod
    def forward(ctx: Any, adjacency: Tensor, e0: Tensor, layers: int) -> Tensor:
        ctx.adjacency, ctx.layers = adjacency, layers
        total = e0
        for _ in range(layers):
            total = torch.addmm(e0, adjacency, total)  # E + Ê·total  [n_nodes, dim]
        return total / (layers + 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, _LayerMean.apply(ctx.adjacency, gradients[0], ctx.layers), None


def layer_mean(adjacency: Tensor, e0: Tensor, layers: int) -> Tensor:
    """Final embeddings F = 1/(K+1) Σ_k Ê^k E(0) (LightGCN eq. 4, 8), differentiable in E(0).

    Args:
        adjacency: Ê, sparse CSR float [n_nodes, n_nodes], symmetric.
        e0: float [n_nodes, dim].
        layers: K; 0 gives plain matrix factorisation.

    Returns:
        float [n_nodes, dim].
    """
    return _LayerMean.apply(adjacency, e0, layers)


# --- from E(0) to scores --------------------------------------------------------------------------


def train_scorer(adjacency: Tensor, e0: Tensor, layers: int, n_users: int) -> Scorer:
    """Scores f_u·f_i of E(0) propagated over the training graph.

    Args:
        adjacency: Ê of the training ratings, sparse CSR float [n_nodes, n_nodes].
        e0: float32 [n_nodes, dim], users first.
    """
    final = layer_mean(adjacency, e0, layers).numpy()
    return factor_scorer(final[:n_users], final[n_users:])


def factor_scorer(user_factors: NDArray[np.float32], movie_factors: NDArray[np.float32]) -> Scorer:
    """Inner users [batch] → f_u·f_i for all movies, float32 [batch, n_movies]."""
    return lambda users: user_factors[users] @ movie_factors.T
