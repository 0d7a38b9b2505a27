"""Does a larger batch of BPR find as good a model in the same time? (`model.bpr.batch_size`)

On made-up data of the shape of MovieLens 1M, chosen and measured on validation: every batch size
gets the same seconds of the processor, with the learning rate of the first, and with one that grows
with the root of the batch, as Adam's noise wants it (Malladi et al. 2022, arXiv:2205.10287).
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.costs import Row
from benchmarks.large_data import SHAPES, make
from data_preparation import load_movie_data
from model.bpr import Learner
from model.config import TrainingConfig
from model.evaluation import evaluate
from model.hybrid_graph import Content, visible_content
from model.splits import Split, random_80_10_10

BATCHES = (8192, 32_768, 65_536, 131_072)
SECONDS = 30.0  # of the processor in steps, for each
_LEARNING = TrainingConfig(dim=64, warm_start=False, epochs=1)  # from a random start


def measure() -> list[Row]:
    """A row per batch size and learning rate."""
    with TemporaryDirectory() as folder:
        make(SHAPES["1m"], Path(folder))
        data = load_movie_data(Path(folder))
    split = random_80_10_10(data)
    content = visible_content(data, split.hidden())
    rows = []
    for batch in BATCHES:
        rates = {_LEARNING.learning_rate * scale for scale in (1.0, math.sqrt(batch / BATCHES[0]))}
        rows += [_learned(split, content, batch, rate) for rate in sorted(rates)]
    return rows


def _learned(split: Split, content: Content, batch: int, rate: float) -> Row:
    """The best epoch on validation within the seconds."""
    config = replace(_LEARNING, batch_size=batch, learning_rate=rate)
    learner, spent, epochs = Learner(split.train, content, config), 0.0, 0
    best: Row = {"ndcg": 0.0}
    while spent < SECONDS:
        begun = time.process_time()
        learner.run_epoch()
        spent, epochs = spent + time.process_time() - begun, epochs + 1
        ndcg = evaluate(learner.scorer("watch"), split, "validation", (20,)).mean()["NDCG@20"]
        if ndcg > best["ndcg"]:
            best = {"ndcg": ndcg, "epoch": epochs, "seconds": spent}
    steps = math.ceil(len(learner.usable) / batch)
    row = {"batch": batch, "rate": rate, "steps": steps, "epochs": epochs, **best}
    print(f"  {row}", file=sys.stderr, flush=True)
    return row
