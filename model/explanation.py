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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        self_term: own·v_i: what was learned about the person beyond the rated films; 0 in the
            hybrid.
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
        """f·v_i, as the sum of its parts."""
        return self.self_term + float(self.contributions.sum())

    @property
    def tag_similarity(self) -> float:
        """The cosine of viewer and film, as the sum of its parts."""
        return sum(share for _, share in self.tags)


def explain(data: MovieData, model: TrainedModel, viewer: Viewer, movie: int) -> Explanation:
    """Split the scores of an (inner) movie for a viewer."""
    target = model.movie_factors[movie].astype(np.float64)  # [dim]
    carried = data.content_features[[movie]]
    shares = tag_profile(viewer, data.content_features)[carried.indices] * carried.data
    order = [i for i in np.argsort(-shares, kind="stable").tolist() if shares[i] > 0]
    return Explanation(
        movie=movie,
        rated=viewer.movies,
        weights=viewer.weights,
        contributions=viewer.weights * (viewer.messages.astype(np.float64) @ target),
        self_term=float(viewer.own.astype(np.float64) @ target),
        tags=tuple((data.content_names[carried.indices[i]], float(shares[i])) for i in order),
    )


REST = "rest"  # what no kind of node accounts for


def through(
    graph: HybridGraph, model: TrainedModel, viewer: Viewer, movies: NDArray[np.integer]
) -> dict[str, NDArray[np.float64]]:
    """Each contribution of the rated films to these films, by the kind of its first node.

    Args:
        graph: the one that the model was fitted to (`model.trained.fitted_graph`).
        movies: inner ids of the recommended films, [n_movies].

    Returns:
        By kind of node, float64 [n_rated, n_movies]; they sum to the contributions. `REST` is what
        the kinds leave over: rounding for a fitted start with converged directions, all that BPR
        learned for a model with epochs.
    """
    targets = model.movie_factors[movies].astype(np.float64)  # v  [n_movies, dim]
    whole = viewer.weights[:, None] * (viewer.messages.astype(np.float64) @ targets.T)
    parts: dict[str, NDArray[np.float64]] = {}
    rest = whole.copy()
    if len(model.values) and model.best_epoch == 0 and model.config.layers == 1:
        towards = (targets / model.values).T.astype(np.float32)
        reached = (model.e0 @ towards).astype(np.float64)  # [all films, n_movies]
        lengths = np.linalg.norm(model.e0[viewer.movies], axis=1)
        sent = np.linalg.norm(viewer.messages, axis=1)  # d_j^-b of the length of e_j
        scale = viewer.weights * np.divide(
            sent, lengths, out=np.zeros(len(sent)), where=lengths > 0
        )
        for kind in graph.kinds:
            edges = graph.edges[graph.rows_of(kind)].astype(np.float64)
            walked = edges[:, viewer.movies].T @ (edges @ reached)  # [n_rated, n_movies]
            parts[kind] = scale[:, None] * walked
            rest -= parts[kind]
    return parts | {REST: rest}
