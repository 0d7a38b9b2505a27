"""Why a score is what it is: exact contributions and edge weights.

A viewer's embedding is a sum: f = own + Σ_j w_j·m_j over the films j that they rated (see
`model.viewers.Viewer`). Multiplied by f_i, it splits the graph score f·f_i into one term per rated
film and a self term; the tag similarity is a sum over tags. Both are exact to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_preparation import MovieData
from model.trained import TrainedModel
from model.viewers import Viewer, tag_profile


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
