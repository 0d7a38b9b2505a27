"""What time does to a ranking: films that age, and the order in which films were rated.

`ageing` chooses after how many later films a rated one counts half (`model.ageing`), on the
validation part of each protocol, and measures it. `runs` adds a node for every run of films that
someone rated one after another in one sitting: a gain on random splits that turns into a loss on
later windows, because it learns in which order a site showed its films. Such nodes exist only here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, sparse

from benchmarks.costs import GIVEN, Row, load
from benchmarks.ranking import EASE, LIKED_NDCG, NDCG, paired
from data_preparation import MovieData
from model.ageing import ALWAYS, share_left
from model.baselines import ease, tuned_ease
from model.bpr import Learner
from model.evaluation import RankingReport, Scorer, evaluate
from model.fitted_start import first_eigenvalue
from model.hybrid_graph import (
    SEEN,
    Content,
    HybridGraph,
    build_graph,
    content_before,
    overall_mean,
    visible_content,
)
from model.profiles import PROFILES, Profile, profile_weights, strength
from model.splits import PROTOCOLS, Part, Split, random_80_10_10, rolling_windows, times_in

HALF_LIVES = (ALWAYS, 1000.0, 300.0, 100.0, 50.0, 30.0, 20.0, 12.0, 8.0, 5.0, 3.0, 2.0)
# What each protocol is judged by: the next film has a place among ten, or none.
JUDGED_BY = {"temporal_leave_one_out": "NDCG@10", "rolling_windows": NDCG, "random_80_10_10": NDCG}
SHOWN = ("NDCG@10", NDCG, LIKED_NDCG)


@dataclass(frozen=True, eq=False)
class Case:
    """A split to fit to and measure on; `known` are the tags and contents that may be seen."""

    split: Split
    known: Content


def cases(data: MovieData, protocol: str, part: Part) -> Iterator[Case]:
    """The one split of a protocol, or each of the windows."""
    if protocol != "rolling_windows":
        split = PROTOCOLS[protocol](data)
        yield Case(split, visible_content(data, split.hidden()))
        return
    for window in rolling_windows(data):
        split = window.split if part == "validation" else window.final()
        yield Case(split, content_before(data, window.begin_of(part)))


# --- films that age -------------------------------------------------------------------------------


def ageing(part: Part, protocols: Sequence[str] = tuple(JUDGED_BY)) -> list[Row]:
    """For each protocol: the half-life by validation, and what it gains on the part."""
    data = load()
    return [_aged(data, protocol, part) for protocol in protocols]


def _aged(data: MovieData, protocol: str, part: Part) -> Row:
    judged = JUDGED_BY[protocol]
    looked: dict[tuple[str, float], list[RankingReport]] = {}
    for case in cases(data, protocol, "validation"):
        scorer = aged_scorers(data, case)
        for profile in PROFILES:
            for half_life in HALF_LIVES:
                report = evaluate(scorer(profile, half_life), case.split, "validation")
                looked.setdefault((profile, half_life), []).append(report)
    values = {key: float(_values(reports)[judged].mean()) for key, reports in looked.items()}
    chosen = {
        profile: max(HALF_LIVES, key=lambda half_life: values[profile, half_life])
        for profile in PROFILES
    }
    _say(f"  {protocol}: half-lives {chosen}")
    return {
        "protocol": protocol,
        "judged_by": judged,
        "half_lives": [_plain(half_life) for half_life in HALF_LIVES],
        "validation": {p: [values[p, half_life] for half_life in HALF_LIVES] for p in PROFILES},
        "chosen": {profile: _plain(half_life) for profile, half_life in chosen.items()},
        "rows": _measured(data, protocol, part, chosen),
    }


def _measured(
    data: MovieData, protocol: str, part: Part, chosen: dict[Profile, float]
) -> list[Row]:
    """EASE, and each profile with films that do not age and with those that do."""
    reports: dict[str, list[RankingReport]] = {}
    choices = [case.split for case in cases(data, protocol, "validation")]
    for case, choice in zip(cases(data, protocol, part), choices, strict=True):
        scorer = aged_scorers(data, case)
        named = {EASE: ease(case.split.train, tuned_ease(choice)[1])}
        for profile, half_life in chosen.items():
            named[f"given, {profile}"] = scorer(profile, ALWAYS)
            named[f"given, {profile}, aged"] = scorer(profile, half_life)
        for name, each in named.items():
            reports.setdefault(name, []).append(evaluate(each, case.split, part))
    return [
        {
            "name": name,
            "users": len(_values(found)),
            "metrics": {metric: float(_values(found)[metric].mean()) for metric in SHOWN},
            "less_ease": _less(found, reports[EASE]),
            "less_always": _less(found, reports[name.removesuffix(", aged")]),
        }
        for name, found in reports.items()
    ]


def aged_scorers(data: MovieData, case: Case) -> Callable[[Profile, float], Scorer]:
    """One fit to the train part; profile and half-life → scorer."""
    train = case.split.train
    learner = Learner(train, case.known, GIVEN)
    sent, met = (
        part.numpy()
        for part in learner.propagation.film_vectors(learner.weights())  # type: ignore[attr-defined]
    )
    when, overall = times_in(data, train), overall_mean(train)

    def scorer(profile: Profile, half_life: float) -> Scorer:
        weights = profile_weights(train, strength(GIVEN, profile), overall)
        weights.data = weights.data * share_left(train, when, half_life).astype(np.float32)
        return lambda users: (weights[users] @ sent) @ met.T

    return scorer


def _values(reports: Sequence[RankingReport]) -> pd.DataFrame:
    """Per user; another window, other people: each counts for itself."""
    return pd.concat([report.per_user for report in reports], ignore_index=True)


def _less(found: Sequence[RankingReport], other: Sequence[RankingReport]) -> Row:
    one, two = _values(found), _values(other)
    return {metric: paired(one[metric] - two[metric]) for metric in SHOWN}


def _plain(half_life: float) -> float | None:
    """For JSON, which has no infinity: None is always."""
    return None if half_life == ALWAYS else half_life


# --- runs of films --------------------------------------------------------------------------------

SITTING = 3600  # seconds: a longer pause ends a sitting
RUN = 10  # films, an even number
SHARES = (0.3, 1.0, 3.0)  # of the weight of who rated what; chosen on validation of random splits
RUNS_SEEDS = (42, 1, 2)
_FEWEST = 3


def runs(part: Part, seeds: Sequence[int] = RUNS_SEEDS) -> Row:
    """With and without a node for every run of films, on random splits and on later windows."""
    data = load()
    splits = [random_80_10_10(data, seed) for seed in seeds]
    random = [Case(split, visible_content(data, split.hidden())) for split in splits]
    by_share = {
        share: float(
            _values([_with_runs(data, case, share, "validation") for case in random])[NDCG].mean()
        )
        for share in SHARES
    }
    share = max(by_share, key=by_share.__getitem__)
    found = []
    for protocol, every in (
        ("random_80_10_10", random),
        ("rolling_windows", list(cases(data, "rolling_windows", part))),
    ):
        plain = _values([_with_runs(data, case, 0.0, part) for case in every])
        with_runs = _values([_with_runs(data, case, share, part) for case in every])
        row: Row = {
            "protocol": protocol,
            "users": len(plain),
            "without": float(plain[NDCG].mean()),
            "with": float(with_runs[NDCG].mean()),
            "difference": paired(with_runs[NDCG] - plain[NDCG]),
        }
        _say(f"  runs of films, {protocol}: {row['without']:.4f} → {row['with']:.4f}")
        found.append(row)
    return {"rows": found, "share": share, "films": RUN, "sitting": SITTING}


def _with_runs(data: MovieData, case: Case, share: float, part: Part) -> RankingReport:
    """The report of "watch" with run nodes of this share; of 0 without any."""
    train = case.split.train
    graph = build_graph(train, case.known, GIVEN)
    if share:
        graph = with_runs(graph, run_edges(train, times_in(data, train)), share)
    return evaluate(_full_rank(train, graph), case.split, part)


def _full_rank(train: sparse.csr_array, graph: HybridGraph) -> Scorer:
    """The given settings with all directions of a graph that has more nodes than LAPACK is asked
    for by `model.fitted_start`: with P = (G + λ)^-1 and G = YᵀY, a film j speaks for a film i by
    −P_ji / P_ii, which is what w/(w + λ) over all eigenpairs comes to, without a film's own vote.

    Films with fewer than `_FEWEST` ratings are left out, so that G fits.
    """
    degree = np.bincount(train.indices, minlength=train.shape[1])
    films = np.flatnonzero(degree >= _FEWEST)
    edges = graph.edges.tocsc()[:, films].tocsr()
    table = (edges.T @ edges).toarray().astype(np.float32)  # G  [n_films, n_films]
    ridge = GIVEN.ridge * first_eigenvalue(graph.edges[graph.rows_of(SEEN)])
    table[np.diag_indices_from(table)] += np.float32(ridge)
    inverse = linalg.inv(table, overwrite_a=True, assume_a="pos")
    speaks = -inverse / np.diag(inverse)
    np.fill_diagonal(speaks, 0.0)
    speaks *= degree[films].astype(np.float32) ** np.float32(GIVEN.met_exponent)
    weights = profile_weights(train, GIVEN.watch, overall_mean(train)).tocsc()[:, films].tocsr()

    def scorer(users: NDArray[np.int64]) -> NDArray[np.float32]:
        scores = np.full((len(users), train.shape[1]), -1e3, np.float32)
        scores[:, films] = weights[users] @ speaks
        return scores

    return scorer


def run_edges(ratings: sparse.csr_array, when: NDArray[np.integer]) -> sparse.csr_array:
    """A node for every run of films that someone rated one after another in one sitting.

    Each run overlaps the one before by half; those of a single film are left out.

    Returns:
        csr float32 [n_runs, n_movies].
    """
    user = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    order = np.lexsort((ratings.indices, when, user))
    who, time = user[order], when[order]
    begins = np.append(True, (who[1:] != who[:-1]) | (np.diff(time) > SITTING))[: len(order)]
    place = np.arange(len(order))
    before = place - np.maximum.accumulate(np.where(begins, place, 0))  # in the sitting
    half = np.cumsum(before % (RUN // 2) == 0) - 1  # every film is in one half run …
    films = ratings.indices[order]
    second = before >= RUN // 2  # … and its half is the second one of the run before
    run = np.concatenate([half, half[second] - 1])
    films = np.concatenate([films, films[second]])
    kept = np.bincount(run)[run] > 1
    _, row = np.unique(run[kept], return_inverse=True)
    return sparse.csr_array(
        (np.ones(len(row), np.float32), (row, films[kept])),
        shape=(int(row.max(initial=-1)) + 1, ratings.shape[1]),
    )


def with_runs(graph: HybridGraph, edges: sparse.csr_array, share: float) -> HybridGraph:
    """The graph with these nodes, weighing a share of who rated what."""
    seen = np.square(graph.edges[graph.rows_of(SEEN)].data, dtype=np.float64).sum()
    scale = np.float32(np.sqrt(share * seen / max(edges.nnz, 1)))
    rows = sparse.csr_array(sparse.vstack([graph.edges, edges * scale], format="csr"))
    return HybridGraph((*graph.kinds, "run"), (*graph.starts, rows.shape[0]), rows)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
