"""What it costs: how training grows, how long a request takes, how faithful folding in is."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from analysis.counterfactual import ranks_without
from analysis.reasons import named_places
from data_preparation import MovieData, load_movie_data
from model.bpr import Learner
from model.config import PRESETS
from model.explanation import Walks, explain_all, through
from model.lightgcn import factor_scorer
from model.splits import PROTOCOLS
from model.trained import TrainedModel, fitted_graph
from model.viewers import fold_in, user_vectors, user_viewer
from model_training import train
from prediction import recommend, score_all
from settings import DOWNLOAD_COMMAND
from sources.download import find_local_data
from sources.movielens_files import DataError

Row = dict[str, Any]

ML_SMALL = (610, 9742, 100_836)  # users, films, ratings
GIVEN = replace(PRESETS["best"], search_seconds=0.0)  # what the search begins with
GROWTH_SECONDS = 300  # an epoch longer than this is extrapolated from one step
_SPREAD = 1.2  # σ of the log-normal popularity and activity in `synthetic_graph`


def load() -> MovieData:
    return load_movie_data(movielens_folder())


def movielens_folder() -> Path:
    """Where the dataset lies; without it there is nothing to measure."""
    try:
        folder = find_local_data()
    except DataError as error:
        raise SystemExit(str(error)) from None
    if folder is None:
        raise SystemExit(f"MovieLens is not here; run `{DOWNLOAD_COMMAND}` first.")
    return folder


def peak_mib() -> float:
    """The most memory that this process ever held, MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


# --- growth ---------------------------------------------------------------------------------------


def synthetic_graph(n_users: int, n_movies: int, n_ratings: int, seed: int = 0) -> sparse.csr_array:
    """A random bipartite graph with log-normal activity and popularity and exactly `n_ratings`.

    csr float32 of ones [n_users, n_movies].
    """
    if n_ratings > n_users * n_movies // 2:
        raise ValueError("At most half of all pairs can be drawn.")
    rng = np.random.default_rng(seed)
    share = [rng.lognormal(sigma=_SPREAD, size=n) for n in (n_users, n_movies)]
    keys = np.empty(0, np.int64)
    while len(keys) < n_ratings:
        users, movies = (
            rng.choice(len(weights), n_ratings, p=weights / weights.sum()) for weights in share
        )
        keys = np.unique(np.concatenate([keys, users * n_movies + movies]))
    users, movies = np.divmod(rng.choice(keys, n_ratings, replace=False), n_movies)
    ones = np.ones(n_ratings, np.float32)
    return sparse.coo_array((ones, (users, movies)), (n_users, n_movies)).tocsr()


def growth(times: str) -> Row:
    """Seconds of the fit, of one epoch of BPR, and peak memory, on a graph with so many times
    MovieLens's ratings."""
    base, scale = peak_mib(), int(times)
    interactions = synthetic_graph(*(scale * size for size in ML_SMALL))
    begun = time.perf_counter()
    Learner(interactions, {}, PRESETS["fast"])
    fit_seconds = time.perf_counter() - begun
    config = replace(PRESETS["fast"], dim=64, warm_start=False, epochs=1, batch_size=8192 * scale)
    learner = Learner(interactions, {}, config)
    steps = math.ceil(len(learner.usable) / config.batch_size)

    def timed_run() -> float:
        start = time.perf_counter()
        learner.run_epoch()
        return time.perf_counter() - start

    everything, learner.usable = learner.usable, learner.usable[: config.batch_size]
    timed_run()  # warm-up
    step = timed_run()
    extrapolated = step * steps > GROWTH_SECONDS
    if extrapolated:
        seconds = step * len(everything) / config.batch_size
    else:
        learner.usable = everything
        seconds = float(np.median([timed_run() for _ in range(3 if scale <= 16 else 1)]))
    return {
        "scale": scale,
        "users": interactions.shape[0],
        "films": interactions.shape[1],
        "ratings": interactions.nnz,
        "batch_size": config.batch_size,
        "steps": steps,
        "fit": fit_seconds,
        "seconds": seconds,
        "extrapolated": extrapolated,
        "memory": peak_mib() - base,
    }


# --- latency --------------------------------------------------------------------------------------


def latency() -> Row:
    """Processor ms per request in the app's own functions, and how faithful folding in is."""
    data = load()
    model = train(data, PROTOCOLS["random_80_10_10"](data), GIVEN)
    rng = np.random.default_rng(0)
    users = rng.choice(data.n_users, 200, replace=False).tolist()
    visitors = [
        dict.fromkeys(
            rng.choice(np.flatnonzero(data.movie_degree), 10, replace=False).tolist(), 4.0
        )
        for _ in users
    ]

    def explained(user: int) -> None:
        viewer = user_viewer(data, model, user)
        movies = [film.movie for film in recommend(model, score_all(data, model, viewer), 10)]
        explain_all(data, model, viewer, movies)

    walks = Walks.of(fitted_graph(data, model), model)

    def reasoned(user: int) -> None:
        viewer = user_viewer(data, model, user)
        movies = [film.movie for film in recommend(model, score_all(data, model, viewer), 10)]
        every = explain_all(data, model, viewer, movies)
        through(walks, model, viewer, np.array(movies))
        cases: list[tuple[int, list[int]]] = []
        for reasons in every:
            named = viewer.movies[named_places(reasons)].tolist()
            cases += [(reasons.movie, [film]) for film in named] + [(reasons.movie, named)]
        ranks_without(data, model, viewer, cases)

    def visit(stars: Mapping[int, float]) -> None:
        recommend(model, score_all(data, model, fold_in(data, model, stars)), 10)

    vectors = user_vectors(data, model, slice(None))
    trained = top_lists(data, model, vectors)
    batch = [_milliseconds(lambda: top_lists(data, model, vectors)) for _ in range(9)]
    return {
        "explained_ms": _summary([_milliseconds(explained, user) for user in [0, *users]][1:]),
        "reasoned_ms": _summary([_milliseconds(reasoned, user) for user in [0, *users]][1:]),
        "visitor_ms": _summary([_milliseconds(visit, stars) for stars in visitors]),
        "everyone_ms": float(np.median(batch)),
        "users": data.n_users,
        "films": data.n_movies,
        "overlap": _overlap(trained, top_lists(data, model, folded_in(data, model))),
    }


def folded_in(data: MovieData, model: TrainedModel) -> NDArray[np.float32]:
    """All users as if they were visitors, float32 [n_users, dim]."""
    factors = np.empty((data.n_users, model.dim), np.float32)
    for user in range(data.n_users):
        stars = dict(zip(data.rated_by(user).tolist(), data.stars_of(user), strict=True))
        factors[user] = fold_in(data, model, stars, movie_degree=data.movie_degree).factor
    return factors


def top_lists(
    data: MovieData, model: TrainedModel, user_factors: NDArray[np.float32], k: int = 20
) -> NDArray[np.int64]:
    """The K unrated films with the highest graph score for every user, int64 [n_users, k]."""
    scorer = factor_scorer(user_factors, model.movie_factors)
    best = []
    for users in np.array_split(np.arange(data.n_users), math.ceil(data.n_users / 256)):
        scores = scorer(users)
        scores[data.ratings[users].nonzero()] = -np.inf
        best.append(torch.from_numpy(scores).topk(k).indices.numpy())
    return np.concatenate(best)


def _overlap(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Mean share of the films that two users' lists have in common."""
    return float((one[:, :, None] == other[:, None, :]).any(axis=2).mean())


def _milliseconds(function: Callable[..., object], *arguments: Any) -> float:
    """Of processor time, which other work on the machine lengthens less than the clock's."""
    start = time.process_time()
    function(*arguments)
    return 1000 * (time.process_time() - start)


def _summary(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "p95": float(np.quantile(values, 0.95))}
