"""Honest measurement: full ranking, Hit/Recall/NDCG@K, bootstrap intervals.

Every film that has a rating anywhere competes; films that the user is already known to have rated
are taken out of the ranking; ties are broken at random, never by id.

A hit is not a like: metrics whose name begins with "liked " count only the held-out films that got
4 stars or more, and `RankingReport.hit_stars` says how many stars the hits got.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse

from model.splits import Part, Split

Scorer = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Inner user ids [batch] → scores float [batch, n_movies]; higher ranks first."""


LIKED = "liked "  # begins the name of a metric that counts only liked films
LIKED_STARS = 4.0
LOW_STARS = 3.0  # a hit below is a film that was watched, but hardly liked
_RESAMPLES = 2000
_RESAMPLED_AT_ONCE = 2_000_000  # bounds the tables of a bootstrap to 32 MB
# Bounds the dense block of scores to 20 MiB, which the memory allocator still hands out again.
_USERS_PER_BATCH, _SCORES_PER_BATCH = 512, 5_000_000
# Users × films that one measurement of a training looks at, at most: MovieLens 10M is measured
# whole, of 25M some 24,000 people. An interval says what a sample leaves open.
_SCORES_MEASURED = 1_500_000_000


@dataclass(frozen=True, eq=False)
class RankingReport:
    """Metrics per user.

    Attributes:
        per_user: one row per measured (inner) user, columns such as "Hit@10", "NDCG@20" and
            "liked NDCG@20"; NaN in the latter for users without a liked held-out film.
        top: int32 [n_measured, max K], the ranked films, best first; −1 where a user has no
            candidate left.
        stars: float32 [n_measured, max K], the stars of the held-out films among them, 0 elsewhere.
    """

    protocol: str
    part: Part
    per_user: pd.DataFrame
    top: NDArray[np.int32]
    stars: NDArray[np.float32]

    def mean(self) -> dict[str, float]:
        """Mean over the measured users, by metric name."""
        return {name: float(value) for name, value in self.per_user.mean().items()}

    def interval(self, metric: str, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
        """Bootstrap percentile interval of the mean, resampling users (Efron 1979)."""
        return bootstrap_interval(self.per_user[metric].to_numpy(), level, seed)

    def hit_stars(self, k: int) -> tuple[float, float]:
        """Mean stars of the hits in the top K, and the share of them below 3; NaN without a hit."""
        stars = self.stars[:, :k]
        found = stars[stars > 0]
        if not len(found):
            return float("nan"), float("nan")
        return float(found.mean()), float((found < LOW_STARS).mean())

    def coverage(self, k: int, n_candidates: int) -> float:
        """Share of the candidate films that appear in anybody's top K, 0 to 1."""
        shown = self.top[:, :k]
        return len(np.unique(shown[shown >= 0])) / n_candidates

    def mean_popularity(self, k: int, train: sparse.csr_array) -> float:
        """Mean number of training ratings of the films in the top K lists."""
        counts = np.bincount(train.indices, minlength=train.shape[1])
        shown = self.top[:, :k]
        return float(counts[shown[shown >= 0]].mean())


def bootstrap_interval(
    values: NDArray[np.float64], level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The percentile interval of the mean of what is not NaN, by resampling (Efron 1979); of paired
    differences that of the mean difference."""
    values = values[~np.isnan(values)]
    rng = np.random.default_rng(seed)
    rows = max(_RESAMPLED_AT_ONCE // len(values), 1)
    means = [
        values[rng.integers(len(values), size=(min(rows, _RESAMPLES - done), len(values)))].mean(
            axis=1
        )
        for done in range(0, _RESAMPLES, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def users_at_once(n_movies: int) -> int:
    """How many people are ranked together."""
    return min(_USERS_PER_BATCH, max(_SCORES_PER_BATCH // n_movies, 32))


def sampled_users(split: Split) -> int | None:
    """How many people a training is measured on, drawn at random; None where it is all."""
    users, films = split.processes.total_of(split.train.shape[0]), split.train.shape[1]
    return None if users * films <= _SCORES_MEASURED else _SCORES_MEASURED // films


def evaluate(
    scorer: Scorer,
    split: Split,
    part: Part,
    ks: Sequence[int] = (10, 20),
    sample_users: int | None = None,
    seed: int = 0,
    films: NDArray[np.bool_] | None = None,
) -> RankingReport:
    """Rank all films for every user who has held-out films, and measure the top K.

    Hit@K: 1 if any held-out film is in the top K. Recall@K: hits / number of held-out films.
    NDCG@K: Σ hit/log2(rank+1) over the ideal, which has min(K, number of held-out films) hits
    (Järvelin & Kekäläinen 2002).

    Args:
        scorer: scores for a batch of users; must be finite.
        ks: the cut-offs K, each at least 1.
        sample_users: measure a random sample of that many users instead of all.
        seed: of the sample and of the random tie-breaking.
        films: bool [n_movies]; only these held-out films count (all films still compete). None
            counts all.

    Raises:
        ValueError: nothing is held out in `part`, a K or the sample is below 1, or a score is not
            finite.
    """
    if min(ks) < 1:
        raise ValueError(f"K must be at least 1; got {min(ks)}.")
    if sample_users is not None and sample_users < 1:
        raise ValueError(f"The sample must hold at least 1 user; got {sample_users}.")
    held_out, n_movies, processes = split.held_out(part), split.train.shape[1], split.processes
    rankable = split.rated_movies()
    if films is not None:
        held_out = (held_out @ sparse.diags_array(films.astype(np.float32))).tocsr()
        held_out.eliminate_zeros()
    users = np.flatnonzero(np.diff(held_out.indptr))
    n_measured = processes.everybodys(len(users))
    if not sum(n_measured):
        raise ValueError(f"The {part} part of the split holds no rating to measure on.")
    rng = np.random.default_rng(seed)
    if sample_users is not None and sample_users < sum(n_measured):
        begin = sum(n_measured[: processes.rank])
        places = np.sort(rng.choice(sum(n_measured), sample_users, replace=False)) - begin
        users = users[places[(places >= 0) & (places < len(users))]]

    depth = min(max(ks), n_movies)
    order = rng.permutation(n_movies)  # equal scores end up in random order
    top, found = np.empty((len(users), depth), np.int32), np.empty((len(users), depth), np.float32)
    size = users_at_once(n_movies)
    for begin in range(0, len(users), size):
        batch, rows = users[begin : begin + size], slice(begin, begin + size)
        scores = np.asarray(scorer(batch), dtype=np.float32)  # [batch, n_movies]
        if not np.isfinite([scores.min(), scores.max()]).all():
            raise ValueError("The model gives scores that are not finite: it cannot be measured.")
        top[rows] = top_k(scores, split.known(part, batch), rankable, depth, order)
        found[rows] = _stars_of(held_out[batch], top[rows])
    columns = ranking_metrics(found > 0, np.diff(held_out.indptr)[users], ks)
    liked = held_out[users] >= LIKED_STARS
    columns |= {
        LIKED + name: values
        for name, values in ranking_metrics(
            found >= LIKED_STARS, np.asarray(liked.sum(axis=1)).ravel(), ks
        ).items()
    }
    columns = {name: processes.joined(values) for name, values in columns.items()}
    # Whoever shares the people numbers them on from those before.
    first = sum(processes.everybodys(held_out.shape[0])[: processes.rank])
    table = pd.DataFrame(columns, index=processes.joined(users + first)).dropna(axis=1, how="all")
    return RankingReport(split.protocol, part, table, top, found)


def ranking_metrics(
    hit: NDArray[np.bool_], n_held_out: NDArray[np.integer], ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Hit@K, Recall@K and NDCG@K per user from the hits by rank.

    Args:
        hit: bool [n_users, depth]; column 0 is rank 1.
        n_held_out: int [n_users]; where it is 0 the metrics are NaN.
    """
    depth = hit.shape[1]
    discount = 1.0 / np.log2(np.arange(2, max(*ks, depth) + 2))  # rank 1 → 1/log2(2)
    found = hit.cumsum(axis=1, dtype=np.float64)
    gain = (hit * discount[:depth]).cumsum(axis=1)
    ideal = discount.cumsum()
    any_held_out = np.where(n_held_out > 0, 1.0, np.nan)  # [n_users]
    at_least_one = np.maximum(n_held_out, 1)
    metrics: dict[str, NDArray[np.float64]] = {}
    for k in ks:
        last = min(k, depth) - 1
        metrics[f"Hit@{k}"] = np.minimum(found[:, last], 1) * any_held_out
        metrics[f"Recall@{k}"] = found[:, last] / at_least_one * any_held_out
        metrics[f"NDCG@{k}"] = gain[:, last] / ideal[np.minimum(k, at_least_one) - 1] * any_held_out
    return metrics


def _stars_of(held_out: sparse.csr_array, top: NDArray[np.int32]) -> NDArray[np.float32]:
    """The stars of the listed films in these rows, 0 where they are not held out; as `top`."""
    n_rows, n_movies = held_out.shape
    rows = np.repeat(np.arange(n_rows), np.diff(held_out.indptr))
    keys = np.append(rows * n_movies + held_out.indices, n_rows * n_movies)  # and one at the end
    in_order = np.argsort(keys)
    asked = np.arange(n_rows)[:, None] * n_movies + top
    place = np.searchsorted(keys, asked, sorter=in_order)
    place = in_order[np.minimum(place, len(keys) - 1)]
    found = (keys[place] == asked) & (top >= 0)
    return np.where(found, np.append(held_out.data, 0)[place], 0).astype(np.float32)


def top_k(
    scores: NDArray[np.float32],
    known: NDArray[np.bool_] | sparse.csr_array,
    rankable: NDArray[np.bool_],
    depth: int,
    order: NDArray[np.integer],
) -> NDArray[np.int32]:
    """The films with the highest scores, best first: the one rule of masking and ranking.

    Args:
        scores: float [batch, n_movies]; left as they are.
        known: [batch, n_movies]; what each one knows already is no candidate.
        rankable: bool [n_movies]; only these compete.
        depth: length of the lists, at most n_movies.
        order: a permutation in which the films are looked at, so that equal scores need not end
            up by id.

    Returns:
        int32 [batch, depth], inner movie ids; −1 where no candidate is left.
    """
    masked = np.array(scores, dtype=np.float32)  # our own copy
    masked[known.nonzero()] = -np.inf
    if not rankable.all():
        masked[:, ~rankable] = -np.inf
    best = torch.from_numpy(masked).topk(min(depth + 1, masked.shape[1]))
    values, movies = best.values.numpy(), best.indices.numpy()[:, :depth]
    # Equal scores go by the order, so the list of K begins every longer one.
    equal = (values[:, 1:] == values[:, :-1]) & np.isfinite(values[:, 1:])
    tied = np.flatnonzero(equal.any(axis=1))
    values = values[:, :depth]
    if len(tied):
        some = masked[tied]
        row, film = np.nonzero(some >= values[tied, -1:])  # depth of them in each row, or more
        score = some[row, film]
        by_rank = np.lexsort((np.argsort(order)[film], -score, row))
        begins = np.searchsorted(row, np.arange(len(tied)))
        first = by_rank[begins[:, None] + np.arange(depth)]  # [tied, depth]
        movies[tied], values[tied] = film[first], score[first]
    return np.where(np.isfinite(values), movies, -1).astype(np.int32)
