"""What a training will cost, estimated before it starts. An estimate, and labelled as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_preparation import MovieData
from model.attention_learning import COLUMNS, FIT_DIM, FOLDS, MOST_RATINGS
from model.bpr import batch_size
from model.config import TrainingConfig, searches
from model.evaluation import users_at_once
from model.fitted_start import EXTRA_COLUMNS, MAX_DENSE_NODES, ROUNDS, most_directions
from model.item_models import ease_cost
from model.memory import allowance
from model.runs import Run, epoch_durations

# Seconds per unit of `epoch_work` and `fit_work`, measured on one core with ml-latest-small;
# replaced by what the last runs on the same data took.
_EPOCH_RATE, _FIT_RATE = 3e-10, 1.2e-10
_ROW_COST = 80  # of fetching a row at random and adding its gradient, against a streamed one
_FLOAT = 4  # bytes
_OVERHEAD = 60 * 2**20  # bytes: torch's own buffers
_COPIES = 13  # E(0), its gradient, Adam's two moments, the best so far, F and what it is made from
_FIT_COPIES = 6  # the eigenvectors, E(0), what is sent, met and kept of them
_BLOCK_COPIES = 9  # of the iteration: three directions, products, and a block of nodes at a time
_TABLES = 4  # of all pairs of nodes or films: YYᵀ, its eigenvectors, LAPACK's room to work
_PER_RATING = 100  # bytes: the parts of the split, and the edges with and without stars, both ways
_BATCH_COPIES = 3  # the rows of a batch, their gradient, the products
_RECENT_RUNS = 3  # whose epochs tell how fast this machine is
_ATTENTION_SECONDS = 20.0  # at most, as it learns from `MOST_RATINGS` ratings
_SEARCH_OVERTIME = 1.25  # the fits that end a search come after its budget


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

    def total_seconds(self, config: TrainingConfig, refit: bool) -> float:
        """Of the whole training, at most."""
        once = self.start_seconds + config.epochs * self.epoch_seconds
        search = _SEARCH_OVERTIME * config.search_seconds if searches(config) else 0.0
        attention = _ATTENTION_SECONDS if config.attention else 0.0
        return search + attention + once * (2 if refit else 1)


def epoch_work(n_ratings: int, n_nodes: int, config: TrainingConfig) -> float:
    """Multiplications of an epoch, up to a constant factor.

    Per step: K sparse products forward and K back (2 entries per rating each), Adam over all
    nodes, and the rows of the batch; times d numbers. The measurement counts as one more step.
    """
    steps = math.ceil(n_ratings / batch_size(config, n_ratings))
    rows = n_ratings / steps * (2 + config.negatives)
    per_step = 2 * config.layers * 2 * n_ratings + 8 * n_nodes + _ROW_COST * rows
    return (steps + 1) * per_step * config.dim


def graph_nodes(data: MovieData) -> int:
    """About how many nodes besides films the hybrid graph has, without building it."""
    decades, years = 10, 100
    content = len(data.tag_names) + len(data.genre_names) * (1 + decades) + years
    return 2 * data.n_users + content + data.n_movies // 12  # about so many series


def directions(data: MovieData, config: TrainingConfig) -> int:
    """The embedding size that a configuration ends with."""
    if config.fitted:
        return min(config.dim, most_directions(graph_nodes(data), data.n_movies))
    return config.dim


def fit_work(data: MovieData, config: TrainingConfig) -> float:
    """Multiplications before the first step, up to a constant factor."""
    if not config.fitted:
        return float(data.n_ratings * config.dim)
    nodes, dim = graph_nodes(data), directions(data, config)
    if nodes <= MAX_DENSE_NODES:
        solve = nodes**3 if dim > nodes // 3 else 2 * ROUNDS * nodes**2 * dim / 10
        return float(solve + 2 * nodes**2 + 10 * data.n_ratings * dim)
    return float(4 * ROUNDS * (2 * data.n_ratings + data.n_movies * dim / 10) * dim)


def fit_bytes(data: MovieData, config: TrainingConfig) -> int:
    """Of a training or a fit alone, at the peak, on top of what the app holds already."""
    dim = directions(data, config)
    batch = min(batch_size(config, data.n_ratings), data.n_ratings)
    fitting = learning = 0
    if config.fitted:
        nodes = graph_nodes(data)
        few = min(nodes, data.n_movies)
        if few <= MAX_DENSE_NODES:
            fitting = _FIT_COPIES * data.n_movies * dim + _TABLES * few**2
        else:  # nothing grows with the nodes, which are taken in blocks
            fitting = _BLOCK_COPIES * data.n_movies * (dim + EXTRA_COLUMNS)
    if config.epochs:
        rows = data.n_movies + (data.n_users if config.model == "paper" else 0)
        learning = _COPIES * rows * dim + _BATCH_COPIES * batch * (2 + config.negatives) * dim
    wanted = max(_FLOAT * fitting, _FLOAT * learning)
    if config.attention:
        wanted = max(wanted, attention_bytes(data, config))
    return _beside(data) + wanted


def attention_bytes(data: MovieData, config: TrainingConfig) -> int:
    """Of learning attention: what the folds teach, and the fit to one of them."""
    learned = min(data.n_ratings, MOST_RATINGS)
    films = min(data.n_movies, learned)
    return _FLOAT * (
        len(FOLDS) * learned * COLUMNS
        + _BLOCK_COPIES * films * (min(config.dim, FIT_DIM) + EXTRA_COLUMNS)
    )


def memory_bytes(data: MovieData, config: TrainingConfig) -> int:
    """Of a whole run: of the training, or of EASE, which it is compared with if that fits."""
    ease = ease_cost(data.n_users, data.n_movies, data.n_ratings).peak
    return max(fit_bytes(data, config), _beside(data) + ease if ease <= allowance() else 0)


def _beside(data: MovieData) -> int:
    """What every training needs: libraries, the ratings in several forms, a batch of lists."""
    ranking = 3 * _FLOAT * min(users_at_once(data.n_movies), data.n_users) * data.n_movies
    return _OVERHEAD + _PER_RATING * data.n_ratings + ranking


def estimate(data: MovieData, config: TrainingConfig, runs: Sequence[Run]) -> Estimate:
    """From the newest runs on the same data, if there are any.

    Args:
        runs: newest first.
    """
    size = (data.n_ratings, data.n_users + data.n_movies)
    epoch_rate, fit_rate, calibrated = _EPOCH_RATE, _FIT_RATE, False
    same_data = [run for run in runs if run.fingerprint == data.fingerprint and run.history]
    alike = [run for run in same_data if _starts_alike(run.config, config)]
    learned = [run for run in same_data if len(run.history) > 1]
    if alike:
        fit_rate = alike[0].history[0].seconds / fit_work(data, alike[0].config)
        calibrated = True
    if learned:
        rates = [
            seconds / epoch_work(*size, run.config)
            for run in learned[:_RECENT_RUNS]
            for seconds in epoch_durations(run.history)
        ]
        epoch_rate = float(np.median(rates))  # one slow epoch says nothing of the next ones
        calibrated = True
    return Estimate(
        fit_rate * fit_work(data, config),
        epoch_rate * epoch_work(*size, config),
        memory_bytes(data, config),
        calibrated,
    )


def _starts_alike(one: TrainingConfig, other: TrainingConfig) -> bool:
    return one.fitted == other.fitted
