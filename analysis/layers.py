"""The layers one by one: how far what is sent reaches, and what more layers would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from analysis.neighbourhood import Kind
from analysis.network import Floats, Network, propagated
from data_preparation import MovieData
from model.evaluation import evaluate
from model.lightgcn import factor_scorer
from model.splits import Split

LAST, MEAN = "last layer alone", "mean of layers 0 to k"  # of `Smoothing.kind`
DEPTH = 8  # layers in the over-smoothing lab, as many as a model may have
_RANKED, _FEWEST_RANKED = 10_000_000, 200  # scores per layer that are ranked, and people at least


# --- how far information travels ------------------------------------------------------------------


@dataclass(frozen=True)
class Reach:
    """How many nodes lie within so many hops of a user, the user included."""

    hops: int
    users: int
    films: int


def reach(data: MovieData, user: int, hops: int = 4) -> list[Reach]:
    """The nodes within 0, 1, … `hops` hops: odd hops add films, even hops add users."""
    of_user = np.flatnonzero(data.user_degree)  # reduceat knows no empty rows
    begins = data.ratings.indptr[of_user]
    users, films = np.zeros(data.n_users, bool), np.zeros(data.n_movies, bool)
    users[user] = True
    found = [Reach(0, 1, 0)]
    for hop in range(1, hops + 1):
        if hop % 2:
            films[data.ratings.indices[np.repeat(users, data.user_degree)]] = True
        else:
            users[of_user] |= np.logical_or.reduceat(films[data.ratings.indices], begins)
        found.append(Reach(hop, int(users.sum()), int(films.sum())))
    return found


@dataclass(frozen=True)
class Smoothing:
    """What one more layer does, to the last layer alone or to the mean of the layers up to it.

    Attributes:
        kind: `LAST` or `MEAN`.
        users, films: mean cosine of all pairs of users, of all pairs of films, −1 to 1.
        ndcg: NDCG@20 on the validation ratings.

    Each is NaN where there is nothing to compare: before people hold anything.
    """

    layer: int
    kind: str
    users: float
    films: float
    ndcg: float


def smoothing(
    split: Split, network: Network, depth: int = DEPTH
) -> Iterator[tuple[Smoothing, Smoothing, dict[Kind, Floats]]]:
    """E(0) of a network for 0 … `depth` layers, whatever its K.

    Args:
        split: whose training part are the network's ratings.

    Yields:
        What the layer does alone and in the mean, and the vectors of the layer alone, by side.

    Raises:
        ValueError: nothing is held out in the validation part of the split.
    """
    last = dict(network.start)
    total = {kind: np.zeros_like(part) for kind, part in last.items()}
    for k, layer in enumerate(propagated(network, network.start, depth)):
        for kind, part in layer.items():
            total[kind] += part
        last = _last_that_holds(last, layer)
        mean = {kind: part / np.float32(k + 1) for kind, part in total.items()}
        yield _measure(split, k, LAST, last), _measure(split, k, MEAN, mean), last


def people_measured(split: Split) -> int:
    """How many people, chosen at random, the NDCG of `smoothing` is of: all of not very many."""
    n_users, n_movies = split.train.shape
    return min(n_users, max(_RANKED // n_movies, _FEWEST_RANKED))


def _last_that_holds(before: dict[Kind, Floats], layer: dict[Kind, Floats]) -> dict[Kind, Floats]:
    """The layer, and where all of a side is zero in it, that side of the layer before.

    Where people start at zero, they hold something at odd layers only, and films at even ones.
    """
    return {kind: part if part.any() else before[kind] for kind, part in layer.items()}


def _measure(split: Split, k: int, kind: str, sides: dict[Kind, Floats]) -> Smoothing:
    users, films = sides["user"], sides["movie"]
    rated = np.bincount(split.train.indices, minlength=len(films)) > 0
    ndcg = float("nan")  # where one side holds nothing, there is no order to measure
    if users.any() and films.any():
        report = evaluate(
            factor_scorer(users, films), split, "validation", (20,), people_measured(split)
        )
        ndcg = report.mean()["NDCG@20"]
    return Smoothing(
        layer=k,
        kind=kind,
        users=mean_cosine(users),
        films=mean_cosine(films[rated]),
        ndcg=ndcg,
    )


def mean_cosine(rows: NDArray[np.floating]) -> float:
    """The mean cosine of all pairs of different rows, exactly; NaN with fewer than two rows.

    Σ_{a≠b} x_a·x_b = ‖Σ_a x_a‖² − n for n rows of length 1, so no pair has to be visited. Rows of
    zeros have no direction and are left out.
    """
    rows = rows[rows.any(axis=1)]
    n = len(rows)
    if n < 2:
        return float("nan")
    directions = normalize(rows.astype(np.float64))
    return float((np.square(directions.sum(axis=0)).sum() - n) / (n * (n - 1)))
