"""A small training: quick, with several steps per epoch."""

from __future__ import annotations

from typing import Any

import torch
from scipy import sparse

from data_preparation import normalised_adjacency
from model.config import TrainingConfig
from model.fitted_start import initial_embeddings
from model.lightgcn import to_torch
from model.trained import TrainedModel

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


def ndcg(model: TrainedModel) -> list[float]:
    return [record.metrics["NDCG@20"] for record in model.history]


def losses(model: TrainedModel) -> list[float]:
    return [record.loss for record in model.history[1:]]


def start_of(train_part: sparse.csr_array, settings: TrainingConfig) -> torch.Tensor:
    return initial_embeddings(train_part, to_torch(normalised_adjacency(train_part)), settings)
