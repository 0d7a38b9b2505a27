"""The layers one by one: what is sent, how far it reaches, and what more of them would do.

All of it is of one network, LightGCN as its paper has it: the model itself where it is of that
kind, and one made of the model's film vectors where it is a hybrid (`lesson_network`). Everything
is what that network computes, taken apart: no approximation, no sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.preprocessing import normalize

from analysis.neighbourhood import Node
from data_preparation import MovieData, normalised_adjacency
from model.evaluation import evaluate
from model.lightgcn import factor_scorer
from model.splits import Split
from model.trained import TrainedModel, assemble

LAST, MEAN = "last layer alone", "mean of layers 0 to k"  # of `Smoothing.kind`
DEPTH = 8  # layers in the over-smoothing lab, as many as a model may have
_RANKED, _FEWEST_RANKED = 10_000_000, 200  # scores per layer that are ranked, and people at least
_LESSON_DIM, _LESSON_LAYERS = 64, 2
# How far rated films score above the average one in the network of a hybrid: where the pull of BPR
# is neither 0 nor 1.
_LESSON_MARGIN = 3.0


# --- the network of the lessons -------------------------------------------------------------------


def lesson_network(data: MovieData, model: TrainedModel) -> TrainedModel:
    """The network that the lessons take apart, of the kind "paper".

    For a hybrid model it holds the model's film vectors in their (at most) 64 strongest columns as
    E(0), and zeros for people, who get everything from their films, as in the model itself; K = 2,
    over the ratings alone. One factor for all vectors puts rated films a margin of 3 above the
    average film.

    A model of the paper's kind is that network itself. For a visitor among the users
    (`analysis.people.with_visitor`), for whom nothing was learned, it gets a row of zeros.
    """
    if not model.is_hybrid:
        return model if len(model.own_factors) == data.n_users else _with_newcomer(data, model)
    sizes = np.linalg.norm(model.e0, axis=0)
    films = model.e0[:, np.argsort(-sizes, kind="stable")[:_LESSON_DIM]]  # [n_movies, ≤ 64]
    e0 = np.concatenate([np.zeros((data.n_users, films.shape[1]), np.float32), films])
    network = _assembled(data, model, e0)
    margin = _margin(data, network)
    return _times(network, (_LESSON_MARGIN / margin) ** 0.5) if margin > 0 else network


def _times(network: TrainedModel, factor: float) -> TrainedModel:
    """The network of E(0) times a factor; all is linear in E(0), and the fold-in map a ratio."""
    names = ("e0", "user_factors", "movie_factors", "movie_messages")
    arrays = {name: getattr(network, name) * np.float32(factor) for name in names}
    for array in arrays.values():
        array.flags.writeable = False
    return replace(network, **arrays)


def _with_newcomer(data: MovieData, model: TrainedModel) -> TrainedModel:
    learned = len(model.own_factors)
    nothing = np.zeros((data.n_users - learned, model.dim), np.float32)
    e0 = np.concatenate([model.e0[:learned], nothing, model.e0[learned:]])
    return _assembled(data, model, e0, model.config.layers)


def _assembled(
    data: MovieData, model: TrainedModel, e0: NDArray[np.float32], layers: int = _LESSON_LAYERS
) -> TrainedModel:
    config = replace(
        model.config, model="paper", dim=e0.shape[1], layers=layers, epochs=1, attention=False
    )
    return assemble(
        data,
        e0.copy(),
        np.zeros(0, np.float32),
        np.zeros(0),
        config=config,
        protocol=model.protocol,
        mean_stars=model.mean_stars,
        history=(),
        best_epoch=0,
        test_metrics={},
        stop_reason="It was not trained: its vectors are those of another model.",
        refitted=model.refitted,
    )


def _margin(data: MovieData, model: TrainedModel) -> float:
    """The mean score of all ratings less that of all pairs of a user and a rated film."""
    users = model.user_factors.astype(np.float64)
    films = model.movie_factors.astype(np.float64)
    received = data.ratings.astype(bool).astype(np.float64) @ films  # [n_users, dim]
    rated = float((received * users).sum()) / max(data.n_ratings, 1)
    return rated - float(users.mean(axis=0) @ films[data.movie_degree > 0].mean(axis=0))


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


def message_sizes(data: MovieData, network: TrainedModel, user: int) -> NDArray[np.float64]:
    """The length of what each rated film sends the user in the first step, in their order."""
    films = network.e0[data.n_users + data.rated_by(user)]
    return data.edge_weights(user) * np.linalg.norm(films, axis=1)


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
    split: Split, model: TrainedModel, depth: int = DEPTH
) -> Iterator[tuple[Smoothing, Smoothing, NDArray[np.float32]]]:
    """E(0) of the model, propagated over the training part of a split for 0 … `depth` layers.

    Yields:
        What the layer does alone and in the mean, and the vectors of the layer alone,
        float32 [n_nodes, dim].

    Raises:
        ValueError: nothing is held out in the validation part of the split.
    """
    total = last = np.zeros_like(model.e0)
    for k, layer in enumerate(propagated(normalised_adjacency(split.train), model.e0, depth)):
        total = total + layer
        last = _last_that_holds(last, layer, split.train.shape[0])
        mean = total / np.float32(k + 1)
        yield _measure(split, k, LAST, last), _measure(split, k, MEAN, mean), last


def people_measured(split: Split) -> int:
    """How many people, chosen at random, the NDCG of `smoothing` is of: all of not very many."""
    n_users, n_movies = split.train.shape
    return min(n_users, max(_RANKED // n_movies, _FEWEST_RANKED))


def _last_that_holds(
    before: NDArray[np.float32], layer: NDArray[np.float32], n_users: int
) -> NDArray[np.float32]:
    """The layer, and where all of a side is zero in it, that side of the layer before.

    Where people start at zero, they hold something at odd layers only, and films at even ones.
    """
    sides = ((before[:n_users], layer[:n_users]), (before[n_users:], layer[n_users:]))
    return np.concatenate([new if new.any() else old for old, new in sides])


def _measure(split: Split, k: int, kind: str, embeddings: NDArray[np.float32]) -> Smoothing:
    n_users = split.train.shape[0]
    users, films = embeddings[:n_users], embeddings[n_users:]
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
