"""LightGCN against dense numpy, finite differences and planted structure; checkpoints; the command.

What is tested is behaviour: no test relies on the defaults of `TrainingConfig` or on the presets.
"""

from __future__ import annotations

import contextlib
import math
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import sparse

import checkpoints
import model_training
from checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from data_preparation import MovieData, normalised_adjacency
from evaluation import Split, evaluate, popularity, random_80_10_10, temporal_leave_one_out
from lightgcn import EpochRecord, TrainedModel, factor_scorer, layer_mean, to_torch
from model_training import Learner, NegativeSampler, StopTraining, bpr_loss, main, train
from tests.conftest import (
    TOY_RATINGS,
    assert_one_sentence,
    planted_ratings,
    snapshot,
    write_dataset,
    write_planted,
)
from training_config import CONFIG_RANGES, TrainingConfig
from warm_start import initial_embeddings

# Small, quick, and several steps per epoch. Every field that a test relies on is set.
SMALL = {
    "dim": 8,
    "layers": 2,
    "epochs": 4,
    "batch_size": 64,
    "learning_rate": 0.05,
    "l2": 1e-3,
    "negatives": 2,
    "hide_batch": False,
    "warm_start": False,
    "patience": 100,
    "seed": 3,
}


def config(**changes: Any) -> TrainingConfig:
    return TrainingConfig(**SMALL | changes)


@pytest.fixture(scope="module")
def split(planted_data: MovieData) -> Split:
    return random_80_10_10(planted_data)


@pytest.fixture(scope="module")
def model(planted_data: MovieData, split: Split) -> TrainedModel:
    return train(planted_data, split, config())


def ndcg(model: TrainedModel) -> list[float]:
    return [record.metrics["NDCG@20"] for record in model.history]


def losses(model: TrainedModel) -> list[float]:
    return [record.loss for record in model.history[1:]]


# --- propagation ----------------------------------------------------------------------------------

EDGES = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=6))


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


# --- gradients ------------------------------------------------------------------------------------

ASYMMETRIC = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("layers", range(5))
def test_gradient_of_layer_mean_passes_gradcheck(layers: int) -> None:
    adjacency = adjacency64(ASYMMETRIC)
    e0 = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda e: layer_mean(adjacency, e, layers), (e0,))


def test_gradient_of_the_gradient_of_layer_mean_passes_gradcheck() -> None:
    adjacency = adjacency64(ASYMMETRIC)
    e0 = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda e: layer_mean(adjacency, e, 2).tanh(), (e0,))


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


# --- initialisation -------------------------------------------------------------------------------


def start_of(train_part: sparse.csr_array, settings: TrainingConfig) -> torch.Tensor:
    return initial_embeddings(train_part, to_torch(normalised_adjacency(train_part)), settings)


@pytest.mark.parametrize("warm_start", [True, False])
@pytest.mark.parametrize("dim", [4, 64])  # below and above the rank of the matrix
def test_initial_embeddings_are_finite_and_no_dimension_is_stuck(
    split: Split, warm_start: bool, dim: int
) -> None:
    e0 = start_of(split.train, config(dim=dim, warm_start=warm_start))
    assert e0.shape == (30 + 48, dim) and e0.dtype == torch.float32
    assert e0.isfinite().all()
    assert (e0.std(dim=0) > 0).all()


def test_a_random_start_has_the_published_standard_deviation(split: Split) -> None:
    e0 = start_of(split.train, config(dim=64, warm_start=False))
    assert e0.std().item() == pytest.approx(0.1, rel=0.05)
    assert e0.mean().item() == pytest.approx(0, abs=0.01)


def test_warm_embeddings_propagate_to_the_ridge_filtered_singular_directions(
    split: Split,
) -> None:
    # An independent dense reference: numpy's SVD of D_u^-1/4 R, σ³/(σ² + 0.05 σ₁²).
    rated = (split.train.toarray() > 0).astype(float)
    left, sigma, right = np.linalg.svd(
        rated / rated.sum(1, keepdims=True) ** 0.25, full_matrices=False
    )
    shrunk = sigma**3 / (sigma**2 + 0.05 * sigma[0] ** 2)
    expected = (left[:, :6] * shrunk[:6]) @ right[:6]
    settings = config(dim=6, layers=2, warm_start=True)
    final = layer_mean(
        to_torch(normalised_adjacency(split.train)), start_of(split.train, settings), 2
    ).numpy()
    scores = final[:30] @ final[30:].T
    # Equal but for the overall scale and the small ridge of the inversion.
    assert np.corrcoef(scores.ravel(), expected.ravel())[0, 1] > 0.98


def test_a_warm_start_scores_rated_films_a_margin_of_9_above_random_ones(split: Split) -> None:
    settings = config(dim=16, warm_start=True)
    final = layer_mean(
        to_torch(normalised_adjacency(split.train)), start_of(split.train, settings), 2
    ).numpy()
    scores = final[:30] @ final[30:].T
    users, movies = split.train.nonzero()
    margin = scores[users, movies].mean() - scores[users].mean()
    assert margin == pytest.approx(9, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (1, 1)])
def test_initial_embeddings_of_a_single_user_or_film_are_finite(shape: tuple[int, int]) -> None:
    e0 = start_of(csr(np.ones(shape)), config(warm_start=True))
    assert e0.shape == (sum(shape), 8) and e0.isfinite().all()


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


def test_a_warm_start_ranks_far_better_than_chance_before_any_step(
    planted_data: MovieData, split: Split
) -> None:
    warm = train(planted_data, split, config(warm_start=True, epochs=1, dim=4))
    cold = train(planted_data, split, config(warm_start=False, epochs=1, dim=4))
    assert ndcg(warm)[0] > 1.5 * ndcg(cold)[0]


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("warm_start", [True, False])
@pytest.mark.parametrize("protocol", [random_80_10_10, temporal_leave_one_out])
def test_training_finds_a_planted_structure_that_popularity_cannot(
    planted_data: MovieData, protocol: Callable[[MovieData], Split], warm_start: bool
) -> None:
    split = protocol(planted_data)
    model = train(planted_data, split, config(epochs=8, warm_start=warm_start))
    baseline = evaluate(popularity(split.train), split, "test").mean()
    assert model.test_metrics["Recall@10"] > 0.75 > 2 * baseline["Recall@10"]
    assert model.test_metrics["NDCG@20"] > 1.5 * baseline["NDCG@20"]


def test_the_best_unseen_films_are_of_the_users_own_group(
    planted_data: MovieData, split: Split
) -> None:
    model = train(planted_data, split, config(epochs=8))
    scores = factor_scorer(model.user_factors, model.movie_factors)(np.arange(30))
    scores[planted_data.ratings.toarray() > 0] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :3]
    # Raw ids ascend with the group pattern, so inner ids carry it too: group = id mod 3.
    assert (best % 3 == np.arange(30)[:, None] % 3).mean() > 0.9


def test_the_loss_falls(model: TrainedModel) -> None:
    assert losses(model)[-1] < losses(model)[0] < 1.2 * math.log(2)


def test_the_same_seed_gives_the_same_model_whatever_the_global_generators(
    planted_data: MovieData, split: Split, model: TrainedModel
) -> None:
    torch.manual_seed(123)
    np.random.seed(123)
    again = train(planted_data, split, config())
    np.testing.assert_array_equal(again.e0, model.e0)
    assert losses(again) == losses(model)
    assert again.test_metrics == model.test_metrics


def test_another_seed_gives_another_model(
    planted_data: MovieData, split: Split, model: TrainedModel
) -> None:
    other = train(planted_data, split, config(seed=4))
    assert not np.allclose(other.e0, model.e0)


def test_the_seed_also_shuffles_and_samples(
    planted_data: MovieData, split: Split, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = start_of(split.train, config())
    monkeypatch.setattr(model_training, "initial_embeddings", lambda *_: start.clone())
    assert losses(train(planted_data, split, config())) == losses(model)
    assert losses(train(planted_data, split, config(seed=4))) != losses(model)


def test_bpr_gets_every_training_pair_once_with_films_that_the_user_did_not_rate(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[torch.Tensor]] = []

    def spy(*batch: torch.Tensor) -> torch.Tensor:
        batches.append([part.detach() for part in batch])
        return bpr_loss(*batch)

    monkeypatch.setattr(model_training, "bpr_loss", spy)
    settings = config(epochs=1, batch_size=100_000)
    train(planted_data, split, settings)
    # One batch, so its rows are rows of F at the start: look up which.
    start = start_of(split.train, settings)
    final = layer_mean(to_torch(normalised_adjacency(split.train)), start, 2)
    ((users, positives, negatives),) = (
        [(part[..., None, :] - final).abs().sum(-1).argmin(-1).numpy() for part in batch]
        for batch in batches
    )
    assert users.max() < 30 <= min(positives.min(), negatives.min())  # films come after users
    rated = split.train.toarray() > 0
    assert sorted(zip(users, positives - 30, strict=True)) == [*zip(*rated.nonzero(), strict=True)]
    assert negatives.shape == (len(users), 2)
    assert not rated[users[:, None], negatives - 30].any()


CHANGES = {
    "dim": 9,
    "layers": 1,
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 0.01,
    "l2": 0.1,
    "negatives": 3,
    "seed": 4,
}


def a_change(name: str) -> Any:
    """Another valid value, also for fields that are newer than this test."""
    if name in CHANGES:
        return CHANGES[name]
    value = getattr(config(), name)
    if isinstance(value, bool):
        return not value
    _, low, high = CONFIG_RANGES[name]
    return high if value == low else low


@pytest.mark.parametrize("name", [f.name for f in fields(TrainingConfig) if f.name != "patience"])
def test_every_hyperparameter_has_an_effect(
    planted_data: MovieData, split: Split, model: TrainedModel, name: str
) -> None:
    changed = train(planted_data, split, config(**{name: a_change(name)}))
    assert losses(changed) != losses(model)


def test_patience_ends_the_training_after_so_many_epochs_without_a_better_one(
    planted_data: MovieData, split: Split
) -> None:
    model = train(planted_data, split, config(epochs=200, patience=2))
    assert len(model.history) - 1 == model.best_epoch + 2 < 200
    assert "2 epochs" in model.stop_reason
    assert_one_sentence(model.stop_reason)


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


def test_on_epoch_sees_epoch_0_to_n_in_order_and_the_history_is_what_it_saw(
    planted_data: MovieData, split: Split
) -> None:
    seen: list[EpochRecord] = []
    model = train(planted_data, split, config(epochs=3), on_epoch=seen.append)
    assert [record.epoch for record in seen] == [0, 1, 2, 3]
    assert model.history == tuple(seen)
    assert math.isnan(seen[0].loss) and all(math.isfinite(r.loss) for r in seen[1:])
    seconds = [record.seconds for record in seen]
    assert seconds == sorted(seconds) and seconds[0] >= 0
    assert_one_sentence(model.stop_reason)


def test_the_kept_epoch_is_the_best_on_validation(planted_data: MovieData, split: Split) -> None:
    model = train(planted_data, split, config(epochs=8))
    assert model.best_epoch == int(np.argmax(ndcg(model)))
    adjacency = to_torch(normalised_adjacency(split.train))
    final = layer_mean(adjacency, torch.tensor(model.e0), 2).numpy()
    metrics = evaluate(factor_scorer(final[:30], final[30:]), split, "validation").mean()
    assert metrics["NDCG@20"] == pytest.approx(max(ndcg(model)))


def test_test_metrics_are_of_the_kept_e0_over_the_train_graph_only(
    split: Split, model: TrainedModel
) -> None:
    final = np.mean(dense_layers(split.train.toarray() > 0, model.e0, 2), axis=0)
    expected = evaluate(factor_scorer(final[:30], final[30:]), split, "test").mean()
    assert model.test_metrics == pytest.approx(expected)


def test_training_never_looks_at_the_held_out_ratings(
    planted_data: MovieData, split: Split, model: TrainedModel
) -> None:
    # Other held-out films: the training itself must not notice.
    films = (split.validation.indices + 1) % 48
    moved = sparse.csr_array(
        (split.validation.data, films, split.validation.indptr), shape=split.validation.shape
    ).tocoo()
    free = [not (split.train[u, i] or split.test[u, i]) for u, i in zip(*moved.coords, strict=True)]
    validation = sparse.coo_array(
        (moved.data[free], (moved.coords[0][free], moved.coords[1][free])), shape=moved.shape
    ).tocsr()
    other = train(planted_data, replace(split, validation=validation), config())
    assert losses(other) == losses(model)
    assert ndcg(other) != ndcg(model)


def test_factors_for_serving_come_from_all_ratings(
    planted_data: MovieData, model: TrainedModel
) -> None:
    expected = np.mean(dense_layers(planted_data.ratings.toarray() > 0, model.e0, 2), axis=0)
    expected[30:][planted_data.movie_degree == 0] = 0
    np.testing.assert_allclose(model.user_factors, expected[:30], atol=1e-5)
    np.testing.assert_allclose(model.movie_factors, expected[30:], atol=1e-5)


def test_movie_messages_and_e0_add_up_to_the_user_factors(
    planted_data: MovieData, model: TrainedModel
) -> None:
    # As the docstring says: f_u = e(0)_u/(K+1) + Σ_j movie_messages[j]/√(d_u·d_j), here K = 2.
    for user in range(30):
        films = planted_data.rated_by(user)
        weights = 1 / np.sqrt(len(films) * planted_data.movie_degree[films])
        expected = model.e0[user] / 3 + weights @ model.movie_messages[films]
        np.testing.assert_allclose(model.user_factors[user], expected, atol=1e-5)


def test_a_film_without_ratings_has_zero_factors(toy_data: MovieData) -> None:
    split = temporal_leave_one_out(toy_data)
    model = train(toy_data, split, config(epochs=1, dim=3))
    assert not model.movie_factors[7].any()
    assert model.movie_factors[:7].any(axis=1).all()


def test_arrays_of_a_model_are_read_only(model: TrainedModel) -> None:
    for array in (model.e0, model.user_factors, model.movie_factors, model.movie_messages):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0


def test_factor_scorer_gives_the_dot_product_of_every_film(model: TrainedModel) -> None:
    scores = factor_scorer(model.user_factors, model.movie_factors)(np.array([5, 2]))
    assert scores.shape == (2, 48)
    assert scores[1, 7] == pytest.approx(model.user_factors[2] @ model.movie_factors[7], rel=1e-4)


# --- unusual data ---------------------------------------------------------------------------------


def test_a_split_of_other_data_is_refused(toy_data: MovieData, split: Split) -> None:
    with pytest.raises(ValueError, match="split belongs to other data") as refusal:
        train(toy_data, split, config())
    assert_one_sentence(str(refusal.value))


def test_who_rated_every_film_is_left_out_of_bpr_and_training_ends(
    load: Callable[..., MovieData],
) -> None:
    films = sorted({row[1] for row in TOY_RATINGS} | {200})
    everything = [(500, film, 4.0, film) for film in films]
    data = load(ratings=[*TOY_RATINGS, *everything])
    split = temporal_leave_one_out(data)
    # All of user 500's ratings into train: they have no film left to be a negative.
    whole = data.inner_user(500)
    keep = sparse.diags_array([float(user != whole) for user in range(data.n_users)])
    rest = sparse.diags_array([float(user == whole) for user in range(data.n_users)])
    parts = ((keep @ part).astype(np.float32) for part in (split.validation, split.test))
    train_part = (split.train + rest @ (split.validation + split.test)).astype(np.float32)
    cleaned = [part.tocsr() for part in parts]
    for part in cleaned:
        part.eliminate_zeros()
    assert np.diff(train_part.tocsr().indptr)[whole] == data.n_movies
    model = train(data, Split("by hand", train_part.tocsr(), *cleaned), config(epochs=2, dim=3))
    assert np.isfinite(model.e0).all() and len(model.history) == 3


def test_when_everyone_rated_everything_it_is_said(load: Callable[..., MovieData]) -> None:
    movies = [(1, "A (2000)", "Drama"), (2, "B (2000)", "Drama")]
    ratings = [(user, film, 4.0, 1) for user in (1, 2, 3) for film in (1, 2)]
    data = load(ratings=ratings, movies=movies, tags=None, links=None)
    nothing = sparse.csr_array(data.ratings.shape, dtype=np.float32)
    with pytest.raises(ValueError, match="unrated film") as refusal:
        train(data, Split("all", data.ratings, nothing, nothing), config())
    assert_one_sentence(str(refusal.value))


# --- stopping early -------------------------------------------------------------------------------


def test_a_stop_before_the_first_epoch_gives_the_untrained_model(
    planted_data: MovieData, split: Split
) -> None:
    def stop() -> None:
        raise StopTraining

    model = train(planted_data, split, config(), before_step=stop)
    assert (len(model.history), model.best_epoch) == (1, 0)
    np.testing.assert_array_equal(model.e0, start_of(split.train, config()))


def interrupt_at(epoch: int) -> Callable[[EpochRecord], None]:
    def on_epoch(record: EpochRecord) -> None:
        if record.epoch == epoch:
            raise KeyboardInterrupt

    return on_epoch


def test_ctrl_c_keeps_the_best_epoch_so_far(planted_data: MovieData, split: Split) -> None:
    model = train(planted_data, split, config(epochs=50), on_epoch=interrupt_at(4))
    assert [record.epoch for record in model.history] == [0, 1, 2, 3, 4]
    assert ndcg(model)[model.best_epoch] >= max(ndcg(model)[:-1])
    assert "nterrupted" in model.stop_reason and "epoch 4" in model.stop_reason
    assert_one_sentence(model.stop_reason)
    assert set(model.test_metrics) == set(model.history[0].metrics)


def test_ctrl_c_in_the_best_epoch_keeps_that_epoch(planted_data: MovieData, split: Split) -> None:
    model = train(planted_data, split, config(epochs=50), on_epoch=interrupt_at(1))
    assert ndcg(model)[1] > ndcg(model)[0]  # so epoch 1 is the best
    assert model.best_epoch == 1


def test_ctrl_c_within_an_epoch_keeps_the_best_epoch_so_far(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(10_000))
    real = bpr_loss

    def interrupted(*batch: torch.Tensor) -> torch.Tensor:
        if next(calls) == 12:
            raise KeyboardInterrupt
        return real(*batch)

    monkeypatch.setattr(model_training, "bpr_loss", interrupted)
    model = train(planted_data, split, config(epochs=50))
    assert 1 < len(model.history) < 50
    assert model.best_epoch == int(np.argmax(ndcg(model)))


def test_another_error_in_on_epoch_is_not_swallowed(planted_data: MovieData, split: Split) -> None:
    def broken(_: EpochRecord) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(planted_data, split, config(), on_epoch=broken)


# --- numbers that are not finite ------------------------------------------------------------------


@pytest.mark.parametrize("first_bad_step", [0, 9])
def test_a_loss_that_is_not_finite_ends_with_a_sentence_and_keeps_the_best_weights(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch, first_bad_step: int
) -> None:
    steps = iter(range(10_000))
    real = bpr_loss

    def breaks_down(*batch: torch.Tensor) -> torch.Tensor:
        return real(*batch) * (math.nan if next(steps) >= first_bad_step else 1.0)

    monkeypatch.setattr(model_training, "bpr_loss", breaks_down)
    model = train(planted_data, split, config(epochs=50))
    assert "not finite" in model.stop_reason
    assert_one_sentence(model.stop_reason)
    assert np.isfinite(model.e0).all() and np.isfinite(model.movie_factors).all()
    assert all(math.isfinite(loss) for loss in losses(model))
    assert model.best_epoch == int(np.argmax(ndcg(model)))


def test_a_gradient_that_is_not_finite_in_the_last_step_keeps_the_best_weights(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bpr_loss

    def infinite_slope(users: torch.Tensor, *films: torch.Tensor) -> torch.Tensor:
        return real(users, *films) + (users * 0).sum().sqrt()  # adds 0, with a gradient of NaN

    monkeypatch.setattr(model_training, "bpr_loss", infinite_slope)
    model = train(planted_data, split, config(batch_size=100_000))  # one step per epoch
    assert np.isfinite(model.e0).all()
    assert_one_sentence(model.stop_reason)


def test_extreme_but_allowed_settings_end_with_finite_weights(
    planted_data: MovieData, split: Split
) -> None:
    extreme = {name: CONFIG_RANGES[name][2] for name in ("learning_rate", "l2", "layers")}
    model = train(planted_data, split, config(**extreme))
    assert np.isfinite(model.e0).all() and np.isfinite(model.user_factors).all()
    assert_one_sentence(model.stop_reason)


# --- TrainingConfig -------------------------------------------------------------------------------


def refused(name: str, value: Any) -> None:
    _, low, high = CONFIG_RANGES[name]
    with pytest.raises(ValueError, match=rf"\b{name}\b") as refusal:
        config(**{name: value})
    message = str(refusal.value)
    assert str(low) in message and str(high) in message and repr(value) in message
    assert_one_sentence(message)


@pytest.mark.parametrize("name", CONFIG_RANGES)
def test_a_setting_out_of_range_is_refused_naming_field_and_range(name: str) -> None:
    kind, low, high = CONFIG_RANGES[name]
    for value in (low - 1, high + 1, -math.inf, math.inf, math.nan):
        refused(name, kind(value) if math.isfinite(value) else value)


@pytest.mark.parametrize("name", CONFIG_RANGES)
@pytest.mark.parametrize("value", ["5", "", None, True, False, [1], 1j])
def test_a_setting_of_another_type_is_refused(name: str, value: Any) -> None:
    refused(name, value)


@pytest.mark.parametrize("name", [n for n, (kind, _, _) in CONFIG_RANGES.items() if kind is int])
def test_a_whole_number_is_not_given_as_a_float(name: str) -> None:
    low, high = CONFIG_RANGES[name][1:]
    refused(name, float(low))
    refused(name, (low + high) / 2 + 0.25)


@pytest.mark.parametrize("name", CONFIG_RANGES)
def test_the_ends_of_a_range_are_allowed(name: str) -> None:
    for value in CONFIG_RANGES[name][1:]:
        assert getattr(config(**{name: value}), name) == value


@pytest.mark.parametrize("value", ["yes", 1, 0, None])
def test_warm_start_is_true_or_false_and_nothing_else(value: Any) -> None:
    with pytest.raises(ValueError, match="warm_start") as refusal:
        config(warm_start=value)
    assert_one_sentence(str(refusal.value))


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        config().dim = 5  # type: ignore[misc]


# --- checkpoints ----------------------------------------------------------------------------------


@pytest.fixture
def saved(model: TrainedModel, tmp_path: Path) -> Path:
    """A checkpoint of `model`, alone in its folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    save_checkpoint(model, folder / "model.pth")
    return folder / "model.pth"


def assert_same_model(first: TrainedModel, second: TrainedModel) -> None:
    for field in fields(TrainedModel):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        else:
            assert repr(one) == repr(other)  # the loss of epoch 0 is NaN, unequal to itself


def test_a_checkpoint_gives_back_the_identical_model(
    planted_data: MovieData, model: TrainedModel, saved: Path
) -> None:
    assert_same_model(load_checkpoint(planted_data, saved), model)


def test_a_loaded_model_is_read_only_and_can_be_saved_again(
    planted_data: MovieData, saved: Path
) -> None:
    loaded = load_checkpoint(planted_data, saved)
    with pytest.raises(ValueError, match="read-only"):
        loaded.e0[0, 0] = 1.0
    save_checkpoint(loaded, saved)
    assert_same_model(load_checkpoint(planted_data, saved), loaded)


def test_saving_leaves_no_temporary_file(saved: Path) -> None:
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_saving_again_keeps_the_file_before_as_the_previous_one(
    model: TrainedModel, saved: Path
) -> None:
    before = saved.read_bytes()
    save_checkpoint(replace(model, stop_reason="It was another run."), saved)
    assert checkpoints.previous_checkpoint(saved).read_bytes() == before
    assert saved.read_bytes() != before
    assert len(list(saved.parent.iterdir())) == 2


@pytest.mark.parametrize("error", [OSError("No space left on device"), RuntimeError("broken")])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    model: TrainedModel, saved: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    before = snapshot(saved.parent)

    def fails_midway(content: object, file: Any) -> None:
        file.write(b"half a file")
        raise error

    monkeypatch.setattr(torch, "save", fails_midway)
    with pytest.raises(CheckpointError, match=r"model\.pth") as refusal:
        save_checkpoint(model, saved)
    assert_one_sentence(str(refusal.value))
    assert snapshot(saved.parent) == before


def test_a_save_takes_its_place_in_one_step_or_not_at_all(
    model: TrainedModel, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError("Permission denied")

    monkeypatch.setattr(checkpoints.os, "replace", refuse)
    with pytest.raises(CheckpointError, match="Permission denied"):
        save_checkpoint(replace(model, stop_reason="It was another run."), saved)
    assert saved.read_bytes() == before
    assert not list(saved.parent.glob("*.tmp"))


def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(
    model: TrainedModel, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(saved.parent)

    def interrupted(content: object, file: Any) -> None:
        file.write(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(model, saved)
    assert snapshot(saved.parent) == before


def test_saving_into_a_missing_folder_is_refused(model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be saved") as refusal:
        save_checkpoint(model, tmp_path / "nowhere" / "model.pth")
    assert_one_sentence(str(refusal.value))


def test_saving_in_the_place_of_a_folder_is_refused_and_leaves_it(
    model: TrainedModel, tmp_path: Path
) -> None:
    (tmp_path / "model.pth").mkdir()
    with pytest.raises(CheckpointError, match="cannot be saved"):
        save_checkpoint(model, tmp_path / "model.pth")
    assert snapshot(tmp_path) == {"model.pth": None}


def test_no_checkpoint_is_a_file_not_found(planted_data: MovieData, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_checkpoint(planted_data, tmp_path / "none.pth")


def cannot_load(data: MovieData, path: Path, words: str) -> None:
    """The file is refused with one sentence that names it, and is not touched."""
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=words) as refusal:
        load_checkpoint(data, path)
    assert path.name in str(refusal.value)
    assert_one_sentence(str(refusal.value))
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_a_truncated_checkpoint_is_refused(
    planted_data: MovieData, saved: Path, share: float
) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    cannot_load(planted_data, saved, "train a new model")


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_are_refused(planted_data: MovieData, saved: Path, seed: int) -> None:
    saved.write_bytes(np.random.default_rng(seed).bytes(5000))
    cannot_load(planted_data, saved, "train a new model")


def test_zeros_of_the_right_length_are_refused(planted_data: MovieData, saved: Path) -> None:
    saved.write_bytes(bytes(len(saved.read_bytes())))  # what a crashed file system leaves
    cannot_load(planted_data, saved, "train a new model")


def test_any_flipped_bit_loads_or_is_refused_and_never_ends_otherwise(
    planted_data: MovieData, saved: Path
) -> None:
    content = saved.read_bytes()
    refusals = 0
    for at in range(0, len(content), 61):
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 8
        saved.write_bytes(flipped)
        try:
            load_checkpoint(planted_data, saved)
        except CheckpointError as error:
            refusals += 1
            assert_one_sentence(str(error))
    assert refusals > 10


def test_a_flipped_bit_in_the_weights_is_refused(
    planted_data: MovieData, model: TrainedModel, saved: Path
) -> None:
    content = bytearray(saved.read_bytes())
    begin = content.find(model.e0.tobytes())
    assert begin > 0  # the weights lie in the file as they are
    content[begin + 401] ^= 0x40
    saved.write_bytes(content)
    cannot_load(planted_data, saved, "train a new model")


class Hostile:
    """Unpickling this creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("wrapped", ["bare pickle", "saved by torch", "within a checkpoint"])
def test_code_in_a_checkpoint_is_never_executed(
    planted_data: MovieData, saved: Path, tmp_path: Path, wrapped: str
) -> None:
    marker = tmp_path / "marker"
    if wrapped == "bare pickle":
        saved.write_bytes(pickle.dumps(Hostile(marker), protocol=2))
        pickle.loads(saved.read_bytes())
    else:
        content: Any = Hostile(marker)
        if wrapped == "within a checkpoint":
            content = torch.load(saved, weights_only=True) | {"stop_reason": Hostile(marker)}
        torch.save(content, saved)
        torch.load(saved, weights_only=False)
    assert marker.exists()  # the trap works …
    marker.unlink()
    cannot_load(planted_data, saved, "train a new model")
    assert not marker.exists()  # … and was not sprung


def test_a_checkpoint_of_other_data_is_refused(
    load: Callable[..., MovieData], planted_data: MovieData, saved: Path
) -> None:
    rows = planted_ratings()
    user, film, stars, at = rows[0]
    films = [(5 + 7 * i, f"Film {i} (1999)", "Drama") for i in range(48)]
    same = load(ratings=rows, movies=films, tags=None, links=None)
    load_checkpoint(same, saved)  # the same data in another folder are welcome
    other = load(
        ratings=[(user, film, 5.5 - stars, at), *rows[1:]], movies=films, tags=None, links=None
    )
    cannot_load(other, saved, "other data")


def rewrite(path: Path, **changes: Any) -> None:
    """Change entries of a checkpoint; `...` removes one."""
    content = torch.load(path, weights_only=True) | changes
    if "digest" not in changes:  # so that the checks behind the checksum are reached
        with contextlib.suppress(Exception):
            content["digest"] = checkpoints._digest(content)
    torch.save({key: value for key, value in content.items() if value is not ...}, path)


def test_an_unchanged_rewrite_still_loads(
    planted_data: MovieData, model: TrainedModel, saved: Path
) -> None:
    rewrite(saved)  # so the refusals below are due to their change
    assert_same_model(load_checkpoint(planted_data, saved), model)


@pytest.mark.parametrize("version", [0, 999])
def test_another_version_is_refused(planted_data: MovieData, saved: Path, version: int) -> None:
    rewrite(saved, version=version)
    cannot_load(planted_data, saved, "format")


@pytest.mark.parametrize("version", ["1", None, True, 1.0])
def test_a_version_that_is_no_number_is_refused(
    planted_data: MovieData, saved: Path, version: Any
) -> None:
    rewrite(saved, version=version)
    cannot_load(planted_data, saved, "not a LightGCN checkpoint")


@pytest.mark.parametrize(
    "key",
    [
        "version",
        "config",
        "protocol",
        "fingerprint",
        "e0",
        "history",
        "best_epoch",
        "test_metrics",
        "stop_reason",
    ],
)
def test_a_checkpoint_that_lacks_an_entry_is_refused(
    planted_data: MovieData, saved: Path, key: str
) -> None:
    assert key in torch.load(saved, weights_only=True)
    rewrite(saved, **{key: ...})
    cannot_load(planted_data, saved, "train a new model")


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {}}, torch.zeros(3), "text", None])
def test_a_file_of_torch_that_is_no_checkpoint_is_refused(
    planted_data: MovieData, saved: Path, content: Any
) -> None:
    torch.save(content, saved)
    cannot_load(planted_data, saved, "not a LightGCN checkpoint")


def good_e0() -> torch.Tensor:
    return torch.ones(30 + 48, 8)


def without_finite_factors() -> torch.Tensor:
    return torch.full((30 + 48, 8), 3e38)


WRONG_ENTRIES: dict[str, dict[str, Any]] = {
    "e0 lacks a row": {"e0": good_e0()[1:]},
    "e0 lacks a column": {"e0": good_e0()[:, 1:]},
    "e0 is flat": {"e0": good_e0().flatten()},
    "e0 is float64": {"e0": good_e0().double()},
    "e0 is bfloat16": {"e0": good_e0().bfloat16()},
    "e0 is sparse": {"e0": good_e0().to_sparse()},
    "e0 is a list": {"e0": [1.0, 2.0]},
    "e0 holds NaN": {"e0": good_e0() * math.nan},
    "e0 holds infinity": {"e0": good_e0() * math.inf},
    "config is no dict": {"config": [1, 2]},
    "config has an unknown field": {"config": SMALL | {"magic": 1}},
    "config is out of range": {"config": SMALL | {"layers": 1000}},
    "config has a wrong type": {"config": SMALL | {"dim": "8"}},
    "history is no list": {"history": 5},
    "history lacks fields": {"history": [{"epoch": 0}]},
    "test metrics are no dict": {"test_metrics": [0.5]},
    "best epoch is a word": {"best_epoch": "last"},
    "e0 needs a gradient": {"e0": good_e0().requires_grad_()},
    "version is a tensor": {"version": torch.tensor([1, 2])},
    "best epoch is infinite": {"best_epoch": math.inf},
    "factors overflow": {"e0": without_finite_factors()},
    "best epoch is not in the history": {"best_epoch": 999},
    "history holds words": {
        "history": [{"epoch": "one", "loss": None, "seconds": "?", "metrics": 3}]
    },
    "test metrics are empty": {"test_metrics": {}},
    "protocol is unknown": {"protocol": "nonsense"},
}


@pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, id=name) for name, entry in WRONG_ENTRIES.items()],
)
def test_a_wrong_entry_is_refused(
    planted_data: MovieData, saved: Path, entry: dict[str, Any]
) -> None:
    rewrite(saved, **entry)
    cannot_load(planted_data, saved, "train a new model")


# --- command line ---------------------------------------------------------------------------------

QUICK = ["--epochs", "2", "--dim", "4", "--layers", "1", "--batch-size", "64", "--negatives", "1"]


@pytest.fixture
def planted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The planted data as the dataset that the command finds."""
    folder = write_planted(tmp_path / "planted")
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    return folder


@pytest.mark.parametrize("protocol", ["temporal_leave_one_out", "random_80_10_10"])
def test_the_command_trains_prints_the_metrics_and_saves(
    planted_folder: Path,
    planted_data: MovieData,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    protocol: str,
) -> None:
    path = tmp_path / "model.pth"
    assert main([*QUICK, "--no-warm-start", "--protocol", protocol, "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    model = load_checkpoint(planted_data, path)
    assert (model.config.epochs, model.config.dim, model.config.layers) == (2, 4, 1)
    assert model.config.warm_start is False and model.protocol == protocol
    for name, value in model.test_metrics.items():
        assert name in printed and f"{value:.4f}" in printed
    assert "popularity" in printed and str(path) in printed and protocol in printed
    assert "30 users, 48 films" in printed


@pytest.mark.parametrize("name", CONFIG_RANGES)
def test_the_command_refuses_an_option_out_of_range_in_one_sentence(
    planted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    kind, low, high = CONFIG_RANGES[name]
    path, option = tmp_path / "model.pth", f"--{name.replace('_', '-')}"
    assert main([option, str(kind(high + 1)), "--output", str(path)]) == 1
    printed = capsys.readouterr()
    assert name in printed.err and str(low) in printed.err and str(high) in printed.err
    assert_one_sentence(printed.err.strip())
    assert printed.out == "" and not path.exists()


@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_the_command_refuses_numbers_that_are_none_to_learn_with(
    planted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    assert main(["--learning-rate", value, "--output", str(tmp_path / "model.pth")]) == 1
    assert_one_sentence(capsys.readouterr().err.strip())


@pytest.mark.parametrize("arguments", [["--epochs", "many"], ["--preset", "none"], ["--nonsense"]])
def test_the_command_refuses_what_it_cannot_parse(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code not in (0, None)
    assert arguments[0] in capsys.readouterr().err


def test_the_command_refuses_a_folder_without_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path / "nowhere"))
    assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 1
    assert_one_sentence(capsys.readouterr().err.strip())


def test_the_command_refuses_broken_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_dataset(tmp_path / "data", ratings=[*TOY_RATINGS, (21, 20, 9.0, 1)])
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 1
    assert "line 17" in capsys.readouterr().err
    assert not (tmp_path / "model.pth").exists()


def test_the_command_says_when_the_model_cannot_be_saved(
    planted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*QUICK, "--output", str(tmp_path / "nowhere" / "model.pth")]) == 1
    assert "cannot be written" in capsys.readouterr().err
