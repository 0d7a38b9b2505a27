"""Why a score is what it is: exact contributions and edge weights.

A viewer's embedding is a sum: f = own + Σ_j x_j·m_j over the films j that they rated (see
`model.viewers.Viewer`). Multiplied by v_i, it splits the graph score f·v_i into one term per rated
film and, in the paper's model alone, a self term; the tag similarity is a sum over tags. Both are
exact to rounding.

A fitted hybrid splits each term further by the kind of node through which the walks from the rated
film begin (`through`): G = YᵀY is the sum of its kinds' Y_tᵀY_t, and with the eigenpairs (w, V),
e_j·e_i = Σ_t [Y_tᵀ Y_t V diag(1/(w+λ)) V_iᵀ]_j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData
from model.hybrid_graph import HybridGraph
from model.trained import TrainedModel
from model.viewers import Viewer, tag_profile


@dataclass(frozen=True, eq=False)
class Explanation:
    """The graph score and the tag similarity of one film for one viewer, as sums.

    Attributes:
        rated: inner ids of the films that the viewer rated, int32 [n_rated].
        weights: x_j of each, float64 [n_rated].
        contributions: each rated film's share of the graph score, float64 [n_rated].
        age_cost: what each adds less than it would without its age (`model.ageing`), float64
            [n_rated]: contributions + age_cost is what all films would add as if rated just now.
        attention: by which attention multiplied the weight of each (`model.attention`), float64
            [n_rated]; 1 in a model without.
        self_term: own·v_i: what was learned about the person beyond the rated films; 0 in the
            hybrid.
        tags: the tags and genres that viewer and film have in common, each with its share of the
            tag similarity, largest first.
    """

    movie: int
    rated: NDArray[np.int32]
    weights: NDArray[np.float64]
    contributions: NDArray[np.float64]
    age_cost: NDArray[np.float64]
    attention: NDArray[np.float64]
    self_term: float
    tags: tuple[tuple[str, float], ...]

    @property
    def graph_score(self) -> float:
        """f·v_i, as the sum of its parts."""
        return self.self_term + float(self.contributions.sum())

    @property
    def tag_similarity(self) -> float:
        """The cosine of viewer and film, as the sum of its parts."""
        return sum(share for _, share in self.tags)


def explain(data: MovieData, model: TrainedModel, viewer: Viewer, movie: int) -> Explanation:
    """Split the scores of an (inner) movie for a viewer."""
    (reasons,) = explain_all(data, model, viewer, [movie])
    return reasons


def explain_all(
    data: MovieData, model: TrainedModel, viewer: Viewer, movies: Sequence[int]
) -> list[Explanation]:
    """`explain` for each of these films, in one go."""
    targets = model.movie_factors[movies].astype(np.float64)  # [n_movies, dim]
    terms = targets @ viewer.messages.T.astype(np.float64) * viewer.weights  # [n_movies, n_rated]
    lost = 1 / viewer.share_left - 1  # [n_rated]
    attention = np.ones(len(lost)) if viewer.attention is None else viewer.attention
    own = targets @ viewer.own.astype(np.float64)
    profile = tag_profile(viewer, data.content_features)
    shared = sparse.csr_array(data.content_features[movies].multiply(profile))
    shared.eliminate_zeros()
    return [
        Explanation(
            movie=movie,
            rated=viewer.movies,
            weights=viewer.weights,
            contributions=terms[place],
            age_cost=terms[place] * lost,
            attention=attention,
            self_term=float(own[place]),
            tags=_largest_first(shared[[place]], data.content_names),
        )
        for place, movie in enumerate(movies)
    ]


def _largest_first(row: sparse.csr_array, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-row.data, kind="stable")
    return tuple((names[row.indices[i]], float(row.data[i])) for i in order)


# --- through which kind of node -------------------------------------------------------------------

_WALKS_PER_RATING = 75  # bytes; 60 were measured with 25 million ratings
REST = "rest"  # what no kind of node accounts for


@dataclass(frozen=True, eq=False)
class Walks:
    """What the walks of a model need of the graph that it was fitted to; made once per model.

    Attributes:
        rows: which rows of Y belong to each kind of node; empty where walks explain nothing,
            because BPR or further layers changed what was fitted.
        edges: Y, csc float64 [n_nodes, n_movies].
        met: Y E, what the films add up to at each node, float32 [n_nodes, dim]; None where there
            are more nodes than films, so that it would be larger than E itself.
    """

    rows: dict[str, slice]
    edges: sparse.csc_array
    met: NDArray[np.float32] | None

    @classmethod
    def of(cls, graph: HybridGraph, model: TrainedModel) -> Walks:
        """Of the graph that the model was fitted to (`model.trained.fitted_graph`)."""
        fitted = len(model.values) and model.best_epoch == 0 and model.config.layers == 1
        few = graph.edges.shape[0] <= graph.edges.shape[1]
        return cls(
            rows={kind: graph.rows_of(kind) for kind in graph.kinds} if fitted else {},
            edges=sparse.csc_array(graph.edges, dtype=np.float64),
            met=graph.edges @ model.e0 if fitted and few else None,
        )

    def reached(self, model: TrainedModel, towards: NDArray[np.float32]) -> NDArray[np.float64]:
        """Y E t for these directions t [dim, n], float64 [n_nodes, n]."""
        if self.met is not None:
            return (self.met @ towards).astype(np.float64)
        return self.edges @ (model.e0 @ towards).astype(np.float64)


def walks_bytes(data: MovieData) -> int:
    """What making `Walks` takes at its peak: a split, and each rating as two edges, copied once."""
    return _WALKS_PER_RATING * data.n_ratings


def through(
    walks: Walks, model: TrainedModel, viewer: Viewer, movies: NDArray[np.integer]
) -> dict[str, NDArray[np.float64]]:
    """Each contribution of the rated films to these films, by the kind of its first node.

    Args:
        movies: inner ids of the recommended films, [n_movies].

    Returns:
        By kind of node, float64 [n_rated, n_movies]; they sum to the contributions. `REST` is what
        the kinds leave over: rounding for a fitted start with converged directions, all that BPR
        learned for a model with epochs.
    """
    targets = model.movie_factors[movies].astype(np.float64)  # v  [n_movies, dim]
    rest = viewer.weights[:, None] * (viewer.messages.astype(np.float64) @ targets.T)
    parts: dict[str, NDArray[np.float64]] = {}
    if walks.rows:
        reached = walks.reached(model, (targets / model.values).T.astype(np.float32))
        lengths = np.linalg.norm(model.e0[viewer.movies], axis=1)
        sent = np.linalg.norm(viewer.messages, axis=1)  # d_j^-b of the length of e_j
        scale = viewer.weights * np.divide(
            sent, lengths, out=np.zeros(len(sent)), where=lengths > 0
        )
        first = walks.edges[:, viewer.movies].T.tocsc()  # [n_rated, n_nodes]
        for kind, rows in walks.rows.items():
            parts[kind] = scale[:, None] * (first[:, rows] @ reached[rows])
            rest = rest - parts[kind]
    return parts | {REST: rest}
