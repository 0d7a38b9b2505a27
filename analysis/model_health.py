"""What the model does well and badly: popularity bias, norms, similarities, users served badly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from data_preparation import MovieData
from model.baselines import popularity
from model.evaluation import LIKED, RankingReport, evaluate, sampled_users, top_k
from model.profiles import DEFAULT_PROFILE, Profile
from model.runs import OURS, POPULARITY
from model.splits import PROTOCOLS, Split
from model.trained import TrainedModel, measured_scorer
from model.viewers import only_averse, tag_profiles, user_vectors
from model_training import train
from prediction import DEFAULT_TAG_WEIGHT, blend, often_and_well_rated, unseen_by

_USERS_PER_BATCH = 256  # bounds the dense score block to some tens of MiB
_LISTED_SCORES = 60_000_000  # of a user and a film, from which the lists are made
_COSINES = 20_000_000  # of a film of the sample and any other


# --- popularity bias ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Exposure:
    """Which films the top-K lists of all users show.

    Attributes:
        shown: in how many lists each rated film is, int64 [n_rated]; `movies` are its inner ids.
        by_graph_alone: the same without the tag part.
        ratings: the ratings of the same films.
        users: whose lists they are.
    """

    k: int
    users: int
    movies: NDArray[np.int64]
    shown: NDArray[np.int64]
    by_graph_alone: NDArray[np.int64]
    ratings: NDArray[np.int64]


def exposure(data: MovieData, model: TrainedModel, k: int = 10) -> Exposure:
    """The top-K lists of every user, as the tab Recommendations makes them without filters.

    Where users × films are many, the lists of users drawn at random.
    """
    movies = np.flatnonzero(data.movie_degree)
    every, order = np.ones(data.n_movies, bool), np.arange(data.n_movies)
    features, length = data.content_features, min(k, data.n_movies)
    well_known = often_and_well_rated(data)
    blended = np.zeros(data.n_movies, np.int64)
    graph_only = np.zeros(data.n_movies, np.int64)
    someone = np.arange(data.n_users)
    if data.n_users * data.n_movies > _LISTED_SCORES:
        n = max(_LISTED_SCORES // data.n_movies, 1)
        someone = np.sort(np.random.default_rng(0).choice(data.n_users, n, replace=False))
    for begin in range(0, len(someone), _USERS_PER_BATCH):
        users = someone[begin : begin + _USERS_PER_BATCH]
        ratings = data.ratings[users]
        graph = user_vectors(data, model, users) @ model.movie_factors.T  # [batch, n_movies]
        tags = (tag_profiles(ratings, features) @ features.T).toarray().astype(np.float32)
        candidates = unseen_by(data, ratings)
        candidates[only_averse(ratings, model)] &= well_known
        graph_part, tag_part = blend(graph, tags, candidates, DEFAULT_TAG_WEIGHT)
        for scores, counts in ((graph_part + tag_part, blended), (graph, graph_only)):
            top = top_k(scores, ~candidates, every, length, order)
            np.add.at(counts, top[top >= 0], 1)
    return Exposure(
        k, len(someone), movies, blended[movies], graph_only[movies], data.movie_degree[movies]
    )


def lorenz(counts: NDArray[np.integer]) -> pd.DataFrame:
    """The Lorenz curve: films (share of films, least counted first), share (of all counts).

    Both run from 0 to 1; n + 1 rows.
    """
    ordered = np.sort(counts)
    share = np.concatenate([[0], ordered.cumsum()]) / max(ordered.sum(), 1)
    return pd.DataFrame({"films": np.linspace(0, 1, len(ordered) + 1), "share": share})


def gini(counts: NDArray[np.integer]) -> float:
    """Gini coefficient: 0 when all counts are equal, near 1 when one film has them all.

    Half the mean absolute difference between two films over the mean; 0 without any count.
    """
    ordered, n = np.sort(counts).astype(float), len(counts)
    if ordered.sum() == 0:
        return 0.0
    rank = np.arange(1, n + 1)
    return float(((2 * rank - n - 1) @ ordered) / (n * ordered.sum()))


# --- norms and similarities -----------------------------------------------------------------------


def norms(data: MovieData, model: TrainedModel) -> pd.DataFrame:
    """Length of each film's final vector beside its ratings: movie, name, ratings, norm.

    Of the rated films that have one: a fit to the training part knows nothing of a film whose
    ratings are all held out.
    """
    lengths = np.linalg.norm(model.movie_factors, axis=1)
    movies = np.flatnonzero((data.movie_degree > 0) & (lengths > 0))
    return pd.DataFrame(
        {
            "movie": movies,
            "name": [data.labels[movie] for movie in movies],
            "ratings": data.movie_degree[movies],
            "norm": lengths[movies],
        }
    )


def norm_groups(table: pd.DataFrame, bins: int = 60) -> pd.DataFrame:
    """Films with about as many ratings and as long an embedding as one: a picture without overlap.

    Args:
        table: from `norms`.
        bins: even steps of the logarithm along either axis.

    Returns:
        ratings and norm (geometric means), films, who (the most rated film, and how many more).
    """

    def step(values: pd.Series) -> pd.Series:
        place = np.log(values) - np.log(values.min())
        return (place / (place.max() or 1.0) * bins).round()

    logs = table.assign(ratings=np.log(table["ratings"]), norm=np.log(table["norm"]))
    logs = logs.loc[table["ratings"].sort_values(ascending=False, kind="stable").index]
    groups = logs.groupby([step(table["ratings"]), step(table["norm"])])
    found = groups.agg(
        log_ratings=("ratings", "mean"),
        log_norm=("norm", "mean"),
        films=("name", "size"),
        first=("name", "first"),
    )
    more = [f" and {n - 1:,} more" if n > 1 else "" for n in found["films"]]
    return pd.DataFrame(
        {
            "ratings": np.exp(found["log_ratings"]),
            "norm": np.exp(found["log_norm"]),
            "films": found["films"],
            "who": found["first"] + more,
        }
    ).reset_index(drop=True)


def rank_correlation(first: pd.Series, second: pd.Series) -> float:
    """Spearman's ρ, −1 to 1; NaN when either is constant."""
    if first.nunique() < 2 or second.nunique() < 2:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def similarities(
    model: TrainedModel, sample: int | None = None, bins: int = 50, seed: int = 0
) -> pd.DataFrame:
    """How cosines between films are spread: kind, low, high (of the bin), share (of the kind).

    kind "random pairs" or "nearest pairs" (a film with its nearest), mean (of the kind); both from
    a sample of the films, by default 2,000 and fewer of a model with many dimensions or films.
    Empty with fewer than three films.
    """
    directions = model.directions[model.directions.any(axis=1)]
    n, dim = directions.shape
    if sample is None:
        sample = min(2000, max(400, 512_000 // max(dim, 1)), max(_COSINES // max(n, 1), 100))
    if n < 3:
        return pd.DataFrame(columns=["kind", "low", "high", "share"])
    rng = np.random.default_rng(seed)
    chosen = rng.choice(n, min(sample, n), replace=False)
    cosine = directions[chosen] @ directions.T  # [sample, n]
    cosine[np.arange(len(chosen)), chosen] = -np.inf
    other = (chosen[:, None] + rng.integers(1, n, size=(len(chosen), 10))) % n  # never itself
    values = {
        "random pairs": np.take_along_axis(cosine, other, axis=1).ravel(),
        "nearest pairs": cosine.max(axis=1),
    }
    edges = np.linspace(min(v.min() for v in values.values()), 1.0, bins + 1)
    tables = []
    for kind, cosines in values.items():
        count, _ = np.histogram(cosines.clip(max=1.0), edges)
        table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "share": count / count.sum()})
        tables.append(table.assign(kind=kind, mean=float(cosines.mean())))
    return pd.concat(tables, ignore_index=True)


# --- users ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class UserQuality:
    """Held-out quality per user, from E(0) over the training part of the model's own protocol.

    Attributes:
        per_user: index inner user; model and popularity (NDCG@20 on test), liked and
            popularity_liked (the same on the test films with 4 stars or more; NaN without one),
            ratings (in train), mainstream (mean of log10 ratings of the films rated in train).
        protocol: a key of `model.splits.PROTOCOLS`.
        profile: whose weights the films of each user had; None in the paper's model, which has no
            such weights.
        drawn: whether the users are a sample.
    """

    per_user: pd.DataFrame
    protocol: str
    profile: Profile | None = None
    drawn: bool = False


@dataclass(frozen=True, eq=False)
class UserReport:
    """How well users are served, as sums over them: nothing of any one user.

    Attributes:
        users: of whom it is.
        liking: of them, who liked a test film.
        mean: model, popularity, liked, popularity_liked: means of `UserQuality.per_user`, one row.
        missed: share of the users with no test film in the model's list of 20.
        by_ratings, by_taste: `by_group` by "ratings" and by "mainstream".
        protocol, profile, drawn: as in `UserQuality`.
    """

    users: int
    liking: int
    mean: pd.DataFrame
    missed: float
    by_ratings: pd.DataFrame
    by_taste: pd.DataFrame
    protocol: str
    profile: Profile | None
    drawn: bool


def user_report(data: MovieData, model: TrainedModel) -> UserReport:
    """Of the model, or of the same training without the held-out ratings if it was refitted.

    Raises:
        ValueError: the protocol holds nothing out.
    """
    quality = user_quality(data, without_held_out(data, model) if model.refitted else model)
    users = quality.per_user
    return UserReport(
        users=len(users),
        liking=int(users["liked"].notna().sum()),
        mean=users[["model", "popularity", "liked", "popularity_liked"]].mean().to_frame().T,
        missed=float((users["model"] == 0).mean()),
        by_ratings=by_group(quality, "ratings"),
        by_taste=by_group(quality, "mainstream"),
        protocol=quality.protocol,
        profile=quality.profile,
        drawn=quality.drawn,
    )


def without_held_out(data: MovieData, model: TrainedModel) -> TrainedModel:
    """The model that was measured before `model` was refitted: the same training once more."""
    return train(data, PROTOCOLS[model.protocol](data), model.config)


def user_quality(data: MovieData, model: TrainedModel) -> UserQuality:
    """NDCG@20 of each user's test ratings, which neither training nor epoch choice saw.

    Raises:
        ValueError: the model was refitted on all ratings, so it has seen them; or the protocol
            holds nothing out, because every user has too few ratings.
    """
    if model.refitted:
        raise ValueError(
            "The model was fitted to all ratings, so none is left to measure its users with."
        )
    split = PROTOCOLS[model.protocol](data)
    by_model, by_popularity = held_out_reports(data, model, split)
    users = by_model.per_user.index.to_numpy()
    train = split.train.astype(bool).astype(np.float64)
    ratings = np.asarray(train.sum(axis=1)).ravel()
    popular = np.log10(np.maximum(np.asarray(train.sum(axis=0)).ravel(), 1))
    table = pd.DataFrame(
        {
            "model": by_model.per_user["NDCG@20"],
            "popularity": by_popularity.per_user["NDCG@20"],
            "liked": _liked(by_model),
            "popularity_liked": _liked(by_popularity),
            "ratings": ratings[users].astype(np.int64),
            "mainstream": (train @ popular / np.maximum(ratings, 1))[users],
        },
        index=users,
    )
    profile = DEFAULT_PROFILE if model.is_hybrid else None
    return UserQuality(table, model.protocol, profile, sampled_users(split) is not None)


def _liked(report: RankingReport) -> pd.Series:
    """NDCG@20 on liked films; NaN for all where nobody liked a held-out film."""
    name = f"{LIKED}NDCG@20"
    nobody = pd.Series(np.nan, report.per_user.index)
    return report.per_user.get(name, nobody)


def held_out_reports(
    data: MovieData, model: TrainedModel, split: Split
) -> tuple[RankingReport, RankingReport]:
    """The model's and the popularity baseline's test reports; the means of the first are
    `model.test_metrics`. Of large data, of the same users drawn at random."""
    scorers = measured_scorer(data, model, split), popularity(split.train)
    sample = sampled_users(split)
    ours, popular = (evaluate(scorer, split, "test", sample_users=sample) for scorer in scorers)
    return ours, popular


def by_group(quality: UserQuality, column: str, n_groups: int = 5) -> pd.DataFrame:
    """Mean NDCG@20 of groups of equal size, by a column of `per_user` ("ratings", …).

    Returns:
        group (from 1, lowest values first), low, high (of the column), users, scorer
        (`OURS` or `POPULARITY`), ndcg, error (standard error of the mean; NaN for one user).
    """
    users = quality.per_user
    n_groups = min(n_groups, len(users))
    rank = users[column].rank(method="first")
    group = pd.qcut(rank, n_groups, labels=False) + 1 if n_groups > 1 else rank * 0 + 1
    tables = []
    for name, scorer in (("model", OURS), ("popularity", POPULARITY)):
        table = users.groupby(group.astype(int).rename("group")).agg(
            low=(column, "min"),
            high=(column, "max"),
            users=(column, "size"),
            ndcg=(name, "mean"),
            error=(name, "sem"),
        )
        tables.append(table.reset_index().assign(scorer=scorer))
    return pd.concat(tables, ignore_index=True)
