"""A graph score as a few lines that add up to it: what a page has room for of an explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.explanation import Explanation

N_NAMED = 3  # films that a sentence names
_SIDE = 4  # a quarter of the lines at least


@dataclass(frozen=True)
class Line:
    """A line of a graph score.

    Attributes:
        kind: "own": what was learned about the person; "film": one rated film; "for", "against":
            all other rated films that add to the score, that take away from it.
        value: what it adds to the graph score.
        place: of the film among the rated ones; −1 for the other kinds.
        films: how many it stands for.
    """

    kind: Literal["own", "film", "for", "against"]
    value: float
    place: int = -1
    films: int = 1


def score_lines(reasons: Explanation, shown: int = 8) -> list[Line]:
    """The whole graph score: the own part, the largest terms, and the sums of the others.

    Args:
        shown: how many rated films have a line of their own: the largest terms, at least a quarter
            of them for it and a quarter against it as far as there are so many. The films that
            count for nothing have none.

    Returns:
        In this order: own part if there is one, films by what they add, the others for and against.
    """
    terms = reasons.contributions
    by_size = np.argsort(-np.abs(terms), kind="stable")
    by_size = by_size[terms[by_size] != 0]
    first = np.zeros(len(by_size), bool)  # those that come first because of their side
    for side in (terms[by_size] > 0, terms[by_size] < 0):
        first |= side & (np.cumsum(side) <= shown // _SIDE)
    by_size = np.concatenate([by_size[first], by_size[~first]])
    alone, others = by_size[:shown], by_size[shown:]
    alone = alone[np.argsort(-terms[alone], kind="stable")]
    lines = [Line("own", reasons.self_term)] if reasons.self_term else []
    lines += [Line("film", float(terms[place]), int(place)) for place in alone]
    sides: tuple[tuple[Literal["for", "against"], NDArray[np.int64]], ...] = (
        ("for", others[terms[others] > 0]),
        ("against", others[terms[others] < 0]),
    )
    for kind, these in sides:
        if len(these):
            lines.append(Line(kind, float(terms[these].sum()), films=len(these)))
    return lines


def named_places(reasons: Explanation, most: int = N_NAMED) -> list[int]:
    """The rated films that speak most for the film, largest first: their places among the rated."""
    best = np.argsort(-reasons.contributions, kind="stable")[:most]
    return [int(place) for place in best if reasons.contributions[place] > 0]


def share_of_score(reasons: Explanation, places: Sequence[int]) -> float | None:
    """What these rated films make up of the graph score; None where it is not above 0."""
    whole = reasons.graph_score
    return float(reasons.contributions[list(places)].sum()) / whole if whole > 0 else None


Relation = Literal["pulls", "pushes", "unlike", "disliked", "nothing"]


def relation(weight: float, contribution: float) -> Relation:
    """What a rated film does for another one.

    Returns:
        "pulls": it is like it; "pushes": it is unlike it; of a film that was disliked (a weight
        below 0), "unlike": it speaks for the other by being unlike it, "disliked": it speaks
        against what is like it; "nothing": it does not count.
    """
    if not contribution:
        return "nothing"
    if weight < 0:
        return "unlike" if contribution > 0 else "disliked"
    return "pulls" if contribution > 0 else "pushes"


def by_kind(paths: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """The graph score of one film by the kind of node that its walks go through.

    Args:
        paths: of `model.explanation.through` for one film: by kind, float64 [n_rated, 1].
    """
    return {kind: float(values.sum()) for kind, values in paths.items()}
