"""What is popular now: how often a film was rated lately, beside its share of all ratings.

    trend_i = ln((lately_i + 1) / (expected_i + 1)),    expected_i = d_i · latest / all

The latest ratings are a share of all, counted back from the last one: *now* is the last day of the
data, or the day that they end with as of a day. Asked for by t, from 0 to 1, a film's score gets
t·γ·trend_i on the scale of `prediction.blend`, the same for everybody; γ and the share are chosen
on later ratings (`model.trend_choice`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.profiles import Profile

_PRIOR = 1.0  # ratings as expected that each film has beside its own


@dataclass(frozen=True, eq=False)
class Trend:
    """The latest ratings of each film.

    Attributes:
        lately: among the latest ratings, int64 [n_movies].
        expected: of its share of all ratings, float64 [n_movies].
        since, until: Unix seconds of the first and the last of them.
    """

    lately: NDArray[np.int64]
    expected: NDArray[np.float64]
    since: int
    until: int

    @classmethod
    def of(
        cls, films: NDArray[np.integer], when: NDArray[np.integer], n_movies: int, share: float
    ) -> Trend:
        """
        Args:
            films: the inner movie of each rating, [n_ratings], at least one.
            when: its Unix second, [n_ratings].
            share: of all ratings that are the latest, 0 to 1; with one second come all of its own.
        """
        since = np.quantile(when, 1 - share, method="lower")
        latest = when >= since
        lately = np.bincount(films[latest], minlength=n_movies)
        expected = np.bincount(films, minlength=n_movies) * (lately.sum() / len(when))
        return cls(lately, expected, int(since), int(when.max()))

    @cached_property
    def log_ratio(self) -> NDArray[np.float32]:
        """trend_i, float32 [n_movies]; 0 for a film without ratings."""
        found = np.log((self.lately + _PRIOR) / (self.expected + _PRIOR)).astype(np.float32)
        found.flags.writeable = False
        return found

    @property
    def ratings(self) -> int:
        """How many the latest are."""
        return int(self.lately.sum())


@dataclass(frozen=True)
class TrendChoice:
    """What was chosen, kept with the model.

    Attributes:
        share: of all ratings that are the latest.
        strengths: γ by profile; 0 where no gain is proved.
        quality: by profile: the metric it was chosen by, without γ and with the best one.
        people: that it was measured on; each counts once in each window.
    """

    share: float
    strengths: Mapping[Profile, float]
    quality: Mapping[Profile, tuple[float, float]]
    people: int = 0
