"""How a taste moved: the genres, the tags and the direction of a profile, from time to time.

Someone's ratings are cut into periods (years, or what divides them better). Up to each period their
profile is the weighted mean of what their films so far send, p = Σ_j x_j m_j / Σ_j |x_j|, so a
period moves it by exactly

    p_after − p_before = Σ_{j in the period} (x_j m_j − |x_j| p_before) / Σ_{j so far} |x_j|

one term for each of its films: along the direction of the move, the terms add up to its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData
from model.viewers import NEUTRAL_STARS, Viewer

MOST_PERIODS = 12
_PARTS, _FEWEST_IN_PART = 4, 5  # of ratings that are all of one day
_STYLES = {"Y": "%Y", "M": "%B %Y", "D": "%-d %B %Y"}  # of periods, by NumPy's unit


@dataclass(frozen=True, eq=False)
class Period:
    """What somebody rated within a time.

    Attributes:
        name: "2003", "May 2003", "5 May 2003", or "films 1 to 20" where all are of one day.
        begin, end: Unix seconds of its first and last rating.
        places: which of the viewer's films, int64 [n_films], oldest first.
        genres: share of each genre among these films, weighed by x_j; float64 [n_genres], sums to
            1, or all 0 where nothing speaks in favour.
        tags: the tags that are more theirs than in the other periods, most telling first.
        moved: how far the profile went, as an angle in degrees; NaN in the first period.
        pulls: what each film adds to the length of the move, float64 [n_films]; they sum to
            `length`.
        length: ‖p_after − p_before‖.
        profile: p_after, float64 [dim].
    """

    name: str
    begin: int
    end: int
    places: NDArray[np.int64]
    genres: NDArray[np.float64]
    tags: tuple[str, ...]
    moved: float
    pulls: NDArray[np.float64]
    length: float
    profile: NDArray[np.float64]


def taste_over_time(data: MovieData, viewer: Viewer, when: NDArray[np.number]) -> list[Period]:
    """The periods of someone's ratings, oldest first; one at least, none without ratings.

    Args:
        viewer: with films that do not age.
        when: of each rating, Unix seconds, [n_rated].
    """
    groups = periods(when)
    if not groups:
        return []
    weights = viewer.weights
    sent = viewer.messages.astype(np.float64)  # [n_rated, dim]
    features = data.tag_features[viewer.movies]
    fond = np.maximum(viewer.stars - NEUTRAL_STARS, 0).astype(np.float64)
    by_period = np.stack([_mean_tags(features[these], fond[these]) for _, these in groups])
    total, mass, before = np.zeros(sent.shape[1]), 0.0, np.zeros(sent.shape[1])
    found = []
    for number, (name, these) in enumerate(groups):
        x = weights[these]
        mass += float(np.abs(x).sum())
        terms = (x[:, None] * sent[these] - np.abs(x)[:, None] * before) / max(mass, 1e-300)
        total = total + x @ sent[these]
        after = total / max(mass, 1e-300)
        step = after - before
        length = float(np.linalg.norm(step))
        others = np.delete(by_period, number, axis=0)
        telling = by_period[number] - (others.mean(axis=0) if len(others) else 0.0)
        found.append(
            Period(
                name=name,
                begin=int(when[these[0]]),
                end=int(when[these[-1]]),
                places=these,
                genres=genre_shares(data, viewer, these),
                tags=tuple(
                    data.tag_names[tag]
                    for tag in np.argsort(-telling, kind="stable")[:3].tolist()
                    if telling[tag] > 0
                ),
                moved=_angle(before, after),
                pulls=terms @ step / length if length > 0 else np.zeros(len(these)),
                length=length,
                profile=after,
            )
        )
        before = after
    return found


def periods(when: NDArray[np.number]) -> list[tuple[str, NDArray[np.int64]]]:
    """Names and members of the periods, oldest first: the finest of years, months and days that
    divides the ratings into 2 to `MOST_PERIODS`; where all are of one day, equal parts in order."""
    order = np.argsort(when, kind="stable")
    if not len(order):
        return []
    moments = when[order].astype(np.int64).astype("datetime64[s]")
    best: list[tuple[str, NDArray[np.int64]]] = []
    for unit, style in _STYLES.items():
        whole = moments.astype(f"datetime64[{unit}]")
        starts = np.flatnonzero(np.append(True, whole[1:] != whole[:-1]))
        if len(starts) > 1 and (not best or len(starts) <= MOST_PERIODS):
            names = [_named(moment, style) for moment in moments[starts].tolist()]
            best = list(zip(names, np.split(order, starts[1:]), strict=True))
    if best:
        return best
    parts = max(min(_PARTS, len(order) // _FEWEST_IN_PART), 1)
    ends = np.cumsum([len(part) for part in np.array_split(order, parts)]).tolist()
    return [
        (f"films {begin + 1} to {end}", order[begin:end])
        for begin, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _named(moment: datetime, style: str) -> str:
    """Without `%-d`, which Windows does not know."""
    if style == "%-d %B %Y":
        return f"{moment.day} {moment:%B %Y}"
    return moment.strftime(style)


def genre_shares(data: MovieData, viewer: Viewer, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much of these films' weight lies in each genre, float64 [n_genres]; a film of several
    genres counts for each in part, and what was disliked not at all."""
    has = data.has_genre[viewer.movies[places]].astype(np.float64)  # [n_films, n_genres]
    has /= np.maximum(has.sum(axis=1, keepdims=True), 1)
    shares = np.maximum(viewer.weights[places], 0) @ has
    return shares / shares.sum() if shares.sum() > 0 else shares


def _mean_tags(features: sparse.csr_array, fond: NDArray[np.float64]) -> NDArray[np.float64]:
    """The tags of these films, weighed by how fond of them someone is, per film; [n_tags]."""
    return (fond @ features) / max(len(fond), 1)


def _angle(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    if not lengths:
        return float("nan")
    return float(np.degrees(np.arccos(np.clip(one @ other / lengths, -1, 1))))
