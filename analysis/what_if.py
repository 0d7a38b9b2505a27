"""What one rating more, less or of other stars changes; nothing is learned again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from analysis.network import paper_network
from data_preparation import MovieData
from model.hybrid_graph import mean_stars
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
from prediction import DEFAULT_TAG_WEIGHT, Scores, blend, score_all, unseen


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The user after one rating was changed; what was learned is as it was.

    A film that was left out is no candidate: its own absence would put it on the list.
    """

    model: TrainedModel
    viewer: Viewer
    scores: Scores


def what_if(
    data: MovieData, model: TrainedModel, before: Viewer, movie: int, stars: float | None
) -> WhatIf:
    """A user or visitor as if they had rated the film with these stars, or not at all.

    In a hybrid model everything of the profile is worked out anew (the person's level, the weight
    of every film); the vectors of the films stay. In the paper's model E(0) stays and is propagated
    over the graph with one edge more or less; a visitor, who is no node of it, is folded in anew.

    Args:
        before: the person as they are.
        stars: of the rating; None removes it.

    Raises:
        ValueError: the rating to remove is not there; in the paper's model, where stars play no
            part, also: the rating to add is there already.
    """
    user = before.user
    if model.is_hybrid or user is None:
        return _with_profile(data, model, before, movie, stars)
    changed = with_rating(data, user, movie, stars)
    network = paper_network(model, changed.ratings)
    below = [network.side("movie", k) for k in range(network.layers)]
    messages = np.sum(below, axis=0, dtype=np.float32) / np.float32(network.layers + 1)
    moved = replace(
        model,
        user_factors=network.final("user"),
        movie_factors=network.final("movie"),
        movie_messages=np.broadcast_to(messages, model.movie_messages.shape),  # 0 without layers
        fingerprint=changed.fingerprint,
    )
    viewer = user_viewer(changed, moved, user)
    return WhatIf(moved, viewer, _scores(data, moved, viewer, movie))


def _with_profile(
    data: MovieData, model: TrainedModel, before: Viewer, movie: int, stars: float | None
) -> WhatIf:
    rated = dict(zip(before.movies.tolist(), before.stars.tolist(), strict=True))
    if stars is not None:
        rated[movie] = stars
    elif rated.pop(movie, None) is None:
        raise ValueError("There is no such rating.")
    viewer = replace(fold_in(data, model, rated), user=before.user)
    return WhatIf(model, viewer, _scores(data, model, viewer, movie))


def _scores(data: MovieData, model: TrainedModel, viewer: Viewer, movie: int) -> Scores:
    """Of all films; the changed one does not compete."""
    # The contents of the films did not change: the scores reuse the ones computed already.
    scores = score_all(data, model, viewer)
    candidates = scores.candidates & unseen(data, np.array([movie]))
    graph_part, tag_part = blend(scores.graph, scores.tags, candidates, DEFAULT_TAG_WEIGHT)
    return replace(scores, candidates=candidates, graph_part=graph_part, tag_part=tag_part)


def own_level(model: TrainedModel, viewer: Viewer) -> float:
    """μ of the viewer: the mean of their stars, shrunk to that of all ratings."""
    movies = np.arange(len(viewer.stars))
    row = sparse.csr_array((viewer.stars, movies, [0, len(movies)]), shape=(1, max(len(movies), 1)))
    return float(mean_stars(row, model.mean_stars)[0])


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
