"""Where a film would stand had the person not rated some of theirs: the test of a reason.

`ranks_without` takes the ratings out of the profile: everything that depends on them is computed
anew (`model.viewers.weights_without`), and the film is ranked again. `refitted_rank` fits the model
again without them as well. The films that were taken out do not compete: they would come first
because of their own absence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData
from model.as_of import can_be_refitted
from model.bpr import Learner
from model.hybrid_graph import overall_mean, visible_content
from model.splits import PROTOCOLS
from model.trained import TrainedModel, assemble, with_trend
from model.viewers import Viewer, aged, tag_profiles, user_viewer, weights_without
from prediction import (
    DEFAULT_TAG_WEIGHT,
    FEWEST_RATINGS,
    blend,
    candidates,
    novelty_part,
    score_all,
    trend_part,
    unseen,
)


def ranks_without(
    data: MovieData,
    model: TrainedModel,
    viewer: Viewer,
    cases: Sequence[tuple[int, Collection[int]]],
    tag_weight: float = DEFAULT_TAG_WEIGHT,
    novelty: float = 0.0,
    allowed: NDArray[np.bool_] | None = None,
    fewest: int = FEWEST_RATINGS,
    popular_now: float = 0.0,
) -> NDArray[np.int64]:
    """The rank of a film, from 1, after some ratings were taken out; all cases in one go.

    One more than the films with a higher score, among those that may be listed
    (`prediction.Scores.candidates`), whether the film itself may be or not.

    Args:
        cases: pairs of an (inner) movie and the rated movies that are taken out.
        tag_weight, novelty, fewest, popular_now: of the list (`prediction.score_all`).
        allowed: bool [n_movies], the films that pass the filters; None: all.

    Returns:
        int64 [n_cases].
    """
    if not cases:
        return np.zeros(0, np.int64)
    distinct = list(dict.fromkeys(frozenset(removed) for _, removed in cases))
    left = np.stack([~np.isin(viewer.movies, list(removed)) for removed in distinct])
    weights = weights_without(data, model, viewer, left)
    row, place = np.nonzero(left)
    ratings = sparse.csr_array(
        (viewer.stars[place], (row, viewer.movies[place])), shape=(len(distinct), data.n_movies)
    )
    profiles = tag_profiles(ratings, data.content_features).toarray()
    tags = (data.content_features @ profiles.T).T  # [distinct, n_movies]
    averse = left.any(axis=1) & (weights.max(axis=1, initial=-np.inf, where=left) <= 0)
    listed = np.stack(
        [
            candidates(data, model, viewer.movies[these], only_averse=bool(none_liked))
            for these, none_liked in zip(left, averse, strict=True)
        ]
    )
    rows = {removed: row for row, removed in enumerate(distinct)}
    asked = [(rows[frozenset(removed)], movie) for movie, removed in cases]
    graph = (viewer.own + weights.astype(np.float32) @ viewer.messages) @ model.movie_factors.T
    final = np.add(*blend(graph, tags, listed, tag_weight))
    if (trend := trend_part(model, viewer.profile, popular_now)) is not None:
        final = final + trend
    if novelty:
        parts = [
            novelty_part(data, *each, novelty, fewest) for each in zip(final, listed, strict=True)
        ]
        final = final + np.stack(parts)
    listed &= unseen(data, viewer.movies)  # what was taken out sets the scale, but is no rival
    if allowed is not None:
        listed &= allowed
    return np.array(
        [
            1 + np.count_nonzero((final[row] > final[row, movie]) & listed[row])
            for row, movie in asked
        ]
    )


def viewer_without(
    data: MovieData, model: TrainedModel, viewer: Viewer, removed: Collection[int]
) -> Viewer:
    """The viewer as if these movies had never been rated; nothing is trained again."""
    left = ~np.isin(viewer.movies, list(removed))
    weights = weights_without(data, model, viewer, left[None])[0, left]
    messages = viewer.messages[left]
    return replace(
        viewer,
        movies=viewer.movies[left],
        stars=viewer.stars[left],
        weights=weights,
        messages=messages,
        factor=(viewer.own + weights @ messages).astype(np.float32),
        when=None if viewer.when is None else viewer.when[left],
    )


# --- with the model fitted again ------------------------------------------------------------------


def refitted_ranks(
    data: MovieData,
    model: TrainedModel,
    viewer: Viewer,
    cases: Sequence[tuple[int, Collection[int]]],
    tag_weight: float = DEFAULT_TAG_WEIGHT,
    novelty: float = 0.0,
    allowed: NDArray[np.bool_] | None = None,
    on_fit: Callable[[list[int]], None] | None = None,
    fewest: int = FEWEST_RATINGS,
    popular_now: float = 0.0,
) -> list[int]:
    """As `ranks_without`, but for each case the model is fitted again on data without the ratings.

    The settings stay, chosen on data with the ratings, and so does what the model is fitted to: all
    ratings, or the train part of its split. Tags that the person gave these films leave the graph.

    Args:
        viewer: a user of the data.
        on_fit: called after each fit with the ranks so far; may raise, to end it.

    Raises:
        ValueError: the model is no fit in closed form, or the viewer is not in the data.
    """
    if not can_be_refitted(model) or viewer.user is None:
        raise ValueError("Only a fitted model can be fitted again without a user's ratings.")
    ranks: list[int] = []
    for movie, removed in cases:
        pairs = _pairs(data, viewer.user, removed)
        other_data = without_ratings(data, pairs)
        other = _fitted_without(data, other_data, model, pairs)
        again = user_viewer(other_data, other, viewer.user, viewer.profile)
        if viewer.when is not None:
            again = aged(again, other_data.times_of(viewer.user), viewer.half_life)
        scores = score_all(other_data, other, again, tag_weight, novelty, fewest, popular_now)
        listed = scores.candidates & unseen(data, viewer.movies)
        if allowed is not None:
            listed &= allowed
        ranks.append(1 + int((scores.final[listed] > scores.final[movie]).sum()))
        if on_fit:
            on_fit(list(ranks))
    return ranks


def without_ratings(data: MovieData, pairs: sparse.csr_array) -> MovieData:
    """The data without the ratings of these pairs, csr [n_users, n_movies]."""
    kept = _kept(data.ratings, pairs)
    return replace(
        data,
        ratings=_only(data.ratings, kept),
        timestamps=data.timestamps[kept],
        fingerprint=f"{data.fingerprint} without {[n.tolist() for n in pairs.nonzero()]}",
    )


def _kept(ratings: sparse.csr_array, pairs: sparse.csr_array) -> NDArray[np.bool_]:
    """Which stored entries are none of the pairs, bool [nnz]."""

    def keys(matrix: sparse.csr_array) -> NDArray[np.int64]:
        user = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return user * matrix.shape[1] + matrix.indices

    return ~np.isin(keys(ratings), keys(pairs))


def _only(ratings: sparse.csr_array, kept: NDArray[np.bool_]) -> sparse.csr_array:
    """The stored entries that are kept, bool [nnz]."""
    ends = np.concatenate([[0], np.cumsum(kept)])[ratings.indptr]
    return sparse.csr_array((ratings.data[kept], ratings.indices[kept], ends), shape=ratings.shape)


def _pairs(data: MovieData, user: int, movies: Collection[int]) -> sparse.csr_array:
    """A stored entry for each of the user's ratings of these movies, csr [n_users, n_movies]."""
    chosen = np.array(sorted(movies), dtype=np.int64)
    return sparse.csr_array(
        (np.ones(len(chosen), np.float32), (np.full(len(chosen), user), chosen)),
        shape=data.ratings.shape,
    )


def _fitted_without(
    data: MovieData, other_data: MovieData, model: TrainedModel, pairs: sparse.csr_array
) -> TrainedModel:
    """The model fitted to what it was fitted to, less these pairs."""
    hidden, train = pairs, other_data.ratings
    if not model.refitted:
        split = PROTOCOLS[model.protocol](data)
        hidden = sparse.csr_array(split.hidden() + pairs)
        train = _only(split.train, _kept(split.train, pairs))
    content = visible_content(data, hidden)
    config = replace(model.config, epochs=0)
    learner = Learner(train, content, config)
    fitted = assemble(
        other_data,
        learner.weights().numpy(),
        learner.scale,
        learner.values,
        mean_stars=overall_mean(train),
        config=config,
        protocol=model.protocol,
        history=model.history,
        best_epoch=0,
        test_metrics=model.test_metrics,
        stop_reason=model.stop_reason,
        refitted=model.refitted,
        theta=model.theta,
    )
    return with_trend(other_data, fitted, model.trend_choice)
