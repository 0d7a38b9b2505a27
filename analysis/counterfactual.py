"""Where a film would stand had the person not rated some of theirs: the test of a reason.

The ratings are taken out of the profile, everything that depends on them is computed anew
(`model.viewers.factors_without`), and the film is ranked again. The films that were taken out do
not compete: they would come first because of their own absence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData
from model.trained import TrainedModel
from model.viewers import Viewer, factors_without, tag_profiles
from prediction import DEFAULT_TAG_WEIGHT, blend, popularity_of


def ranks_without(
    data: MovieData,
    model: TrainedModel,
    viewer: Viewer,
    cases: Sequence[tuple[int, Collection[int]]],
    tag_weight: float = DEFAULT_TAG_WEIGHT,
    novelty: float = 0.0,
) -> NDArray[np.int64]:
    """The rank of a film, from 1, after some ratings were taken out; all cases in one go.

    Args:
        cases: pairs of an (inner) movie and the rated movies that are taken out.
        tag_weight, novelty: of the list (`prediction.score_all`).

    Returns:
        int64 [n_cases].
    """
    if not cases:
        return np.zeros(0, np.int64)
    left = np.stack([~np.isin(viewer.movies, list(removed)) for _, removed in cases])
    graph = factors_without(data, model, viewer, left) @ model.movie_factors.T  # [case, movie]
    row, place = np.nonzero(left)
    ratings = sparse.csr_array(
        (viewer.stars[place], (row, viewer.movies[place])), shape=(len(cases), data.n_movies)
    )
    tags = tag_profiles(ratings, data.content_features) @ data.content_features.T
    competing = np.ones(data.n_movies, bool)
    competing[viewer.movies] = False
    everyone = np.broadcast_to(competing, graph.shape)
    final = np.add(*blend(graph, tags.toarray().astype(np.float32), everyone, tag_weight))
    if novelty:
        final = final - novelty * popularity_of(data)
    movies = np.array([movie for movie, _ in cases])
    own = np.take_along_axis(final, movies[:, None], axis=1)  # [case, 1]
    return 1 + ((final > own) & competing).sum(axis=1)
