"""How much what is popular now should count (`model.trend`), chosen on later windows of time.

The last tenth before each window is predicted from the ratings and tags before it, by a fit with
few directions; what is chosen is the share of the latest ratings, and for each profile the
strength.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from data_preparation import MovieData
from model.bpr import Learner, StopTraining
from model.config import TrainingConfig
from model.evaluation import LIKED, Scorer, evaluate
from model.hybrid_graph import Content, content_before
from model.profiles import PROFILES, Profile
from model.splits import Part, Split, chosen, drawn_people, rolling_windows
from model.trend import Trend, TrendChoice

SHARES = (0.02, 0.05, 0.1)
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
JUDGED_BY: dict[Profile, str] = {"watch": "NDCG@20", "like": LIKED + "NDCG@20"}
_FIT_DIM = 128  # which finds the same strengths as all directions do
_MOST_RATINGS = 300_000  # to fit to; of more, those of some people, drawn at random
_MOST_SCORES = 10_000_000  # users × films that are looked at in a window

Key = tuple[Profile, float, float]
"""Profile, share and strength."""
Values = Mapping[Key, NDArray[np.float64]]
"""What each person's list is worth, by `JUDGED_BY`; NaN where nothing was liked."""


@dataclass(frozen=True, eq=False)
class _SomeRatings:
    """The ratings of some people, as `rolling_windows` takes them."""

    ratings: sparse.csr_array
    timestamps: NDArray[np.int64]


def choose_trend(
    data: MovieData, config: TrainingConfig, before_fit: Callable[[], None] | None = None
) -> TrendChoice | None:
    """The share and the strengths that find most of later ratings.

    Args:
        data: whole, as the model serves. No metric of a model depends on the choice.
        config: the settings of the fits.
        before_fit: called before each; may raise `StopTraining`.

    Returns:
        None where it was stopped.
    """
    with suppress(StopTraining, KeyboardInterrupt):
        if before_fit:
            before_fit()
        windows = list(looked_at(data, config, before_fit))
        return only_proved(best_of(windows), windows)
    return None


def looked_at(
    data: MovieData, config: TrainingConfig, before_fit: Callable[[], None] | None = None
) -> Iterator[Values]:
    """What each share and strength is worth on the validation part of each window, oldest first."""
    people = np.zeros(data.n_users, bool)
    people[drawn_people(data.user_degree, _MOST_RATINGS, config.seed)] = True
    theirs = np.repeat(people, data.user_degree)
    some = _SomeRatings(chosen(data.ratings, theirs), data.timestamps[theirs])
    fit = replace(
        config, dim=min(config.dim, _FIT_DIM), layers=1, epochs=0, warm_start=True, attention=False
    )
    for window in rolling_windows(some):
        if before_fit:
            before_fit()
        trends = trends_before(data, window.validation_begin)
        content = content_before(data, window.validation_begin)
        yield values_of(window.split, "validation", content, fit, trends, STRENGTHS)


def trends_before(data: MovieData, second: int) -> dict[float, Trend]:
    """What was popular before this Unix second, by share."""
    before = data.timestamps < second
    films, when = data.ratings.indices[before], data.timestamps[before]
    return {share: Trend.of(films, when, data.n_movies, share) for share in SHARES}


def values_of(
    split: Split,
    part: Part,
    content: Content,
    config: TrainingConfig,
    trends: Mapping[float, Trend],
    strengths: Sequence[float],
) -> Values:
    """One fit to the train part, with each of the trends (by share) as strong as each of these."""
    learner = Learner(split.train, content, config)
    sample = max(_MOST_SCORES // split.train.shape[1], 1)
    values: dict[Key, NDArray[np.float64]] = {}
    for profile, metric in JUDGED_BY.items():
        scorer = _in_units(learner.scorer(profile), split, part)
        for share, trend in trends.items():
            for strength in strengths:
                with_trend = _plus(scorer, np.float32(strength) * trend.log_ratio)
                table = evaluate(with_trend, split, part, (20,), sample).per_user
                # Without stars, or where nobody liked one, every film that is rated counts.
                values[profile, share, strength] = table.get(metric, table["NDCG@20"]).to_numpy()
    return values


def _in_units(scorer: Scorer, split: Split, part: Part) -> Scorer:
    """Scores over the largest of each one's candidates, the scale of `prediction.blend`; kept,
    because the same people are asked for again and again."""
    kept: dict[bytes, NDArray[np.float32]] = {}
    competes = split.rated_movies()

    def scaled(users: NDArray[np.int64]) -> NDArray[np.float32]:
        key = users.tobytes()
        if key not in kept:
            scores = scorer(users)
            listed = np.where(competes, scores, 0)
            listed[split.known(part, users).nonzero()] = 0
            unit = listed.max(axis=1, keepdims=True, initial=0.0)
            kept[key] = np.divide(scores, unit, out=np.zeros_like(scores), where=unit > 0)
        return kept[key]

    return scaled


def _plus(scorer: Scorer, part: NDArray[np.float32]) -> Scorer:
    return lambda users: scorer(users) + part


def best_of(windows: Sequence[Values]) -> TrendChoice:
    """The share that is best for both profiles together, and for each the least strength within a
    standard error of the best one (Breiman et al. 1984)."""
    if not windows:
        nothing = dict.fromkeys(PROFILES, 0.0)
        return TrendChoice(SHARES[0], nothing, dict.fromkeys(PROFILES, (0.0, 0.0)))
    values = all_windows(windows)
    means = {key: float(np.nanmean(found)) for key, found in values.items()}

    def together(share: float) -> float:
        return sum(max(means[profile, share, s] for s in STRENGTHS) for profile in PROFILES)

    share = max(SHARES, key=together)
    strengths, quality = {}, {}
    for profile in PROFILES:
        by_strength = {s: values[profile, share, s] for s in STRENGTHS}
        strengths[profile] = strength = _least_of_the_best(by_strength)
        quality[profile] = means[profile, share, 0.0], means[profile, share, strength]
    return TrendChoice(share, strengths, quality, len(by_strength[0.0]))


def only_proved(choice: TrendChoice, windows: Sequence[Values]) -> TrendChoice:
    """0 for a profile whose gain may be none: the 95 % interval of its mean over the windows
    (Student's t) holds 0. All people of a window share one trend, so they prove nothing alone."""
    strengths = dict(choice.strengths)
    for profile, strength in choice.strengths.items():
        with_it, plain = ((profile, choice.share, s) for s in (strength, 0.0))
        gains = np.array([np.nanmean(values[with_it] - values[plain]) for values in windows])
        unsure = math.inf
        if len(gains) > 1:
            unsure = stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains)
        if not strength or gains.mean() <= unsure:
            strengths[profile] = 0.0
    return replace(choice, strengths=strengths)


def all_windows(windows: Sequence[Values]) -> dict[Key, NDArray[np.float64]]:
    """Another window, other people: each counts for itself."""
    return {key: np.concatenate([values[key] for values in windows]) for key in windows[0]}


def _least_of_the_best(values: Mapping[float, NDArray[np.float64]]) -> float:
    """The least strength whose mean is within a standard error, paired, of the best one."""
    best = max(values, key=lambda strength: np.nanmean(values[strength]))

    def is_as_good(strength: float) -> bool:
        less = values[best] - values[strength]
        less = less[~np.isnan(less)]
        return bool(less.mean() <= less.std() / np.sqrt(len(less)))

    return min(filter(is_as_good, values))
