"""The BPR loss, its gradient and its negatives, by hand, by NumPy and by autograd."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from data_preparation import MovieData
from model.bpr import (
    MARGIN,
    MOST_STEPS,
    Learner,
    NegativeSampler,
    StopTraining,
    batch_size,
    bpr_loss,
)
from model.lightgcn import HybridPropagation
from model.splits import Split
from model_training import train
from tests.dense import (
    CONTENT,
    EDGES,
    STARS,
    csr,
    dense_adjacency,
    dense_hybrid,
)
from tests.small_training import config, hybrid_config, losses

# --- the loss -------------------------------------------------------------------------------------


def bpr(margin: float) -> float:
    """The loss of one user whose film scores `margin` more than the film not rated."""
    return bpr_loss(torch.tensor([margin]), torch.zeros(1, 1))[0].item()


def test_bpr_loss_is_log_2_for_equal_scores() -> None:
    assert bpr(0.0) == pytest.approx(math.log(2))


def test_bpr_loss_is_0_3133_for_a_margin_of_1() -> None:
    assert bpr(1.0) == pytest.approx(0.313262, abs=1e-6)


def test_bpr_loss_is_1_3133_for_a_margin_of_minus_1() -> None:
    assert bpr(-1.0) == pytest.approx(1.313262, abs=1e-6)


def test_bpr_loss_of_extreme_margins_is_0_and_the_margin_itself_not_infinite() -> None:
    assert bpr(1000.0) == pytest.approx(0.0, abs=1e-6)
    assert bpr(-1000.0) == pytest.approx(1000.0)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000))
def test_bpr_loss_is_the_mean_over_all_pairs_and_its_slope_the_derivative(
    batch: int, count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    positive, negative = rng.normal(size=batch), rng.normal(size=(batch, count))

    def mean(negative: NDArray) -> float:
        pairs = [
            -math.log(1 / (1 + math.exp(-(positive[row] - negative[row, column]))))
            for row in range(batch)
            for column in range(count)
        ]
        return sum(pairs) / len(pairs)

    loss, slope = bpr_loss(torch.from_numpy(positive), torch.from_numpy(negative))
    assert loss.item() == pytest.approx(mean(negative))
    assert slope.shape == (batch, count)
    for place in np.ndindex(batch, count):
        step = np.zeros_like(negative)
        step[place] = 1e-6
        expected = (mean(negative + step) - mean(negative - step)) / 2e-6
        assert slope[place].item() == pytest.approx(expected, abs=1e-6)


# --- the gradient ---------------------------------------------------------------------------------

RATINGS = csr(STARS)
USERS, FILMS = RATINGS.nonzero()
BATCH = torch.tensor([0, 2, 5, 8, 11])
NEGATIVES = torch.tensor([[2, 4], [4, 2], [0, 0], [4, 4], [4, 4]])  # twice the same counts twice
CHANGES = {"film_exponent": 0.3, "genre": 0.7, "taste": 0.6, "watch": 0.3, "l2": 0.2}
CONFIGS = {
    **{f"paper K={k}": config(layers=k, l2=0.2) for k in range(4)},
    **{f"hybrid K={k}": hybrid_config(layers=k, epochs=1, **CHANGES) for k in (1, 2, 3)},
    "hybrid at random": hybrid_config(layers=2, epochs=1, warm_start=False, **CHANGES),
}


def learner_of(name: str, **changes: Any) -> Learner:
    settings = CONFIGS[name]
    changed = type(settings)(**{**vars(settings), **changes})
    return Learner(RATINGS, {"genre": csr(CONTENT)}, changed)


def autograd(learner: Learner, sharpness: float) -> tuple[float, NDArray]:
    """Loss and gradient by torch's own differentiation of dense matrices in float64."""
    settings = learner.config
    hidden = np.zeros(STARS.shape, bool)
    if settings.hide_batch:
        hidden[USERS[BATCH], FILMS[BATCH]] = True
    n_users = len(STARS)
    if settings.model == "paper":
        adjacency = dense_adjacency(STARS > 0)
        adjacency[:n_users, n_users:][hidden] = 0
        adjacency[n_users:, :n_users][hidden.T] = 0
        powers = [np.linalg.matrix_power(adjacency, k) for k in range(settings.layers + 1)]
        mean = sum(powers) / len(powers)
        maps = mean[:n_users], mean[n_users:]
    else:
        met = learner.scale.astype(float)
        maps = dense_hybrid(STARS, {"genre": CONTENT}, settings, met, hidden).maps()
    e0 = learner.e0.detach().double().requires_grad_()
    users, films = (torch.from_numpy(each) @ e0 for each in maps)
    total = torch.zeros((), dtype=torch.float64)
    for number, others in zip(BATCH.tolist(), NEGATIVES.tolist(), strict=True):
        user, film = int(USERS[number]), int(FILMS[number])
        rows = (
            [film, *others]
            if settings.model == "hybrid"
            else [user, *(n_users + each for each in (film, *others))]
        )
        for other in others:
            margin = sharpness * users[user] @ (films[film] - films[other])
            total = total - torch.nn.functional.logsigmoid(margin) / NEGATIVES.numel()
        for row in rows:
            total = total + settings.l2 * 0.5 * e0[row].square().sum() / len(BATCH)
    total.backward()
    return total.item(), e0.grad.numpy()


@pytest.mark.parametrize("hide_batch", [True, False])
@pytest.mark.parametrize("sharpness", [1.0, 2.7])
@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradient_are_autograds(
    monkeypatch: pytest.MonkeyPatch, name: str, sharpness: float, hide_batch: bool
) -> None:
    learner = learner_of(name, hide_batch=hide_batch)
    assert torch.equal(learner.users, torch.from_numpy(USERS))
    learner.sharpness = sharpness
    monkeypatch.setattr(learner.sampler, "sample", lambda *_: NEGATIVES)
    loss, gradient = learner.loss_and_gradient(BATCH)
    expected_loss, expected = autograd(learner, sharpness)
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    np.testing.assert_allclose(gradient, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", CONFIGS)
def test_hiding_the_batch_changes_the_gradient(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    gradients = []
    for hide_batch in (True, False):
        learner = learner_of(name, hide_batch=hide_batch)
        monkeypatch.setattr(learner.sampler, "sample", lambda *_: NEGATIVES)
        gradients.append(learner.loss_and_gradient(BATCH)[1])
    # Without layers the paper's model has no graph that could give anything away.
    assert torch.allclose(*gradients) == (name == "paper K=0")


def test_every_rating_is_hidden_once_an_epoch(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: list[Tensor] = []
    without = HybridPropagation.without

    def spy(propagation: HybridPropagation, ratings: Tensor) -> HybridPropagation:
        hidden.append(ratings)
        return without(propagation, ratings)

    monkeypatch.setattr(HybridPropagation, "without", spy)
    train(planted_data, split, hybrid_config(epochs=1, hide_batch=True, batch_size=64))
    assert sorted(torch.cat(hidden).tolist()) == list(range(split.train.nnz))
    assert len(hidden) == math.ceil(split.train.nnz / 64)


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


# --- the learner ----------------------------------------------------------------------------------


def test_a_fitted_start_scores_rated_films_a_margin_of_9_above_random_ones(split: Split) -> None:
    learner = Learner(split.train, {}, hybrid_config(epochs=1))
    users, films = (part.detach().numpy() for part in learner.propagation.forward(learner.e0))
    scores = learner.sharpness * users @ films.T
    rated = split.train.toarray() > 0
    counts = rated.sum(axis=1)  # every rating compares its film with a random one
    mean_of_random = (scores.mean(axis=1) * counts).sum() / counts.sum()
    assert scores[rated].mean() - mean_of_random == pytest.approx(MARGIN, rel=0.1)


def test_what_has_no_fitted_start_learns_on_the_scale_of_its_scores(split: Split) -> None:
    for settings in (config(warm_start=True), hybrid_config(warm_start=False, epochs=1)):
        learner = Learner(split.train, {}, settings)
        assert learner.sharpness == 1.0
        assert learner.optimizer.param_groups[0]["lr"] == settings.learning_rate


def test_steps_are_in_units_of_the_spread_of_the_start(split: Split) -> None:
    learner = Learner(split.train, {}, hybrid_config(epochs=1))
    spread = float(learner.e0.detach().std()) / 0.1
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * spread)


def test_before_step_is_asked_before_every_step_and_may_stop(split: Split) -> None:
    asked = []

    def before() -> None:
        asked.append(1)
        if len(asked) == 4:
            raise StopTraining

    learner = Learner(split.train, {}, hybrid_config(epochs=1), before)
    with pytest.raises(StopTraining):
        learner.run_epoch()
    assert len(asked) == 4 < math.ceil(split.train.nnz / 64)


def test_many_ratings_make_larger_batches_and_not_more_steps(split: Split) -> None:
    learner = Learner(split.train, {}, hybrid_config(epochs=1, batch_size=64))
    assert batch_size(learner.config, 64 * MOST_STEPS) == 64
    assert batch_size(learner.config, 640 * MOST_STEPS + 1) == 641


def test_the_loss_of_an_epoch_is_the_mean_over_its_ratings(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = Learner(split.train, {}, hybrid_config(epochs=1, batch_size=100))
    sizes: list[int] = []

    def counted(chosen: Tensor) -> tuple[float, Tensor]:
        sizes.append(len(chosen))
        return float(len(sizes)), torch.zeros_like(learner.e0)

    monkeypatch.setattr(learner, "loss_and_gradient", counted)
    found = learner.run_epoch()
    expected = sum(n * size for n, size in enumerate(sizes, 1)) / sum(sizes)
    assert found == pytest.approx(expected) and sizes[-1] < 100 == sizes[0]


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


@given(
    EDGES.filter(lambda edges: edges.any() and not edges.all(axis=1).any()),
    st.integers(1, 5),
    st.integers(0, 1000),
)
def test_the_bitmap_and_the_search_among_sorted_keys_give_the_same_negatives(
    edges: NDArray, count: int, seed: int
) -> None:
    users = torch.arange(len(edges)).repeat(4)
    by_bits, by_search = sampler(edges, seed), sampler(edges, seed)
    assert by_bits.bits is not None
    by_search.bits = None
    keys = torch.arange(edges.size)
    for each in (by_bits, by_search):
        assert each._is_positive(keys).tolist() == edges.ravel().tolist()
    assert torch.equal(by_bits.sample(users, count), by_search.sample(users, count))


def test_more_pairs_than_bits_fit_are_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = csr(np.eye(3)).astype(np.float32)
    wide.resize((3, 2**31))  # 6.4 thousand million pairs
    negatives = NegativeSampler(wide, torch.Generator().manual_seed(0))
    assert negatives.bits is None
    assert negatives.sample(torch.tensor([0, 1, 2]), 5).max() < 2**31
    keys = torch.tensor([0, 1, 2**31, 2**31 + 1, 2**32 + 2])
    assert negatives._is_positive(keys).tolist() == [True, False, False, True, True]
