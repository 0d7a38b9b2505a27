"""Is attention worth its while? The model with it (`model.attention`) beside the one without."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.costs import GIVEN, Row, load
from benchmarks.ranking import ABLATION_SEEDS, LIKED_NDCG, NDCG, Pool
from model.attention import FEATURES
from model.attention_learning import film_vectors, learned_attention
from model.evaluation import evaluate
from model.hybrid_graph import overall_mean, visible_content
from model.lightgcn import profile_scorer
from model.profiles import PROFILES, strength
from model.splits import random_80_10_10


def attention(seeds: Sequence[int] = ABLATION_SEEDS) -> Row:
    """With and without, on validation: both profiles with the same θ, learned for *like*."""
    data, pool = load(), Pool()
    learned, seconds = [], []
    for seed in seeds:
        split = random_80_10_10(data, seed)
        content = visible_content(data, split.hidden())
        begun = time.process_time()
        found = learned_attention(split.train, content, GIVEN)
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


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
