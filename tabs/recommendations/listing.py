"""A list with everything that it was made with, and the words for a score."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from charts.reasons import number, parts_of
from data_preparation import MovieData
from model.explanation import Walks
from model.rounding import rounded_parts, rounded_sum
from model.stars import predict_stars
from model.trained import TrainedModel
from model.viewers import Viewer
from prediction import (
    FEWEST_RATINGS,
    Recommendation,
    Scores,
    score_all,
    trend_of_film_in_words,
)
from serving.prepared import star_model, walks_by_and_by


@dataclass(frozen=True, eq=False)
class Listing:
    """Scores for somebody, and what decides which films are listed.

    Attributes:
        tag_weight, novelty, fewest, popular_now: of the scores.
        allowed: bool [n_movies], the films that pass the filters.
    """

    data: MovieData
    model: TrainedModel
    viewer: Viewer
    tag_weight: float
    novelty: float
    allowed: NDArray[np.bool_]
    fewest: int = FEWEST_RATINGS
    popular_now: float = 0.0

    @cached_property
    def scores(self) -> Scores:
        return score_all(
            *(self.data, self.model, self.viewer),
            *(self.tag_weight, self.novelty, self.fewest),
            self.popular_now,
        )

    @cached_property
    def listed(self) -> NDArray[np.bool_]:
        """The films that compete, bool [n_movies]."""
        return self.scores.candidates & self.allowed

    def rank(self, movie: int) -> int:
        """From 1: one more than the listed films with a higher score."""
        final = self.scores.final
        return 1 + int((final[self.listed] > final[movie]).sum())

    def item(self, movie: int) -> Recommendation:
        """The scores of any film, listed or not."""
        return self.scores.item(movie)

    def stars(self, movies: list[int]) -> list[tuple[float, float]]:
        """Predicted stars of some films, and how unsure each is."""
        return [
            (expected, unsure) for expected, unsure in self.predicted(np.array(movies)).tolist()
        ]

    def predicted(self, wanted: NDArray[np.integer] | slice = slice(None)) -> NDArray[np.float64]:
        """Predicted stars of films, all by default, and how unsure each is; [n_wanted, 2]."""
        model, viewer = star_model(self.data, self.model), self.viewer
        return np.column_stack(predict_stars(model, viewer.movies, viewer.stars, wanted))

    def walks(self) -> Walks | None:
        """Of the graph that a hybrid was fitted to; None while that is put together."""
        return walks_by_and_by(self.data, self.model)


# --- words ----------------------------------------------------------------------------------------

_COLOURS = {"graph": "blue", "tags": "orange", "popularity": "gray", "now": "green"}
_SHORT = {"popularity": "pop."}


def sum_of_parts(item: Recommendation) -> str:
    """`0.66 = 0.60 graph + 0.06 tags`, which adds up as it stands."""
    parts = parts_of(item)
    text = ""
    for part, name in zip(rounded_parts(list(parts.values()), 2), parts, strict=True):
        sign = ("−" if part < 0 else "") if not text else (" − " if part < 0 else " + ")
        text += f"{sign}:{_COLOURS[name]}[{abs(part):.2f}] {_SHORT.get(name, name)}"
    return f"**{number(rounded_sum(list(parts.values()), 2), 2)}** = {text}"


def plain_sum_of_parts(item: Recommendation) -> str:
    """The same without Markdown: `0.66 = 0.60 graph + 0.06 tags`."""
    return re.sub(r":\w+\[([^\]]*)\]|\*\*", r"\1", sum_of_parts(item))


def for_everyone(listing: Listing, movie: int) -> str:
    """What the film's popularity now adds, a sentence after a blank; "" where nothing."""
    said = trend_of_film_in_words(listing.model, listing.item(movie), 2)
    return f" {said}" if said else ""


def stars_text(expected: float, unsure: float) -> str:
    """`≈ 4.1 ★ ± 0.8`, which no line break divides."""
    return f"≈\N{NO-BREAK SPACE}{expected:.1f}\N{NO-BREAK SPACE}★ ±\N{NO-BREAK SPACE}{unsure:.1f}"


def ordinal(rank: int) -> str:
    """`1st`, `2nd`, `13th`, `1,204th`."""
    ending = (
        "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    )
    return f"{rank:,}{ending}"
