"""How someone's ratings become the weights of their films: the profile.

The hybrid model weighs a rated film by how its stars compare with the person's own level μ (their
mean, shrunk to that of all ratings):

    x_j = 1 + δ · (stars_j − μ), never below 0, and 0 where stars_j ≤ μ − 1.5

so a film that someone rated clearly below their level never speaks in favour of anything. Where
that leaves nothing at all (a short profile of low ratings), the films count against what is like
them instead, x_j = stars_j − μ, and only films that are rated often and well are listed
(`prediction.score_all`).

δ belongs to the profile, not to the fit: "watch" finds what they will rate at all, "like" what they
will rate 4 stars or more.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

from model.config import TrainingConfig
from model.hybrid_graph import mean_stars

Profile = Literal["watch", "like"]
PROFILES: tuple[Profile, ...] = ("watch", "like")
DEFAULT_PROFILE: Profile = "like"
# Stars below one's own level from where a film counts for nothing. The lowest half star that cost
# "like" nothing on validation; "watch" pays for it (benchmarks/RESULTS.md).
CLEARLY_BELOW = 1.5


def profile_weights(ratings: sparse.csr_array, strength: float, overall: float) -> sparse.csr_array:
    """x_uj of the module's docstring for all ratings, csr float32 [n_users, n_movies].

    Entries of weight 0 stay stored, so the pattern is that of the ratings.

    Args:
        ratings: csr [n_users, n_movies], stars.
        strength: δ.
        overall: the mean of all ratings, to which each person's own level is shrunk.
    """
    counts = np.diff(ratings.indptr)
    above = ratings.data - np.repeat(mean_stars(ratings, overall), counts)
    weights = np.where(above <= -CLEARLY_BELOW, 0.0, np.maximum(1 + strength * above, 0.0))
    user = np.repeat(np.arange(len(counts)), counts)
    speaks = np.bincount(user, weights > 0, minlength=len(counts)) > 0
    weights = np.where(speaks[user], weights, np.minimum(above, 0.0))
    return sparse.csr_array(
        (weights.astype(np.float32), ratings.indices, ratings.indptr), shape=ratings.shape
    )


def strength(config: TrainingConfig, profile: Profile) -> float:
    """δ of a profile."""
    return config.watch if profile == "watch" else config.like
