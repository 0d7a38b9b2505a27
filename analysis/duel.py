"""The lists of several models for one person, side by side: where they agree and where not.

Users of the data are scored by models that were fitted to the train part of the split alone, and
their lists are those that the test measures (`model.evaluation.evaluate`), so the held-out films
that each found can be marked. A visitor is scored by the models that serve, fitted to all ratings.
LightGCN ranks by its graph score alone, as it is measured, without tags and genres blended in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData
from model.baselines import tuned_ease
from model.evaluation import RankingReport, Scorer, evaluate, sampled_users, top_k
from model.item_models import (
    Cost,
    ProfileScorer,
    ease_cost,
    ease_model,
    item_knn_cost,
    item_knn_model,
    popularity_cost,
    popularity_model,
)
from model.memory import too_large
from model.profiles import DEFAULT_PROFILE, Profile
from model.splits import Split
from model.trained import TrainedModel
from model.viewers import Viewer
from prediction import unseen

OURS, EASE, ITEM_KNN, POPULARITY = NAMES = ("LightGCN", "EASE", "ItemKNN", "popularity")
METRICS = ("NDCG@20", "liked NDCG@20")
_MEASURED_DEPTH = 20  # of `evaluate`: which of equal scores come first depends on it


_Fit = Callable[[sparse.csr_array], ProfileScorer]


@dataclass(frozen=True)
class _Kind:
    """A baseline: how it is fitted once its settings are chosen on validation, and its memory."""

    chosen: Callable[[Split], tuple[_Fit, str]]
    cost: Callable[[int, int, int], Cost]


def _chosen_ease(split: Split) -> tuple[_Fit, str]:
    """EASE with the λ of the measured comparison: the best on validation."""
    l2 = tuned_ease(split)[1]
    return partial(ease_model, l2=l2), f"λ = {l2:g}, chosen on validation"


_RIVALS = {
    EASE: _Kind(_chosen_ease, ease_cost),
    ITEM_KNN: _Kind(lambda _: (item_knn_model, ""), item_knn_cost),
    POPULARITY: _Kind(lambda _: (popularity_model, ""), popularity_cost),
}


# --- fitting --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Rival:
    """A baseline, fitted twice.

    Attributes:
        measured: fitted to the train part of the split.
        serving: fitted to all ratings.
        test: means of `METRICS` on the test part, by name; of `measured`.
        intervals: their 95 % bootstrap intervals.
        setting: what was chosen on validation, in words; "" where there is no choice.
    """

    name: str
    measured: ProfileScorer
    serving: ProfileScorer
    test: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    setting: str = ""


@dataclass(frozen=True, eq=False)
class Rivals:
    """The baselines of a data set, and a sentence for each that is left out."""

    split: Split
    fitted: tuple[Rival, ...]
    left_out: tuple[str, ...]


def memory_bytes(data: MovieData) -> dict[str, int]:
    """What each baseline takes while it is fitted the second time, in bytes, by name."""
    size = (data.n_users, data.n_movies, data.n_ratings)
    costs = {name: kind.cost(*size) for name, kind in _RIVALS.items()}
    return {name: cost.kept + cost.peak for name, cost in costs.items()}


def fit_rivals(
    data: MovieData,
    split: Split,
    on_step: Callable[[str, float], None] | None = None,
) -> Rivals:
    """Fit and measure the baselines that fit into the memory.

    Args:
        on_step: called before each step with what comes and the share that is done, 0 to 1.
    """
    needed, left_out, fitted = memory_bytes(data), [], []
    for place, (name, kind) in enumerate(_RIVALS.items()):
        refusal = too_large(name, needed[name], data)
        if refusal:
            left_out.append(refusal)
            continue

        def say(what: str, part: int, name: str = name, place: int = place) -> None:
            if on_step:
                on_step(f"{name}: {what}", (place + part / 4) / len(_RIVALS))

        try:
            say("choosing its settings on validation", 0)
            fit, setting = kind.chosen(split)
            say("fitting to the train part", 1)
            measured = fit(split.train)
            say("measuring on test", 2)
            report = evaluate(
                _scorer(measured, split.train), split, "test", sample_users=sampled_users(split)
            )
            say("fitting to all ratings", 3)
            serving = fit(data.ratings)
        except MemoryError:
            left_out.append(f"{name} is left out: it needs more memory than there is.")
            continue
        fitted.append(Rival(name, measured, serving, *_test_scores(report), setting))
    return Rivals(split, tuple(fitted), tuple(left_out))


def _scorer(model: ProfileScorer, known: sparse.csr_array) -> Scorer:
    return lambda users: model(known[users])


def _test_scores(
    report: RankingReport,
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    means = report.mean()
    present = [name for name in METRICS if name in means]
    return {name: means[name] for name in present}, {n: report.interval(n) for n in present}


# --- the lists ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A film in one list.

    Attributes:
        movie: inner id.
        lists: in how many of the lists it is.
        ours: its rank with LightGCN, from 1, however far down; None where LightGCN has no list.
        held_out: the stars that the person gave it in the held-out test part; 0 if it is not there.
    """

    movie: int
    lists: int
    ours: int | None
    held_out: float


@dataclass(frozen=True, eq=False)
class Listing:
    """A model's list for the person, best first, and its score on test over all users."""

    name: str
    places: tuple[Place, ...]
    test: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    setting: str = ""

    @property
    def movies(self) -> tuple[int, ...]:
        return tuple(place.movie for place in self.places)

    @property
    def found(self) -> int:
        """How many held-out films are in the list."""
        return sum(place.held_out > 0 for place in self.places)


@dataclass(frozen=True, eq=False)
class Duel:
    """The lists side by side.

    Attributes:
        held_out: how many films the person has in the test part; 0 for a visitor.
    """

    listings: tuple[Listing, ...]
    held_out: int

    def listing(self, name: str) -> Listing | None:
        return next((each for each in self.listings if each.name == name), None)

    @property
    def in_all(self) -> int:
        """How many films are in every list."""
        shared = [frozenset(listing.movies) for listing in self.listings]
        return len(frozenset.intersection(*shared)) if shared else 0


def user_duel(
    model: TrainedModel,
    ours: Scorer | None,
    rivals: Rivals,
    user: int,
    k: int,
    profile: Profile = DEFAULT_PROFILE,
) -> Duel:
    """The lists that the test measures for an (inner) user of the data.

    Args:
        ours: `model.trained.measured_scorer` with this profile, or None where there is none.
    """
    split = rivals.split
    scores: dict[str, NDArray[np.float32]] = {}
    if ours:
        scores[OURS] = np.asarray(ours(np.array([user])), np.float32)[0]
    row = split.train[[user]]
    for rival in rivals.fitted:
        scores[rival.name] = rival.measured(row)[0]
    held_out = split.test[[user]].toarray()[0]
    known = split.known("test", np.array([user])).toarray()[0] > 0
    test = _our_test(model, profile)
    return _duel(test, rivals, scores, split.rated_movies() & ~known, held_out, k)


def viewer_duel(
    data: MovieData, model: TrainedModel, viewer: Viewer, rivals: Rivals, k: int
) -> Duel:
    """The lists of the models that serve, for someone with these ratings."""
    scores = {OURS: model.movie_factors @ viewer.factor}
    row = sparse.csr_array(
        (viewer.stars, viewer.movies, [0, len(viewer.movies)]), shape=(1, data.n_movies)
    )
    for rival in rivals.fitted:
        scores[rival.name] = rival.serving(row)[0]
    candidates = unseen(data, viewer.movies) & (data.movie_degree > 0)
    test = _our_test(model, viewer.profile)
    return _duel(test, rivals, scores, candidates, np.zeros(data.n_movies), k)


_Test = tuple[dict[str, float], dict[str, tuple[float, float]]]


def _our_test(model: TrainedModel, profile: Profile) -> _Test:
    """LightGCN's means of `METRICS` on test with the profile, and their intervals where kept."""
    metrics = model.watch_metrics if profile == "watch" else model.test_metrics
    kept = {} if profile == "watch" else model.test_intervals
    return (
        {name: metrics[name] for name in METRICS if name in metrics},
        {name: kept[name] for name in METRICS if name in kept},
    )


def _duel(
    our_test: _Test,
    rivals: Rivals,
    scores: Mapping[str, NDArray[np.float32]],
    candidates: NDArray[np.bool_],
    held_out: NDArray[np.floating],
    k: int,
) -> Duel:
    n_movies = len(candidates)
    order = np.random.default_rng(0).permutation(n_movies)  # as `evaluate` breaks its ties
    nobody = np.zeros((1, n_movies), bool)
    depth = min(max(k, _MEASURED_DEPTH), n_movies)
    lists = {
        name: _without_gaps(top_k(each[None], nobody, candidates, depth, order)[0][:k])
        for name, each in scores.items()
    }
    every = [movie for movies in lists.values() for movie in movies]
    ranks = _ranks(scores[OURS], candidates, lists[OURS], every) if OURS in scores else {}
    test = {rival.name: (rival.test, rival.intervals, rival.setting) for rival in rivals.fitted}
    test[OURS] = (*our_test, "")
    listings = [
        Listing(
            name,
            tuple(
                Place(movie, every.count(movie), ranks.get(movie), float(held_out[movie]))
                for movie in movies
            ),
            *test[name],
        )
        for name, movies in lists.items()
    ]
    return Duel(tuple(listings), int((held_out > 0).sum()))


def _without_gaps(movies: NDArray[np.int32]) -> list[int]:
    return [movie for movie in movies.tolist() if movie >= 0]


def _ranks(
    scores: NDArray[np.float32],
    candidates: NDArray[np.bool_],
    first: Sequence[int],
    movies: Sequence[int],
) -> dict[int, int]:
    """The rank of each movie by these scores, from 1; those in the list as the list has them."""
    ranks = {movie: rank for rank, movie in enumerate(first, 1)}
    for movie in movies:
        if movie not in ranks:
            above = int((scores[candidates] > scores[movie]).sum())
            ranks[movie] = max(above, len(first)) + 1
    return ranks
