"""The BPR loss and its negatives against numbers by hand, numpy and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data_preparation import MovieData, normalised_adjacency
from model.bpr import Learner, NegativeSampler, bpr_loss
from model.lightgcn import layer_mean
from model.splits import Split
from model_training import train
from tests.dense import ASYMMETRIC, EDGES, adjacency64, csr, dense_layers
from tests.small_training import config, losses


def test_gradient_of_bpr_loss_passes_gradcheck() -> None:
    shapes = ((4, 3), (4, 3), (4, 2, 3))
    inputs = tuple(torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in shapes)
    assert torch.autograd.gradcheck(bpr_loss, inputs)


def numpy_bpr(users: NDArray, positives: NDArray, negatives: NDArray) -> float:
    """Mean of −log σ(f_u·f_i − f_u·f_j), one pair at a time."""
    pairs = [
        -math.log(1 / (1 + math.exp(-(user @ positive - user @ negative))))
        for user, positive, several in zip(users, positives, negatives, strict=True)
        for negative in several
    ]
    return sum(pairs) / len(pairs)


def test_gradient_of_the_whole_loss_agrees_with_finite_differences_of_a_dense_one() -> None:
    users, films = np.array([0, 0, 2]), np.array([0, 3, 3])
    negatives = np.array([[2, 2], [2, 2], [0, 1]])
    start = np.random.default_rng(0).normal(size=(7, 2))

    def loss_by_numpy(e0: NDArray) -> float:
        final = np.mean(dense_layers(ASYMMETRIC, e0, 3), axis=0)
        return numpy_bpr(final[users], final[3 + films], final[3 + negatives])

    expected = np.zeros_like(start)
    for place in np.ndindex(*start.shape):
        step = np.zeros_like(start)
        step[place] = 1e-5
        expected[place] = (loss_by_numpy(start + step) - loss_by_numpy(start - step)) / 2e-5

    e0 = torch.tensor(start, requires_grad=True)
    final = layer_mean(adjacency64(ASYMMETRIC), e0, 3)
    loss = bpr_loss(final[users], final[3 + films], final[torch.tensor(3 + negatives)])
    loss.backward()
    assert loss.item() == pytest.approx(loss_by_numpy(start), rel=1e-6)
    np.testing.assert_allclose(e0.grad, expected, atol=1e-6)


# --- BPR ------------------------------------------------------------------------------------------


def bpr(margin: float) -> float:
    """The loss of one user whose film scores `margin` more than the film not rated."""
    one = torch.ones(1, 1)
    return bpr_loss(one, one * margin, torch.zeros(1, 1, 1)).item()


def test_bpr_loss_is_log_2_for_equal_scores() -> None:
    assert bpr(0.0) == pytest.approx(math.log(2))


def test_bpr_loss_is_0_3133_for_a_margin_of_1() -> None:
    assert bpr(1.0) == pytest.approx(0.313262, abs=1e-6)


def test_bpr_loss_is_1_3133_for_a_margin_of_minus_1() -> None:
    assert bpr(-1.0) == pytest.approx(1.313262, abs=1e-6)


def test_bpr_loss_of_extreme_margins_is_0_and_the_margin_itself_not_infinite() -> None:
    assert bpr(1000.0) == pytest.approx(0.0, abs=1e-6)
    assert bpr(-1000.0) == pytest.approx(1000.0)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000))
def test_bpr_loss_equals_the_mean_over_all_pairs(
    batch: int, count: int, dim: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    users, positives = rng.normal(size=(2, batch, dim))
    negatives = rng.normal(size=(batch, count, dim))
    loss = bpr_loss(*(torch.from_numpy(array) for array in (users, positives, negatives)))
    assert loss.item() == pytest.approx(numpy_bpr(users, positives, negatives))


# --- negative sampling ----------------------------------------------------------------------------


def sampler(interactions: NDArray, seed: int = 0) -> NegativeSampler:
    return NegativeSampler(csr(interactions), torch.Generator().manual_seed(seed))


@given(
    EDGES.filter(lambda edges: edges.any() and not edges.all(axis=1).any()),
    st.integers(1, 5),
    st.integers(0, 1000),
)
def test_a_negative_is_never_a_training_positive(edges: NDArray, count: int, seed: int) -> None:
    users = torch.arange(len(edges)).repeat(4)
    negatives = sampler(edges, seed).sample(users, count)
    assert negatives.shape == (len(users), count) and negatives.dtype == torch.int64
    assert negatives.min() >= 0 and negatives.max() < edges.shape[1]
    assert not edges[users.numpy()[:, None], negatives.numpy()].any()


@pytest.mark.parametrize("left", [0, 3, 6])
def test_who_rated_all_films_but_one_always_gets_that_one(left: int) -> None:
    edges = np.ones((3, 7), bool)
    edges[1, left] = False
    negatives = sampler(edges).sample(torch.full((50,), 1), 4)
    assert (negatives == left).all()


def test_negatives_cover_all_films_not_rated_about_evenly() -> None:
    edges = np.zeros((2, 12), bool)
    edges[0, [0, 3, 4, 11]] = True  # 8 films are left to user 0
    edges[1, 5] = True
    drawn = sampler(edges).sample(torch.zeros(2000, dtype=torch.int64), 4)
    counts = np.bincount(drawn.ravel(), minlength=12)[~edges[0]]
    expected = 8000 / 8
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 24.3  # 7 degrees of freedom: exceeded once in a thousand seeds


def test_negatives_depend_on_the_generator_only() -> None:
    edges, users = np.eye(4, 9), torch.arange(4).repeat(10)
    torch.manual_seed(1)
    one = sampler(edges, seed=5).sample(users, 3)
    torch.manual_seed(2)
    assert torch.equal(one, sampler(edges, seed=5).sample(users, 3))
    assert not torch.equal(one, sampler(edges, seed=6).sample(users, 3))


def test_a_hidden_batch_is_predicted_from_a_graph_without_it(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs: list[np.ndarray] = []
    without = Learner._without

    def spy(learner: Learner, chosen: torch.Tensor) -> torch.Tensor:
        graphs.append(without(learner, chosen).to_dense().numpy())
        return without(learner, chosen)

    monkeypatch.setattr(Learner, "_without", spy)
    train(planted_data, split, config(epochs=1, hide_batch=True, batch_size=64))
    full = normalised_adjacency(split.train).toarray()
    users, movies = split.train.nonzero()
    edges = sorted([*zip(users, movies + 30, strict=True), *zip(movies + 30, users, strict=True)])
    hidden = [edge for graph in graphs for edge in np.argwhere(graph != full).tolist()]
    assert sorted(map(tuple, hidden)) == edges  # each rating is hidden once, in both directions
    assert len(graphs) == math.ceil(split.train.nnz / 64)
    assert all((graph[graph != full] == 0).all() for graph in graphs)


def test_l2_adds_half_the_squared_rows_of_the_batch_per_rating(
    planted_data: MovieData, split: Split
) -> None:
    # One batch per epoch: the loss of epoch 1 is that of the random start, with the same negatives.
    first = {
        l2: losses(train(planted_data, split, config(epochs=1, batch_size=100_000, l2=l2)))[0]
        for l2 in (0.0, 0.5, 1.0)
    }
    penalty = first[1.0] - first[0.0]
    assert first[0.5] - first[0.0] == pytest.approx(penalty / 2, rel=1e-3)
    # Per rating: a user, a film and 2 negatives, each 8 normal numbers of standard deviation 0.1.
    assert penalty == pytest.approx(0.5 * 4 * 8 * 0.1**2, rel=0.15)
