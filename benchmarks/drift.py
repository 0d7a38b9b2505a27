"""What the dates of the ratings say of stars, and of what is popular these days.

`drift` adds terms of time to the biases of `model.stars` (Koren 2009, "Collaborative filtering with
temporal dynamics"), each by ridge, and takes what they say from the stars before the regression on
film directions:

- *film bias by time*: b_i + b_i,τ, where τ is a stretch of years, or a half of the film's life in
  the data;
- *drift of a person*: b_u + α_u·sign(t − t_u)·|t − t_u|^β, t_u being the mean date of their
  ratings;
- *first sitting*: one bias for each place in a person's first sitting, by doubling stretches, or
  one of its own for each person.

A rating is predicted as of its own time where ratings around it are known (random splits), and as
of now where all of them came before (later ratings): the film's latest stretch that has ratings,
the person's latest drift, no first sitting. One rule serves both: the time is clipped to what is
known of the film and of the person. Someone who is predicted tonight is of the second kind, so a
term has to help there.

`trend` measures what is popular now (`model.trend`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.costs import GIVEN, Row, load
from benchmarks.liking import film_vectors
from benchmarks.over_time import SITTING, Case, cases
from benchmarks.ranking import SEEDS, paired
from data_preparation import MovieData
from model import stars as star_model
from model.hybrid_graph import Content, content_before, visible_content
from model.profiles import PROFILES, Profile
from model.splits import Part, Split, random_80_10_10, rolling_windows, times_in
from model.stars import HIGHEST, LOWEST, StarModel, fit_stars, measure_stars
from model.trend import Trend, TrendChoice
from model.trend_choice import (
    JUDGED_BY,
    Values,
    all_windows,
    best_of,
    looked_at,
    trends_before,
    values_of,
)

DAY = 86_400
YEARS = (1, 3, 5)  # lengths of the stretches; 0 stands for the halves of a film's life
RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
POWERS = (0.05, 0.1, 0.2, 0.4, 0.7)  # β
_ROUNDS = 10  # as many as `model.stars` takes for its biases

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings with their times; all arrays are [n_ratings], in the order of the matrix."""

    matrix: sparse.csr_array
    user: Ints
    film: Ints
    when: Ints

    @classmethod
    def of(cls, data: MovieData, part: sparse.csr_array) -> Ratings:
        user = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
        return cls(part, user, part.indices.astype(np.int64), times_in(data, part))


@dataclass(frozen=True, eq=False)
class Term:
    """A coefficient for each group, times a number: what one kind of time adds to the stars.

    Attributes:
        group, value: of every known rating, [n_known].
        later_group, later_value: of every rating to predict; −1 for no group.
        ridge: of the coefficients.
    """

    group: Ints
    value: Floats
    later_group: Ints
    later_value: Floats
    ridge: float

    def coefficients(self, left: Floats) -> Floats:
        """By ridge, of what is left of the stars; [n_groups]."""
        n = int(max(self.group.max(initial=0), self.later_group.max(initial=0))) + 1
        square = np.bincount(self.group, self.value**2, minlength=n)
        return np.bincount(self.group, self.value * left, minlength=n) / (square + self.ridge)


def film_by_time(known: Ratings, later: Ratings, years: float, ridge: float) -> Term:
    """A film's bias in a stretch of so many years, or in a half of its life (0)."""
    n_movies = known.matrix.shape[1]
    first, last = _range(known.film, known.when, n_movies)
    time = np.clip(later.when, first[later.film], last[later.film])
    if years:
        start, length = int(known.when.min()), int(years * 365.25 * DAY)
        stretches = [(when - start) // length for when in (known.when, time)]
    else:
        middle = (first + last) // 2
        stretches = [
            (when > middle[film]).astype(np.int64)
            for when, film in ((known.when, known.film), (time, later.film))
        ]
    wide = int(max(part.max(initial=0) for part in stretches)) + 1
    group, later_group = known.film * wide + stretches[0], later.film * wide + stretches[1]
    return Term(group, np.ones(len(group)), later_group, np.ones(len(later_group)), ridge)


def drift_of_person(known: Ratings, later: Ratings, power: float, ridge: float) -> Term:
    """sign·|days from the person's mean date|^β, over its root mean square."""
    n_users = known.matrix.shape[0]
    count = np.maximum(np.bincount(known.user, minlength=n_users), 1)
    begin = int(known.when.min())
    middle = np.bincount(known.user, known.when - begin, minlength=n_users) / count + begin
    first, last = _range(known.user, known.when, n_users)

    def away(user: Ints, when: Ints) -> Floats:
        days = (when - middle[user]) / DAY
        return np.sign(days) * np.abs(days) ** power

    value = away(known.user, known.when)
    spread = float(np.sqrt(np.mean(value**2))) or 1.0
    time = np.clip(later.when, first[later.user], last[later.user])
    return Term(known.user, value / spread, later.user, away(later.user, time) / spread, ridge)


def first_sitting(known: Ratings, later: Ratings, each: bool, ridge: float) -> Term:
    """By place in the first sitting (1, 2–3, 4–7 …), or one for each person (`each`)."""
    place, end = _places_in_first_sitting(known)
    # A rating to predict stands where the known one before it stands.
    begins = known.matrix.indptr
    order = np.lexsort((known.when, known.user))
    later_place = np.zeros(len(later.user), np.int64)
    for at, (user, when) in enumerate(zip(later.user.tolist(), later.when.tolist(), strict=True)):
        if when <= end[user]:
            own = order[begins[user] : begins[user + 1]]
            later_place[at] = 1 + np.searchsorted(known.when[own], when)
    groups = []
    for user, at_place in ((known.user, place), (later.user, later_place)):
        within = at_place > 0
        by_place = np.log2(np.maximum(at_place, 1)).astype(np.int64)
        groups.append(np.where(within, user if each else by_place, -1))
    inside = groups[0] >= 0  # of the others the value is 0
    return Term(
        np.maximum(groups[0], 0),
        inside.astype(np.float64),
        groups[1],
        np.ones(len(groups[1])),
        ridge,
    )


def _places_in_first_sitting(known: Ratings) -> tuple[Ints, Ints]:
    """The place of each rating, from 1, 0 after the first sitting; and when that ends, [n_users].

    A sitting ends with a pause of more than `SITTING`.
    """
    order = np.lexsort((known.when, known.user))
    user, when = known.user[order], known.when[order]
    new_user = np.append(True, user[1:] != user[:-1])[: len(order)]
    pause = np.append(False, np.diff(when) > SITTING)[: len(order)] & ~new_user
    start = np.maximum.accumulate(np.where(new_user, np.arange(len(order)), 0))
    pauses = np.cumsum(pause)
    inside = pauses == pauses[start]
    place = np.empty(len(order), np.int64)
    place[order] = np.where(inside, np.arange(len(order)) - start + 1, 0)
    end = np.full(known.matrix.shape[0], -1, np.int64)
    np.maximum.at(end, user[inside], when[inside])
    return place, end


def _range(who: Ints, when: Ints, n: int) -> tuple[Ints, Ints]:
    """First and last time of each, int64 [n]; those without ratings have any time."""
    first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(first, who, when)
    np.maximum.at(last, who, when)
    empty = first > last
    first[empty], last[empty] = last[empty], first[empty]
    return first, last


MakeTerm = Callable[[Ratings, Ratings], Term]
KINDS: dict[str, dict[str, MakeTerm]] = {
    "film bias by time": {
        f"{f'{years} years' if years else 'halves of its life'}, ridge {ridge:g}": partial(
            film_by_time, years=years, ridge=ridge
        )
        for years in (0, *YEARS)
        for ridge in RIDGES
    },
    "drift of a person": {
        f"β = {power:g}, ridge {ridge:g}": partial(drift_of_person, power=power, ridge=ridge)
        for power in POWERS
        for ridge in RIDGES
    },
    "first sitting": {
        f"{'for each person' if each else 'by place'}, ridge {ridge:g}": partial(
            first_sitting, each=each, ridge=ridge
        )
        for each in (False, True)
        for ridge in RIDGES
    },
}
TOGETHER = "all three"
PROTOCOLS = ("random_80_10_10", "temporal_leave_one_out", "rolling_windows")


@dataclass(frozen=True, eq=False)
class Lesson:
    """One split to predict stars on: what is known, what is not, and the model without time."""

    known: Ratings
    later: Ratings
    plain: StarModel


def said_by(terms: Sequence[Term], known: Ratings, later: Ratings) -> tuple[Floats, Floats, Floats]:
    """b_i by alternating ridge means with the terms, and what those add to the known and to the
    later ratings: float64 [n_movies], [n_known], [n_later]."""
    n_users, n_movies = known.matrix.shape
    ones, ridge = np.ones(len(known.user)), star_model.BIAS_RIDGE
    film = Term(known.film, ones, np.array([n_movies - 1]), ones[:1], ridge)
    person = Term(known.user, ones, np.array([n_users - 1]), ones[:1], ridge)
    every = [film, person, *terms]
    above = known.matrix.data.astype(np.float64)
    above -= above.mean()
    parts = [np.zeros(len(above)) for _ in every]
    found = [np.zeros(0) for _ in every]
    total = np.zeros(len(above))
    for _ in range(_ROUNDS):
        for at, term in enumerate(every):
            found[at] = term.coefficients(above - total + parts[at])
            now = found[at][term.group] * term.value
            total += now - parts[at]
            parts[at] = now
    expected = np.zeros(len(later.user))
    for term, coefficients in zip(terms, found[2:], strict=True):
        inside = term.later_group >= 0
        expected += np.where(inside, coefficients[term.later_group] * term.later_value, 0.0)
    return found[0], np.sum(parts[2:], axis=0) + np.zeros(len(above)), expected


def errors(lesson: Lesson, makers: Sequence[MakeTerm]) -> Floats:
    """Predicted less given stars of the ratings to predict, float64 [n_later]."""
    known, later = lesson.known, lesson.later
    if not makers:
        return measure_stars(lesson.plain, known.matrix, later.matrix).error
    terms = [make(known, later) for make in makers]
    film_bias, added, expected = said_by(terms, known, later)
    model = replace(lesson.plain, film_bias=film_bias)
    error = measure_stars(model, _less(known, added), _less(later, expected)).error
    given = later.matrix.data.astype(np.float64)
    return (error + given).clip(LOWEST, HIGHEST) - given


def _less(ratings: Ratings, part: Floats) -> sparse.csr_array:
    matrix = ratings.matrix
    return sparse.csr_array((matrix.data - part, matrix.indices, matrix.indptr), shape=matrix.shape)


def lessons(data: MovieData, protocol: str, part: Part, seeds: Sequence[int]) -> list[Lesson]:
    """Each seed of the random split, the one split by time, or each window."""
    if protocol == "random_80_10_10":
        splits = [random_80_10_10(data, seed) for seed in seeds]
        every = [Case(split, visible_content(data, split.hidden())) for split in splits]
    else:
        every = list(cases(data, protocol, part))
    found = []
    for case in every:
        known, later = case.split.known(part), case.split.held_out(part)
        vectors = film_vectors(known, case.known, star_model.FILM_RIDGE)
        plain = fit_stars(known, vectors)
        found.append(Lesson(Ratings.of(data, known), Ratings.of(data, later), plain))
    return found


def drift(part: Part, seeds: Sequence[int] = SEEDS) -> list[Row]:
    """For each protocol and kind of term: constants by validation (of the first seed, where there
    are several), and what the term changes on the part."""
    data = load()
    return [_drifted(data, protocol, part, seeds) for protocol in PROTOCOLS]


def _drifted(data: MovieData, protocol: str, part: Part, seeds: Sequence[int]) -> Row:
    looked = lessons(data, protocol, "validation", seeds[:1])
    validation = {
        kind: {
            name: _rmse([errors(each, [make]) for each in looked]) for name, make in every.items()
        }
        for kind, every in KINDS.items()
    }
    chosen = {kind: min(values, key=values.__getitem__) for kind, values in validation.items()}
    _say(f"  {protocol}: {chosen}")
    terms = {kind: [KINDS[kind][name]] for kind, name in chosen.items()}
    terms[TOGETHER] = [make for (make,) in terms.values()]
    measured = lessons(data, protocol, part, seeds)
    before, without = ([errors(each, []) for each in every] for every in (looked, measured))
    rows = []
    for kind, makers in terms.items():
        with_term = [errors(each, makers) for each in measured]
        first = [errors(each, makers) for each in looked]
        rows.append(
            {
                "name": kind,
                "chosen": chosen.get(kind, ""),
                "rmse": _rmse(with_term),
                "squared": paired(_by_person(measured, with_term, without)),
                "on_validation": paired(_by_person(looked, first, before)),
            }
        )
        _say(f"  {protocol}, {kind}: {rows[-1]['rmse']:.4f}, {rows[-1]['squared']}")
    return {
        "protocol": protocol,
        "part": part,
        "ratings": int(sum(len(each) for each in without)),
        "without": _rmse(without),
        "rows": rows,
        "validation": validation,
    }


def _rmse(found: Sequence[Floats]) -> float:
    return float(np.sqrt(np.mean(np.concatenate(found) ** 2)))


def _by_person(
    every: Sequence[Lesson], one: Sequence[Floats], other: Sequence[Floats]
) -> pd.Series:
    """Difference of the mean squared errors; a person's seeds and windows are averaged."""
    tables = [
        pd.Series(a**2 - b**2).groupby(lesson.later.user).mean()
        for lesson, a, b in zip(every, one, other, strict=True)
    ]
    return pd.concat(tables).groupby(level=0).mean()


# --- popular now ----------------------------------------------------------------------------------


def trend(part: Part) -> Row:
    """What `model.trend` gains on rolling windows, each with what its own validation part and those
    of the windows before it chose; and on a random split with what they all chose."""
    data = load()
    looked: list[Values] = []
    found: dict[Profile, list[NDArray[np.float64]]] = {profile: [] for profile in PROFILES}
    plain: dict[Profile, list[NDArray[np.float64]]] = {profile: [] for profile in PROFILES}
    chosen: list[TrendChoice] = []
    windows = zip(looked_at(data, GIVEN), rolling_windows(data), strict=True)
    for validation, window in windows:
        looked.append(validation)
        chosen.append(best_of(looked))
        split = window.split if part == "validation" else window.final()
        trends = trends_before(data, window.begin_of(part))
        content = content_before(data, window.begin_of(part))
        pairs = _with_and_without(split, part, content, trends, chosen[-1])
        for profile, (with_trend, without) in pairs.items():
            found[profile].append(with_trend)
            plain[profile].append(without)
        _say(f"  trend, {chosen[-1]}")
    split = random_80_10_10(data)
    when = times_in(data, split.train)
    share = chosen[-1].share
    trends = {share: Trend.of(split.train.indices, when, data.n_movies, share)}
    content = visible_content(data, split.hidden())
    at_random = _with_and_without(split, part, content, trends, chosen[-1])
    values = all_windows(looked)
    return {
        "part": part,
        "chosen": [asdict(choice) for choice in chosen],
        "rows": [
            _trend_row(profile, np.concatenate(found[profile]), np.concatenate(plain[profile]))
            for profile in PROFILES
        ],
        "random": [_trend_row(profile, *at_random[profile]) for profile in PROFILES],
        "validation": [
            {"key": list(key), "value": float(np.nanmean(each))} for key, each in values.items()
        ],
    }


def _with_and_without(
    split: Split, part: Part, content: Content, trends: Mapping[float, Trend], choice: TrendChoice
) -> dict[Profile, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """By profile: what each person's list is worth with the trend as chosen, and without."""
    share = choice.share
    strengths = sorted({0.0, *choice.strengths.values()})
    values = values_of(split, part, content, GIVEN, {share: trends[share]}, strengths)
    return {
        profile: (values[profile, share, strength], values[profile, share, 0.0])
        for profile, strength in choice.strengths.items()
    }


def _trend_row(profile: Profile, found: NDArray[np.float64], plain: NDArray[np.float64]) -> Row:
    row: Row = {
        "name": profile,
        "metric": JUDGED_BY[profile],
        "users": int(np.count_nonzero(~np.isnan(plain))),
        "without": float(np.nanmean(plain)),
        "with": float(np.nanmean(found)),
        "difference": paired(pd.Series(found - plain)),
    }
    _say(f"  {row}")
    return row


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
