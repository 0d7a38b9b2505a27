"""LightGCN as its paper has it (He et al. 2020, eq. 3–4), one side at a time, for the lessons.

E(k+1) = Ê E(k) with Ê = D^-½ A D^-½. People hear of films alone and films of people alone, so one
side of a layer is a product of the ratings with the other side of the layer before. A side is
computed when it is asked for, and one node costs no more than its own neighbours: Ê is never built.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analysis.neighbourhood import OTHER, Kind, Node, raters
from data_preparation import MovieData
from model.trained import TrainedModel

Floats = NDArray[np.float32]

_LESSON_DIM, _LESSON_LAYERS = 64, 2
# How far rated films score above the average one in the network of a hybrid: where the pull of BPR
# is neither 0 nor 1.
_LESSON_MARGIN = 3.0
_MOST_PAIRS = 100_000  # of a person and a rated film that this is measured on


@dataclass(frozen=True, eq=False)
class Network:
    """E(0), and what K steps of message passing over some ratings make of it.

    Attributes:
        ratings: csr [n_users, n_movies]; every stored entry is an edge.
        start: E(0) of both sides, float32 [n_users, dim] and [n_movies, dim].
        layers: K.
    """

    ratings: sparse.csr_array
    start: Mapping[Kind, Floats]
    layers: int
    _sides: dict[tuple[Kind, int], Floats] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @cached_property
    def degree(self) -> dict[Kind, NDArray[np.int64]]:
        """Ratings of each user and of each film, int64 [n]."""
        films = np.bincount(self.ratings.indices, minlength=self.ratings.shape[1])
        return {"user": np.diff(self.ratings.indptr).astype(np.int64), "movie": films}

    def neighbours(self, node: Node) -> tuple[NDArray[np.int64], Floats]:
        """Inner ids of the neighbours, ascending, and the weights 1/√(d_u·d_i) of their lines."""
        kind, inner = node
        ratings, other = self.ratings, OTHER[kind]
        if kind == "user":
            near = ratings.indices[ratings.indptr[inner] : ratings.indptr[inner + 1]]
        else:
            near = raters(ratings, inner)
        degrees = float(self.degree[kind][inner]) * self.degree[other][near]
        return near.astype(np.int64), (1 / np.sqrt(degrees)).astype(np.float32)

    def side(self, kind: Kind, k: int) -> Floats:
        """All users or all films of layer k, float32 [n, dim]; kept."""
        if not k:
            return self.start[kind]
        with self._lock:
            if (kind, k) not in self._sides:
                self._sides[kind, k] = received = self.received(kind, self.side(OTHER[kind], k - 1))
                received.flags.writeable = False  # sessions share it
            return self._sides[kind, k]

    def received(self, kind: Kind, sent: NDArray[np.floating]) -> Floats:
        """What all users, or all films, receive in one step, float32 [n, dim].

        Args:
            sent: what the other side holds, [n of the other side, dim].
        """
        n = len(self.degree[kind])
        if not sent.any():
            return np.zeros((n, sent.shape[1]), np.float32)
        parts = (np.ones(self.ratings.nnz, np.float32), self.ratings.indices, self.ratings.indptr)
        links = sparse.csr_array(parts, shape=self.ratings.shape)
        scaled = (sent * self._roots(OTHER[kind])).astype(np.float32, copy=False)
        total = (links if kind == "user" else links.T) @ scaled
        total *= self._roots(kind)
        return total

    def _roots(self, kind: Kind) -> Floats:
        """1/√d of a side, float32 [n, 1]; no message reaches or leaves where d is 0."""
        return (1 / np.sqrt(np.maximum(self.degree[kind], 1)))[:, None].astype(np.float32)

    def at(self, node: Node, k: int) -> Floats:
        """What one node holds at layer k, float32 [dim]."""
        kind, inner = node
        if not k:
            return self.start[kind][inner]
        near, weights = self.neighbours(node)
        return weights @ self.side(OTHER[kind], k - 1)[near]

    def layers_of(self, node: Node) -> Floats:
        """One node at the layers 0 … K, float32 [K + 1, dim]; their mean is its row of F."""
        return np.stack([self.at(node, k) for k in range(self.layers + 1)])

    def final(self, kind: Kind) -> Floats:
        """F of a side, the mean of its layers, float32 [n, dim]; 0 for a film without ratings."""
        mean = np.zeros_like(self.start[kind])
        for k in range(self.layers + 1):
            mean += self.side(kind, k) / np.float32(self.layers + 1)
        if kind == "movie":
            mean[self.degree[kind] == 0] = 0.0
        return mean

    def scores(self, user: int) -> Floats:
        """f_u·f_i of all films, float32 [n_movies]."""
        return self.final("movie") @ self.layers_of(("user", user)).mean(axis=0)

    def over(self, ratings: sparse.csr_array) -> Network:
        """The same E(0) over other ratings; who is new among the users (the last) starts at 0."""
        people = self.start["user"]
        new = np.zeros((ratings.shape[0] - len(people), people.shape[1]), np.float32)
        start = {**self.start, "user": np.concatenate([people, new]) if len(new) else people}
        return Network(ratings, start, self.layers)

    def among(
        self,
        users: NDArray[np.integer],
        movies: NDArray[np.integer],
        ratings: sparse.csr_array,
    ) -> Network:
        """The same E(0) of some users and films, inner ids, over ratings of these alone."""
        start: dict[Kind, Floats] = {
            "user": self.start["user"][users],
            "movie": self.start["movie"][movies],
        }
        return Network(ratings, start, self.layers)

    def times(self, factor: float) -> Network:
        """The network of E(0) times a factor; all is linear in E(0)."""
        scale = np.float32(factor)
        start = {kind: part * scale for kind, part in self.start.items()}
        sides = {at: part * scale for at, part in self._sides.items()}
        for part in (*start.values(), *sides.values()):
            part.flags.writeable = False
        return replace(self, start=start, _sides=sides, _lock=threading.RLock())


def propagated(
    network: Network, start: Mapping[Kind, Floats], depth: int
) -> Iterator[dict[Kind, Floats]]:
    """Both sides of the layers 0, 1, … `depth` over a network's graph, none of them kept.

    Args:
        start: layer 0, float32 [n, columns] of each side.
    """
    layer = dict(start)
    yield layer
    for _ in range(depth):
        layer = {kind: network.received(kind, layer[OTHER[kind]]) for kind in layer}
        yield layer


def paper_network(model: TrainedModel, ratings: sparse.csr_array) -> Network:
    """A model of the paper's kind over some ratings, those of its users first."""
    people, films = np.split(model.e0, [len(model.e0) - ratings.shape[1]])
    learned = Network(ratings, {"user": people, "movie": films}, model.config.layers)
    return learned.over(ratings)


def lesson_network(data: MovieData, model: TrainedModel) -> Network:
    """The network that the lessons take apart.

    For a hybrid model it holds the model's film vectors in their (at most) 64 strongest columns as
    E(0), and zeros for people, who get everything from their films, as in the model itself; K = 2,
    over the ratings alone. One factor for all vectors puts rated films a margin of 3 above the
    average film.

    A model of the paper's kind is that network itself.
    """
    if not model.is_hybrid:
        return paper_network(model, data.ratings)
    sizes = np.linalg.norm(model.e0, axis=0)
    films = model.e0[:, np.argsort(-sizes, kind="stable")[:_LESSON_DIM]]  # [n_movies, ≤ 64]
    people = np.zeros((data.n_users, films.shape[1]), np.float32)
    network = Network(data.ratings, {"user": people, "movie": films}, _LESSON_LAYERS)
    margin = _margin(network)
    return network.times((_LESSON_MARGIN / margin) ** 0.5 if margin > 0 else 1.0)


def _margin(network: Network) -> float:
    """The mean score of the ratings less that of all pairs of a user and a rated film.

    Of so many ratings at regular distances where there are very many.
    """
    users, films = network.final("user"), network.final("movie")
    ratings = network.ratings
    chosen = np.arange(0, ratings.nnz, -(-ratings.nnz // _MOST_PAIRS))
    who = np.searchsorted(ratings.indptr, chosen, side="right") - 1
    rated = np.einsum("nd,nd->n", users[who], films[ratings.indices[chosen]]).mean(dtype=np.float64)
    average = films[network.degree["movie"] > 0].mean(axis=0, dtype=np.float64)
    return float(rated - users.mean(axis=0, dtype=np.float64) @ average)


def message_sizes(network: Network, user: int) -> NDArray[np.float64]:
    """The length of what each rated film sends the user in the first step, in their order."""
    films, weights = network.neighbours(("user", user))
    return weights * np.linalg.norm(network.start["movie"][films], axis=1)
