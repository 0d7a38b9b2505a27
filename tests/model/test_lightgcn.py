"""Propagation and scores against dense numpy and finite differences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data_preparation import normalised_adjacency
from model.bpr import Learner
from model.fitted_start import spectrum
from model.hybrid_graph import build_graph
from model.lightgcn import (
    HybridPropagation,
    PaperPropagation,
    Propagation,
    factor_scorer,
    fitted_vectors,
    layer_mean,
    met_scale,
    profile_scorer,
    to_torch,
)
from model.trained import TrainedModel
from tests.dense import (
    ASYMMETRIC,
    CONTENT,
    EDGES,
    STARS,
    adjacency64,
    csr,
    dense_adjacency,
    dense_graph,
    dense_hybrid,
    dense_layers,
    dense_profiles,
)
from tests.small_training import hybrid_config


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


# --- from E(0) to what is multiplied, and back ----------------------------------------------------

RATINGS = csr(STARS)
N_RATINGS, SHAPE = RATINGS.nnz, STARS.shape
MET = np.random.default_rng(9).uniform(0.5, 2, SHAPE[1]).astype(np.float32)
KINDS = [("paper", k) for k in range(4)] + [("hybrid", k) for k in (1, 2, 3, 4)]
SETTINGS = {"film_exponent": 0.3, "user_exponent": 0.4, "genre": 0.7, "taste": 0.6, "watch": 0.3}


def propagation(kind: str, layers: int) -> Propagation:
    if kind == "paper":
        return PaperPropagation.of(RATINGS, layers)
    settings = hybrid_config(layers=layers, **SETTINGS)
    graph = build_graph(RATINGS, {"genre": csr(CONTENT)}, settings)
    plain = HybridPropagation.of(RATINGS, graph, settings)
    return replace(plain, met=torch.from_numpy(MET)[:, None])


def dense_maps(kind: str, layers: int, hidden: NDArray | None = None) -> tuple[NDArray, NDArray]:
    """The matrices from E(0) to f and to v; `hidden` zeroes ratings without scaling anew."""
    if kind == "hybrid":
        settings = hybrid_config(layers=layers, **SETTINGS)
        return dense_hybrid(STARS, {"genre": CONTENT}, settings, MET, hidden).maps()
    adjacency = dense_adjacency(STARS > 0)
    if hidden is not None:
        adjacency[: SHAPE[0], SHAPE[0] :][hidden] = 0
        adjacency[SHAPE[0] :, : SHAPE[0]][hidden.T] = 0
    powers = [np.linalg.matrix_power(adjacency, k) for k in range(layers + 1)]
    mean = sum(powers) / (layers + 1)
    return mean[: SHAPE[0]], mean[SHAPE[0] :]


def numbers(seed: int, kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """E(0) and gradients by f and by v."""
    rows = SHAPE[1] if kind == "hybrid" else sum(SHAPE)
    generator = torch.Generator().manual_seed(seed)
    sizes = (rows, SHAPE[0], SHAPE[1])
    return tuple(torch.randn(size, 3, generator=generator) for size in sizes)


HIDDEN = st.sets(st.integers(0, N_RATINGS - 1), max_size=N_RATINGS)


def as_table(chosen: set[int]) -> NDArray:
    users, films = RATINGS.nonzero()
    table = np.zeros(SHAPE, bool)
    table[users[list(chosen)], films[list(chosen)]] = True
    return table


@pytest.mark.parametrize(("kind", "layers"), KINDS)
@given(seed=st.integers(0, 99), chosen=HIDDEN)
def test_forward_and_backward_are_the_dense_maps_with_any_ratings_hidden(
    kind: str, layers: int, seed: int, chosen: set[int]
) -> None:
    e0, by_users, by_films = numbers(seed, kind)
    hidden = propagation(kind, layers).without(torch.tensor(sorted(chosen), dtype=torch.int64))
    to_users, to_films = dense_maps(kind, layers, as_table(chosen))
    users, films = hidden.forward(e0)
    np.testing.assert_allclose(users, to_users @ e0.numpy(), atol=2e-4)
    np.testing.assert_allclose(films, to_films @ e0.numpy(), atol=2e-4)
    expected = to_users.T @ by_users.numpy() + to_films.T @ by_films.numpy()
    np.testing.assert_allclose(hidden.backward(by_users, by_films), expected, atol=2e-4)


@pytest.mark.parametrize(("kind", "layers"), KINDS)
def test_nothing_hidden_is_the_whole_graph_and_hiding_leaves_it_alone(
    kind: str, layers: int
) -> None:
    whole = propagation(kind, layers)
    e0, by_users, by_films = numbers(0, kind)
    before = [*whole.forward(e0), whole.backward(by_users, by_films)]
    expected = [maps @ e0.numpy() for maps in dense_maps(kind, layers)]
    for found, right in zip(before, expected, strict=False):
        np.testing.assert_allclose(found, right, atol=2e-4)
    nothing = whole.without(torch.tensor([], dtype=torch.int64))
    whole.without(torch.arange(N_RATINGS))
    for other in (whole, nothing):
        again = [*other.forward(e0), other.backward(by_users, by_films)]
        assert all(torch.equal(*pair) for pair in zip(before, again, strict=True))


@pytest.mark.parametrize(("kind", "layers"), KINDS)
def test_backward_is_the_transpose_of_forward(kind: str, layers: int) -> None:
    # <P e, g> = <e, Pᵀ g>, to the precision of float32.
    whole = propagation(kind, layers)
    for seed in range(20):
        e0, *gradients = numbers(seed, kind)
        ahead = sum(
            float((part.double() * gradient).sum())
            for part, gradient in zip(whole.forward(e0), gradients, strict=True)
        )
        back = float((e0.double() * whole.backward(*gradients)).sum())
        assert ahead == pytest.approx(back, abs=1e-4)


def test_people_of_the_hybrid_are_the_sum_of_what_their_films_send() -> None:
    whole = propagation("hybrid", 3)
    e0 = numbers(0, "hybrid")[0]
    sent, met = whole.film_vectors(e0)
    users, films = whole.forward(e0)
    np.testing.assert_allclose(users, dense_profiles(STARS, 0.3) @ sent.numpy(), atol=1e-5)
    assert torch.equal(films, met)


def test_the_first_hop_needs_no_graph() -> None:
    settings = hybrid_config(layers=1, **SETTINGS)
    plain = HybridPropagation.of(RATINGS, None, settings)
    assert plain.edges is None and plain.back is None
    e0 = numbers(0, "hybrid")[0]
    sent, met = plain.film_vectors(e0)
    degree = np.array([2.0, 3, 2, 3, 1, 2])  # film 4 has no rating, and counts as 1
    np.testing.assert_allclose(sent, degree[:, None] ** -0.3 * e0.numpy(), rtol=1e-6)
    assert torch.equal(met, e0)


def test_the_scale_of_what_is_met_takes_out_a_films_vote_for_itself() -> None:
    settings = hybrid_config(layers=2, **SETTINGS | {"met_exponent": -0.2})
    graph = build_graph(RATINGS, {"genre": csr(CONTENT)}, settings)
    plain = HybridPropagation.of(RATINGS, graph, settings)
    e0 = 0.4 * numbers(1, "hybrid")[0]
    rows = np.concatenate(list(dense_graph(STARS, {"genre": CONTENT}, settings).values()))
    gram = rows.T @ rows / np.linalg.eigvalsh(rows.T @ rows)[-1]
    dense_e0 = e0.numpy().astype(float)
    vote = (dense_e0 * ((dense_e0 + gram @ dense_e0) / 2)).sum(1)  # e_i·(smoothed e)_i
    degree = np.array([2.0, 3, 2, 3, 1, 2])
    expected = degree ** (0.3 - 0.2) / (1 - np.minimum(vote, 0.95))
    np.testing.assert_allclose(met_scale(plain, e0, settings), expected, rtol=1e-3)
    random_start = replace(settings, warm_start=False, epochs=1)
    np.testing.assert_allclose(met_scale(plain, e0, random_start), degree**0.1, rtol=1e-6)


def test_fitted_vectors_are_those_of_the_learner_at_the_first_hop() -> None:
    settings = hybrid_config(**SETTINGS)
    content = {"genre": csr(CONTENT)}
    found = spectrum(build_graph(RATINGS, content, settings), settings.dim, settings.seed)
    sent, met = fitted_vectors(RATINGS, found, settings)
    scores = profile_scorer(RATINGS, sent, met, 0.3)(np.arange(4))
    expected = Learner(RATINGS, content, settings).scorer("watch")(np.arange(4))
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_profile_scorer_sums_over_the_rated_films() -> None:
    sent, met = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
    scores = profile_scorer(RATINGS, sent, met, 0.5)(np.array([3, 0]))
    expected = dense_profiles(STARS, 0.5)[[3, 0]] @ sent @ met.T
    np.testing.assert_allclose(scores, expected, atol=1e-5)
