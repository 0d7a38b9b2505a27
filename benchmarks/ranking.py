"""How good the ranking is: models side by side, people and times that no graph held, every part
taken out in turn, content beside the graph.

Every measurement takes the part that it looks at, "validation" or "test"; settings are chosen on
validation whatever it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.costs import GIVEN, Row, load
from data_preparation import MovieData
from model import profiles
from model.baselines import ease, item_knn, popularity, pure_svd, tuned_ease
from model.bpr import Learner
from model.config import CONTENT_KINDS, PRESETS, TrainingConfig
from model.evaluation import LIKED, RankingReport, Scorer, bootstrap_interval, evaluate
from model.hybrid_graph import (
    Content,
    content_before,
    content_edges,
    tagged_pairs,
    visible_content,
    without_tags,
)
from model.lightgcn import profile_scorer
from model.profiles import PROFILES, Profile, strength
from model.search import search
from model.splits import (
    PROTOCOLS,
    Part,
    Split,
    people_folds,
    random_80_10_10,
    rolling_windows,
    without_people,
)
from model.viewers import tag_profiles
from prediction import DEFAULT_TAG_WEIGHT, blend

Mask = NDArray[np.bool_]

NDCG, RECALL, LIKED_NDCG = "NDCG@20", "Recall@20", LIKED + "NDCG@20"
METRICS = tuple(f"{name}@{k}" for k in (10, 20) for name in ("Hit", "Recall", "NDCG"))
SEEDS = (42, 1, 2, 3, 4)
ABLATION_SEEDS = (42, 1, 2)
BASELINES: dict[str, Callable[[sparse.csr_array], Scorer]] = {
    "popularity": popularity,
    "item_knn": item_knn,
    "pure_svd": pure_svd,
}
EASE = "ease"
RARE_RATINGS = 5  # a film with at most so many training ratings is in the long tail
CONTENT_WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 1.0)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model: one scorer per profile ("" for a model without profiles).

    Attributes:
        fit, chosen: CPU seconds of the fit with known settings, and of choosing them.
        settings: what was chosen, for the record.
    """

    scorers: dict[str, Scorer]
    fit: float
    chosen: float = 0.0
    settings: Mapping[str, float] | None = None


def fit(name: str, split: Split, content: Content) -> Fitted:
    """Fit a model by its name: a baseline, EASE, "best", "given", "fast" or "published"."""
    begun = time.process_time()
    if name in BASELINES:
        scorer = BASELINES[name](split.train)
        return Fitted({"": scorer}, time.process_time() - begun)
    if name == EASE:
        _, l2 = tuned_ease(split)
        chosen = time.process_time() - begun
        begun = time.process_time()
        scorer = ease(split.train, l2)
        return Fitted({"": scorer}, time.process_time() - begun, chosen, {"l2": l2})
    if name == "published":
        return _fit_published(split)
    config, chosen = GIVEN, 0.0
    if name == "best":
        config = search(split, content, PRESETS["best"]).config
        chosen = time.process_time() - begun
    elif name == "fast":
        config = PRESETS["fast"]
    fitted = fit_hybrid(split.train, content, config)
    return replace(fitted, chosen=chosen)


def fit_hybrid(train_part: sparse.csr_array, content: Content, config: TrainingConfig) -> Fitted:
    """A hybrid without epochs, and the scorers of both profiles."""
    begun = time.process_time()
    learner = Learner(train_part, content, config)
    spent = time.process_time() - begun
    scorers: dict[str, Scorer] = {profile: learner.scorer(profile) for profile in PROFILES}
    names = ("user_exponent", "film_exponent", "met_exponent", "ridge", "taste", *CONTENT_KINDS)
    settings = {name: getattr(config, name) for name in (*names, "watch", "like")}
    return Fitted(scorers, spent, settings=settings)


def _fit_published(split: Split) -> Fitted:
    """The paper's LightGCN, every fifth epoch measured on validation, which is in the seconds."""
    config, begun = PRESETS["published"], time.process_time()
    learner = Learner(split.train, {}, config)
    best, best_value, best_epoch = learner.weights(), -1.0, 0
    for epoch in range(1, config.epochs + 1):
        learner.run_epoch()
        if epoch % 5:
            continue
        value = evaluate(learner.scorer("watch"), split, "validation", (20,)).mean()[NDCG]
        if value > best_value:
            best, best_value, best_epoch = learner.weights(), value, epoch
        if epoch % 20 == 0:
            _say(f"  published, epoch {epoch}: {value:.4f}")
        if epoch - best_epoch >= config.patience:
            break
    return Fitted({"": learner.scorer("watch", best)}, time.process_time() - begun)


def labelled(name: str, fitted: Fitted) -> Iterable[tuple[str, Scorer]]:
    """The scorers with the names of the rows: "best, watch" …"""
    for profile, scorer in fitted.scorers.items():
        yield (f"{name}, {profile}" if profile else name), scorer


# --- comparing ------------------------------------------------------------------------------------


class Pool:
    """Reports of several models on several splits, compared user by user.

    The users of all splits are the same, so a user's values are averaged over the splits first; the
    bootstrap then resamples users.
    """

    def __init__(self) -> None:
        self.reports: dict[str, list[RankingReport]] = {}
        self.costs: dict[str, list[Fitted]] = {}

    def add(self, name: str, report: RankingReport, fitted: Fitted | None = None) -> None:
        self.reports.setdefault(name, []).append(report)
        if fitted is not None:
            costs = replace(fitted, scorers={})  # whose tables are large
            self.costs.setdefault(name, []).append(costs)

    def per_user(self, name: str) -> pd.DataFrame:
        return pd.concat([report.per_user for report in self.reports[name]]).groupby(level=0).mean()

    def row(self, name: str, base: str | None, metrics: Sequence[str] = METRICS) -> Row:
        """What a table says about a model, and how it differs from another on the same users."""
        reports, values = self.reports[name], self.per_user(name)
        hits = [report.hit_stars(20) for report in reports]
        row: Row = {
            "name": name,
            "splits": len(reports),
            "users": len(values),
            "metrics": {m: float(values[m].mean()) for m in (*metrics, LIKED_NDCG) if m in values},
            "stars": float(np.mean([stars for stars, _ in hits])),
            "low": float(np.mean([low for _, low in hits])),
        }
        if name in self.costs:
            row["fit"] = float(np.mean([each.fit for each in self.costs[name]]))
            row["chosen"] = float(np.mean([each.chosen for each in self.costs[name]]))
            row["settings"] = [dict(each.settings or {}) for each in self.costs[name]]
        if base is not None and base != name:
            other = self.per_user(base) if len(self.reports[base]) == len(reports) else None
            if other is None:  # as many splits of the other as of this one
                part = [report.per_user for report in self.reports[base][: len(reports)]]
                other = pd.concat(part).groupby(level=0).mean()
            row["difference"] = {
                metric: paired(values[metric] - other[metric])
                for metric in (NDCG, LIKED_NDCG, RECALL)
                if metric in values and metric in other
            }
        return row

    def rows(self, base: str) -> list[Row]:
        return [self.row(name, base) for name in self.reports]


def paired(differences: pd.Series, seed: int = 0) -> Row:
    """The mean difference per user with its 95 % bootstrap interval, users resampled."""
    interval = bootstrap_interval(differences.to_numpy(np.float64), seed=seed)
    return {"mean": float(differences.mean()), "interval": list(interval)}


def difference(one: RankingReport, other: RankingReport, metric: str = NDCG) -> Row:
    """`paired` of two reports on the same users."""
    return paired(one.per_user[metric] - other.per_user[metric])


# --- the tables -----------------------------------------------------------------------------------

MODELS = (EASE, *BASELINES, "best", "given", "fast", "published")


def quality(part: Part, seeds: Sequence[int] = SEEDS, names: Sequence[str] = MODELS) -> list[Row]:
    """All models on random splits with several seeds; "published" on the first alone."""
    data, pool = load(), Pool()
    for seed in seeds:
        split = random_80_10_10(data, seed)
        content = visible_content(data, split.hidden())
        for name in names:
            if name == "published" and seed != seeds[0]:
                continue
            fitted = fit(name, split, content)
            for label, scorer in labelled(name, fitted):
                pool.add(label, evaluate(scorer, split, part), fitted)
                value = pool.reports[label][-1].mean()[NDCG]
                _say(f"  seed {seed}, {label}: {value:.4f}, {fitted.fit:.1f} s")
    return pool.rows(EASE)


def last_rating(part: Part) -> list[Row]:
    """Each user's last rating; settings given, EASE's λ by validation."""
    data = load()
    split = PROTOCOLS["temporal_leave_one_out"](data)
    content, pool = visible_content(data, split.hidden()), Pool()
    for name in (EASE, *BASELINES, "given"):
        fitted = fit(name, split, content)
        for label, scorer in labelled(name, fitted):
            pool.add(label, evaluate(scorer, split, part), fitted)
    return pool.rows(EASE)


def left_out(part: Part, seeds: Sequence[int] = SEEDS, folds: int = 4) -> list[Row]:
    """People who were in no graph, nor their tags: recommended for from their train ratings."""
    data, pool = load(), Pool()
    for seed in seeds:
        split = random_80_10_10(data, seed)
        fold = people_folds(data.n_users, folds)
        l2 = tuned_ease(split)[1]
        tops: dict[str, list[RankingReport]] = {}
        for number in range(folds):
            out = fold == number
            others = without_people(split.train, out)
            tags = np.isin(data.tags["user_id"], data.user_ids[out])
            content = content_edges(without_tags(data, tags | tagged_pairs(data, split.hidden())))
            measured = replace(
                split,
                validation=without_people(split.validation, ~out),
                test=without_people(split.test, ~out),
            )
            known = without_people(split.train, ~out)  # whatever part is measured
            for label, scorer in _strangers(others, known, content, l2):
                tops.setdefault(label, []).append(evaluate(scorer, measured, part))
        for label, reports in tops.items():
            pool.add(label, _together(reports))
    return pool.rows(EASE)


def _strangers(
    others: sparse.csr_array, known: sparse.csr_array, content: Content, l2: float
) -> Iterable[tuple[str, Scorer]]:
    """Models fitted to the others, scoring people by their known ratings alone."""
    yield EASE, ease(others, l2, known)
    yield "popularity", popularity(others)
    learner = Learner(others, content, GIVEN)
    e0 = learner.weights()
    sent, met = learner.propagation.film_vectors(e0)  # type: ignore[attr-defined]
    for profile in PROFILES:
        delta = strength(GIVEN, profile)
        yield f"given, {profile}", profile_scorer(known, sent.numpy(), met.numpy(), delta)


def _together(reports: list[RankingReport]) -> RankingReport:
    """Reports on different people as one."""
    return replace(
        reports[0],
        per_user=pd.concat([report.per_user for report in reports]),
        top=np.concatenate([report.top for report in reports]),
        stars=np.concatenate([report.stars for report in reports]),
    )


def windows(part: Part, n: int = 6) -> Row:
    """Windows of time, each predicted from what came before it, tags included: all together, and
    every window's own quality."""
    data = load()
    pool, spans = Pool(), []
    for number, window in enumerate(rolling_windows(data, n)):
        l2 = tuned_ease(window.split)[1]
        split = window.split if part == "validation" else window.final()
        content = content_before(data, window.begin_of(part))
        models = {
            EASE: Fitted({"": ease(split.train, l2)}, 0.0),
            **{name: fit(name, split, content) for name in BASELINES},
            "given": fit("given", split, content),
        }
        by_model: dict[str, dict[str, float]] = {}
        for name, fitted in models.items():
            for label, scorer in labelled(name, fitted):
                report = evaluate(scorer, split, part)
                # Another window, other people: each counts for itself.
                users = report.per_user.index + 1_000_000 * number
                pool.add(label, replace(report, per_user=report.per_user.set_index(users)))
                by_model[label] = {m: report.mean()[m] for m in (NDCG, LIKED_NDCG)}
        span = {"begin": window.begin, "end": window.end, "users": len(report.per_user)}
        spans.append(span | {"quality": by_model})
    return {"rows": pool.rows(EASE), "windows": spans}


def groups(part: Part) -> Row:
    """NDCG@20 by the user's activity and Recall@20 by the film's popularity (random split)."""
    data = load()
    split = random_80_10_10(data)
    content = visible_content(data, split.hidden())
    scorers = {
        label: scorer
        for name in ("given", EASE, "popularity")
        for label, scorer in labelled(name, fit(name, split, content))
    }
    reports = {name: evaluate(scorer, split, part) for name, scorer in scorers.items()}
    first = reports[EASE]
    activity = np.diff(split.train.indptr)[first.per_user.index]
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
            name: evaluate(only(films, scorer) if alone else scorer, split, part, films=films)
            for name, scorer in scorers.items()
        }
        rows += [
            {"group": group, "metric": metric, "users": len(measured[EASE].per_user)}
            | {name: report.mean()[metric] for name, report in measured.items()}
            for metric in (NDCG, RECALL)
        ]
    return {"names": list(scorers), "rows": rows}


def rare_films(split: Split) -> Mask:
    return np.bincount(split.train.indices, minlength=split.train.shape[1]) <= RARE_RATINGS


def only(films: Mask, scorer: Scorer) -> Scorer:
    """The scorer with all other films ranked behind these."""
    return lambda users: np.where(films, scorer(users), np.float32(-1e9))


# --- ablation -------------------------------------------------------------------------------------

_LEARNED = {"dim": 256, "epochs": 8}
# label → what is changed of the given settings
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    **{f"without {kind} nodes": {kind: 0.0} for kind in ("taste", *CONTENT_KINDS)},
    "who rated what alone": dict.fromkeys(("taste", *CONTENT_KINDS), 0.0),
    "stars do not count (δ = 0)": {"watch": 0.0, "like": 0.0},
    "user exponent 0": {"user_exponent": 0.0},
    "exponent where met 0": {"met_exponent": 0.0},
    "film exponent 0.2": {"film_exponent": 0.2},
    "rank 256": {"dim": 256},
    "rank 512": {"dim": 512},
    "rank 1,024": {"dim": 1024},
    "K = 2": {"layers": 2},
    "K = 3": {"layers": 3},
}
NO_RULE = "films rated clearly low count like others"
# These take epochs, so they are compared on one seed with what they start from.
LEARNED_VARIANTS: dict[str, dict[str, Any]] = {
    **{
        f"BPR on top, learning rate {rate:g}": {**_LEARNED, "learning_rate": rate}
        for rate in (3e-4, 1e-3, 3e-3, 1e-2)
    },
    "random start, learning rate 0.01": {
        **_LEARNED,
        "warm_start": False,
        "epochs": 30,
        "learning_rate": 1e-2,
    },
}


def ablation(seeds: Sequence[int] = ABLATION_SEEDS) -> Row:
    """One thing changed at a time, on validation: "watch" on all held-out films, "like" on liked
    ones."""
    data, pool = load(), Pool()
    for seed in seeds:
        split = random_80_10_10(data, seed)
        content = visible_content(data, split.hidden())
        for label, changes in VARIANTS.items():
            fitted = fit_hybrid(split.train, content, replace(GIVEN, **changes))
            _add_both(pool, label, fitted, split)
        with mock.patch.object(profiles, "CLEARLY_BELOW", np.inf):
            _add_both(pool, NO_RULE, fit_hybrid(split.train, content, GIVEN), split)
    learned = _learned(data, seeds[0])
    return {"rows": _varied(pool, "as it is"), "learned": learned, "seeds": list(seeds)}


def _learned(data: MovieData, seed: int) -> list[Row]:
    split, pool = random_80_10_10(data, seed), Pool()
    content = visible_content(data, split.hidden())
    base = f"rank {_LEARNED['dim']}, no epoch"
    plain = replace(GIVEN, dim=_LEARNED["dim"])
    _add_both(pool, base, fit_hybrid(split.train, content, plain), split)
    for label, changes in LEARNED_VARIANTS.items():
        learner = Learner(split.train, content, replace(GIVEN, **changes))
        best, best_value, best_epoch = learner.weights(), -1.0, 0
        for epoch in range(1, learner.config.epochs + 1):  # the best that BPR itself makes
            learner.run_epoch()
            value = evaluate(learner.scorer("watch"), split, "validation", (20,)).mean()[NDCG]
            if value > best_value:
                best, best_value, best_epoch = learner.weights(), value, epoch
        scorers: dict[str, Scorer] = {p: learner.scorer(p, best) for p in PROFILES}
        _add_both(pool, f"{label} (epoch {best_epoch})", Fitted(scorers, 0.0), split)
    return _varied(pool, base)


def _add_both(pool: Pool, label: str, fitted: Fitted, split: Split) -> None:
    """The report of "watch", with the liked films of "like" in it."""
    watch, like = (
        evaluate(fitted.scorers[profile], split, "validation", (20,)) for profile in PROFILES
    )
    watch.per_user[LIKED_NDCG] = like.per_user[LIKED_NDCG]
    pool.add(label, watch)
    _say(f"  {label}: {watch.mean()[NDCG]:.4f} {watch.mean()[LIKED_NDCG]:.4f}")


def _varied(pool: Pool, base: str) -> list[Row]:
    return [pool.row(name, base, (NDCG, RECALL)) for name in pool.reports]


# --- hybrid score ---------------------------------------------------------------------------------


def hybrid(protocol: str, part: Part, profile: Profile = "like") -> Row:
    """Weight of the content score by validation liked NDCG@20 of the profile that serves."""
    data = load()
    split = PROTOCOLS[protocol](data)
    scorers = fit("given", split, visible_content(data, split.hidden())).scorers
    graph = scorers[profile](np.arange(data.n_users))  # [n_users, n_movies]
    hidden = tagged_pairs(data, split.hidden())
    content = without_tags(data, hidden)
    features = {
        "tags": content.tag_features,
        "genres": content.genre_features,
        "tags + genres": content.content_features,
    }
    kept = (data.tags["status"] == "kept").to_numpy()
    return {
        "protocol": protocol,
        "profile": profile,
        "weights": CONTENT_WEIGHTS,
        "rows": [_weighed(split, graph, name, matrix, part) for name, matrix in features.items()],
        "app_weight": DEFAULT_TAG_WEIGHT,
        "tags_dropped": int((hidden & kept).sum()),
        "tags_kept": int((~hidden & kept).sum()),
    }


def _weighed(
    split: Split, graph: NDArray[np.float32], name: str, features: sparse.csr_array, part: Part
) -> Row:
    """What one kind of content adds to the graph scores [n_users, n_movies]."""
    similarity = (tag_profiles(split.train, features) @ features.T).toarray()

    def blended(weight: float, where: Part) -> Scorer:
        candidates = ~split.known(where).astype(bool).toarray()

        def scorer(users: NDArray[np.int64]) -> NDArray[np.float32]:
            return np.add(*blend(graph[users], similarity[users], candidates[users], weight))

        return scorer

    validation = {
        w: evaluate(blended(w, "validation"), split, "validation") for w in CONTENT_WEIGHTS
    }
    by_weight = {weight: report.mean()[LIKED_NDCG] for weight, report in validation.items()}
    chosen = max(by_weight, key=by_weight.__getitem__)
    _say(f"  {split.protocol}, {name}: weight {chosen}")
    alone, best, in_app = (
        evaluate(blended(weight, part), split, part) for weight in (0.0, chosen, DEFAULT_TAG_WEIGHT)
    )
    return {
        "features": name,
        "validation": list(by_weight.values()),
        "chosen": chosen,
        "users": len(alone.per_user),
        "alone": {m: alone.mean()[m] for m in (NDCG, LIKED_NDCG)},
        "blended": {m: best.mean()[m] for m in (NDCG, LIKED_NDCG)},
        "in_app": {m: in_app.mean()[m] for m in (NDCG, LIKED_NDCG)},
        "difference": {m: difference(best, alone, m) for m in (NDCG, LIKED_NDCG)},
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
