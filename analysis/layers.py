"""The layers one by one: what is sent, how far it reaches, and what more of them would do.

Everything here is what the model computes, taken apart: no approximation, no sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.preprocessing import normalize

from analysis.neighbourhood import Node
from data_preparation import MovieData, normalised_adjacency
from model.evaluation import evaluate
from model.lightgcn import factor_scorer
from model.splits import PROTOCOLS, Split
from model.trained import TrainedModel

LAST, MEAN = "last layer alone", "mean of layers 0 to k"  # of `Smoothing.kind`
DEPTH = 8  # layers in the over-smoothing lab, as many as a model may have


# --- message passing ------------------------------------------------------------------------------


def row_of(data: MovieData, node: Node) -> int:
    """The node's row in Ê and E: users first, then films."""
    kind, inner = node
    return inner if kind == "user" else data.n_users + inner


def node_of(data: MovieData, row: int) -> Node:
    """The inverse of `row_of`."""
    return ("user", row) if row < data.n_users else ("movie", row - data.n_users)


def senders(adjacency: sparse.csr_array, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The neighbours of a row of Ê (as rows) and the weights 1/√(d_u·d_i) of their messages."""
    begin, end = adjacency.indptr[row : row + 2]
    return adjacency.indices[begin:end], adjacency.data[begin:end]


def propagated(
    adjacency: sparse.csr_array, start: NDArray[np.floating], depth: int
) -> Iterator[NDArray[np.floating]]:
    """E(0), E(1) = Ê E(0), … E(depth), each float [n_nodes, dim]."""
    layer = start
    yield layer
    for _ in range(depth):
        layer = adjacency @ layer
        yield layer


def all_layers(adjacency: sparse.csr_array, model: TrainedModel) -> NDArray[np.float32]:
    """E(0) … E(K) of the model, float32 [K + 1, n_nodes, dim]; their mean is F."""
    layers = np.stack(list(propagated(adjacency, model.e0, model.config.layers)))
    layers.flags.writeable = False  # sessions share it
    return layers


# --- how far information travels ------------------------------------------------------------------


@dataclass(frozen=True)
class Reach:
    """How many nodes lie within so many hops of a user, the user included."""

    hops: int
    users: int
    films: int


def reach(data: MovieData, user: int, hops: int = 4) -> list[Reach]:
    """The nodes within 0, 1, … `hops` hops: odd hops add films, even hops add users."""
    rated = data.ratings.astype(bool)
    columns = rated.T.tocsr()
    users, films = np.zeros(data.n_users, bool), np.zeros(data.n_movies, bool)
    users[user] = True
    found = [Reach(0, 1, 0)]
    for hop in range(1, hops + 1):
        if hop % 2:
            films |= (columns @ users.astype(np.int32)) > 0
        else:
            users |= (rated @ films.astype(np.int32)) > 0
        found.append(Reach(hop, int(users.sum()), int(films.sum())))
    return found


@dataclass(frozen=True)
class Smoothing:
    """What one more layer does, to the last layer alone or to the mean of the layers up to it.

    Attributes:
        kind: `LAST` or `MEAN`.
        users, films: mean cosine of all pairs of users, of all pairs of films, −1 to 1.
        ndcg: NDCG@20 on the validation ratings.
    """

    layer: int
    kind: str
    users: float
    films: float
    ndcg: float


def smoothing(data: MovieData, model: TrainedModel, depth: int = DEPTH) -> list[Smoothing]:
    """E(0) of the model, propagated over the training part of its split for 0 … `depth` layers.

    Raises:
        ValueError: nothing is held out in the validation part of the split.
    """
    split = PROTOCOLS[model.protocol](data)
    results, total = [], np.zeros_like(model.e0)
    layers = propagated(normalised_adjacency(split.train), model.e0, depth)
    for k, layer in enumerate(layers):
        total = total + layer
        for kind, embeddings in ((LAST, layer), (MEAN, total / np.float32(k + 1))):
            results.append(_measure(split, k, kind, embeddings))
    return results


def _measure(split: Split, k: int, kind: str, embeddings: NDArray[np.float32]) -> Smoothing:
    n_users = split.train.shape[0]
    users, films = embeddings[:n_users], embeddings[n_users:]
    rated = np.bincount(split.train.indices, minlength=len(films)) > 0
    return Smoothing(
        layer=k,
        kind=kind,
        users=mean_cosine(users),
        films=mean_cosine(films[rated]),
        ndcg=evaluate(factor_scorer(users, films), split, "validation", (20,)).mean()["NDCG@20"],
    )


def mean_cosine(rows: NDArray[np.floating]) -> float:
    """The mean cosine of all pairs of different rows, exactly; NaN with fewer than two rows.

    Σ_{a≠b} x_a·x_b = ‖Σ_a x_a‖² − n for n rows of length 1, so no pair has to be visited. Rows of
    zeros have no direction and are left out.
    """
    directions = normalize(rows[rows.any(axis=1)].astype(np.float64))
    n = len(directions)
    if n < 2:
        return float("nan")
    return float((np.square(directions.sum(axis=0)).sum() - n) / (n * (n - 1)))
