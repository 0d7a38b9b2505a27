"""Why a score is what it is: exact contributions, edge weights, and the subgraph around a user.

f_u = e(0)_u/(K+1) + Σ_j m_j/√(d_u·d_j) over the films j that u rated, with m_j the film's summed
messages (`TrainedModel.movie_messages`). Multiplied by f_i, this splits the graph score f_u·f_i
into one term per rated film and a self term, exact to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from data_preparation import MovieData
from model_training import TrainedModel


@dataclass(frozen=True, eq=False)
class Explanation:
    """The graph score of one film for one user, as a sum.

    Attributes:
        rated: inner ids of the films that the user rated, int32 [n_rated].
        weights: 1/√(d_u·d_j), the normalised edge weight of each, float64 [n_rated].
        contributions: each rated film's share of the score, float64 [n_rated].
        self_term: e(0)_u·f_i/(K+1): what was learned about the user beyond the rated films.
    """

    user: int
    movie: int
    rated: NDArray[np.int32]
    weights: NDArray[np.float64]
    contributions: NDArray[np.float64]
    self_term: float

    @property
    def score(self) -> float:
        """f_u·f_i, as the sum of its parts."""
        return self.self_term + float(self.contributions.sum())


def explain(data: MovieData, model: TrainedModel, user: int, movie: int) -> Explanation:
    """Split the graph score of an (inner) movie for an (inner) user."""
    rated = data.rated_by(user)
    weights = edge_weights(data, user)
    target = model.movie_factors[movie].astype(np.float64)  # [dim]
    own = model.e0[user].astype(np.float64) / (model.config.layers + 1)  # [dim]
    return Explanation(
        user=user,
        movie=movie,
        rated=rated,
        weights=weights,
        contributions=weights * (model.movie_messages[rated].astype(np.float64) @ target),
        self_term=float(own @ target),
    )


def edge_weights(data: MovieData, user: int) -> NDArray[np.float64]:
    """1/√(d_u·d_j) for the films j that the user rated, float64, in the order of `rated_by`."""
    degrees = data.movie_degree[data.rated_by(user)]
    return 1.0 / np.sqrt(data.user_degree[user] * degrees.astype(np.float64))


def subgraph(data: MovieData, user: int, n_movies: int = 8, n_users: int = 12) -> nx.Graph:
    """The neighbourhood of a user: some rated films (1 hop) and some of their viewers (2 hops).

    The films are the user's highest rated, rarer ones first among equals (they carry the largest
    weights); the viewers are those who share most of these films.

    Returns:
        Nodes ("user", inner id) and ("movie", inner id) with the attributes `hop` and `degree`
        (in the whole graph); edges with `stars` and `weight` = 1/√(d_u·d_i).
    """
    rated, stars = data.rated_by(user), data.stars_of(user)
    order = np.lexsort((data.movie_degree[rated], -stars))[:n_movies]
    movies = rated[order]
    block = data.ratings[:, movies].toarray()  # [n_users, n_shown]
    shared = (block > 0).sum(axis=1)
    shared[user] = -1
    viewers = [int(v) for v in np.argsort(-shared, kind="stable")[:n_users] if shared[v] > 0]

    graph = nx.Graph()
    graph.add_node(("user", user), hop=0, degree=int(data.user_degree[user]))
    for movie in movies.tolist():
        graph.add_node(("movie", movie), hop=1, degree=int(data.movie_degree[movie]))
    for viewer in viewers:
        graph.add_node(("user", viewer), hop=2, degree=int(data.user_degree[viewer]))
    for person in [user, *viewers]:
        for column, movie in enumerate(movies.tolist()):
            if block[person, column]:
                degrees = int(data.user_degree[person]) * int(data.movie_degree[movie])
                graph.add_edge(
                    ("user", person),
                    ("movie", movie),
                    stars=float(block[person, column]),
                    weight=degrees**-0.5,
                )
    return graph
