"""The settings of the graph, chosen on validation by a search over closed-form fits.

A pattern search (Hooke & Jeeves 1961): one setting at a time is moved up or down by its step, on
and on while validation improves; after a sweep over all settings the steps are halved. Every one is
free of scale (exponents, shares, a ridge in units of the first eigenvalue), so the same start and
steps serve any data. It begins from the better of two corners, dense data and sparse data.

A fit has fewer directions than the final one where the data allow thousands, and begins from the
directions of the best fit so far, which a small move of the settings hardly turns. Where the
ratings are many, the sweeps look at some of the people alone; ridge and strengths are then settled
on the fit to all of them, which becomes the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.bpr import StopTraining
from model.config import CONTENT_KINDS, SETTINGS, TrainingConfig
from model.evaluation import LIKED, RankingReport, evaluate
from model.fitted_start import MAX_DENSE_NODES, ROUNDS, Spectrum, most_directions, spectrum
from model.hybrid_graph import TASTE, Content, build_graph
from model.lightgcn import fitted_vectors, profile_scorer
from model.profiles import PROFILES, strength
from model.splits import Split

METRIC = "NDCG@20"
_ADDED = {"user_exponent": 0.15, "film_exponent": 0.2, "met_exponent": 0.1}  # steps
_FACTOR = 3.0  # step of all others, which are multiplied
_SWEEPS = 3
_SPARSE: dict[str, Any] = {
    "user_exponent": 0.5,
    "film_exponent": 0.4,
    "met_exponent": -0.1,
    "ridge": 0.09,
}
_NO_NEW_FIT = ("ridge", "met_exponent")  # the eigenpairs stay as they are
_STRENGTHS = tuple(np.linspace(0, 1, 11).round(1).tolist())
_RANK_OF_FEW_NODES, _RANK_OF_MANY = 512, 256  # in the sweeps
_ROUNDS_FROM_NEAR = 2  # of the power iteration, from the best fit's directions
_SWEPT_RATINGS = 1_500_000  # of the people that the sweeps look at, where there are more
_SCORES_PER_FIT = 150_000_000  # users × films that a measurement looks at, at most


@dataclass(frozen=True)
class Trial:
    """One configuration that was looked at.

    Attributes:
        changed: the setting that was moved, or "start".
        value: of that setting; None for a start.
        score: the mean of validation NDCG@20 of the profile "watch" on all held-out films and of
            "like" on the liked ones (without stars: of the first).
        better: it became the best so far.
        seconds: of the processor since the search began, pauses left out.
    """

    changed: str
    value: float | None
    score: float
    better: bool
    seconds: float


@dataclass(frozen=True)
class SearchResult:
    """The settings that were found, and every configuration that was looked at.

    Attributes:
        fitted: the eigenpairs of the graph with these settings; None where the search ended early.
    """

    config: TrainingConfig
    trials: tuple[Trial, ...]
    fitted: Spectrum | None = None


def search(
    split: Split,
    content: Content,
    config: TrainingConfig,
    on_trial: Callable[[Trial], None] | None = None,
    before_fit: Callable[[], None] | None = None,
) -> SearchResult:
    """Choose exponents, ridge, weights of the node kinds and star strengths on validation.

    Deterministic as long as the budget `config.search_seconds` does not cut it short.

    Args:
        content: of the films, as seen from the train part (`without_held_out`).
        config: the start; what the search does not choose stays as it is.
        on_trial: called after every configuration.
        before_fit: called before every fit; may block or raise `StopTraining`.
    """
    return _Search(split, content, config, on_trial, before_fit).run()


class _Search:
    """The state of a search: the best settings so far, and the eigenpairs that are needed again."""

    def __init__(
        self,
        split: Split,
        content: Content,
        config: TrainingConfig,
        on_trial: Callable[[Trial], None] | None,
        before_fit: Callable[[], None] | None,
    ) -> None:
        self.whole, self.content, self.processes = split, content, split.processes
        self.split = some_people(split, _SWEPT_RATINGS, config.seed)
        self.on_trial, self.before_fit = on_trial, before_fit
        # The processor's time, so that other work on the machine costs none of it.
        self.begun, self.budget, self.reserve = time.thread_time(), config.search_seconds, 0.0
        self.trials: list[Trial] = []
        self.best, self.gains = config, np.full(1, -np.inf)
        self.starred = self._starred()
        few = min(self._size(self.split)) <= MAX_DENSE_NODES
        self.rank = min(config.dim, _RANK_OF_FEW_NODES if few else _RANK_OF_MANY)
        self.sample = max(_SCORES_PER_FIT // split.train.shape[1], 100)
        self.fitted: Spectrum | None = None  # of the best
        self.final = False  # with all directions, and on all people

    def run(self) -> SearchResult:
        """The better corner, the sweeps, then what the final rank decides; a stop ends it early."""
        with suppress(StopTraining, KeyboardInterrupt):
            self._sweep()
            self._at_final_rank()
        config = replace(self.best, search_seconds=0.0)
        return SearchResult(config, tuple(self.trials), self.fitted if self.final else None)

    def _starred(self) -> bool:
        """Whether the stars differ anywhere."""
        train = self.whole.train
        ends = (train.data.min(), train.data.max()) if train.nnz else (np.inf, -np.inf)
        everybodys = self.processes.everybodys((float(ends[0]), float(ends[1])))
        return min(low for low, _ in everybodys) < max(high for _, high in everybodys)

    def _size(self, split: Split) -> tuple[int, int]:
        """Nodes and films of the graph over these people."""
        graph = build_graph(split.train, self.content, self.best, split.processes)
        return int(self.processes.total_of(graph.edges.shape[0])), graph.edges.shape[1]

    def _sweep(self) -> None:
        start, step = self.best, 1.0
        self._try(start, "start")
        people = self.processes.total_of(self.whole.train.nnz) / max(
            self.processes.total_of(self.split.train.nnz), 1
        )
        more = people * min(start.dim, most_directions(*self._size(self.whole))) / self.rank
        if more > 1:  # the fit with all directions, from a random start as well
            self.reserve = min(1.3 * more * self.trials[0].seconds, 0.6 * self.budget)
        self._try(replace(start, **_SPARSE), "start")
        for _ in range(_SWEEPS):
            for name in self._searched():
                self._move(name, step)
            step /= 2

    def _searched(self) -> list[str]:
        """The settings that have an effect on these data."""
        kinds = [TASTE] if self.starred else []
        kinds += [kind for kind in CONTENT_KINDS if kind in self.content]
        return [*_NO_NEW_FIT, "user_exponent", "film_exponent", *kinds]

    def _move(self, name: str, step: float) -> None:
        """Up while it gains, or else down while it gains."""
        for sign in (1, -1):
            moved = False
            while self._time_left():
                value = _moved(self.best, name, sign * step)
                if value == getattr(self.best, name):
                    break
                if not self._try(changed(self.best, name, value), name):
                    break
                moved = True
            if moved:
                return

    def _time_left(self) -> bool:
        left = time.thread_time() - self.begun < self.budget - self.reserve
        return self.processes.of_first(left)

    def _try(self, config: TrainingConfig, what: str) -> bool:
        """Measure a configuration; whether it is the best so far."""
        if self.before_fit:
            asked = time.thread_time()
            self.before_fit()
            self.begun += time.thread_time() - asked  # a pause costs none of the budget
        found = self._spectrum(config)
        gains = self._measure(found, config)
        better = bool(gains.mean() > self.gains.mean())
        if better:
            self.best, self.gains, self.fitted = config, gains, found
        value = float(getattr(config, what)) if what in SETTINGS else None
        seconds = time.thread_time() - self.begun
        self.trials.append(Trial(what, value, float(gains.mean()), better, seconds))
        if self.on_trial:
            self.on_trial(self.trials[-1])
        return better

    def _spectrum(self, config: TrainingConfig) -> Spectrum:
        """The eigenpairs, computed again only where they differ from the best one's."""
        if self.fitted is not None and _same_graph(config, self.best):
            return self.fitted
        graph = build_graph(self.split.train, self.content, config, self.processes)
        near = None if self.fitted is None else self.fitted.vectors
        rounds = ROUNDS if near is None else _ROUNDS_FROM_NEAR
        return spectrum(graph, self.rank, config.seed, near, rounds)

    def _measure(self, found: Spectrum, config: TrainingConfig) -> NDArray[np.float64]:
        """Per user: NDCG@20 of "watch" on all held-out films and of "like" on the liked ones."""
        columns = []
        for profile in PROFILES if self.starred else PROFILES[:1]:
            report = self._report(found, config, strength(config, profile))
            name = METRIC if profile == "watch" else LIKED + METRIC
            values = report.per_user.get(name, report.per_user[METRIC])
            columns.append((values / max(values.count(), 1)).fillna(0.0).to_numpy())
        return np.mean(columns, axis=0) * len(columns[0])

    def _report(self, found: Spectrum, config: TrainingConfig, delta: float) -> RankingReport:
        train = self.split.train
        sent, met = fitted_vectors(train, found, config, self.processes)
        scorer = profile_scorer(train, sent, met, delta, self.processes)
        return evaluate(scorer, self.split, "validation", (20,), sample_users=self.sample)

    def _at_final_rank(self) -> None:
        """On all people, with all directions that the model will have: the ridge again, then the
        strengths."""
        self.split, self.final = self.whole, True
        self.rank, self.fitted, self.reserve = self.best.dim, None, 0.0
        self.gains = np.full(1, -np.inf)
        self._try(self.best, "ridge")
        for step in (0.5, 0.25):
            self._move("ridge", step)
        if not self.starred or self.fitted is None:
            return
        reports = [self._report(self.fitted, self.best, delta).mean() for delta in _STRENGTHS]
        for profile, name in (("watch", METRIC), ("like", LIKED + METRIC)):
            values = [report.get(name, 0.0) for report in reports]
            delta = _STRENGTHS[int(np.argmax(values))]
            self.best = changed(self.best, profile, delta)
            seconds = time.thread_time() - self.begun
            self.trials.append(Trial(profile, delta, max(values), True, seconds))


def some_people(split: Split, most_ratings: int, seed: int) -> Split:
    """The split with so many of the people, drawn at random, that they have about so many ratings
    in train; as it is, where it has no more."""
    every = split.processes.total_of(split.train.nnz)
    if every <= most_ratings:
        return split
    n_users, rank = split.train.shape[0], split.processes.rank
    before = sum(split.processes.everybodys(n_users)[:rank])
    drawn = np.random.Generator(np.random.PCG64(seed).advance(before)).random(n_users)
    kept = np.flatnonzero(drawn < most_ratings / every)
    train, validation, test = (part[kept] for part in (split.train, split.validation, split.test))
    return replace(split, train=train, validation=validation, test=test)


def changed(config: TrainingConfig, name: str, value: float) -> TrainingConfig:
    """The configuration with another value of the setting with this name."""
    change: dict[str, Any] = {name: value}
    return replace(config, **change)


def _moved(config: TrainingConfig, name: str, step: float) -> float:
    """The setting after so many steps, within its range."""
    value, setting = getattr(config, name), SETTINGS[name]
    if name in _ADDED:
        value = round(value + _ADDED[name] * step, 6)
    else:
        value = float(f"{value * _FACTOR**step:.4g}")
    return float(np.clip(value, setting.low, setting.high))


def _same_graph(one: TrainingConfig, other: TrainingConfig) -> bool:
    """Whether two configurations differ at most in what needs no new eigenpairs."""
    for name in _NO_NEW_FIT:
        one = changed(one, name, getattr(other, name))
    return one == other
