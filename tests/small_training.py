"""Small trainings: quick, with several steps per epoch."""

from __future__ import annotations

from typing import Any

import torch
from scipy import sparse

from model.bpr import Learner
from model.config import TrainingConfig
from model.trained import TrainedModel

# Small, quick, and several steps per epoch. Every field that a test relies on is set.
_LEARNING: dict[str, Any] = {
    "batch_size": 64,
    "learning_rate": 0.05,
    "l2": 1e-3,
    "negatives": 2,
    "hide_batch": False,
    "patience": 100,
    "seed": 3,
}
SMALL: dict[str, Any] = _LEARNING | {
    "model": "paper",
    "dim": 8,
    "layers": 2,
    "epochs": 4,
    "warm_start": False,
}
HYBRID: dict[str, Any] = _LEARNING | {
    "model": "hybrid",
    "dim": 16,
    "layers": 1,
    "epochs": 0,
    "warm_start": True,
    "search_seconds": 0.0,
    "user_exponent": 0.2,
    "film_exponent": 0.1,
    "met_exponent": -0.1,
    "ridge": 0.03,
    "taste": 0.2,
    "genre": 0.5,
    "tag": 0.1,
    "year": 0.2,
    "genre_decade": 0.3,
    "series": 0.3,
    "watch": 0.2,
    "like": 0.4,
}


def config(**changes: Any) -> TrainingConfig:
    """The paper's model, learned from a random start."""
    return TrainingConfig(**SMALL | changes)


def hybrid_config(**changes: Any) -> TrainingConfig:
    """The hybrid, fitted."""
    return TrainingConfig(**HYBRID | changes)


def ndcg(model: TrainedModel) -> list[float]:
    return [record.metrics["NDCG@20"] for record in model.history]


def losses(model: TrainedModel) -> list[float]:
    return [record.loss for record in model.history[1:]]


def start_of(train_part: sparse.csr_array, settings: TrainingConfig) -> torch.Tensor:
    """E(0) before the first step, over a graph without content."""
    return Learner(train_part, {}, settings).weights()
