"""Is attention worth its while? The model with it (`model.attention`) beside the one without; and
learned weights of the layers, which learn as it does.

    python -m benchmarks.attention FOLDER [MODEL.pth]

tells what it costs and changes on other data, large ones too, of one fit with `FIT_DIM` directions
or of a model that was trained on them before.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.costs import GIVEN, Row, load
from benchmarks.ranking import ABLATION_SEEDS, LIKED_NDCG, NDCG, Pool
from data_preparation import load_movie_data
from model.attention import FEATURES, Floats
from model.attention_learning import (
    FIT_DIM,
    FOLDS,
    SHARE,
    Lesson,
    film_vectors,
    learn,
    learned_attention,
    rivalries,
)
from model.bpr import Learner
from model.checkpoints import load_checkpoint
from model.estimate import attention_bytes
from model.evaluation import evaluate
from model.hybrid_graph import Content, build_graph, overall_mean, visible_content
from model.lightgcn import HybridPropagation, profile_scorer
from model.profiles import DEFAULT_PROFILE, PROFILES, profile_weights, strength
from model.splits import cut_validation, random_80_10_10
from tests.server import memory_of


def attention(seeds: Sequence[int] = ABLATION_SEEDS) -> Row:
    """With and without, on validation: both profiles with the same θ, learned for *like*."""
    data, pool = load(), Pool()
    learned, seconds = [], []
    for seed in seeds:
        split = random_80_10_10(data, seed)
        content = visible_content(data, split.hidden())
        begun = time.process_time()
        found, _ = learned_attention(split.train, content, GIVEN)
        seconds.append(time.process_time() - begun)
        sent, met = film_vectors(split.train, content, GIVEN)
        z = found.features(split.train, sent, overall_mean(split.train))
        learned.append((found.theta * z.std(axis=0)).tolist())
        for profile in PROFILES:
            delta = strength(GIVEN, profile)
            for name, chosen in (("without", None), ("with", found)):
                scorer = profile_scorer(split.train, sent, met, delta, attention=chosen)
                report = evaluate(scorer, split, "validation", (20,))
                pool.add(f"{name}, {profile}", report)
                _say(f"  seed {seed}, {name}, {profile}: {report.mean()[LIKED_NDCG]:.4f}")
    return {
        "features": list(FEATURES),
        "theta": np.mean(learned, axis=0).tolist(),
        "seconds": float(np.mean(seconds)),
        "rows": [
            pool.row(f"with, {profile}", f"without, {profile}", (NDCG,))
            | {
                "without": {
                    m: float(pool.per_user(f"without, {profile}")[m].mean())
                    for m in (NDCG, LIKED_NDCG)
                }
            }
            for profile in ("watch", "like")
        ],
    }


# --- other data -----------------------------------------------------------------------------------

_MOST_PEOPLE = 5_000  # to measure on


def on_other_data(folder: Path, checkpoint: Path | None = None) -> Row:
    """What learning attention costs on these data, and what it changes on validation."""
    data = load_movie_data(folder)
    split = random_80_10_10(data)
    content = visible_content(data, split.hidden())
    config = replace(GIVEN, dim=FIT_DIM)
    if checkpoint:
        model = load_checkpoint(data, checkpoint)
        config = replace(model.config, attention=False)
        sent, met = model.movie_messages, model.movie_factors
    else:
        sent, met = film_vectors(split.train, content, config)
    before = _restarted_peak()
    begun = time.process_time()
    found, _ = learned_attention(split.train, content, config)
    seconds, peak = time.process_time() - begun, _peak()
    pool, measuring = Pool(), {}
    for name, chosen in (("without", None), ("with", found)):
        delta = strength(config, DEFAULT_PROFILE)
        scorer = profile_scorer(split.train, sent, met, delta, attention=chosen)
        begun = time.process_time()
        pool.add(name, evaluate(scorer, split, "validation", (20,), _MOST_PEOPLE))
        measuring[name] = time.process_time() - begun
    return {
        "ratings": data.n_ratings,
        "train": split.train.nnz,
        "theta": found.theta.round(4).tolist(),
        "seconds": seconds,
        "extra_mib": peak - before,
        "estimated_mib": attention_bytes(data, config) / 2**20,
        "measuring": measuring,
        "without": pool.row("without", None, (NDCG,))["metrics"],
        **pool.row("with", "without", (NDCG,)),
    }


def _restarted_peak() -> float:
    """MiB held now; from here on `_peak` counts anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return _peak()


def _peak() -> float:
    return memory_of(os.getpid(), "VmHWM")


# --- layers ---------------------------------------------------------------------------------------

_MOST_FOR_ITSELF = 0.95  # of a film's votes, as in `model.lightgcn.met_scale`
_LAYERS_RIVALS = 600  # films rated most, and as many of the others
_SHARPNESS = 10.0  # so that the penalty on θ leaves a free to be nearly all of one walk
# Hops that the people's side and the films' side take before they meet: the walks of K = 3.
WALKS = {"1": (0, 0), "3, on the film's side": (0, 1), "3, on the person's": (1, 0), "5": (1, 1)}


def layers(seeds: Sequence[int] = ABLATION_SEEDS) -> Row:
    """Learned weights of the layers up to K = 3, beside K = 1 and their mean, on validation.

    score_ui = Σ_w a_w · s_ui,w over the lengths of walks through the graph, a on the simplex, each
    person's scores s_w with a spread of 1. a is a softmax that learns as θ does: its lessons have
    a walk in the place of a rated film.
    """
    data, pool, learned, seconds = load(), Pool(), [], []
    for seed in seeds:
        split = random_80_10_10(data, seed)
        content = visible_content(data, split.hidden())
        begun = time.process_time()
        a = learn_layers(split.train, content)
        seconds.append(time.process_time() - begun)
        learned.append(a.tolist())
        for profile, delta in (("watch", GIVEN.watch), ("like", GIVEN.like)):
            scores = walk_scores(split.train, content, GIVEN.dim, delta)
            mixes = {"K = 1": np.eye(len(a))[0], "mean": np.full(len(a), 1 / len(a)), "learned": a}
            for name, mix in mixes.items():
                total = np.tensordot(mix.astype(np.float32), scores, 1)
                report = evaluate(total.__getitem__, split, "validation", (20,))
                pool.add(f"{name}, {profile}", report)
                _say(f"  seed {seed}, {name}, {profile}: {report.mean()[LIKED_NDCG]:.4f}")
    return {
        "walks": list(WALKS),
        "weights": np.mean(learned, axis=0).tolist(),
        "seconds": float(np.mean(seconds)),
        "rows": [
            pool.row(f"{name}, {profile}", f"K = 1, {profile}", (NDCG,))
            for profile in ("watch", "like")
            for name in ("K = 1", "mean", "learned")
        ],
    }


def learn_layers(train: sparse.csr_array, content: Content) -> NDArray[np.float64]:
    """a from folds of the train part, float64 [n_walks], sums to 1."""
    lessons = []
    for seed in FOLDS:
        known, held_out = cut_validation(train, seed, SHARE)
        scores = walk_scores(known, content, FIT_DIM, GIVEN.like)
        for rivalry in rivalries(known, held_out, _LAYERS_RIVALS):
            terms = scores[:, rivalry.user, rivalry.columns] / np.float32(len(WALKS))
            one_each = _SHARPNESS * np.eye(len(WALKS))
            lessons.append(Lesson(one_each, terms, rivalry.stands, rivalry.n_liked))
    weights = np.exp(_SHARPNESS * learn(lessons))
    return weights / weights.sum()


def walk_scores(train: sparse.csr_array, content: Content, dim: int, delta: float) -> Floats:
    """Scores by each walk of `WALKS`, without what a film says for itself; float32
    [n_walks, n_users, n_movies], a spread of 1 for each walk of each person."""
    config = replace(GIVEN, dim=dim)
    e0 = Learner(train, content, config).weights()
    graph = build_graph(train, content, config)
    hop = HybridPropagation.of(train, graph, replace(config, layers=2), people=False)
    assert hop.edges is not None and hop.back is not None
    films = (e0, hop.back @ (hop.edges @ e0))
    x = profile_weights(train, delta, overall_mean(train))
    power = np.maximum(hop.degree, 1) ** (config.film_exponent + config.met_exponent)
    scores = np.empty((len(WALKS), *train.shape), np.float32)
    for at, (by_person, by_film) in enumerate(WALKS.values()):
        sent, met = films[by_person], films[by_film]
        own = (sent * met).sum(1).clamp(max=_MOST_FOR_ITSELF).numpy()
        scale = (power / (1 - own)).astype(np.float32)
        scores[at] = (x @ (hop.sent * sent).numpy()) @ (scale[:, None] * met.numpy()).T
    spread = scores.std(axis=2, keepdims=True)
    return (scores / np.where(spread > 0, spread, 1)).astype(np.float32)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=on_other_data.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", type=Path, nargs="?", help="a model trained on these data")
    options = parser.parse_args()
    print(json.dumps(on_other_data(options.folder, options.model), indent=1))
