"""Ratings of any kind, without a film table: read, split, fitted, searched and measured.

`python -m model.interactions train.csv [--test test.csv]` reads lines of
`user,item[,rating][,time]` and prints how well the hybrid model recommends on them, with the
settings that its search chose. `measure` does the same from Python, for sparse matrices. Items take
the place of films; nothing but the ratings is in the graph.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from model.config import PRESETS, TrainingConfig
from model.evaluation import RankingReport, Scorer, evaluate
from model.fitted_start import spectrum
from model.hybrid_graph import build_graph
from model.lightgcn import fitted_vectors, profile_scorer
from model.profiles import PROFILES, Profile, strength
from model.search import Trial, search
from model.splits import (
    DEFAULT_PROTOCOL,
    PROTOCOLS,
    Split,
    TimedRatings,
    cut_validation,
    random_80_10_10,
    temporal_leave_one_out,
)

LOWEST, HIGHEST = 0.5, 5.0  # stars; other scales are stretched to these
_MOST_RATING = 1000.0  # a third column with larger numbers is a time
_COLUMNS = {
    "user": ("user", "user_id", "userid", "uid", "u"),
    "item": ("item", "item_id", "itemid", "iid", "i", "movieid", "movie_id", "film"),
    "rating": ("rating", "stars", "score", "value", "r"),
    "time": ("time", "timestamp", "date", "t", "unixtime"),
}


class InteractionsError(ValueError):
    """Ratings that cannot be read or measured; the message is one sentence to show."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Who rated what.

    Attributes:
        ratings: csr float32 [n_users, n_items], stars from 0.5 to 5, or 1 everywhere where there
            are none; one stored entry per rating, columns ascending.
        timestamps: int64 [n_ratings], in the order of `ratings.data`; 0 everywhere without times.
        users, items: the ids as they were read, by inner number.
        starred, timed: stars and times were given.
        notes: what was left out or changed while reading, sentences.
    """

    ratings: sparse.csr_array
    timestamps: NDArray[np.int64]
    users: NDArray[np.object_]
    items: NDArray[np.object_]
    starred: bool = False
    timed: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Cost:
    """What a part of the work took, seconds."""

    cpu: float
    wall: float


@dataclass(frozen=True, eq=False)
class Measurement:
    """A fitted model's quality on test.

    Attributes:
        config: with the settings that were chosen.
        trials: what the search looked at; empty without a search.
        reports: on test, by profile; "watch" alone where there are no stars.
        sent, met: m and v, float32 [n_items, rank]: the score of user u for item i is
            Σ_j x_uj m_j·v_i over the items j of u.
        costs: of "search", "fit" and "measuring".
        peak_mib: the most memory that the process ever held.
        notes: sentences about what was done otherwise than asked.
    """

    config: TrainingConfig
    trials: tuple[Trial, ...]
    reports: dict[Profile, RankingReport]
    sent: NDArray[np.float32]
    met: NDArray[np.float32]
    costs: dict[str, Cost]
    peak_mib: float
    notes: tuple[str, ...] = ()


# --- reading --------------------------------------------------------------------------------------


def read_interactions(
    train: Path, test: Path | None = None, stars: bool = True
) -> tuple[Interactions, Interactions | None]:
    """Read one file, or a train and a test file that share their ids.

    A line is `user,item`, then a rating and a time if there are any; commas, semicolons or tabs. A
    first line of column names may name the columns in any order. Ids are any text. Without names, a
    third column with numbers above 1,000 is a time. Of lines with the same user and item the latest
    counts. Ratings outside 0.5 to 5 are stretched to that range as a whole.

    Args:
        stars: False leaves the ratings out, so every line weighs the same.

    Raises:
        InteractionsError: a file is missing, empty or not such a table.
    """
    tables = [_table(path) for path in ([train] if test is None else [train, test])]
    both = pd.concat(tables, keys=range(len(tables)))
    users, user_ids = pd.factorize(both["user"], sort=True)
    items, item_ids = pd.factorize(both["item"], sort=True)
    starred = stars and all("rating" in table for table in tables)
    timed = all("time" in table for table in tables)
    notes: list[str] = []
    values = np.ones(len(both), np.float32)
    if starred:
        values, changed = _as_stars(both["rating"].to_numpy(np.float64))
        notes += [changed] if changed else []
    times = both["time"].to_numpy(np.int64) if timed else np.zeros(len(both), np.int64)
    begin = len(tables[0])
    parts = []
    for rows in (slice(0, begin), slice(begin, len(both)))[: len(tables)]:
        shape = (len(user_ids), len(item_ids))
        kept, twice = _latest(users[rows], items[rows], times[rows], shape[1])
        said = [*notes, f"{twice:,} lines repeat a user and item; the latest of each counts."]
        parts.append(
            Interactions(
                ratings=_matrix(values[rows][kept], users[rows][kept], items[rows][kept], shape),
                timestamps=times[rows][kept],
                users=np.asarray(user_ids, object),
                items=np.asarray(item_ids, object),
                starred=starred,
                timed=timed,
                notes=tuple(said if twice else notes),
            )
        )
    return parts[0], parts[1] if test is not None else None


def _table(path: Path) -> pd.DataFrame:
    """The columns user, item (text), rating (float) and time (int) that the file has."""
    try:
        first = path.open(encoding="utf-8-sig").readline()
        separator = max(",;\t", key=first.count)
        cells = [cell.strip().strip('"').lower() for cell in first.split(separator)]
        named = {
            name: next((cells.index(each) for each in spellings if each in cells), None)
            for name, spellings in _COLUMNS.items()
        }
        header = named["user"] is not None and named["item"] is not None
        table = pd.read_csv(
            path,
            sep=separator,
            header=None,
            skiprows=int(header),
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    except (OSError, UnicodeError, ValueError) as error:
        raise InteractionsError(f"{path} cannot be read ({str(error).splitlines()[0]}).") from None
    if table.shape[1] < 2:
        raise InteractionsError(f"{path} must have lines of user,item[,rating][,time].")
    if not header:
        named = {"user": 0, "item": 1, **_unnamed(table)}
    table = table.iloc[:, [place for place in named.values() if place is not None]]
    table.columns = pd.Index([name for name, place in named.items() if place is not None])
    for name in ("user", "item"):
        table = table.assign(**{name: table[name].str.strip()})
        if (table[name] == "").any():
            line = int((table[name] == "").to_numpy().argmax()) + 1 + header
            raise InteractionsError(f"{path} names no {name} in line {line}.")
    return table.assign(**{name: _numbers(path, table, name) for name in table.columns[2:]})


def _unnamed(table: pd.DataFrame) -> dict[str, int]:
    """Which of the columns behind user and item are rating and time."""
    if table.shape[1] == 2:
        return {}
    third = pd.to_numeric(table[2], errors="coerce")
    if table.shape[1] == 3 and third.max() > _MOST_RATING:
        return {"time": 2}
    return {"rating": 2, "time": 3} if table.shape[1] > 3 else {"rating": 2}


def _numbers(path: Path, table: pd.DataFrame, name: str) -> pd.Series:
    numbers = pd.to_numeric(table[name], errors="coerce")
    if name == "time" and numbers.isna().any():
        dates = pd.to_datetime(table[name], errors="coerce", utc=True)
        numbers = (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    wrong = ~np.isfinite(numbers.to_numpy(np.float64))
    if wrong.any():
        text = str(table[name].iloc[int(wrong.argmax())])[:40]
        raise InteractionsError(f"{path} holds the {name} “{text}”, which is not a number.")
    return numbers.astype(np.int64) if name == "time" else numbers.astype(np.float64)


def _as_stars(values: NDArray[np.float64]) -> tuple[NDArray[np.float32], str | None]:
    low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 1.0)
    if low >= LOWEST and high <= HIGHEST:
        return values.astype(np.float32), None
    if low == high:
        return np.ones(len(values), np.float32), None
    stars = LOWEST + (HIGHEST - LOWEST) * (values - low) / (high - low)
    said = f"The ratings from {low:g} to {high:g} are read as stars from {LOWEST:g} to {HIGHEST:g}."
    return stars.astype(np.float32), said


def _latest(
    users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64], n_items: int
) -> tuple[NDArray[np.int64], int]:
    """The lines to keep, by user and item, and how many repeat others."""
    keys = users.astype(np.int64) * n_items + items
    order = np.lexsort((np.arange(len(keys)), times, keys))
    last = np.ones(len(keys), bool)
    last[:-1] = keys[order][1:] != keys[order][:-1]
    return order[last], int(len(keys) - last.sum())


def _matrix(
    values: NDArray[np.float32],
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    shape: tuple[int, int],
) -> sparse.csr_array:
    """From lines that are ordered by user and item, each pair once."""
    begins = np.concatenate([[0], np.bincount(users, minlength=shape[0]).cumsum()])
    return sparse.csr_array((values, items.astype(np.int32), begins.astype(np.int32)), shape=shape)


# --- measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Timed:
    """A sparse matrix as the protocols take it."""

    ratings: sparse.csr_array
    timestamps: NDArray[np.int64]


def measure(
    train: sparse.sparray | Interactions,
    test: sparse.sparray | Interactions | None = None,
    *,
    protocol: str = DEFAULT_PROTOCOL,
    config: TrainingConfig = PRESETS["best"],
    ks: Sequence[int] = (20,),
    seed: int = 42,
    on_trial: Callable[[Trial], None] | None = None,
) -> Measurement:
    """Choose settings on validation, fit, and measure once on test.

    With a given test, validation is a random tenth of each user's train ratings; it only chooses,
    and the model is fitted to the whole of train. Without one, `protocol` splits the ratings, and
    the model is fitted to its train part, as everywhere in this project.

    Args:
        train, test: [n_users, n_items]; stored entries are ratings, equal ones count as 1. Stars
            should be from 0.5 to 5 (`read_interactions` stretches other scales).
        protocol: of `model.splits.PROTOCOLS`.
        config: the start of the search, or the settings where `search_seconds` is 0.
        ks: the cut-offs K of Hit, Recall and NDCG.
        seed: of the validation that is cut from train, and of a random protocol.
        on_trial: called after every configuration that the search looks at.

    Raises:
        InteractionsError: there is nothing to fit or to measure; a sentence that says what helps.
    """
    notes: list[str] = []
    ratings, held_out = _checked(train), None if test is None else _checked(test)
    if held_out is None:
        split = _by_protocol(train, ratings, protocol, seed)
        fitted_to = split.train
    else:
        split, fitted_to = _given(ratings, held_out, seed, notes)
    config, trials, costs = _choose(split, config, on_trial, notes)

    begun = _now()
    sent, met = fit(fitted_to, config)
    costs["fit"] = _since(begun)
    begun = _now()
    starred = float(np.ptp(fitted_to.data)) > 0
    final = replace(split, train=fitted_to, validation=_nothing_like(split.test))
    measured = split if held_out is None else final
    reports = {
        profile: evaluate(
            profile_scorer(fitted_to, sent, met, strength(config, profile)), measured, "test", ks
        )
        for profile in (PROFILES if starred else PROFILES[:1])
    }
    costs["measuring"] = _since(begun)
    return Measurement(config, trials, reports, sent, met, costs, peak_mib(), tuple(notes))


def fit(
    ratings: sparse.csr_array, config: TrainingConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """m and v of a closed-form fit to these ratings alone, float32 [n_items, rank] each."""
    found = spectrum(build_graph(ratings, {}, config), config.dim, config.seed)
    return fitted_vectors(ratings, found, config)


def recommender(
    ratings: sparse.csr_array, measured: Measurement, profile: Profile = "watch"
) -> Scorer:
    """Scores of the measured model for people with these ratings, of any number."""
    delta = strength(measured.config, profile)
    return profile_scorer(ratings, measured.sent, measured.met, delta)


def _checked(matrix: sparse.sparray | Interactions) -> sparse.csr_array:
    if isinstance(matrix, Interactions):
        return matrix.ratings
    ratings = sparse.csr_array(matrix, dtype=np.float32, copy=True)
    ratings.sum_duplicates()
    if not np.isfinite(ratings.data).all():
        raise InteractionsError("A rating is not a finite number; leave such ratings out.")
    if ratings.nnz and np.ptp(ratings.data) == 0:
        ratings.data[:] = 1.0
    ratings.indices, ratings.indptr = (
        part.astype(np.int32) for part in (ratings.indices, ratings.indptr)
    )
    return ratings


def _by_protocol(
    train: sparse.sparray | Interactions, ratings: sparse.csr_array, protocol: str, seed: int
) -> Split:
    if protocol not in PROTOCOLS:
        raise InteractionsError(f"There is no protocol {protocol}; take {' or '.join(PROTOCOLS)}.")
    make = PROTOCOLS[protocol]
    if make is temporal_leave_one_out and not (isinstance(train, Interactions) and train.timed):
        raise InteractionsError("The last rating of each user is unknown without times.")
    times = train.timestamps if isinstance(train, Interactions) else np.zeros(ratings.nnz, np.int64)
    data: TimedRatings = _Timed(ratings, times)
    split = random_80_10_10(data, seed) if make is random_80_10_10 else make(data)
    for part in ("validation", "test"):
        if not split.held_out(part).nnz:
            raise InteractionsError(
                f"Nobody has ratings enough for {protocol} to hold any out, so nothing can be "
                "measured; people with five ratings or more would help, or a test file."
            )
    return split


def _given(
    ratings: sparse.csr_array, test: sparse.csr_array, seed: int, notes: list[str]
) -> tuple[Split, sparse.csr_array]:
    """The split with validation cut from train, and what the model is fitted to in the end."""
    if ratings.shape != test.shape:
        raise InteractionsError(
            f"Train has {ratings.shape[0]:,} users and {ratings.shape[1]:,} items, test "
            f"{test.shape[0]:,} and {test.shape[1]:,}; both must number the same ones."
        )
    if not ratings.nnz:
        raise InteractionsError("Train holds no rating, so there is nothing to learn from.")
    again = _stored(test).multiply(_stored(ratings)).tocsr()
    if again.nnz:
        notes.append(f"{again.nnz:,} ratings of test are in train too, and do not count in test.")
        test = sparse.csr_array(test - test.multiply(again))
        test.eliminate_zeros()
    if not test.nnz:
        raise InteractionsError("Test holds no rating that is not in train, so nothing to measure.")
    rest, validation = cut_validation(ratings, seed)
    return Split("given", rest, validation, test), ratings


def _choose(
    split: Split,
    config: TrainingConfig,
    on_trial: Callable[[Trial], None] | None,
    notes: list[str],
) -> tuple[TrainingConfig, tuple[Trial, ...], dict[str, Cost]]:
    begun = _now()
    trials: tuple[Trial, ...] = ()
    if config.search_seconds:
        if split.validation.nnz and split.train.nnz:
            found = search(split, {}, config, on_trial)
            config, trials = found.config, found.trials
        else:
            config = replace(config, search_seconds=0.0)
            notes.append(
                "Nobody has two ratings in train, so no settings could be chosen on validation; "
                "those of the start are used."
            )
    return config, trials, {"search": _since(begun)}


def _stored(matrix: sparse.csr_array) -> sparse.csr_array:
    """1 at every stored entry."""
    return sparse.csr_array(
        (np.ones(matrix.nnz, np.float32), matrix.indices, matrix.indptr), shape=matrix.shape
    )


def _nothing_like(matrix: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array(matrix.shape, dtype=np.float32)


def _now() -> Cost:
    return Cost(time.process_time(), time.perf_counter())


def _since(begun: Cost) -> Cost:
    now = _now()
    return Cost(now.cpu - begun.cpu, now.wall - begun.wall)


def peak_mib() -> float:
    """The most memory that this process ever held, MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


# --- the command line -----------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Read, choose, fit, measure and print; the exit status."""
    options = _parse(arguments)
    try:
        config = replace(PRESETS["best"], dim=options.rank, search_seconds=options.search_seconds)
        train, test = read_interactions(options.train, options.test, not options.no_stars)
        for note in train.notes:
            print(note)
        n_users, n_items = train.ratings.shape
        print(f"{n_users:,} users, {n_items:,} items, {train.ratings.nnz:,} ratings to learn from.")
        found = measure(
            train,
            test,
            protocol=options.protocol,
            config=config,
            ks=options.k,
            seed=options.seed,
            on_trial=_show,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for line in _told(found):
        print(line)
    return 0


def _show(trial: Trial) -> None:
    value = "" if trial.value is None else f" {trial.value:g}"
    print(
        f"{trial.seconds:6.1f} s  {trial.changed}{value}: validation {trial.score:.4f}"
        + (" *" if trial.better else ""),
        file=sys.stderr,
    )


def _told(found: Measurement) -> list[str]:
    config = found.config
    names = ["user_exponent", "film_exponent", "met_exponent", "ridge"]
    names += ["taste", "watch", "like"] if len(found.reports) > 1 else []
    chosen = ", ".join(f"{name} {getattr(config, name):g}" for name in names)
    lines = [*found.notes, f"Settings: {chosen}, rank {found.sent.shape[1]}."]
    for profile, report in found.reports.items():
        lines.append(f"test, profile “{profile}”, {len(report.per_user):,} users:")
        for name, value in report.mean().items():
            low, high = report.interval(name)
            lines.append(f"  {name:<16}{value:.4f}  (95 %: {low:.4f} to {high:.4f})")
    spent = ", ".join(
        f"{name} {cost.cpu:.1f} s CPU / {cost.wall:.1f} s" for name, cost in found.costs.items()
    )
    looked = f"{len(found.trials)} configurations looked at"
    lines.append(f"{spent}; {looked}; {found.peak_mib:,.0f} MiB at the peak.")
    return lines


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model.interactions",
        description="Fit, search and measure on any ratings: lines of user,item[,rating][,time].",
    )
    parser.add_argument("train", type=Path, help="the ratings, or those to learn from")
    parser.add_argument("--test", type=Path, help="the ratings to measure on; else --protocol")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=DEFAULT_PROTOCOL,
        help="what is held out where no test is given (default: %(default)s)",
    )
    parser.add_argument(
        "--search-seconds",
        type=float,
        default=PRESETS["best"].search_seconds,
        help="choose settings for at most so long; 0 takes the defaults (default: %(default)g)",
    )
    parser.add_argument(
        "--rank",
        type=int,
        default=PRESETS["best"].dim,
        help="numbers per item, at most; capped where users and items are many "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "-k", type=int, nargs="+", default=[20], help="list lengths to measure (default: 20)"
    )
    parser.add_argument("--no-stars", action="store_true", help="ratings say who, not how much")
    parser.add_argument("--seed", type=int, default=42, help="of the cut (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
