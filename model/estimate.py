"""What a training will cost, estimated before it starts. An estimate, and labelled as one."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from data_preparation import MovieData
from model.config import TrainingConfig
from model.runs import Run

# Seconds per unit of `epoch_work` and `start_work`, measured on one core with ml-latest-small;
# replaced by what the last run on the same data took.
_EPOCH_RATE, _START_RATE = 3e-10, 1.5e-9
_ROW_COST = 80  # of fetching a row at random and adding its gradient, against a streamed one
_FLOAT = 4  # bytes
_OVERHEAD = 60 * 2**20  # bytes: torch's own buffers
_COPIES = 13  # E(0), its gradient, Adam's two moments, the best so far, F and what it is made from
_BATCH_COPIES = 3  # the rows of a batch, their gradient, the products
_USERS_RANKED_AT_ONCE = 512


@dataclass(frozen=True)
class Estimate:
    """Of a training run.

    Attributes:
        start_seconds: until epoch 0 is measured.
        epoch_seconds: per epoch, with its measurement.
        memory: bytes on top of what the app holds already.
        calibrated: by a run on these data; else by a rule of thumb.
    """

    start_seconds: float
    epoch_seconds: float
    memory: int
    calibrated: bool


def epoch_work(n_ratings: int, n_nodes: int, config: TrainingConfig) -> float:
    """Multiplications of an epoch, up to a constant factor.

    Per step: K sparse products forward and K back (2 entries per rating each), Adam over all
    nodes, and the rows of the batch; times d numbers. The measurement counts as one more step.
    """
    batch = min(config.batch_size, n_ratings)
    steps = math.ceil(n_ratings / batch)
    rows = batch * (2 + config.negatives)
    per_step = 2 * config.layers * 2 * n_ratings + 8 * n_nodes + _ROW_COST * rows
    return (steps + 1) * per_step * config.dim


def start_work(n_ratings: int, n_nodes: int, config: TrainingConfig) -> float:
    """Of everything before the first step, most of it the warm start."""
    warm = 30 if config.fitted else 1
    return warm * (n_ratings * (1 + config.layers) + n_nodes) * config.dim


def memory_bytes(data: MovieData, config: TrainingConfig) -> int:
    """At the peak, on top of what the app holds already."""
    nodes = data.n_users + data.n_movies
    batch = min(config.batch_size, data.n_ratings)
    floats = _COPIES * nodes * config.dim
    floats += _BATCH_COPIES * batch * (2 + config.negatives) * config.dim
    floats += 3 * min(_USERS_RANKED_AT_ONCE, data.n_users) * data.n_movies
    return _OVERHEAD + _FLOAT * floats


def estimate(data: MovieData, config: TrainingConfig, runs: Sequence[Run]) -> Estimate:
    """From the newest run on the same data that finished an epoch, if there is one.

    Args:
        runs: newest first.
    """
    nodes = data.n_users + data.n_movies
    size = (data.n_ratings, nodes)
    epoch_rate, start_rate, calibrated = _EPOCH_RATE, _START_RATE, False
    for run in runs:
        if run.fingerprint == data.fingerprint and len(run.history) > 1:
            first, last = run.history[0], run.history[-1]
            seconds = (last.seconds - first.seconds) / (len(run.history) - 1)
            epoch_rate = seconds / epoch_work(*size, run.config)
            if run.config.fitted == config.fitted:
                start_rate = first.seconds / start_work(*size, run.config)
            calibrated = True
            break
    return Estimate(
        start_rate * start_work(*size, config),
        epoch_rate * epoch_work(*size, config),
        memory_bytes(data, config),
        calibrated,
    )


def physical_memory() -> int | None:
    """Bytes of RAM of this machine, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows, for one
        return None
