"""Attention seen by somebody who learns about it: a model with or without, and what was measured.

A model may have learned attention (`model.attention`). For one that did not, `measured_attention`
gives what trainings on MovieLens small learned, in units in which it can stand beside other data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data_preparation import MovieData
from model.attention import FEATURES, Attention
from model.splits import drawn_people
from model.trained import TrainedModel

# Of `benchmarks/run.py attention`: θ in spreads of each feature, the mean of three trainings, and
# how metrics of the profile that serves change on validation, with the ends of the interval.
LEARNED = {
    "stars": 0.201,
    "popularity": -0.032,
    "tagged": 0.019,
    "typical": 0.133,
    "typical of many": -0.090,
}
GAINS = {
    "liked NDCG@20": (0.0018, -0.0006, 0.0045),
    "NDCG@20": (-0.0030, -0.0049, -0.0011),
}
_MOST_RATINGS = 100_000  # that the spreads are taken over


@dataclass(frozen=True)
class Step:
    """A step of a feature that can be pictured.

    Attributes:
        words: one step more, in words.
        size: in units of the feature.
    """

    words: str
    size: float


def steps(n_rated: int) -> dict[str, Step]:
    """A step of each of `FEATURES`, for somebody with so many rated films."""
    return {
        "stars": Step("one star more", 1.0),
        "popularity": Step("ten times the ratings", float(np.log(10))),
        "tagged": Step("tagged, not untagged", 1.0),
        "typical": Step("a cosine higher by 0.1", 0.1),
        "typical of many": Step(
            f"the same, as one of {n_rated:,} films", 0.1 * float(np.log(max(n_rated, 1)))
        ),
    }


def measured_attention(data: MovieData, model: TrainedModel) -> Attention:
    """`LEARNED` for a hybrid without attention: θ over the spread that each feature has here."""
    people = drawn_people(data.user_degree, _MOST_RATINGS, 0)
    still = Attention.of(np.zeros(len(FEATURES)), data.movie_degree, data.tag_features.T)
    z = still.features(data.ratings[people], model.movie_messages, model.mean_stars)
    spread = z.std(axis=0)
    theta = np.array([LEARNED[name] for name in FEATURES])
    known = spread > 1e-9  # what is the same for all edges drops out of the softmax
    return replace(still, theta=np.where(known, theta, 0.0) / np.where(known, spread, 1.0))


def with_attention(model: TrainedModel, attention: Attention | None) -> TrainedModel:
    """The same hybrid with this attention, or with none."""
    theta: NDArray[np.float64] = np.zeros(0) if attention is None else attention.theta
    return replace(model, attention=attention, theta=tuple(theta.tolist()))
