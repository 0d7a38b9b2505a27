"""The piece of the graph around a user or a film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData

if TYPE_CHECKING:
    import networkx as nx

Kind = Literal["user", "movie"]

Node = tuple[Kind, int]
"""A node of the graph: its kind and its inner id."""

OTHER: dict[Kind, Kind] = {"user": "movie", "movie": "user"}
"""The kind of a node's neighbours."""


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
    import networkx as nx  # half a second, which a page without a graph need not wait for

    kind, inner = centre
    other: Kind = "movie" if kind == "user" else "user"
    degree = {"user": data.user_degree, "movie": data.movie_degree}
    if kind == "user":
        around, stars = data.rated_by(inner).astype(np.int64), data.stars_of(inner)
    else:
        around = raters(data.ratings, inner)
        stars = data.ratings[around, [inner] * len(around)]
    near = around[np.lexsort((degree[other][around], -stars))[:n_near]]
    linked = data.ratings[:, near] if kind == "user" else data.ratings[near].T
    block = linked.toarray()  # [like the centre, n_near]
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


def raters(ratings: sparse.csr_array, movie: int) -> NDArray[np.int64]:
    """Who rated a film, inner ids, ascending."""
    return np.searchsorted(ratings.indptr, np.flatnonzero(ratings.indices == movie), "right") - 1
