"""How a rated film counts less as it ages for its person: what they watch these days, or always.

A film's age is the number of films that the same person rated later. With a half-life of h films a
weight x_uj becomes x_uj · 2^(−age/h), so half of it is left after h films more; h = ∞ counts every
film as ever. The age is in films, not in days: most people of MovieLens rate all of theirs within
hours, and where there are years, the order tells as much (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

ALWAYS = math.inf
# The half-life that finds the next film that someone rates best, chosen on validation
# (benchmarks/run.py time).
BEST_FOR_THE_NEXT_FILM = 5.0
_MOST_HALVINGS = 50.0  # what is left then is nothing beside 1, and can still be divided by


def ages(ratings: sparse.csr_array, when: NDArray[np.number]) -> NDArray[np.int64]:
    """How many films the same person rated later; what came at the same time has the same age.

    Args:
        ratings: csr [n_users, n_movies].
        when: any number that grows with time, in the order of `ratings.data`, [n_ratings].

    Returns:
        int64 [n_ratings], in the same order.
    """
    user = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    order = np.lexsort((when, user))
    who, time = user[order], when[order]
    is_last = np.append((who[1:] != who[:-1]) | (time[1:] != time[:-1]), True)[: len(order)]
    ends = np.flatnonzero(is_last)  # of each group of ratings at the same time
    group = np.cumsum(is_last) - is_last
    age = np.empty(len(order), np.int64)
    age[order] = ratings.indptr[who + 1] - 1 - ends[group]
    return age


def share_left(
    ratings: sparse.csr_array, when: NDArray[np.number], half_life: float
) -> NDArray[np.float64]:
    """2^(−age/h), the share of each weight that is left, float64 [n_ratings], above 0.

    Args:
        ratings, when: as of `ages`.
        half_life: h, films; above 0.

    Raises:
        ValueError: the half-life is not above 0.
    """
    if not half_life > 0:
        raise ValueError(f"The half-life must be above 0 films; got {half_life:g}.")
    return np.exp2(-np.minimum(ages(ratings, when) / half_life, _MOST_HALVINGS))
