"""Splits of the ratings whose parts cannot overlap, and the protocols that make them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from model.processes import ALONE, Processes

Part = Literal["validation", "test"]


class TimedRatings(Protocol):
    """What the protocols split: `MovieData`, or ratings of any kind (`model.interactions`)."""

    @property
    def ratings(self) -> sparse.csr_array:
        """Stars, csr [n_users, n_movies]; one stored entry per rating."""

    @property
    def timestamps(self) -> NDArray[np.int64]:
        """In the order of `ratings.data`, int64 [n_ratings]."""


@dataclass(frozen=True, eq=False)
class Split:
    """Interactions in three disjoint parts, each csr [n_users, n_movies] with stars as values.

    Attributes:
        processes: those that share the people; the parts hold the people of this one.

    Raises:
        ValueError: on construction, if the shapes differ or a rating is in two parts.
    """

    protocol: str
    train: sparse.csr_array
    validation: sparse.csr_array
    test: sparse.csr_array
    processes: Processes = ALONE

    def __post_init__(self) -> None:
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        if len({part.shape for part in parts.values()}) != 1:
            raise ValueError("The parts of a split must have the same users and movies.")
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
            shared = parts[first].astype(bool).multiply(parts[second].astype(bool)).nnz
            if shared:
                raise ValueError(
                    f"{shared} ratings are in both {first} and {second}; "
                    "a metric on them would be worthless."
                )

    def known(self, part: Part, users: NDArray[np.integer] | None = None) -> sparse.csr_array:
        """What a model may know, and the ranking leaves out, when `part` is measured.

        Args:
            users: the rows wanted, by inner id; None means all.
        """
        train, validation = (
            rows if users is None else rows[users] for rows in (self.train, self.validation)
        )
        return train if part == "validation" else (train + validation).tocsr()

    def held_out(self, part: Part) -> sparse.csr_array:
        return self.validation if part == "validation" else self.test

    def hidden(self) -> sparse.csr_array:
        """Validation and test together: what no fit, search or content node may look at."""
        return (self.validation + self.test).tocsr()

    def rated_movies(self) -> NDArray[np.bool_]:
        """The films with a rating in any part, bool [n_movies]: the ones that compete."""
        return self._rated

    @cached_property
    def _rated(self) -> NDArray[np.bool_]:
        parts, n_movies = (self.train, self.validation, self.test), self.train.shape[1]
        counts = [np.bincount(part.indices, minlength=n_movies) for part in parts]
        rated = self.processes.any(np.sum(counts, axis=0) > 0)
        rated.flags.writeable = False
        return rated


def temporal_leave_one_out(data: TimedRatings, *, processes: Processes = ALONE) -> Split:
    """Each user's last rating is test, the one before it validation, the rest train.

    Order: timestamp, then movieId. Users with fewer than three ratings stay in train whole.
    """
    order, users = _by_user_and_time(data)
    from_end = data.ratings.indptr[users + 1] - 1 - np.arange(len(users))  # 0 = the user's last
    enough = np.diff(data.ratings.indptr)[users] >= 3
    part = np.zeros(len(users), np.int8)
    part[order] = np.where(enough & (from_end == 0), 2, np.where(enough & (from_end == 1), 1, 0))
    return _split_by_part("temporal_leave_one_out", data, part, processes)


def random_80_10_10(data: TimedRatings, seed: int = 42, processes: Processes = ALONE) -> Split:
    """Of each user's ratings a random 10 % are test, another 10 % validation (rounded).

    A rating is in the same part whoever of the processes holds it.
    """
    counts = np.diff(data.ratings.indptr)
    order, users = _by_user_and_time(data)
    if processes.total_of(len(counts)) <= _MOST_PERMUTATIONS:
        order = order[
            np.repeat(data.ratings.indptr[:-1], counts) + _shuffled(counts, seed, processes)
        ]
    else:
        before = sum(processes.everybodys(len(users))[: processes.rank])
        drawn = np.random.Generator(np.random.PCG64(seed).advance(before)).random(len(users))
        order = _ordered(users, (drawn * 2**31).astype(np.int64))
    held_out = np.round(0.1 * counts).astype(np.int64)[users]  # of the user at each place
    place = np.arange(len(users)) - np.repeat(data.ratings.indptr[:-1], counts)
    part = np.zeros(len(users), np.int8)
    part[order] = np.where(place < held_out, 2, np.where(place < 2 * held_out, 1, 0))
    return _split_by_part("random_80_10_10", data, part, processes)


def _shuffled(counts: NDArray[np.integer], seed: int, processes: Processes) -> NDArray[np.int64]:
    """One permutation per user, in user order, which reproduces the published split number for
    number; int64 [n_ratings], each from 0."""
    rng, everybodys = np.random.default_rng(seed), processes.everybodys(counts)
    for others in everybodys[: processes.rank]:  # whose numbers come first
        for count in others:
            rng.permutation(count)
    return np.concatenate([np.zeros(0, np.int64), *(rng.permutation(count) for count in counts)])


class MakesSplit(Protocol):
    """A protocol: ratings to a split, of those that this process holds."""

    def __call__(self, data: TimedRatings, *, processes: Processes = ALONE) -> Split: ...


PROTOCOLS: dict[str, MakesSplit] = {
    "random_80_10_10": random_80_10_10,
    "temporal_leave_one_out": temporal_leave_one_out,
}


# Of more users each rating has a random number of its own, without a step per user.
_MOST_PERMUTATIONS = 10_000

DEFAULT_PROTOCOL = "random_80_10_10"  # one held-out film per user is too noisy to choose an epoch


def times_in(data: TimedRatings, part: sparse.csr_array) -> NDArray[np.int64]:
    """When the ratings of a part of the data were given, int64 in the order of `part.data`."""

    def keys(ratings: sparse.csr_array) -> NDArray[np.int64]:
        return _users(ratings) * ratings.shape[1] + ratings.indices.astype(np.int64)

    return data.timestamps[np.searchsorted(keys(data.ratings), keys(part))]


def _users(ratings: sparse.csr_array) -> NDArray[np.int64]:
    """Who gave each rating, in the order of `ratings.data`."""
    return np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))


def _by_user_and_time(data: TimedRatings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the ratings by user, time, movie, and the user at each place of that order."""
    users = _users(data.ratings)
    if not len(users):
        return users, users
    return _ordered(users, data.timestamps - data.timestamps.min()), users


def _ordered(users: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions by user, second key (from 0), and place; the films of a user lie in order."""
    span = int(second.max()) + 1
    if span > np.iinfo(np.int64).max // (int(users[-1]) + 1):
        return np.lexsort((second, users))
    return np.argsort(users * span + second, kind="stable")  # in a tenth of the time


def _split_by_part(
    protocol: str, data: TimedRatings, part: NDArray[np.int8], processes: Processes
) -> Split:
    train, validation, test = (chosen(data.ratings, part == number) for number in range(3))
    return Split(protocol, train, validation, test, processes)


def drawn_people(counts: NDArray[np.integer], most_ratings: int, seed: int) -> NDArray[np.int64]:
    """Inner ids, ascending, of so many people drawn at random that they have `most_ratings` or just
    more; of all where there are no more.

    Args:
        counts: ratings of each person, int [n_users].
    """
    order = np.random.default_rng(seed).permutation(len(counts))
    enough = np.searchsorted(counts[order].cumsum(), most_ratings)
    return np.sort(order[: enough + 1])


def chosen(ratings: sparse.csr_array, which: NDArray[np.bool_]) -> sparse.csr_array:
    """These of the ratings, bool [n_ratings] in the order of `ratings.data`; the same shape."""
    kept = np.concatenate([[0], np.cumsum(which)])[ratings.indptr]
    return sparse.csr_array(
        (ratings.data[which], ratings.indices[which], kept.astype(ratings.indptr.dtype)),
        shape=ratings.shape,
    )


def people_folds(n_users: int, folds: int = 4, seed: int = 42) -> NDArray[np.int64]:
    """Who is left out of the graph in which of so many rounds, int64 [n_users], at random."""
    return np.random.default_rng(seed).permutation(n_users) % folds


def without_people(ratings: sparse.csr_array, people: NDArray[np.bool_]) -> sparse.csr_array:
    """The ratings of all others, in the same shape; `people` is bool [n_users]."""
    return chosen(ratings, ~people[_users(ratings)])


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of time to be predicted from what came before it.

    Attributes:
        split: test are the ratings within [begin, end) by people and of films that have some
            before; validation is the same of the last tenth of the time before.
        before: everything rated before the window, csr [n_users, n_movies].
        validation_begin, begin, end: Unix seconds.
    """

    split: Split
    before: sparse.csr_array
    validation_begin: int
    begin: int
    end: int

    def final(self) -> Split:
        """With everything before the window as train, to fit to in the end."""
        nothing = sparse.csr_array(self.before.shape, dtype=self.before.dtype)
        return Split(self.split.protocol, self.before, nothing, self.split.test)

    def begin_of(self, part: Part) -> int:
        """When what is to be predicted begins: no tag from then on may be seen."""
        return self.validation_begin if part == "validation" else self.begin


def rolling_windows(data: TimedRatings, n: int = 6, first: float = 0.4) -> list[Window]:
    """So many consecutive windows with equally many ratings, after a first share of all ratings.

    Windows in which no known person rates a known film are left out.
    """
    times = data.timestamps
    edges = np.quantile(times, np.linspace(first, 1, n + 1)).astype(np.int64)
    edges[-1] += 1
    windows = []
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        before, within = times < begin, (times >= begin) & (times < end)
        if not before.any():
            continue
        middle = int(np.quantile(times[before], 0.9))
        all_before, early = chosen(data.ratings, before), chosen(data.ratings, times < middle)
        validation = _of_known(chosen(data.ratings, before & (times >= middle)), early)
        test = _of_known(chosen(data.ratings, within), all_before)
        if test.nnz and validation.nnz:
            split = Split("rolling_windows", early, validation, test)
            windows.append(Window(split, all_before, middle, begin, end))
    return windows


def _of_known(later: sparse.csr_array, earlier: sparse.csr_array) -> sparse.csr_array:
    """Those of the later ratings whose person and film have earlier ones."""
    people = np.diff(earlier.indptr) > 0
    films = np.bincount(earlier.indices, minlength=earlier.shape[1]) > 0
    return chosen(later, people[_users(later)] & films[later.indices])


def cut_validation(
    train: sparse.csr_array, seed: int = 42, share: float = 0.1
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """A random share of each user's ratings (rounded) to choose settings on, and the rest.

    Where nobody has so many that one is cut, everyone with at least two gives one.

    Returns:
        The rest and what was cut, csr [n_users, n_movies].
    """
    counts, users = np.diff(train.indptr), _users(train)
    wanted = np.round(share * counts).astype(np.int64)
    if not wanted.any():
        wanted = (counts >= 2).astype(np.int64)
    order = np.lexsort((np.random.default_rng(seed).random(len(users)), users))
    place = np.empty(len(users), np.int64)  # of each rating among its user's, at random
    place[order] = np.arange(len(users)) - np.repeat(train.indptr[:-1], counts)
    cut = place < wanted[users]
    return chosen(train, ~cut), chosen(train, cut)
