"""Propagation and scores against dense numpy and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data_preparation import normalised_adjacency
from model.lightgcn import factor_scorer, layer_mean, to_torch
from model.trained import TrainedModel
from tests.dense import ASYMMETRIC, EDGES, adjacency64, csr, dense_layers


@given(EDGES, st.integers(0, 4), st.integers(0, 1000))
def test_layer_mean_equals_the_dense_mean_of_the_layers(
    edges: NDArray, layers: int, seed: int
) -> None:
    e0 = np.random.default_rng(seed).normal(size=(sum(edges.shape), 3)).astype(np.float32)
    adjacency = to_torch(normalised_adjacency(csr(edges)))
    result = layer_mean(adjacency, torch.from_numpy(e0), layers).numpy()
    np.testing.assert_allclose(result, np.mean(dense_layers(edges, e0, layers), axis=0), atol=1e-5)


def test_layer_mean_of_a_worked_example_with_2_users_and_3_films() -> None:
    # User 0 rated films 0 and 1, user 1 rated film 1 only; film 2 has no rating.
    # Degrees: users 2, 1; films 1, 2, 0. Weights: u0-f0 1/√2, u0-f1 1/2, u1-f1 1/√2.
    edges = np.array([[1, 1, 0], [0, 1, 0]])
    e0 = torch.tensor([[1.0], [2.0], [4.0], [8.0], [16.0]])
    root = 1 / math.sqrt(2)
    layer_1 = np.array([root * 4 + 0.5 * 8, root * 8, root * 1, 0.5 * 1 + root * 2, 0])
    result = layer_mean(to_torch(normalised_adjacency(csr(edges))), e0, 1)
    np.testing.assert_allclose(result.ravel(), (e0.numpy().ravel() + layer_1) / 2, rtol=1e-6)


def test_layer_mean_with_no_layers_is_e0() -> None:
    e0 = torch.randn(5, 2)
    adjacency = to_torch(normalised_adjacency(csr(np.ones((2, 3)))))
    assert torch.equal(layer_mean(adjacency, e0, 0), e0)


def test_a_node_without_edges_keeps_only_its_share_of_layer_0() -> None:
    adjacency = to_torch(normalised_adjacency(csr([[1, 0, 0], [0, 1, 0]])))
    result = layer_mean(adjacency, torch.ones(5, 2), 3)
    np.testing.assert_allclose(result[4], 0.25)


def test_to_torch_keeps_values_and_shape_in_float32_csr_with_int32_indices() -> None:
    matrix = csr([[0, 2.5, 0], [1, 0, 4]])
    tensor = to_torch(matrix)
    assert tensor.layout == torch.sparse_csr and tensor.dtype == torch.float32
    assert tensor.crow_indices().dtype == tensor.col_indices().dtype == torch.int32
    np.testing.assert_array_equal(tensor.to_dense(), matrix.toarray())


@pytest.mark.parametrize("layers", range(5))
def test_gradient_of_layer_mean_passes_gradcheck(layers: int) -> None:
    adjacency = adjacency64(ASYMMETRIC)
    e0 = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda e: layer_mean(adjacency, e, layers), (e0,))


def test_gradient_of_the_gradient_of_layer_mean_passes_gradcheck() -> None:
    adjacency = adjacency64(ASYMMETRIC)
    e0 = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda e: layer_mean(adjacency, e, 2).tanh(), (e0,))


def test_factor_scorer_gives_the_dot_product_of_every_film(model: TrainedModel) -> None:
    scores = factor_scorer(model.user_factors, model.movie_factors)(np.array([5, 2]))
    assert scores.shape == (2, 48)
    assert scores[1, 7] == pytest.approx(model.user_factors[2] @ model.movie_factors[7], rel=1e-4)
