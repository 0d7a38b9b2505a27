"""What a training leaves behind: its history, and the factors that serve."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from data_preparation import MovieData, normalised_adjacency
from model.config import TrainingConfig
from model.lightgcn import layer_mean, to_torch

FOLD_IN_RIDGE = 0.1  # of the mean squared message; chosen on validation, users left out in turn


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

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """`movie_factors` scaled to length 1, float32 [n_movies, dim]; zero without ratings."""
        directions = normalize(self.movie_factors)
        directions.flags.writeable = False
        return directions


def kept_epoch(model: TrainedModel) -> str:
    """Which epoch was kept, in words; epoch 0 means that BPR did not improve on the start."""
    if model.best_epoch == 0:
        start = "warm" if model.config.warm_start else "random"
        return f"epoch 0 (the {start} start itself: no epoch was better)"
    return f"epoch {model.best_epoch}"


def assemble(data: MovieData, e0: NDArray[np.float32], **rest: Any) -> TrainedModel:
    """The model that serves: E(0) propagated over all ratings, every array read-only.

    Args:
        e0: float32 [n_users + n_movies, dim].
        rest: the fields of `TrainedModel` that are not computed from data and E(0).
    """
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
    arrays: dict[str, Any] = {
        "e0": e0,
        "user_factors": final[: data.n_users].copy(),
        "movie_factors": movie_factors,
        "movie_messages": messages,
        "fold_in_map": fold_in_map(final[: data.n_users], e0[: data.n_users] / (layers + 1)),
    }
    for array in arrays.values():
        array.flags.writeable = False
    return TrainedModel(fingerprint=data.fingerprint, **arrays, **rest)


def fold_in_map(user_factors: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ridge regression from a user's summed messages (f_u less the own part) to f_u.

    Args:
        user_factors: f_u, float32 [n_users, dim].
        own: e(0)_u/(K+1), float32 [n_users, dim].

    Returns:
        float32 [dim, dim].
    """
    received = (user_factors - own).astype(np.float64)  # [n_users, dim]
    gram = received.T @ received
    ridge = FOLD_IN_RIDGE * np.trace(gram) / len(gram) + 1e-12  # without layers nothing is sent
    regularised = gram + ridge * np.eye(len(gram))
    return np.linalg.solve(regularised, received.T @ user_factors).astype(np.float32)
