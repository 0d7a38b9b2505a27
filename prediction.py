"""Hybrid scores and what follows from them: top-K, similar films, tag suggestions.

Scales. The graph score is the dot product f_u·f_i, 0 meaning "no evidence". The tag similarity is
the cosine between the user's tag profile and the film's tags, 0 to 1. To blend them, each is
divided by its largest value among the user's unrated films, so the user's best candidate has 1:

    score = (1 − w) · graph / graph_max + w · tags / tags_max      with w the tag weight, 0 to 1.

Both parts keep their zero, so each can be split exactly into reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.preprocessing import normalize

from data_preparation import MovieData
from model_training import TrainedModel

DEFAULT_TAG_WEIGHT = 0.2
NEUTRAL_STARS = 2.5  # only films rated above this shape the tag profile


@dataclass(frozen=True)
class Recommendation:
    """One film for one user; `score` is derived, so the parts always add up to it.

    Attributes:
        movie: inner movie id.
        graph_score: f_u·f_i.
        tag_similarity: cosine, 0 to 1.
        graph_part: (1 − w) · graph_score / graph_max.
        tag_part: w · tag_similarity / tags_max.
    """

    movie: int
    graph_score: float
    tag_similarity: float
    graph_part: float
    tag_part: float

    @property
    def score(self) -> float:
        return self.graph_part + self.tag_part


@dataclass(frozen=True, eq=False)
class UserScores:
    """Every film's scores for one user, float32 [n_movies] each; `rated` is bool [n_movies]."""

    graph: NDArray[np.float32]
    tags: NDArray[np.float32]
    graph_part: NDArray[np.float32]
    tag_part: NDArray[np.float32]
    rated: NDArray[np.bool_]


@dataclass(frozen=True)
class TagSuggestion:
    """A tag that the film's neighbours carry and the film does not.

    Attributes:
        score: share of the neighbours' total similarity that carries the tag, 0 to 1.
        neighbours: inner ids of the neighbours that carry it, nearest first.
    """

    tag: str
    score: float
    neighbours: tuple[int, ...]


def tag_profiles(
    interactions: sparse.csr_array, tag_features: sparse.csr_array
) -> sparse.csr_array:
    """What each user's liked films are tagged with, rows of length 1 (or empty).

    Every film weighs as many stars as it has above `NEUTRAL_STARS`.

    Args:
        interactions: csr [n_users, n_movies], stars.
        tag_features: csr [n_movies, n_tags], rows of length 1 or empty.

    Returns:
        csr float32 [n_users, n_tags].
    """
    liking = interactions.astype(np.float32)
    liking.data = np.maximum(liking.data - NEUTRAL_STARS, 0)
    return sparse.csr_array(normalize(liking @ tag_features))


def blend(
    graph: NDArray[np.float32],
    tags: NDArray[np.float32],
    rated: NDArray[np.bool_],
    tag_weight: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The graph part and the tag part of the final score, on the scales of the module's docstring.

    Args:
        graph, tags: float [..., n_movies].
        rated: bool [..., n_movies], the films that are no candidates.
        tag_weight: 0 to 1.

    Raises:
        ValueError: the weight is out of range.
    """
    if not 0 <= tag_weight <= 1:
        raise ValueError(f"The tag weight must be from 0 to 1; got {tag_weight}.")

    def scaled(scores: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
        best = np.max(scores, axis=-1, keepdims=True, where=~rated, initial=0.0)
        return scores * np.divide(weight, best, out=np.zeros_like(best), where=best > 0)

    return scaled(graph, 1 - tag_weight), scaled(tags, tag_weight)


def score_user(
    data: MovieData, model: TrainedModel, user: int, tag_weight: float = DEFAULT_TAG_WEIGHT
) -> UserScores:
    """All scores of an (inner) user.

    Raises:
        ValueError: the weight is out of range.
    """
    graph = model.movie_factors @ model.user_factors[user]  # [n_movies]
    profile = tag_profiles(data.ratings[[user]], data.tag_features)
    tags = (data.tag_features @ profile.T).toarray().ravel()  # [n_movies]
    rated = np.zeros(data.n_movies, bool)
    rated[data.rated_by(user)] = True
    return UserScores(graph, tags, *blend(graph, tags, rated, tag_weight), rated)


def recommend(
    scores: UserScores, k: int, allowed: NDArray[np.bool_] | None = None
) -> list[Recommendation]:
    """The K unrated films with the highest final score, best first; fewer if fewer qualify.

    Args:
        k: at least 1.
        allowed: bool [n_movies]; only these films may appear. None allows all.

    Raises:
        ValueError: K is below 1.
    """
    if k < 1:
        raise ValueError(f"K must be at least 1; got {k}.")
    final = scores.graph_part + scores.tag_part
    eligible = ~scores.rated if allowed is None else ~scores.rated & allowed
    candidates = np.flatnonzero(eligible)
    best = candidates[np.argsort(-final[candidates], kind="stable")[:k]]
    return [
        Recommendation(
            movie=int(movie),
            graph_score=float(scores.graph[movie]),
            tag_similarity=float(scores.tags[movie]),
            graph_part=float(scores.graph_part[movie]),
            tag_part=float(scores.tag_part[movie]),
        )
        for movie in best
    ]


def similar_movies(
    model: TrainedModel, movie: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The K nearest films by cosine of the final embeddings, nearest first.

    Returns:
        Inner ids int64 [≤ K] and cosines float32 [≤ K]; both empty if the film has no ratings.
    """
    factors = normalize(model.movie_factors)
    cosine = factors @ factors[movie]
    cosine[movie] = -np.inf
    has_factor = factors.any(axis=1)
    if not has_factor[movie]:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    cosine[~has_factor] = -np.inf
    nearest = np.argsort(-cosine, kind="stable")[: min(k, int(has_factor.sum()) - 1)]
    return nearest, cosine[nearest]


def suggest_tags(
    data: MovieData, model: TrainedModel, movie: int, k: int = 10, n_neighbours: int = 30
) -> list[TagSuggestion]:
    """Tags that the nearest films in embedding space carry, and this film does not (yet).

    A tag scores the share of the tagged neighbours' similarity that carries it. The list is empty
    when no neighbour is tagged or the film has no ratings.
    """
    nearest, cosine = similar_movies(model, movie, n_neighbours)
    carries = data.tag_counts[nearest].toarray() > 0  # [n_neighbours, n_tags]
    weight = np.maximum(cosine, 0) * carries.any(axis=1)
    if not weight.any():
        return []
    scores = weight @ carries / weight.sum()  # [n_tags]
    scores[data.tag_counts[[movie]].indices] = 0
    best = np.argsort(-scores, kind="stable")[:k]
    return [
        TagSuggestion(
            data.tag_names[tag], float(scores[tag]), tuple(map(int, nearest[carries[:, tag]]))
        )
        for tag in best
        if scores[tag] > 0
    ]
