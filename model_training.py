"""LightGCN trained with BPR: propagation, sampling, the training loop, checkpoints, command line.

The model (He et al. 2020, arXiv:2002.02126): E(0) is learned; E(k+1) = Ê E(k) with
Ê = D^-½ A D^-½; the final embeddings are F = mean of E(0) … E(K); the score of user u and movie i
is f_u·f_i. The loss (Rendle et al. 2009, BPR) is −log σ(f_u·f_i − f_u·f_j) for a film i that u
rated and a film j that u did not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import platform
import shutil
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from torch import Tensor
from torch.nn import functional

from data_download import PROJECT_DIR
from data_preparation import MovieData, normalised_adjacency
from evaluation import PROTOCOLS, Scorer, Split, evaluate

log = logging.getLogger(__name__)

CHECKPOINT_NAME = "lightgcn_checkpoint.pth"
CHECKPOINT_VERSION = 1
RANDOM_STD = 0.1  # of E(0) without a warm start, as in the authors' code
# Of the warm start, chosen on validation (random_80_10_10).
WARM_USER_EXPONENT, WARM_RIDGE, WARM_MARGIN = 0.25, 0.05, 9.0
FOLD_IN_RIDGE = 0.1  # of the mean squared message; chosen on validation, users left out in turn


class CheckpointError(ValueError):
    """A checkpoint cannot be written or used; the message is one sentence to show to the user."""


class StopTraining(Exception):  # noqa: N818 – a request, not an error
    """Raised by `before_step` to end a training early; the best weights so far are kept."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a training run, with its data.

    Attributes:
        dim: embedding size d.
        layers: propagation steps K.
        epochs: at most so many passes over the training ratings.
        batch_size: training ratings per gradient step.
        learning_rate: of Adam.
        l2: weight of ½‖E(0) rows of the batch‖² per rating.
        negatives: films sampled against each rating.
        warm_start: fit E(0) to the leading directions of the ratings first (`warm_embeddings`);
            else draw it at random.
        hide_batch: take the ratings of a batch out of the graph while they are predicted, so that
            nothing is predicted from itself.
        cosine_decay: let the learning rate fall to 0 over the epochs along a half cosine.
        patience: stop after so many epochs without a better validation NDCG@20.
        seed: of initialisation, shuffling and sampling.

    Raises:
        ValueError: on construction, naming the field and its range.
    """

    dim: int = 256
    layers: int = 2
    epochs: int = 6
    batch_size: int = 8192
    learning_rate: float = 3e-3
    l2: float = 1e-3
    negatives: int = 4
    warm_start: bool = True
    hide_batch: bool = True
    cosine_decay: bool = True
    patience: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (kind, low, high) in CONFIG_RANGES.items():
            value = getattr(self, name)
            wrong_type = isinstance(value, bool) or not isinstance(
                value, int if kind is int else (int, float)
            )
            if wrong_type or not low <= value <= high:
                what = "a whole number" if kind is int else "a number"
                raise ValueError(f"{name} must be {what} from {low} to {high}; got {value!r}.")
        for name in CONFIG_SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false; got {getattr(self, name)!r}.")


CONFIG_RANGES: dict[str, tuple[type, float, float]] = {
    "dim": (int, 1, 1024),
    "layers": (int, 0, 8),
    "epochs": (int, 1, 2000),
    "batch_size": (int, 1, 1_000_000),
    "learning_rate": (float, 1e-6, 1.0),
    "l2": (float, 0.0, 1.0),
    "negatives": (int, 1, 256),
    "patience": (int, 1, 2000),
    "seed": (int, 0, 2**31 - 1),
}

CONFIG_SWITCHES = ("warm_start", "hide_batch", "cosine_decay")

PRESETS: dict[str, TrainingConfig] = {
    "best": TrainingConfig(),
    "fast": TrainingConfig(dim=64, epochs=3),
    # He et al. 2020 as published: random start, one negative, plain Adam, small steps.
    "published": TrainingConfig(
        dim=64, layers=3, epochs=300, batch_size=2048, learning_rate=1e-3, l2=1e-4, negatives=1,
        warm_start=False, hide_batch=False, cosine_decay=False, patience=20,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class EpochRecord:
    """What is known after an epoch; epoch 0 is the state before the first step.

    Attributes:
        loss: mean training loss of the epoch (NaN for epoch 0).
        seconds: since the start of the training.
        metrics: on the held-out validation ratings, by name.
    """

    epoch: int
    loss: float
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained LightGCN, ready to score.

    E(0) was learned on the train part of the split, or on all ratings if `refitted`; the factors
    for serving come from propagating it over all ratings, so that they know every film that a user
    rated. The metrics always are those of the E(0) learned on the train part.

    Attributes:
        e0: float32 [n_users + n_movies, dim], users first.
        user_factors: F of the users, float32 [n_users, dim].
        movie_factors: F of the movies, float32 [n_movies, dim]; zero for films without ratings.
        movie_messages: Σ_{k<K} e(k)/(K+1) of the movies, float32 [n_movies, dim]: what a film
            sends to its viewers over all layers, so that
            f_u = e(0)_u/(K+1) + Σ_j movie_messages[j]/√(d_u·d_j) over the films j that u rated.
        fold_in_map: float32 [dim, dim]; maps the summed messages of someone's films to their
            embedding, by ridge regression over all users: f_u ≈ (Σ_j messages_j/√(d_u·d_j)) map.
        history: one record per epoch, on validation.
        best_epoch: the epoch whose E(0) was kept.
        test_metrics: of the kept E(0), propagated over train only; by name, with "NDCG@20" etc.
        stop_reason: why the training ended, a sentence.
        test_intervals: 95 % bootstrap interval of each test metric; empty in older checkpoints.
        refitted: E(0) was learned again on all ratings (`refit`).
    """

    config: TrainingConfig
    protocol: str
    fingerprint: str
    e0: NDArray[np.float32]
    user_factors: NDArray[np.float32]
    movie_factors: NDArray[np.float32]
    movie_messages: NDArray[np.float32]
    fold_in_map: NDArray[np.float32]
    history: tuple[EpochRecord, ...]
    best_epoch: int
    test_metrics: dict[str, float]
    stop_reason: str
    test_intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    refitted: bool = False

    @cached_property
    def key(self) -> str:
        """What results computed from the model are cached by: data, settings, learned numbers."""
        learned = hashlib.sha256(self.e0.tobytes()).hexdigest()
        return f"{self.fingerprint} {self.protocol} {self.config} {self.refitted} {learned}"


def kept_epoch(model: TrainedModel) -> str:
    """Which epoch was kept, in words; epoch 0 means that BPR did not improve on the start."""
    if model.best_epoch == 0:
        start = "warm" if model.config.warm_start else "random"
        return f"epoch 0 (the {start} start itself: no epoch was better)"
    return f"epoch {model.best_epoch}"


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


# --- initialisation -------------------------------------------------------------------------------


def initial_embeddings(
    interactions: sparse.csr_array, adjacency: Tensor, config: TrainingConfig
) -> Tensor:
    """E(0) before training, float32 [n_users + n_movies, dim]: `warm_embeddings` or random normal.

    Args:
        interactions: csr [n_users, n_movies], the training ratings.
        adjacency: Ê of these interactions.
    """
    if config.warm_start:
        return warm_embeddings(interactions, adjacency, config)
    generator = torch.Generator().manual_seed(config.seed)
    return RANDOM_STD * torch.randn(sum(interactions.shape), config.dim, generator=generator)


def warm_embeddings(
    interactions: sparse.csr_array, adjacency: Tensor, config: TrainingConfig
) -> Tensor:
    """E(0) fitted so that the *propagated* embeddings are the leading directions of the ratings.

    1. The top-d singular triples of D_u^-¼ R, each σ shrunk to σ³/(σ² + λσ₁²), split as √ onto
       users and movies: a ridge-filtered PureSVD (cf. Cremonesi et al. 2010).
    2. E(0) with layer_mean(E(0)) = these, by conjugate gradients on the same sparse products.
    3. One factor for all, so that rated films score `WARM_MARGIN` above random ones on average:
       the scale on which the BPR loss still has something to say.

    Float32 [n_users + n_movies, dim].
    """
    n_users, n_movies = interactions.shape
    rng = np.random.default_rng(config.seed)
    degree = np.maximum(np.diff(interactions.indptr), 1)
    rated = sparse.diags_array(degree**-WARM_USER_EXPONENT) @ interactions.astype(bool)
    rank = min(config.dim, n_users, n_movies)
    left, sigma, right = randomized_svd(
        sparse.csr_array(rated), rank, n_oversamples=32, n_iter=6, random_state=config.seed
    )
    shrunk = sigma**3 / (sigma**2 + WARM_RIDGE * sigma[0] ** 2)
    directions = np.concatenate([left, right.T]) * np.sqrt(shrunk)  # [n_nodes, rank]
    # Dimensions beyond the rank start small and random: at zero they could never learn.
    noise = rng.normal(size=(n_users + n_movies, config.dim - rank)) * 0.1 * directions.std()
    target = torch.from_numpy(np.concatenate([directions, noise], axis=1).astype(np.float32))
    e0 = _unpropagate(adjacency, target, config.layers)

    final = layer_mean(adjacency, e0, config.layers)
    users, positives = interactions.nonzero()
    sample = rng.choice(len(users), min(len(users), 20_000), replace=False)
    users, positives = users[sample], positives[sample]
    negatives = rng.integers(n_movies, size=len(sample))
    difference = final[n_users + positives] - final[n_users + negatives]  # [sample, dim]
    margin = (final[users] * difference).sum(1).mean().clamp(min=1e-6)
    return e0 * (WARM_MARGIN / margin).sqrt()


def _unpropagate(adjacency: Tensor, target: Tensor, layers: int, steps: int = 10) -> Tensor:
    """E with layer_mean(E) ≈ target by conjugate gradients, float32 [n_nodes, dim].

    The layer mean is symmetric, but not far from singular (Ê has eigenvalues down to −1), hence
    the small ridge.
    """
    solution, residual = torch.zeros_like(target), target.clone()
    direction, size = residual.clone(), residual.square().sum()
    for _ in range(steps):
        if size == 0:
            break
        image = layer_mean(adjacency, direction, layers) + 0.03 * direction
        step = size / (direction * image).sum()
        solution += step * direction
        residual -= step * image
        size, last = residual.square().sum(), size
        direction = residual + (size / last) * direction
    return solution


# --- BPR ------------------------------------------------------------------------------------------


def bpr_loss(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean of −log σ(f_u·f_i − f_u·f_j) = softplus(f_u·f_j − f_u·f_i) (Rendle et al. 2009).

    Args:
        users: float [batch, dim].
        positives: float [batch, dim].
        negatives: float [batch, n_negatives, dim].
    """
    positive = (users * positives).sum(-1, keepdim=True)  # [batch, 1]
    negative = torch.einsum("bd,bnd->bn", users, negatives)  # [batch, n_negatives]
    return functional.softplus(negative - positive).mean()


class NegativeSampler:
    """Uniform films that the user did not rate in train; never a training positive."""

    def __init__(self, interactions: sparse.csr_array, generator: torch.Generator) -> None:
        self.n_movies = interactions.shape[1]
        self.generator = generator
        users, movies = interactions.nonzero()
        keys = users.astype(np.int64) * self.n_movies + movies
        self.positive_keys = torch.from_numpy(np.sort(keys))

    def sample(self, users: Tensor, count: int) -> Tensor:
        """Inner movie ids int64 [batch, count] for inner user ids [batch].

        Every user must have a film left that they did not rate.
        """
        negatives = torch.randint(
            self.n_movies, (len(users), count), generator=self.generator
        )  # [batch, count]
        row_key = users[:, None] * self.n_movies
        taken = self._is_positive(row_key + negatives)
        while taken.any():
            fresh = torch.randint(self.n_movies, (int(taken.sum()),), generator=self.generator)
            negatives[taken] = fresh
            taken = self._is_positive(row_key + negatives)
        return negatives

    def _is_positive(self, keys: Tensor) -> Tensor:
        place = torch.searchsorted(self.positive_keys, keys)
        return self.positive_keys[place.clamp_(max=len(self.positive_keys) - 1)] == keys


# --- training -------------------------------------------------------------------------------------


def train(
    data: MovieData,
    split: Split,
    config: TrainingConfig,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    before_step: Callable[[], None] | None = None,
    ks: Sequence[int] = (10, 20),
) -> TrainedModel:
    """Train on the train part, choose the epoch on validation, measure it once on test.

    The same data, split, config and thread count give the same model. Ctrl-C, `should_stop`,
    `StopTraining` and a loss that is not finite end the training early; the best weights so far
    are kept.

    Args:
        on_epoch: called after every epoch, in this thread, and once before the first (epoch 0).
        should_stop: asked after every epoch.
        before_step: called before every gradient step; may block (a pause, which does not count
            as training time) or raise `StopTraining`.
        ks: cut-offs of the metrics; 20 must be among them, because NDCG@20 chooses the epoch.

    Raises:
        ValueError: the split does not belong to the data, or nobody has a film left unrated.
    """
    if split.train.shape != data.ratings.shape:
        raise ValueError("The split belongs to other data: its users or movies differ in number.")
    learner = _Learner(split.train, config, before_step)
    history: list[EpochRecord] = []
    best, best_epoch, best_ndcg = learner.weights(), 0, -1.0
    stop_reason = f"It ran all {config.epochs} epochs."
    try:
        for epoch in range(config.epochs + 1):
            loss = learner.run_epoch() if epoch else math.nan
            if epoch and not learner.is_finite(loss):
                stop_reason = f"The loss was not finite in epoch {epoch}: lower the learning rate."
                break
            metrics = evaluate(learner.scorer(), split, "validation", ks).mean()
            history.append(EpochRecord(epoch, loss, learner.seconds(), metrics))
            if metrics["NDCG@20"] > best_ndcg:
                best, best_epoch, best_ndcg = learner.weights(), epoch, metrics["NDCG@20"]
            if on_epoch:
                on_epoch(history[-1])
            if epoch - best_epoch >= config.patience:
                stop_reason = f"No better validation NDCG@20 for {config.patience} epochs."
                break
            if should_stop and should_stop():
                raise StopTraining
    except KeyboardInterrupt:
        stop_reason = f"Interrupted after epoch {len(history) - 1}."
    except StopTraining:
        stop_reason = f"Stopped on request after epoch {len(history) - 1}."
    report = evaluate(learner.scorer(best), split, "test", ks)
    return _assemble(
        data,
        best.numpy(),
        config=config,
        protocol=split.protocol,
        history=tuple(history),
        best_epoch=best_epoch,
        test_metrics=report.mean(),
        test_intervals={name: report.interval(name) for name in report.per_user},
        stop_reason=stop_reason,
    )


def refit(
    data: MovieData,
    model: TrainedModel,
    on_epoch: Callable[[int], None] | None = None,
    before_step: Callable[[], None] | None = None,
) -> TrainedModel:
    """Learn E(0) again on all ratings, with the epochs that validation chose; for serving.

    The metrics stay those of `model`: nothing is held out that could measure the new E(0).

    Args:
        on_epoch: called after every epoch with its number.
        before_step: as in `train`; `StopTraining` passes through.

    Raises:
        ValueError: the model is of other data, nobody has a film left unrated, or the weights
            came out not finite.
    """
    if model.fingerprint != data.fingerprint:
        raise ValueError("The model belongs to other data, so it cannot be refitted on these.")
    learner, loss = _Learner(data.ratings, model.config, before_step), 0.0
    for epoch in range(1, model.best_epoch + 1):
        loss = learner.run_epoch()
        if on_epoch:
            on_epoch(epoch)
    if not learner.is_finite(loss):
        raise ValueError("Refitting on all ratings gave a loss that is not finite.")
    kept = ("config", "protocol", "history", "best_epoch", "test_metrics", "test_intervals")
    rest = {name: getattr(model, name) for name in (*kept, "stop_reason")}
    return _assemble(data, learner.weights().numpy(), refitted=True, **rest)


class _Learner:
    """E(0) and what changes it, over one graph."""

    def __init__(
        self,
        interactions: sparse.csr_array,
        config: TrainingConfig,
        before_step: Callable[[], None] | None,
    ) -> None:
        self.config, self.n_users = config, interactions.shape[0]
        self.before_step, self.start, self.waited = before_step, time.monotonic(), 0.0
        self.adjacency = to_torch(normalised_adjacency(interactions))
        self.e0 = initial_embeddings(interactions, self.adjacency, config).requires_grad_()
        self.epochs = _Epochs(interactions, self.adjacency, config)
        self.optimizer = torch.optim.Adam([self.e0], lr=config.learning_rate)
        n_steps = config.epochs * self.epochs.steps
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: (
                (1 + math.cos(math.pi * step / n_steps)) / 2 if config.cosine_decay else 1.0
            ),
        )

    def run_epoch(self) -> float:
        """One pass over the training ratings; the mean loss."""
        return self.epochs.run(self.e0, self.optimizer, self.schedule, self._wait)

    def _wait(self) -> None:
        if self.before_step:
            asked = time.monotonic()
            self.before_step()
            self.waited += time.monotonic() - asked

    def seconds(self) -> float:
        """Since the start, without the pauses."""
        return time.monotonic() - self.start - self.waited

    def weights(self) -> Tensor:
        """A copy of E(0), float32 [n_users + n_movies, dim]."""
        return self.e0.detach().clone()

    def is_finite(self, loss: float) -> bool:
        return math.isfinite(loss) and bool(torch.isfinite(self.e0).all())

    def scorer(self, e0: Tensor | None = None) -> Scorer:
        """Scores f_u·f_i over this graph, of the present E(0) or of the one given."""
        e0 = self.e0.detach() if e0 is None else e0
        return _train_scorer(self.adjacency, e0, self.config.layers, self.n_users)


class _Epochs:
    """Shuffles the training ratings and takes one Adam step per batch."""

    def __init__(
        self, interactions: sparse.csr_array, adjacency: Tensor, config: TrainingConfig
    ) -> None:
        self.adjacency, self.config = adjacency, config
        self.n_users = interactions.shape[0]
        self.generator = torch.Generator().manual_seed(config.seed)
        self.sampler = NegativeSampler(interactions, self.generator)
        users, movies = interactions.nonzero()
        self.users = torch.from_numpy(users.astype(np.int64))  # [n_ratings]
        self.movies = torch.from_numpy(movies.astype(np.int64))
        # Which rating each stored entry of Ê is: first the users' rows, then the movies' rows.
        entries = np.concatenate([np.arange(len(users)), np.lexsort((users, movies))])
        self.rating_of_entry = torch.from_numpy(entries)  # [2 · n_ratings]
        # Someone who rated every film has no negative, so teaches BPR nothing.
        has_negative = np.diff(interactions.indptr)[users] < interactions.shape[1]
        self.usable = torch.from_numpy(np.flatnonzero(has_negative))
        if not len(self.usable):
            raise ValueError("Nobody has an unrated film left, so there is nothing to learn.")
        self.steps = math.ceil(len(self.usable) / config.batch_size)

    def run(
        self,
        e0: Tensor,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        before_step: Callable[[], None] = lambda: None,
    ) -> float:
        """One pass over the training ratings; the mean loss."""
        total = 0.0
        shuffled = self.usable[torch.randperm(len(self.usable), generator=self.generator)]
        for chosen in shuffled.split(self.config.batch_size):
            before_step()
            loss = self._batch_loss(e0, chosen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        return total / len(shuffled)

    def _batch_loss(self, e0: Tensor, chosen: Tensor) -> Tensor:
        """BPR plus L2 for the ratings with these numbers, int64 [batch]."""
        users, batch = self.users[chosen], len(chosen)
        negatives = self.sampler.sample(users, self.config.negatives)
        nodes = torch.cat(
            [users, self.n_users + self.movies[chosen], self.n_users + negatives.flatten()]
        )  # [batch · (2 + n_negatives)]
        adjacency = self._without(chosen) if self.config.hide_batch else self.adjacency
        final = functional.embedding(nodes, layer_mean(adjacency, e0, self.config.layers))
        loss = bpr_loss(
            final[:batch],
            final[batch : 2 * batch],
            final[2 * batch :].view(batch, self.config.negatives, -1),
        )
        times = torch.bincount(nodes, minlength=len(e0))  # how often the batch uses each node
        penalty = (e0.square().sum(1) * times).sum() / (2 * batch)
        return loss + self.config.l2 * penalty

    def _without(self, chosen: Tensor) -> Tensor:
        """Ê with weight 0 on these ratings; the other weights stay as they are."""
        kept = torch.ones(len(self.users))
        kept[chosen] = 0.0
        return torch.sparse_csr_tensor(
            self.adjacency.crow_indices(),
            self.adjacency.col_indices(),
            self.adjacency.values() * kept[self.rating_of_entry],
            size=self.adjacency.shape,
            check_invariants=False,  # they are those of the checked Ê
        )


def _train_scorer(adjacency: Tensor, e0: Tensor, layers: int, n_users: int) -> Scorer:
    """Scores f_u·f_i over the training graph."""
    final = layer_mean(adjacency, e0, layers).numpy()
    return factor_scorer(final[:n_users], final[n_users:])


def factor_scorer(user_factors: NDArray[np.float32], movie_factors: NDArray[np.float32]) -> Scorer:
    """Inner users [batch] → f_u·f_i for all movies, float32 [batch, n_movies]."""
    return lambda users: user_factors[users] @ movie_factors.T


def _assemble(data: MovieData, e0: NDArray[np.float32], **rest: Any) -> TrainedModel:
    """Propagate E(0) over all ratings and freeze the result."""
    layers = rest["config"].layers
    adjacency, start = to_torch(normalised_adjacency(data.ratings)), torch.tensor(e0)
    final = layer_mean(adjacency, start, layers).numpy()
    movie_factors = final[data.n_users :].copy()
    # Without an edge the graph knows nothing about a film: no evidence, score 0.
    movie_factors[data.movie_degree == 0] = 0.0
    messages = np.zeros_like(movie_factors)
    if layers:
        below_last = layer_mean(adjacency, start, layers - 1).numpy()  # (Σ_{k<K} e(k)) / K
        messages = below_last[data.n_users :] * np.float32(layers / (layers + 1))
    arrays = {
        "e0": e0,
        "user_factors": final[: data.n_users].copy(),
        "movie_factors": movie_factors,
        "movie_messages": messages,
        "fold_in_map": _fold_in_map(final[: data.n_users], e0[: data.n_users] / (layers + 1)),
    }
    for array in arrays.values():
        array.flags.writeable = False
    return TrainedModel(fingerprint=data.fingerprint, **arrays, **rest)


def _fold_in_map(
    user_factors: NDArray[np.float32], own: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Ridge regression from a user's summed messages (f_u less the own part) to f_u."""
    received = (user_factors - own).astype(np.float64)  # [n_users, dim]
    gram = received.T @ received
    ridge = FOLD_IN_RIDGE * np.trace(gram) / len(gram) + 1e-12  # without layers nothing is sent
    regularised = gram + ridge * np.eye(len(gram))
    return np.linalg.solve(regularised, received.T @ user_factors).astype(np.float32)


# --- checkpoints ----------------------------------------------------------------------------------


def checkpoint_path(environ: Mapping[str, str] = os.environ) -> Path:
    """$LIGHTGCN_CHECKPOINT, or lightgcn_checkpoint.pth in the project."""
    return Path(environ.get("LIGHTGCN_CHECKPOINT") or PROJECT_DIR / CHECKPOINT_NAME)


def save_checkpoint(model: TrainedModel, path: Path) -> None:
    """Write the checkpoint atomically: a crash leaves the old file or the new one, whole.

    The file that was there is kept beside it as `previous_checkpoint(path)`.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    content = {
        "config": asdict(model.config),
        "protocol": model.protocol,
        "fingerprint": model.fingerprint,
        "e0": torch.tensor(model.e0),
        "history": [asdict(record) for record in model.history],
        "best_epoch": model.best_epoch,
        "test_metrics": model.test_metrics,
        "test_intervals": {name: list(ends) for name, ends in model.test_intervals.items()},
        "refitted": model.refitted,
        "stop_reason": model.stop_reason,
        "versions": library_versions(),
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    content |= {"version": CHECKPOINT_VERSION, "digest": _digest(content)}
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            kept = temporary.with_suffix(".previous")
            shutil.copy2(path, kept)
            os.replace(kept, previous_checkpoint(path))
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"The model cannot be saved to {path}: {error}.") from None
    finally:
        for leftover in (temporary, temporary.with_suffix(".previous")):
            _remove(leftover)


def library_versions() -> dict[str, str]:
    """Of what a result depends on, beyond data and settings."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content; torch does not notice a flipped bit in a stored tensor."""
    rest = {name: value for name, value in content.items() if name not in ("e0", "digest")}
    rest.pop("version", None)
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    digest.update(content["e0"].numpy().tobytes())
    return digest.hexdigest()


def _remove(path: Path) -> None:
    """Away with a leftover; where that fails too, the first fault is the one to report."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def previous_checkpoint(path: Path) -> Path:
    """Where `save_checkpoint` keeps the file that it replaces."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def restore_previous(data: MovieData, path: Path) -> TrainedModel:
    """Swap the checkpoint and the one before it; the model that is now in its place.

    At any moment `path` is one of the two files, whole. No two threads may do this at once.

    Raises:
        FileNotFoundError: there is no previous checkpoint.
        CheckpointError: it does not fit the data, or the folder cannot be written.
    """
    previous = previous_checkpoint(path)
    model = load_checkpoint(data, previous)  # what does not load must not get into use
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        if path.exists():
            shutil.copy2(path, temporary)
        os.replace(previous, path)
        if temporary.exists():
            os.replace(temporary, previous)
    except OSError as error:
        raise CheckpointError(f"The previous model cannot be put back: {error}.") from None
    finally:
        _remove(temporary)
    return model


def load_checkpoint(data: MovieData, path: Path) -> TrainedModel:
    """Read a checkpoint without executing anything in it, and check that it fits the data.

    Raises:
        FileNotFoundError: there is none.
        CheckpointError: it is damaged, from another version, or was trained on other data.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises many types for damaged or hostile files
        log.warning("checkpoint %s refused: %s", path, error)
        raise CheckpointError(
            f"{path.name} is damaged or not a LightGCN checkpoint; train a new model."
        ) from None
    if not isinstance(content, dict) or type(content.get("version")) is not int:
        raise CheckpointError(f"{path.name} is not a LightGCN checkpoint; train a new model.")
    if content["version"] != CHECKPOINT_VERSION:
        raise CheckpointError(
            f"{path.name} has format {content['version']}, this program reads format "
            f"{CHECKPOINT_VERSION}; train a new model or use the matching program version."
        )
    if content.get("fingerprint") != data.fingerprint:
        raise CheckpointError(
            f"{path.name} was trained on other data than {data.directory.name}; train a new model."
        )
    try:
        if content["digest"] != _digest(content):
            raise ValueError("its checksum differs")
        return _restore(data, content)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        log.warning("checkpoint %s refused: %s", path, error)
        raise CheckpointError(f"{path.name} is incomplete or damaged; train a new model.") from None


def _restore(data: MovieData, content: Mapping[str, Any]) -> TrainedModel:
    """The model of a checkpoint whose checksum is right; raises many types for wrong content."""
    config = TrainingConfig(**content["config"])
    e0 = content["e0"].numpy()
    if e0.shape != (data.n_users + data.n_movies, config.dim) or e0.dtype != np.float32:
        raise ValueError(f"E(0) has the shape {e0.shape}")
    history = tuple(EpochRecord(**record) for record in content["history"])
    metrics = [content["test_metrics"], *(record.metrics for record in history)]
    for values in metrics:
        if "NDCG@20" not in values or not all(0 <= value <= 1 for value in values.values()):
            raise ValueError("a metric is missing or out of range")
    if [record.epoch for record in history] != list(range(len(history))):
        raise ValueError("the history is not complete")
    if content["protocol"] not in PROTOCOLS or content["best_epoch"] not in range(len(history)):
        raise ValueError("the protocol or the best epoch is unknown")
    model = _assemble(
        data,
        e0,
        config=config,
        protocol=content["protocol"],
        history=history,
        best_epoch=content["best_epoch"],
        test_metrics=content["test_metrics"],
        stop_reason=str(content["stop_reason"]),
        test_intervals={
            name: (float(low), float(high))
            for name, (low, high) in content.get("test_intervals", {}).items()
        },
        refitted=content.get("refitted", False) is True,
    )
    if not (np.isfinite(model.user_factors).all() and np.isfinite(model.movie_factors).all()):
        raise ValueError("E(0) gives factors that are not finite")
    return model


# --- command line ---------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """The command `python model_training.py`; the exit status."""
    from training_command import main as command  # it imports this module

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main())
