"""Planted tags: some follow the groups of the planted data, some are random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from data_preparation import MovieData
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
