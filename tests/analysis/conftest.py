"""Planted tags: some follow the groups of the planted data, some are random. And small models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from data_preparation import MovieData
from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model.trained import TrainedModel
from model_training import train
from tests.conftest import planted_ratings

PLANTED_FILMS = [(5 + 7 * film, f"Film {film} (1999)", "Drama") for film in range(48)]


def planted_tags(seed: int = 0) -> list[tuple]:
    """Each group of films has two tags of its own, on two thirds of its films; and noise."""
    rng = np.random.default_rng(seed)
    tags = [
        (2, 5 + 7 * film, f"{kind} of group {film % 3}", 1)
        for film in range(48)
        for kind in ("colour", "sound")
        if rng.random() < 0.67
    ]
    return [*tags, *((5, 5 + 7 * film, "anywhere", 2) for film in rng.choice(48, 16, False))]


@pytest.fixture
def tagged(load: Callable[..., MovieData]) -> MovieData:
    return load(ratings=planted_ratings(), movies=PLANTED_FILMS, tags=planted_tags(), links=None)


@pytest.fixture(scope="session", params=[0, 1, 3])
def model_of_any_depth(request: pytest.FixtureRequest, planted_data: MovieData) -> TrainedModel:
    """Of the paper's kind."""
    config = TrainingConfig(
        model="paper", dim=6, layers=request.param, epochs=2, batch_size=64, learning_rate=0.05
    )
    return train(planted_data, PROTOCOLS["random_80_10_10"](planted_data), config)


@pytest.fixture(params=["paper", "hybrid"])
def either_kind(
    request: pytest.FixtureRequest, model: TrainedModel, hybrid: TrainedModel
) -> TrainedModel:
    """A small model of the planted data, of each kind."""
    return model if request.param == "paper" else hybrid
