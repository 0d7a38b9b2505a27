"""People to recommend for, users of the data and visitors alike: rated films → a vector.

For everyone f = own + Σ_j x_j · m_j over the films j that they rated.

The hybrid model has no own part, and x_j follows the stars (`model.profiles`) and the attention
that the model may have learned (`model.attention`). The paper's model
has x_j = 1/√(d_u·d_j), and an own part that was learned for each user of the data. In both x_j may
fall with the age of the rating (`aged`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.preprocessing import normalize

from data_preparation import MovieData
from model.ageing import ALWAYS, share_left
from model.attention import Attention, attended_profile
from model.profiles import DEFAULT_PROFILE, Profile, profile_weights, strength
from model.trained import TrainedModel

NEUTRAL_STARS = 2.5  # only films rated above this shape the tag profile


@dataclass(frozen=True, eq=False)
class Viewer:
    """Someone to recommend for: a user of the data, or a visitor who was folded in.

    f = own + Σ_j weights[j] · messages[j] over the rated films, the sum that explanations split.

    Attributes:
        movies: inner ids of the rated films, int32 [n_rated], ascending.
        stars: float32 [n_rated].
        weights: x_j, float64 [n_rated].
        messages: what each rated film sends, float32 [n_rated, dim].
        own: what was learned about the person beyond the films, float32 [dim]; 0 for a visitor and
            for everyone in the hybrid model.
        factor: f, float32 [dim].
        profile: whose star strength the weights have (hybrid only).
        user: the inner id of a user of the data; None for a visitor.
        half_life: the number of later films after which a film counts half (`model.ageing`).
        when: a number that grows with the time of each rating, float64 [n_rated]; None where films
            do not age.
        attention: a_j, by which attention multiplied each weight, float64 [n_rated]; `weights` hold
            it already, and None stands for a model without.
    """

    movies: NDArray[np.int32]
    stars: NDArray[np.float32]
    weights: NDArray[np.float64]
    messages: NDArray[np.float32]
    own: NDArray[np.float32]
    factor: NDArray[np.float32]
    profile: Profile = DEFAULT_PROFILE
    user: int | None = None
    half_life: float = ALWAYS
    when: NDArray[np.float64] | None = None
    attention: NDArray[np.float64] | None = None

    @cached_property
    def share_left(self) -> NDArray[np.float64]:
        """What its age left of each weight, float64 [n_rated]; `weights` hold it already."""
        if self.when is None:
            return np.ones(len(self.movies))
        return share_left(_row(self.stars), self.when, self.half_life)

    @property
    def only_averse(self) -> bool:
        """Whether there are ratings, and none speaks in favour of anything."""
        return len(self.weights) > 0 and float(self.weights.max()) <= 0


def user_viewer(
    data: MovieData, model: TrainedModel, user: int, profile: Profile = DEFAULT_PROFILE
) -> Viewer:
    """An (inner) user of the data, as trained."""
    if model.config.model == "hybrid":
        viewer = _hybrid_viewer(model, data.rated_by(user), data.stars_of(user), profile)
        return replace(viewer, user=user)
    movies = data.rated_by(user)
    return Viewer(
        movies=movies,
        stars=data.stars_of(user),
        weights=data.edge_weights(user),
        messages=model.movie_messages[movies],
        own=model.own_factors[user],
        factor=model.user_factors[user],
        profile=profile,
        user=user,
    )


def user_vectors(
    data: MovieData,
    model: TrainedModel,
    users: slice | NDArray[np.integer],
    profile: Profile = DEFAULT_PROFILE,
) -> NDArray[np.float32]:
    """f_u of these (inner) users with a profile, float32 [n, dim]."""
    if not model.is_hybrid:
        return model.user_factors[users]
    delta, messages = strength(model.config, profile), model.movie_messages
    weights = attended_profile(
        data.ratings[users], messages, delta, model.mean_stars, model.attention
    )
    return weights @ messages


def only_averse(
    ratings: sparse.csr_array, model: TrainedModel, profile: Profile = DEFAULT_PROFILE
) -> NDArray[np.bool_]:
    """`Viewer.only_averse` of the rows' users, bool [n]."""
    degree = np.diff(ratings.indptr)
    if not model.is_hybrid:
        return np.zeros(len(degree), bool)
    weights = profile_weights(ratings, strength(model.config, profile), model.mean_stars)
    rows = np.repeat(np.arange(len(degree)), degree)
    speaks = np.bincount(rows, weights.data > 0, minlength=len(degree)) > 0
    return ~speaks & (degree > 0)


def fold_in(
    data: MovieData,
    model: TrainedModel,
    stars: Mapping[int, float],
    profile: Profile = DEFAULT_PROFILE,
    movie_degree: NDArray[np.int64] | None = None,
) -> Viewer:
    """Someone new, with no retraining.

    In the hybrid model by the same formula as everyone else. In the paper's model a visitor has no
    learned layer 0: `TrainedModel.fold_in_map` stands in for it, the linear map that turns the
    summed messages of the known users into their embeddings, by least squares.

    Args:
        stars: inner movie id → stars.
        movie_degree: for the paper's model: ratings of each film, this person's included; by
            default one more than in the data.
    """
    movies = np.array(sorted(stars), dtype=np.int32)
    given = np.array([stars[movie] for movie in movies.tolist()], dtype=np.float32)
    if model.config.model == "hybrid":
        return _hybrid_viewer(model, movies, given, profile)
    degree = data.movie_degree + 1 if movie_degree is None else movie_degree
    weights = 1.0 / np.sqrt(max(len(movies), 1) * degree[movies].astype(float))
    messages = model.movie_messages[movies] @ model.fold_in_map  # [n_rated, dim]
    return Viewer(
        movies=movies,
        stars=given,
        weights=weights,
        messages=messages,
        own=np.zeros(messages.shape[1], np.float32),
        factor=(weights @ messages).astype(np.float32),
    )


def aged(viewer: Viewer, when: NDArray[np.number], half_life: float) -> Viewer:
    """The viewer with films that count half after so many later ones (`model.ageing`).

    Args:
        viewer: with films that do not age.
        when: a number that grows with the time of each rating, [n_rated].
        half_life: films; `ALWAYS` changes nothing.

    Raises:
        ValueError: the half-life is not above 0.
    """
    if half_life == ALWAYS:
        return viewer
    older = replace(viewer, half_life=half_life, when=np.asarray(when, np.float64))
    weights = viewer.weights * older.share_left
    factor = (viewer.own + weights @ viewer.messages).astype(np.float32)
    return replace(older, weights=weights, factor=factor)


def _row(stars: NDArray[np.float32]) -> sparse.csr_array:
    """One person's ratings, csr [1, n_rated]; the columns are the rated films."""
    return sparse.csr_array((stars, np.arange(len(stars)), [0, len(stars)]), shape=(1, len(stars)))


def _hybrid_viewer(
    model: TrainedModel, movies: NDArray[np.int32], stars: NDArray[np.float32], profile: Profile
) -> Viewer:
    row, attention = _row(stars), None
    weights = profile_weights(row, strength(model.config, profile), model.mean_stars).data
    messages = model.movie_messages[movies]  # [n_rated, dim]
    if model.attention is not None:
        attention = model.attention.only(movies).weights(row, messages, model.mean_stars)
        weights = weights * attention.astype(np.float32)
    return Viewer(
        movies=movies,
        stars=stars,
        weights=weights.astype(np.float64),
        messages=messages,
        own=np.zeros(messages.shape[1], np.float32),
        factor=(weights @ messages).astype(np.float32),
        profile=profile,
        attention=attention,
    )


def edge_features(model: TrainedModel, viewer: Viewer, attention: Attention) -> NDArray[np.float64]:
    """What attention looks at in each rated film of a hybrid's viewer, float64
    [n_rated, n_features], in the order of `model.attention.FEATURES`."""
    row = _row(viewer.stars)
    return attention.only(viewer.movies).features(row, viewer.messages, model.mean_stars)


def weights_without(
    data: MovieData, model: TrainedModel, viewer: Viewer, left: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """x_j as if the viewer had rated only some of their movies; nothing is trained again.

    Everything of the profile is computed anew from the ratings that are left: the level μ, every
    weight, its attention and age, and what speaks against where nothing speaks in favour any more.
    So with `viewer.messages` and `viewer.own`, which stay, f = own + Σ_j x_j m_j is that of someone
    who never rated the others; what the paper's model learned about a person stays, too.

    Args:
        left: bool [n_cases, n_rated], the ratings that are left in each case.

    Returns:
        float64 [n_cases, n_rated], 0 for what was taken out.
    """
    case, place = np.nonzero(left)
    ratings = sparse.csr_array((viewer.stars[place], (case, place)), shape=left.shape)
    if model.is_hybrid:
        delta = strength(model.config, viewer.profile)
        attention = model.attention.only(viewer.movies) if model.attention else None
        weights = (
            attended_profile(ratings, viewer.messages, delta, model.mean_stars, attention)
            .astype(np.float64)
            .toarray()
        )
    else:
        degree = data.movie_degree[viewer.movies] + (0 if viewer.user is not None else 1)
        counts = np.maximum(left.sum(axis=1), 1)
        weights = left / np.sqrt(np.outer(counts, degree))
    if viewer.when is not None:
        weights[case, place] *= share_left(ratings, viewer.when[place], viewer.half_life)
    return weights


def tag_profile(viewer: Viewer, features: sparse.csr_array) -> NDArray[np.float32]:
    """`tag_profiles` of one viewer, as a plain array: float32 [n_features]."""
    liking = np.zeros(features.shape[0], np.float32)
    liking[viewer.movies] = np.maximum(viewer.stars - NEUTRAL_STARS, 0)
    profile = liking @ features  # [n_features]
    length = np.linalg.norm(profile)
    return profile / length if length > 0 else profile


def tag_profiles(interactions: sparse.csr_array, features: sparse.csr_array) -> sparse.csr_array:
    """What each user's liked films are tagged with, rows of length 1 (or empty).

    Every film weighs as many stars as it has above `NEUTRAL_STARS`.

    Args:
        interactions: csr [n_users, n_movies], stars.
        features: csr [n_movies, n_features], rows of length 1 or empty.

    Returns:
        csr float32 [n_users, n_features].
    """
    liking = interactions.astype(np.float32)
    liking.data = np.maximum(liking.data - NEUTRAL_STARS, 0)
    profiles = sparse.csr_array(liking @ features)
    return normalize(profiles) if features.shape[1] else profiles  # data may hold no tag
