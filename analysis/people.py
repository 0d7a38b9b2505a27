"""Whom the lessons can follow besides a number: a few users with a taste, and the visitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData

YOU = "You"
_NAMES = ("Ada", "Bo", "Cleo", "Dov")
_FAVOURITES = 2
_LOOKED_AT = 10_000  # users; the clearest of so many are clear enough
_ALIKE = 0.25  # of the films of two genres in common to both: no second person for such a genre


@dataclass(frozen=True)
class Persona:
    """A user of the data whose ratings lean clearly to one genre (or decade), and like it.

    Attributes:
        user: inner id.
        taste: the genre, or the decade as "the 1990s".
        films: how many films the person rated.
        share, usual: the part of such films among the person's ratings, and among all ratings.
        above: mean stars of them less the person's mean stars, at least 0.
        favourites: inner ids of the films of that kind that the person gave most stars, at most 2.
    """

    user: int
    name: str
    taste: str
    films: int
    share: float
    usual: float
    above: float
    favourites: tuple[int, ...]


def personas(data: MovieData, names: Sequence[str] = _NAMES) -> list[Persona]:
    """As many users as there are names, each with a taste of their own; fewer where none is clear.

    A taste is how far the number of films of a genre lies above what all ratings together would
    give, in standard deviations of a binomial. Only users with a middling number of ratings (from
    the median to nine in ten) are looked at, at most 10,000 of them: enough to have a taste, few
    enough to be read.
    """
    groups, member = _groups(data)
    if not groups or not data.n_ratings:
        return []
    middling = _middling(data)
    ratings = data.ratings[middling].astype(np.float64)
    n = data.user_degree[middling].astype(np.float64)
    counts = (ratings != 0).astype(np.float64) @ member  # [n_people, g]
    usual = data.movie_degree @ member / data.n_ratings  # [g]
    spread = np.sqrt(np.outer(n, np.maximum(usual * (1 - usual), 1e-12)))
    lean = (counts - np.outer(n, usual)) / spread
    with np.errstate(invalid="ignore"):
        stars = (ratings @ member) / counts
    own = np.asarray(ratings.sum(axis=1), dtype=float) / n
    above = stars - own[:, None]  # [n_people, g]; NaN without a film of the kind
    lean[~(above >= 0)] = -np.inf
    found: list[Persona] = []
    for name in names[: len(middling)]:
        place, group = map(int, np.unravel_index(np.argmax(lean), lean.shape))
        if lean[place, group] < 2:  # no clear taste is left
            break
        user = int(middling[place])
        found.append(
            Persona(
                user=user,
                name=name,
                taste=groups[group],
                films=int(n[place]),
                share=float(counts[place, group] / n[place]),
                usual=float(usual[group]),
                above=float(above[place, group]),
                favourites=_favourites(data, user, member[:, group] > 0),
            )
        )
        lean[place, :], lean[:, _alike(member, group)] = -np.inf, -np.inf
    return found


def _middling(data: MovieData) -> NDArray[np.int64]:
    """The users with a middling number of ratings, ascending; of very many, some at random."""
    low, high = np.quantile(data.user_degree, (0.5, 0.9))
    users = np.flatnonzero((data.user_degree >= low) & (data.user_degree <= high))
    if len(users) > _LOOKED_AT:
        users = np.sort(np.random.default_rng(0).choice(users, _LOOKED_AT, replace=False))
    return users


def _groups(data: MovieData) -> tuple[list[str], NDArray[np.float64]]:
    """The genres and decades, and which film belongs to which, [n_movies, n_groups]."""
    genres = (data.genre_features.toarray() > 0).astype(np.float64)
    years = data.movies["year"]
    decades = sorted({int(year) // 10 * 10 for year in years.dropna()})
    decade = years.fillna(-1).to_numpy(np.int64) // 10 * 10
    dated = (decade[:, None] == np.array(decades, np.int64)[None, :]).astype(np.float64)
    names = [*data.genre_names, *(f"the {first}s" for first in decades)]
    return names, np.hstack([genres, dated])


def _alike(member: NDArray[np.float64], group: int) -> NDArray[np.bool_]:
    """The genres that share many films with this one, itself included (by Jaccard), [n_groups]."""
    both = member[:, group] @ member
    either = member[:, group].sum() + member.sum(axis=0) - both
    return both / either > _ALIKE


def _favourites(data: MovieData, user: int, wanted: NDArray[np.bool_]) -> tuple[int, ...]:
    """Most stars first, then the films that most people know."""
    movies, stars = data.rated_by(user), data.stars_of(user)
    stars, movies = stars[wanted[movies]], movies[wanted[movies]]
    order = np.lexsort((movies, -data.movie_degree[movies], -stars))
    return tuple(int(movies[place]) for place in order[:_FAVOURITES])


def with_names(data: MovieData, people: Sequence[Persona]) -> MovieData:
    """The same data, where the personas go by their names."""
    return replace(data, user_names={person.user: person.name for person in people})


def with_visitor(data: MovieData, stars: Mapping[int, float]) -> MovieData:
    """The data with the visitor as one more user, the last, by the name `YOU`.

    What the lessons show is then of the graph with the visitor's lines in it: the numbers of
    ratings of their films, too, are one higher.

    Args:
        stars: inner movie id → stars; at least one.
    """
    movies = np.array(sorted(stars), dtype=np.int32)
    given = np.array([stars[movie] for movie in movies.tolist()], dtype=np.float32)
    ratings = data.ratings
    indptr = np.append(ratings.indptr, ratings.indptr[-1] + len(movies)).astype(np.int32)
    matrix = sparse.csr_array(
        (
            np.concatenate([ratings.data, given]),
            np.concatenate([ratings.indices, movies]).astype(np.int32),
            indptr,
        ),
        shape=(data.n_users + 1, data.n_movies),
    )
    rated = ",".join(f"{movie}:{stars[movie]:g}" for movie in movies.tolist())
    return replace(
        data,
        ratings=matrix,
        timestamps=np.concatenate([data.timestamps, np.zeros(len(movies), np.int64)]),
        user_ids=np.append(data.user_ids, data.user_ids[-1] + 1),
        fingerprint=f"{data.fingerprint} {rated}",
        user_names={**data.user_names, data.n_users: YOU},
    )
