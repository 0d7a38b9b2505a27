"""What one rating more or less changes: the graph propagated anew, nothing learned again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from analysis.layers import propagated
from data_preparation import MovieData, normalised_adjacency
from model.trained import TrainedModel
from model.viewers import Viewer, user_viewer
from prediction import Scores, score_all


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
