"""The list that somebody would have had on a day of the past, and what became of it since."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_preparation import MovieData
from model.as_of import data_before, model_of
from model.explanation import explain
from model.profiles import Profile
from model.trained import TrainedModel
from model.viewers import fold_in, user_viewer
from prediction import recommend, score_all, why_in_words


@dataclass(frozen=True)
class PastFilm:
    """A film of the list; `why` is one sentence, with the films that were rated by then."""

    movie: int
    score: float
    why: str


@dataclass(frozen=True)
class PastList:
    """The films of a day, best first.

    Attributes:
        known: how many films the person had rated by then.
        ratings: how many ratings there were, of all people of the data.
    """

    films: tuple[PastFilm, ...]
    known: int
    ratings: int


def list_before(
    data: MovieData,
    model: TrainedModel,
    second: int,
    profile: Profile,
    k: int,
    user: int | None = None,
    stars: dict[int, float] | None = None,
) -> PastList:
    """What would have been recommended before this Unix second; nothing later is looked at.

    Films that nobody had rated by then are not listed.

    Args:
        user: an inner user; or else
        stars: what a visitor had rated by then, inner movie id → stars.

    Raises:
        ValueError: the model cannot be fitted again, or there was no rating by then.
    """
    then = data_before(data, second)
    fitted = model_of(then, model)
    viewer = (
        fold_in(then, fitted, stars or {}, profile)
        if user is None
        else user_viewer(then, fitted, user, profile)
    )
    rated_films: NDArray[np.bool_] = then.movie_degree > 0
    found = recommend(fitted, score_all(then, fitted, viewer), k, rated_films)
    films = tuple(
        PastFilm(
            item.movie,
            item.score,
            why_in_words(then, viewer, explain(then, fitted, viewer, item.movie)),
        )
        for item in found
    )
    return PastList(films if len(viewer.movies) else (), len(viewer.movies), then.n_ratings)
