"""Honest measurement: splits that cannot overlap, full ranking, Hit/Recall/NDCG@K, popularity.

Every film that has a rating anywhere competes; films that the user is already known to have rated
are taken out of the ranking; ties are broken at random, never by id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData

Part = Literal["validation", "test"]
Scorer = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Inner user ids [batch] → scores float [batch, n_movies]; higher ranks first."""

_USERS_PER_BATCH = 512  # bounds the dense score block to a few tens of MiB


@dataclass(frozen=True, eq=False)
class Split:
    """Interactions in three disjoint parts, each csr [n_users, n_movies] with stars as values.

    Raises:
        ValueError: on construction, if the shapes differ or a rating is in two parts.
    """

    protocol: str
    train: sparse.csr_array
    validation: sparse.csr_array
    test: sparse.csr_array

    def __post_init__(self) -> None:
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        if len({part.shape for part in parts.values()}) != 1:
            raise ValueError("The parts of a split must have the same users and movies.")
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
            shared = parts[first].astype(bool).multiply(parts[second].astype(bool)).nnz
            if shared:
                raise ValueError(
                    f"{shared} ratings are in both {first} and {second}; "
                    "a metric on them would be worthless."
                )

    def known(self, part: Part) -> sparse.csr_array:
        """What a model may know, and the ranking leaves out, when `part` is measured."""
        return self.train if part == "validation" else (self.train + self.validation).tocsr()

    def held_out(self, part: Part) -> sparse.csr_array:
        return self.validation if part == "validation" else self.test


def temporal_leave_one_out(data: MovieData) -> Split:
    """Each user's last rating is test, the one before it validation, the rest train.

    Order: timestamp, then movieId. Users with fewer than three ratings stay in train whole.
    """
    order, users = _by_user_and_time(data)
    from_end = data.ratings.indptr[users + 1] - 1 - np.arange(len(users))  # 0 = the user's last
    enough = data.user_degree[users] >= 3
    part = np.zeros(len(users), np.int8)
    part[order] = np.where(enough & (from_end == 0), 2, np.where(enough & (from_end == 1), 1, 0))
    return _split_by_part("temporal_leave_one_out", data, part)


def random_80_10_10(data: MovieData, seed: int = 42) -> Split:
    """Of each user's ratings a random 10 % are test, another 10 % validation (rounded)."""
    order, users = _by_user_and_time(data)
    rng = np.random.default_rng(seed)
    part = np.zeros(len(users), np.int8)
    # One permutation per user, in user order: reproduces the published split number for number.
    for begin, end in zip(data.ratings.indptr[:-1], data.ratings.indptr[1:], strict=True):
        shuffled = order[begin:end][rng.permutation(end - begin)]
        held_out = round(0.1 * (end - begin))
        part[shuffled[:held_out]] = 2
        part[shuffled[held_out : 2 * held_out]] = 1
    return _split_by_part("random_80_10_10", data, part)


PROTOCOLS: dict[str, Callable[[MovieData], Split]] = {
    "temporal_leave_one_out": temporal_leave_one_out,
    "random_80_10_10": random_80_10_10,
}


@dataclass(frozen=True, eq=False)
class RankingReport:
    """Metrics per user.

    Attributes:
        per_user: one row per measured (inner) user, columns such as "Hit@10", "NDCG@20".
        top: int32 [n_measured, max K], the ranked films, best first.
    """

    protocol: str
    part: Part
    per_user: pd.DataFrame
    top: NDArray[np.int32]

    def mean(self) -> dict[str, float]:
        """Mean over the measured users, by metric name."""
        return {name: float(value) for name, value in self.per_user.mean().items()}


def evaluate(
    scorer: Scorer,
    split: Split,
    part: Part,
    ks: Sequence[int] = (10, 20),
    sample_users: int | None = None,
    seed: int = 0,
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

    Raises:
        ValueError: nothing is held out in `part`, a K is below 1, or a score is not finite.
    """
    if min(ks) < 1:
        raise ValueError(f"K must be at least 1; got {min(ks)}.")
    held_out, known = split.held_out(part), split.known(part)
    users = np.flatnonzero(np.diff(held_out.indptr))
    if not len(users):
        raise ValueError(f"The {part} part of the split holds no rating to measure on.")
    rng = np.random.default_rng(seed)
    if sample_users is not None and sample_users < len(users):
        users = np.sort(rng.choice(users, sample_users, replace=False))
    unrated = np.flatnonzero(np.bincount((known + held_out).indices, minlength=known.shape[1]) == 0)
    if part == "validation":  # films seen only in test compete as well
        unrated = np.setdiff1d(unrated, split.test.indices)

    depth = min(max(ks), known.shape[1])
    order = rng.permutation(known.shape[1])  # equal scores end up in random order
    tops, hits = [], []
    for begin in range(0, len(users), _USERS_PER_BATCH):
        batch = users[begin : begin + _USERS_PER_BATCH]
        scores = np.array(scorer(batch), dtype=np.float32)  # [batch, n_movies], our own copy
        if not np.isfinite(scores).all():
            raise ValueError("The model gives scores that are not finite; train it again.")
        scores[known[batch].nonzero()] = -np.inf
        scores[:, unrated] = -np.inf
        best = torch.from_numpy(scores[:, order]).topk(depth).indices.numpy()
        tops.append(order[best].astype(np.int32))  # [batch, depth]
        is_held_out = held_out[batch].toarray() > 0
        hits.append(np.take_along_axis(is_held_out, tops[-1], axis=1))
    top, hit = np.concatenate(tops), np.concatenate(hits)
    n_held_out = np.diff(held_out.indptr)[users]
    columns = ranking_metrics(hit, n_held_out, ks)
    return RankingReport(split.protocol, part, pd.DataFrame(columns, index=users), top)


def ranking_metrics(
    hit: NDArray[np.bool_], n_held_out: NDArray[np.integer], ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Hit@K, Recall@K and NDCG@K per user from the hits by rank.

    Args:
        hit: bool [n_users, depth]; column 0 is rank 1.
        n_held_out: int [n_users], at least 1 each.
    """
    depth = hit.shape[1]
    discount = 1.0 / np.log2(np.arange(2, max(*ks, depth) + 2))  # rank 1 → 1/log2(2)
    found = hit.cumsum(axis=1)
    gain = (hit * discount[:depth]).cumsum(axis=1)
    ideal = discount.cumsum()
    metrics = {}
    for k in ks:
        last = min(k, depth) - 1
        metrics[f"Hit@{k}"] = (found[:, last] > 0).astype(np.float64)
        metrics[f"Recall@{k}"] = found[:, last] / n_held_out
        metrics[f"NDCG@{k}"] = gain[:, last] / ideal[np.minimum(k, n_held_out) - 1]
    return metrics


def popularity(train: sparse.csr_array) -> Scorer:
    """The first baseline: everyone gets the films with most ratings in train."""
    counts = np.bincount(train.indices, minlength=train.shape[1]).astype(np.float32)
    return lambda users: np.broadcast_to(counts, (len(users), len(counts)))


def _by_user_and_time(data: MovieData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the ratings by user, time, movie, and the user at each place of that order."""
    users = np.repeat(np.arange(data.n_users), data.user_degree)
    return np.lexsort((data.ratings.indices, data.timestamps, users)), users


def _split_by_part(protocol: str, data: MovieData, part: NDArray[np.int8]) -> Split:
    users = np.repeat(np.arange(data.n_users), data.user_degree)

    def where(number: int) -> sparse.csr_array:
        chosen = part == number
        return sparse.coo_array(
            (data.ratings.data[chosen], (users[chosen], data.ratings.indices[chosen])),
            shape=data.ratings.shape,
        ).tocsr()

    return Split(protocol, where(0), where(1), where(2))
