"""Films for several people at once, and how alike two tastes are.

Whom a film suits is told by each one's predicted stars (`model/stars.py`), and where it stands by
each one's own list, so that nobody's scale counts more than another's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHRINK = 10  # films in common at which an agreement counts for half


@dataclass(frozen=True, eq=False)
class Together:
    """Films for all of them, best first.

    Attributes:
        movies: inner ids, int64 [n].
        places: where each film stands in each one's list of the films that suit all, from 1;
            int64 [n_people, n].
        highest: the most stars that any film that none of them has seen is predicted to have for
            each of them; NaN if they have seen all.
    """

    movies: NDArray[np.int64]
    places: NDArray[np.int64]
    highest: float


def films_for_all(
    scores: NDArray[np.floating],
    stars: NDArray[np.floating],
    allowed: NDArray[np.bool_],
    least: float,
) -> Together:
    """The films with at least so many predicted stars for each, by the worst place they have.

    Each person puts the films that suit all in the order of their own scores; a film stands as
    high as the one who places it lowest says (least misery, Masthoff 2004, on ranks), of two that
    are equal in that, the one with the better mean place comes first.

    Args:
        scores: of each one's own list, [n_people, n_movies]; only their order counts.
        stars: predicted, [n_people, n_movies].
        allowed: bool [n_movies], the films that none of them has seen and that pass the filters.
        least: stars.
    """
    worst = np.where(allowed, stars.min(axis=0), -np.inf)
    suits = np.flatnonzero(worst >= least)
    order = np.argsort(-scores[:, suits], axis=1, kind="stable")
    places = np.argsort(order, axis=1, kind="stable") + 1
    best = np.lexsort((places.mean(axis=0), places.max(axis=0)))
    highest = float(worst.max()) if allowed.any() else float("nan")
    return Together(suits[best], places[:, best], highest)


@dataclass(frozen=True)
class Likeness:
    """How alike two people rate.

    Attributes:
        common: films that both rated.
        apart: mean difference of their stars on these, without sign; None without any.
        agreement: from −1 to 1; 0 where the films in common tell nothing.
    """

    common: int
    apart: float | None
    agreement: float

    @property
    def shrunk(self) -> float:
        """The agreement times n / (n + `SHRINK`): few films in common say little."""
        return self.agreement * self.common / (self.common + SHRINK)


def likeness(
    one: tuple[NDArray[np.integer], NDArray[np.floating]],
    other: tuple[NDArray[np.integer], NDArray[np.floating]],
    canonical: NDArray[np.integer],
) -> Likeness:
    """The agreement of two people on the films that both rated.

        r = Σ a·b / √(Σ a² · Σ b²),  a and b being each one's stars less their own mean of all
        their ratings

    Args:
        one, other: inner ids and stars of what each rated.
        canonical: int [n_movies], the copy that counts of a film that the catalogue lists twice.
    """
    _, at_one, at_other = np.intersect1d(
        canonical[one[0]], canonical[other[0]], return_indices=True
    )
    if not len(at_one):
        return Likeness(0, None, 0.0)
    stars, others = (x[1].astype(np.float64) for x in (one, other))
    apart = float(np.abs(stars[at_one] - others[at_other]).mean())
    a, b = stars[at_one] - stars.mean(), others[at_other] - others.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return Likeness(len(a), apart, float(a @ b) / scale if scale > 0 else 0.0)
