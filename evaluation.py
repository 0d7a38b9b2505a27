"""Honest measurement: splits that cannot overlap, full ranking, Hit/Recall/NDCG@K, baselines.

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
from scipy import linalg, sparse
from sklearn.utils.extmath import randomized_svd

from data_preparation import MovieData

Part = Literal["validation", "test"]
Scorer = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Inner user ids [batch] → scores float [batch, n_movies]; higher ranks first."""

_RESAMPLES = 2000
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

    def rated_movies(self) -> NDArray[np.bool_]:
        """The films with a rating in any part, bool [n_movies]: the ones that compete."""
        rated = np.zeros(self.train.shape[1], bool)
        for part in (self.train, self.validation, self.test):
            rated[part.indices] = True
        return rated


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
    "random_80_10_10": random_80_10_10,
    "temporal_leave_one_out": temporal_leave_one_out,
}
DEFAULT_PROTOCOL = "random_80_10_10"  # one held-out film per user is too noisy to choose an epoch


@dataclass(frozen=True, eq=False)
class RankingReport:
    """Metrics per user.

    Attributes:
        per_user: one row per measured (inner) user, columns such as "Hit@10", "NDCG@20".
        top: int32 [n_measured, max K], the ranked films, best first; −1 where a user has no
            candidate left.
    """

    protocol: str
    part: Part
    per_user: pd.DataFrame
    top: NDArray[np.int32]

    def mean(self) -> dict[str, float]:
        """Mean over the measured users, by metric name."""
        return {name: float(value) for name, value in self.per_user.mean().items()}

    def interval(self, metric: str, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
        """Bootstrap percentile interval of the mean, resampling users (Efron 1979)."""
        values = self.per_user[metric].to_numpy()
        rng = np.random.default_rng(seed)
        chosen = rng.integers(len(values), size=(_RESAMPLES, len(values)))
        means = values[chosen].mean(axis=1)
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def coverage(self, k: int, n_candidates: int) -> float:
        """Share of the candidate films that appear in anybody's top K, 0 to 1."""
        shown = self.top[:, :k]
        return len(np.unique(shown[shown >= 0])) / n_candidates

    def mean_popularity(self, k: int, train: sparse.csr_array) -> float:
        """Mean number of training ratings of the films in the top K lists."""
        counts = np.bincount(train.indices, minlength=train.shape[1])
        shown = self.top[:, :k]
        return float(counts[shown[shown >= 0]].mean())


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
    held_out, known = split.held_out(part), split.known(part)
    rankable = split.rated_movies()
    if films is not None:
        held_out = (held_out @ sparse.diags_array(films.astype(np.float32))).tocsr()
        held_out.eliminate_zeros()
    users = np.flatnonzero(np.diff(held_out.indptr))
    if not len(users):
        raise ValueError(f"The {part} part of the split holds no rating to measure on.")
    rng = np.random.default_rng(seed)
    if sample_users is not None and sample_users < len(users):
        users = np.sort(rng.choice(users, sample_users, replace=False))

    depth = min(max(ks), known.shape[1])
    order = rng.permutation(known.shape[1])  # equal scores end up in random order
    tops, hits = [], []
    for begin in range(0, len(users), _USERS_PER_BATCH):
        batch = users[begin : begin + _USERS_PER_BATCH]
        scores = np.array(scorer(batch), dtype=np.float32)  # [batch, n_movies], our own copy
        if not np.isfinite(scores).all():
            raise ValueError("The model gives scores that are not finite; train it again.")
        scores[known[batch].nonzero()] = -np.inf
        scores[:, ~rankable] = -np.inf
        best = torch.from_numpy(scores[:, order]).topk(depth)
        movies = order[best.indices.numpy()]  # [batch, depth]
        is_held_out = held_out[batch].toarray() > 0
        hits.append(np.take_along_axis(is_held_out, movies, axis=1))
        tops.append(np.where(np.isfinite(best.values.numpy()), movies, -1).astype(np.int32))
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


def item_knn(train: sparse.csr_array, neighbours: int = 30) -> Scorer:
    """Item-based neighbours: x_u S, S the cosines of film columns (Sarwar et al. 2001).

    Only the strongest `neighbours` similarities of each film are kept.
    """
    rated = train.astype(bool).astype(np.float32)
    norms = np.sqrt(rated.sum(axis=0))  # [n_movies]
    columns = rated.tocsc()
    kept = []
    for begin in range(0, rated.shape[1], 1024):
        block = (columns[:, begin : begin + 1024].T @ rated).toarray()  # shared viewers
        block /= norms[begin : begin + 1024, None] * norms + 1e-9
        block[np.arange(len(block)), np.arange(begin, begin + len(block))] = 0
        if neighbours < block.shape[1]:
            block[block < -np.partition(-block, neighbours, axis=1)[:, [neighbours]]] = 0
        kept.append(sparse.csr_array(block))
    similarity = sparse.vstack(kept, format="csr").T.tocsr()  # [n_movies, n_movies]
    return lambda users: (rated[users] @ similarity).toarray()


def ease(train: sparse.csr_array, l2: float = 200.0) -> Scorer:
    """EASE^R, a linear autoencoder with zero diagonal (Steck 2019, eq. 8): x_u B, B = I − P/diag P.

    P = (XᵀX + λI)^-1. With fewer users than films it goes through G = XXᵀ + λI instead, because
    x_u P is row u of G^-1 X, and diag P = (1 − diag Xᵀ G^-1 X)/λ (Woodbury).
    """
    dense = train.astype(bool).toarray().astype(np.float64)  # X  [n_users, n_movies]
    n_users, n_movies = dense.shape
    if n_users < n_movies:
        projected = linalg.solve(dense @ dense.T + l2 * np.eye(n_users), dense, assume_a="pos")
        diagonal = (1 - (dense * projected).sum(axis=0)) / l2  # [n_movies]
    else:
        inverse = linalg.inv(dense.T @ dense + l2 * np.eye(n_movies))
        projected, diagonal = dense @ inverse, np.diag(inverse)
    scores = (dense - projected / diagonal).astype(np.float32)
    return lambda users: scores[users]


def pure_svd(train: sparse.csr_array, dim: int = 48, seed: int = 0) -> Scorer:
    """Projection of x_u on the top right singular vectors (Cremonesi et al. 2010)."""
    rated = train.astype(bool).astype(np.float32)
    _, _, right = randomized_svd(rated, dim, random_state=seed)  # [dim, n_movies]
    right = right.astype(np.float32)
    return lambda users: (rated[users] @ right.T) @ right


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
