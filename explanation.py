"""Why a score is what it is: exact contributions, edge weights, and the subgraph around a user.

A viewer's embedding is a sum: f = own + Σ_j w_j·m_j over the films j that they rated (see
`prediction.Viewer`). Multiplied by f_i, it splits the graph score f·f_i into one term per rated
film and a self term; the tag similarity is a sum over tags. Both are exact to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from data_preparation import MovieData
from lightgcn import TrainedModel
from prediction import Viewer, tag_profile

Kind = Literal["user", "movie"]
Node = tuple[Kind, int]
"""A node of the graph: its kind and its inner id."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """The graph score and the tag similarity of one film for one viewer, as sums.

    Attributes:
        rated: inner ids of the films that the viewer rated, int32 [n_rated].
        weights: 1/√(d_u·d_j), the normalised edge weight of each, float64 [n_rated].
        contributions: each rated film's share of the graph score, float64 [n_rated].
        self_term: own·f_i: what was learned about the person beyond the rated films.
        tags: the tags and genres that viewer and film have in common, each with its share of the
            tag similarity, largest first.
    """

    movie: int
    rated: NDArray[np.int32]
    weights: NDArray[np.float64]
    contributions: NDArray[np.float64]
    self_term: float
    tags: tuple[tuple[str, float], ...]

    @property
    def graph_score(self) -> float:
        """f·f_i, as the sum of its parts."""
        return self.self_term + float(self.contributions.sum())

    @property
    def tag_similarity(self) -> float:
        """The cosine of viewer and film, as the sum of its parts."""
        return sum(share for _, share in self.tags)


def explain(data: MovieData, model: TrainedModel, viewer: Viewer, movie: int) -> Explanation:
    """Split the scores of an (inner) movie for a viewer."""
    target = model.movie_factors[movie].astype(np.float64)  # [dim]
    shared = (
        tag_profile(viewer, data.content_features).multiply(data.content_features[[movie]]).tocoo()
    )
    order = np.argsort(-shared.data, kind="stable")
    return Explanation(
        movie=movie,
        rated=viewer.movies,
        weights=viewer.weights,
        contributions=viewer.weights * (viewer.messages.astype(np.float64) @ target),
        self_term=float(viewer.own.astype(np.float64) @ target),
        tags=tuple((data.content_names[shared.col[i]], float(shared.data[i])) for i in order),
    )


def subgraph(data: MovieData, user: int, n_movies: int = 8, n_users: int = 12) -> nx.Graph:
    """The neighbourhood of a user: some rated films (1 hop) and some of their viewers (2 hops)."""
    return neighbourhood(data, ("user", user), n_movies, n_users)


def neighbourhood(data: MovieData, centre: Node, n_near: int = 8, n_far: int = 12) -> nx.Graph:
    """What is 1 hop from a user or film, and 2 hops: films and their viewers, or the reverse.

    Near are the highest rated, those with fewer ratings first among equals (they carry the largest
    weights); far are the nodes that share most of the near ones. No far ones: 1 hop.

    Returns:
        Nodes ("user", inner id) and ("movie", inner id) with the attributes `hop` and `degree`
        (in the whole graph); edges with `stars` and `weight` = 1/√(d_u·d_i).
    """
    kind, inner = centre
    other: Kind = "movie" if kind == "user" else "user"
    degree = {"user": data.user_degree, "movie": data.movie_degree}
    # Rows are nodes like the centre, columns nodes of the other kind.
    stars = data.ratings if kind == "user" else data.ratings.T.tocsr()
    row = stars[[inner]]
    order = np.lexsort((degree[other][row.indices], -row.data))[:n_near]
    near = row.indices[order]
    block = stars[:, near].toarray()  # [like the centre, n_near]
    shared = (block > 0).sum(axis=1)
    shared[inner] = -1
    far = [int(v) for v in np.argsort(-shared, kind="stable")[:n_far] if shared[v] > 0]

    graph = nx.Graph()
    for hop, of_kind, nodes in ((0, kind, [inner]), (1, other, near.tolist()), (2, kind, far)):
        for node in nodes:
            graph.add_node((of_kind, node), hop=hop, degree=int(degree[of_kind][node]))
    for node in [inner, *far]:
        for column, neighbour in enumerate(near.tolist()):
            if block[node, column]:
                degrees = int(degree[kind][node]) * int(degree[other][neighbour])
                graph.add_edge(
                    (kind, node),
                    (other, neighbour),
                    stars=float(block[node, column]),
                    weight=degrees**-0.5,
                )
    return graph
