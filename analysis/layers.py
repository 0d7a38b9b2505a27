"""The numbers behind the lessons: layers, reach, over-smoothing, one BPR step, a changed rating.

Everything here is what the model computes, taken apart: no approximation, no sample.
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
from model.splits import PROTOCOLS, Split
from model.trained import TrainedModel
from model.viewers import Viewer, user_viewer
from prediction import Scores, score_all

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
        kind: "last layer alone" or "mean of the layers".
        users, films: mean cosine of all pairs of users, of all pairs of films, −1 to 1.
        ndcg: NDCG@20 on the validation ratings.
    """

    layer: int
    kind: str
    users: float
    films: float
    ndcg: float


LAST, MEAN = "last layer alone", "mean of layers 0 to k"


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


# --- one step of learning -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BprStep:
    """One plain gradient step on E(0) for one triple (user, positive film, negative film).

    Attributes:
        positive, negative: the scores f_u·f_i and f_u·f_j, before and after.
        loss: −log σ(positive − negative), before and after.
        pull: σ(negative − positive) before the step, 0 to 1: how strongly the triple teaches.
        coupling: float64 [3, 3], how much a push on one of (user, positive, negative) moves the
            final embedding of another, because they share neighbours: rows of P², P the layer mean.
    """

    positive: tuple[float, float]
    negative: tuple[float, float]
    loss: tuple[float, float]
    pull: float
    coupling: NDArray[np.float64]


def bpr_step(
    adjacency: sparse.csr_array,
    model: TrainedModel,
    rows: tuple[int, int, int],
    step: float,
) -> BprStep:
    """E(0) ← E(0) − step · ∂loss/∂E(0), exact through the propagation.

    F = P E(0) with P = (I + Ê + … + Ê^K)/(K+1), symmetric. So ∂loss/∂E(0) = P G, where G holds the
    gradient by F in three rows, and F moves by −step · P² G. Of P², nine numbers are needed.

    Args:
        adjacency: Ê [n_nodes, n_nodes].
        rows: of user, positive film and negative film.
        step: the size of the step.
    """
    chosen = np.zeros((adjacency.shape[0], 3))
    chosen[rows, range(3)] = 1.0
    layers = model.config.layers
    spread = np.mean(list(propagated(adjacency, chosen, layers)), axis=0)  # P's three columns
    final = spread.T @ model.e0  # f_u, f_i, f_j  [3, dim]
    coupling = spread.T @ spread
    user, liked, other = final
    pull = float(1 / (1 + np.exp(user @ liked - user @ other)))
    gradient = pull * np.stack([other - liked, -user, user])  # G  [3, dim]
    moved = final - step * coupling @ gradient
    scores = [(float(f[0] @ f[1]), float(f[0] @ f[2])) for f in (final, moved)]
    losses = [float(np.logaddexp(0.0, bad - good)) for good, bad in scores]
    return BprStep(
        positive=(scores[0][0], scores[1][0]),
        negative=(scores[0][1], scores[1][1]),
        loss=(losses[0], losses[1]),
        pull=pull,
        coupling=coupling,
    )


# --- what if --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The user after one rating was added or removed, E(0) unchanged."""

    data: MovieData
    model: TrainedModel
    viewer: Viewer
    scores: Scores


def what_if(
    data: MovieData, model: TrainedModel, user: int, movie: int, stars: float | None
) -> WhatIf:
    """Propagate E(0) over the graph with one edge added or removed: no retraining, no shortcut.

    Args:
        stars: of the added rating; None removes the rating.

    Raises:
        ValueError: the rating to add is there already, or the one to remove is not.
    """
    changed = with_rating(data, user, movie, stars)
    layers = list(propagated(normalised_adjacency(changed.ratings), model.e0, model.config.layers))
    share = np.float32(1 / len(layers))
    below = sum(layers[:-1], np.zeros_like(model.e0)) * share
    final = below + layers[-1] * share
    films = final[data.n_users :].copy()
    films[changed.movie_degree == 0] = 0.0  # as in training: no edge, no evidence
    moved = replace(
        model,
        user_factors=final[: data.n_users],
        movie_factors=films,
        movie_messages=below[data.n_users :],
        fingerprint=changed.fingerprint,
    )
    viewer = user_viewer(changed, moved, user)
    # The contents of the films did not change: the scores reuse the ones computed already.
    return WhatIf(changed, moved, viewer, score_all(data, moved, viewer))


def with_rating(data: MovieData, user: int, movie: int, stars: float | None) -> MovieData:
    """The data with one rating added (`stars`) or removed (None)."""
    begin = int(data.ratings.indptr[user])
    rated = data.rated_by(user)
    place = int(np.searchsorted(rated, movie))
    there = place < len(rated) and rated[place] == movie
    if there == (stars is not None):
        raise ValueError("The rating is there already." if there else "There is no such rating.")
    ratings, at = data.ratings, begin + place
    indptr = ratings.indptr.copy()
    if stars is None:
        values, indices = np.delete(ratings.data, at), np.delete(ratings.indices, at)
        times = np.delete(data.timestamps, at)
        indptr[user + 1 :] -= 1
    else:
        values = np.insert(ratings.data, at, np.float32(stars))
        indices = np.insert(ratings.indices, at, movie)
        times = np.insert(data.timestamps, at, 0)
        indptr[user + 1 :] += 1
    return replace(
        data,
        ratings=sparse.csr_array((values, indices, indptr), shape=ratings.shape),
        timestamps=times,
        fingerprint=f"{data.fingerprint} {user} {movie} {stars}",
    )
