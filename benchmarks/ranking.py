"""How good the ranking is: models side by side, by group, by component, with content."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.costs import Row, load, peak_mib
from data_preparation import MovieData, normalised_adjacency
from model import bpr, fitted_start
from model.baselines import ease, item_knn, popularity, pure_svd
from model.config import PRESETS, TrainingConfig
from model.evaluation import RankingReport, Scorer, evaluate
from model.lightgcn import to_torch, train_scorer
from model.splits import PROTOCOLS, Part, Split
from model.trained import EpochRecord, TrainedModel
from model.viewers import tag_profiles
from model_training import train
from prediction import DEFAULT_TAG_WEIGHT, blend
from sources.tag_cleaning import count_tags

Mask = NDArray[np.bool_]

NDCG, RECALL = "NDCG@20", "Recall@20"
BASELINES: dict[str, Callable[[sparse.csr_array], Scorer]] = {
    "popularity": popularity,
    "item_knn": item_knn,
    "pure_svd": pure_svd,
    "ease": ease,
}
QUALITY_BAR = 0.233  # test NDCG@20 of LightGCN-PyTorch at its best (shared/anchors.md)
RARE_RATINGS = 5  # a film with at most so many training ratings is in the long tail
CONTENT_WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 1.0)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model fitted on the train part, with what the fitting cost.

    Attributes:
        seconds: of the training, its validation included and any test measurement excluded.
        reached: seconds until test NDCG@20 was `QUALITY_BAR`, or None if it never was.
    """

    scorer: Scorer
    seconds: float
    reached: float | None
    epoch: int | None = None
    epochs_run: int | None = None


def fit(name: str, data: MovieData, split: Split, seed: int = 0) -> Fitted:
    """Fit a baseline or a LightGCN preset by its name."""
    if name in PRESETS:
        return _fit_lightgcn(data, split, replace(PRESETS[name], seed=seed))
    start = time.perf_counter()
    scorer = BASELINES[name](split.train)
    seconds = time.perf_counter() - start
    good_enough = evaluate(scorer, split, "test").mean()[NDCG] >= QUALITY_BAR
    return Fitted(scorer, seconds, seconds if good_enough else None)


def _fit_lightgcn(data: MovieData, split: Split, config: TrainingConfig) -> Fitted:
    """Train, and look at test after every epoch with the clock stopped (only to time the bar)."""
    current: list[Scorer] = []
    make_scorer = bpr.train_scorer
    paused, seconds = 0.0, 0.0
    reached: float | None = None

    def remember(*arguments: Any) -> Scorer:
        current[:] = [make_scorer(*arguments)]
        return current[0]

    def measure(record: EpochRecord) -> None:
        nonlocal paused, seconds, reached
        seconds = record.seconds - paused
        start = time.monotonic()
        if reached is None and evaluate(current[0], split, "test").mean()[NDCG] >= QUALITY_BAR:
            reached = seconds
        if record.epoch % 20 == 0:
            _say(f"  epoch {record.epoch}: validation {record.metrics[NDCG]:.4f}, {seconds:.0f} s")
        paused += time.monotonic() - start

    with mock.patch.object(bpr, "train_scorer", remember):
        model = train(data, split, config, on_epoch=measure)
    return Fitted(
        graph_scorer(model, split), seconds, reached, model.best_epoch, len(model.history) - 1
    )


def graph_scorer(model: TrainedModel, split: Split) -> Scorer:
    """The model with only the train part as its graph, as it is measured."""
    adjacency, e0 = to_torch(normalised_adjacency(split.train)), torch.tensor(model.e0)
    return train_scorer(adjacency, e0, model.config.layers, split.train.shape[0])


def rank(name: str, protocol: str, seed: str = "0") -> Row:
    """All that the quality tables say about one model and one seed."""
    base = peak_mib()
    data = load()
    split = PROTOCOLS[protocol](data)
    fitted = fit(name, data, split, int(seed))
    validation, test = (evaluate(fitted.scorer, split, part) for part in ("validation", "test"))
    memory = peak_mib() - base
    return {
        "name": name,
        "seed": int(seed),
        "validation": validation.mean(),
        "test": test.mean(),
        "interval": {metric: test.interval(metric) for metric in (NDCG, "NDCG@10", "Hit@10")},
        "coverage": test.coverage(20, int(split.rated_movies().sum())),
        "popularity": test.mean_popularity(20, split.train),
        "seconds": fitted.seconds,
        "reached": fitted.reached,
        "best_epoch": fitted.epoch,
        "epochs_run": fitted.epochs_run,
        "memory": memory,
    }


def groups() -> Row:
    """Test NDCG@20 by the user's activity and Recall@20 by the film's popularity (random split)."""
    data = load()
    split = PROTOCOLS["random_80_10_10"](data)
    names = ("best", "ease", "popularity")
    scorers = {name: fit(name, data, split).scorer for name in names}
    reports = {name: evaluate(scorer, split, "test") for name, scorer in scorers.items()}
    activity = np.diff(split.train.indptr)[reports["best"].per_user.index]
    low, high = np.quantile(activity, [0.25, 0.75])
    user_groups = {
        f"users: lowest quarter (≤ {low:.0f} training ratings)": activity <= low,
        "users: middle half": (activity > low) & (activity <= high),
        f"users: highest quarter (> {high:.0f})": activity > high,
    }
    rows = [
        {"group": group, "metric": NDCG, "users": int(mask.sum())}
        | {name: float(report.per_user[NDCG][mask].mean()) for name, report in reports.items()}
        for group, mask in user_groups.items()
    ]
    rare = rare_films(split)
    film_groups = {f"films: long tail (≤ {RARE_RATINGS} training ratings)": rare}
    film_groups["films: the rest"] = ~rare
    film_groups["films: long tail, ranked among themselves"] = rare
    for group, films in film_groups.items():
        alone = "among themselves" in group
        measured = {
            name: evaluate(only(films, scorer) if alone else scorer, split, "test", films=films)
            for name, scorer in scorers.items()
        }
        rows += [
            {"group": group, "metric": metric, "users": len(measured["best"].per_user)}
            | {name: report.mean()[metric] for name, report in measured.items()}
            for metric in (NDCG, RECALL)
        ]
    return {"rows": rows, "best_minus_ease": difference(reports["best"], reports["ease"])}


def rare_films(split: Split) -> Mask:
    return np.bincount(split.train.indices, minlength=split.train.shape[1]) <= RARE_RATINGS


def only(films: Mask, scorer: Scorer) -> Scorer:
    """The scorer with all other films ranked behind these."""
    return lambda users: np.where(films, scorer(users), np.float32(-1e9))


def difference(one: RankingReport, other: RankingReport, metric: str = NDCG) -> Row:
    """Mean difference over the same users, with its bootstrap interval."""
    paired = replace(one, per_user=one.per_user - other.per_user)
    return {"mean": paired.mean()[metric], "interval": paired.interval(metric)}


# --- ablation -------------------------------------------------------------------------------------

# label, changes of the configuration, changes of the warm start's constants
VARIANTS: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
    ("best", {}, {}),
    ("random start, same epochs", {"warm_start": False}, {}),
    (
        "random start, 30 epochs, learning rate 0.03",
        {"warm_start": False, "epochs": 30, "learning_rate": 0.03},
        {},
    ),
    ("hide_batch off", {"hide_batch": False}, {}),
    ("negatives 1", {"negatives": 1}, {}),
    ("negatives 16", {"negatives": 16}, {}),
    ("l2 0", {"l2": 0.0}, {}),
    ("layers 0 (no graph)", {"layers": 0}, {}),
    ("layers 1", {"layers": 1}, {}),
    ("layers 3", {"layers": 3}, {}),
    ("dim 64", {"dim": 64}, {}),
    ("dim 128", {"dim": 128}, {}),
    ("warm start without ridge", {}, {"WARM_RIDGE": 0.0}),
    (
        "warm start without inverting the propagation",
        {},
        {"_unpropagate": lambda adjacency, target, layers: target},
    ),
)


def ablation() -> list[Row]:
    """Validation NDCG@20 with one component of 'best' changed at a time (random split, seed 0)."""
    data = load()
    split = PROTOCOLS["random_80_10_10"](data)
    rows: list[Row] = []
    reports: dict[str, RankingReport] = {}
    for label, changes, constants in VARIANTS:
        config = replace(PRESETS["best"], **changes)
        with mock.patch.dict(vars(fitted_start), constants):
            model = train(data, split, config)
        reports[label] = evaluate(graph_scorer(model, split), split, "validation")
        rows.append(
            {
                "variant": label,
                "start": model.history[0].metrics[NDCG],
                "validation": reports[label].mean()[NDCG],
                "best_epoch": model.best_epoch,
                "seconds": model.history[-1].seconds,
                "difference": difference(reports[label], reports["best"]),
            }
        )
        _say(f"  {label}: {rows[-1]['validation']:.4f}")
    adjacency = to_torch(normalised_adjacency(split.train))
    start = fitted_start.initial_embeddings(split.train, adjacency, PRESETS["best"])
    scorer = train_scorer(adjacency, start, PRESETS["best"].layers, data.n_users)
    report = evaluate(scorer, split, "validation")
    alone = {
        "variant": "no BPR: the warm start alone",
        "start": report.mean()[NDCG],
        "validation": report.mean()[NDCG],
        "best_epoch": 0,
        "seconds": None,
        "difference": difference(report, reports["best"]),
    }
    return [rows[0], alone, *rows[1:]]


# --- hybrid ---------------------------------------------------------------------------------------


def without_held_out_tags(data: MovieData, split: Split) -> tuple[MovieData, int]:
    """The data as if nobody had tagged a film that is held out for them; how many tags that drops.

    A tag by user u on film i gives the interaction (u, i) away.
    """
    held_out = (split.validation + split.test).tocoo()
    hidden = set(zip(data.user_ids[held_out.row].tolist(), held_out.col.tolist(), strict=True))
    pairs = zip(data.tags["user_id"].tolist(), data.tags["movie"].tolist(), strict=True)
    leaks = np.array([pair in hidden for pair in pairs], bool)
    tags = data.tags[~leaks]
    names, counts = count_tags(tags, data.n_movies)
    dropped = int((leaks & (data.tags["status"] == "kept")).sum())
    return replace(data, tags=tags, tag_names=names, tag_counts=counts), dropped


def hybrid(protocol: str) -> Row:
    """Weight of the content score by validation NDCG@20, then test at the chosen weight."""
    data = load()
    split = PROTOCOLS[protocol](data)
    model = train(data, split, PRESETS["best"])
    graph = graph_scorer(model, split)(np.arange(data.n_users))  # [n_users, n_movies]
    content, dropped = without_held_out_tags(data, split)
    features = {
        "tags": content.tag_features,
        "genres": content.genre_features,
        "tags + genres": content.content_features,
    }

    return {
        "protocol": protocol,
        "weights": CONTENT_WEIGHTS,
        "rows": [_weighed(split, graph, name, matrix) for name, matrix in features.items()],
        "app_weight": DEFAULT_TAG_WEIGHT,
        "tags_dropped": dropped,
        "tags_kept": int((content.tags["status"] == "kept").sum()),
    }


def _weighed(
    split: Split, graph: NDArray[np.float32], name: str, features: sparse.csr_array
) -> Row:
    """What one kind of content adds to the graph scores [n_users, n_movies]."""
    similarity = (tag_profiles(split.train, features) @ features.T).toarray()

    def blended(weight: float, part: Part) -> Scorer:
        known = split.known(part).astype(bool).toarray()

        def scorer(users: NDArray[np.int64]) -> NDArray[np.float32]:
            return np.add(*blend(graph[users], similarity[users], known[users], weight))

        return scorer

    by_weight = {
        weight: evaluate(blended(weight, "validation"), split, "validation").mean()[NDCG]
        for weight in CONTENT_WEIGHTS
    }
    chosen = max(by_weight, key=by_weight.__getitem__)
    _say(f"  {split.protocol}, {name}: weight {chosen}")
    rare = rare_films(split)
    scorers = [blended(weight, "test") for weight in (0.0, chosen, DEFAULT_TAG_WEIGHT)]
    return {
        "features": name,
        "validation": list(by_weight.values()),
        "chosen": chosen,
        "test": _compared([evaluate(s, split, "test") for s in scorers]),
        "rare": _compared([evaluate(s, split, "test", films=rare) for s in scorers]),
        "rare_among_themselves": _compared(
            [evaluate(only(rare, s), split, "test", films=rare) for s in scorers]
        ),
    }


def _compared(reports: list[RankingReport]) -> Row:
    """NDCG@20 of the graph alone, at the chosen weight (and how they differ), and in the app."""
    alone, blended, in_app = reports
    return {
        "users": len(alone.per_user),
        "alone": alone.mean()[NDCG],
        "blended": blended.mean()[NDCG],
        "in_app": in_app.mean()[NDCG],
        "difference": difference(blended, alone),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
