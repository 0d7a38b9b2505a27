"""A training from a random start, epoch by epoch, and a network, layer by layer: to be played.

The training is that of LightGCN as its paper has it (BPR, a vector for everybody), in seconds: on
all ratings, or on those of a random sample of people where there are many. A frame holds what a
page shows of one epoch, for whomever it follows: loss and NDCG on training and validation ratings,
everybody's place on a map, everybody's first ten films. The vectors themselves are not kept, so a
replay stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg, sparse
from sklearn.preprocessing import normalize
from torch.nn import functional

from analysis.layers import smoothing
from analysis.network import Network
from data_preparation import MovieData
from model.bpr import Learner, NegativeSampler
from model.config import TrainingConfig
from model.evaluation import evaluate, top_k
from model.lightgcn import factor_scorer
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS, Split

TOP = 10  # films of a list, and K of the metric
MAX_EPOCHS = 60  # bounds what a replay holds, with the next two
_MOST_RATINGS = 150_000  # to train on; of more, the people are sampled
_ON_MAP = 240  # films: those with the most ratings
_STEPS = 10  # per epoch
_MEASURED_ON_TRAIN = 200  # people whose training ratings are ranked
_PAIRS = 20_000  # of a rated and another film, in each of the two losses
LOSS, NDCG = "loss", f"NDCG@{TOP}"
TRAIN, VALIDATION = PARTS = ("training", "validation")


# --- who and what is trained on -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Crowd:
    """The people of a replay and the films that they rated; a `TimedRatings`.

    Attributes:
        ratings: csr [n_people, n_films], stars.
        timestamps: of the ratings, int64 [n_ratings].
        users, movies: the inner ids in the data of the rows and columns, int64.
        sampled: there are other people in the data.
        extra: the inner id of the one who is there by request, not by the sample; else None.
    """

    ratings: sparse.csr_array
    timestamps: NDArray[np.int64]
    users: NDArray[np.int64]
    movies: NDArray[np.int64]
    sampled: bool
    extra: int | None

    def row_of(self, user: int) -> int:
        """Where an inner user id of the data is; they must be among the people."""
        return int(np.searchsorted(self.users, user))

    @cached_property
    def split(self) -> Split:
        """Training, validation and test ratings of these people."""
        return PROTOCOLS[DEFAULT_PROTOCOL](self)

    def best_known(self) -> NDArray[np.int64]:
        """The columns with the most ratings, which the map shows; most rated first."""
        degree = np.bincount(self.ratings.indices, minlength=self.ratings.shape[1])
        return np.argsort(-degree, kind="stable")[:_ON_MAP]


def is_sampled(data: MovieData) -> bool:
    """Whether a crowd is a sample of the people."""
    return data.n_ratings > _MOST_RATINGS


def crowd(data: MovieData, user: int) -> Crowd:
    """Everybody; or a random sample of people, the same for all, and this user (inner id)."""
    users, extra = np.arange(data.n_users), None
    if is_sampled(data):
        order = np.random.default_rng(0).permutation(data.n_users)
        users = np.sort(order[np.cumsum(data.user_degree[order]) <= _MOST_RATINGS])
        if user not in users:
            extra, users = user, np.sort(np.append(users, user))
    kept = np.repeat(np.isin(np.arange(data.n_users), users), data.user_degree)
    rows = data.ratings[users]
    movies = np.flatnonzero(np.bincount(rows.indices, minlength=data.n_movies))
    return Crowd(
        ratings=rows[:, movies].tocsr(),
        timestamps=data.timestamps[kept],
        users=users,
        movies=movies,
        sampled=len(users) < data.n_users,
        extra=extra,
    )


def playground_config(
    people: Crowd, *, layers: int, dim: int, learning_rate: float, epochs: int, seed: int
) -> TrainingConfig:
    """The paper's model with steps that are large enough to be seen: about ten in an epoch.

    Raises:
        ValueError: as `TrainingConfig`, or more than `MAX_EPOCHS` epochs.
    """
    if epochs > MAX_EPOCHS:
        raise ValueError(f"A replay holds at most {MAX_EPOCHS} epochs; got {epochs}.")
    return TrainingConfig(
        model="paper",
        dim=dim,
        layers=layers,
        epochs=epochs,
        batch_size=max(people.ratings.nnz // _STEPS, 1),
        learning_rate=learning_rate,
        l2=1e-4,
        negatives=1,
        patience=epochs,
        seed=seed,
        warm_start=False,
        hide_batch=False,
    )


# --- a frame --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Frame:
    """What is shown of one epoch (or layer).

    Attributes:
        number: of the epoch or layer, from 0.
        measures: by name.
        people, films: places on the map, float16 [n_people, 2] and [n_films, 2]; NaN for a vector
            of zeros, which points nowhere.
        top: the first films of each person's list, int32 [n_people, ≤ `TOP`]; −1 where no
            candidate is left.
        scores: theirs, float32, as `top`.
    """

    number: int
    measures: dict[str, float]
    people: NDArray[np.float16]
    films: NDArray[np.float16]
    top: NDArray[np.int32]
    scores: NDArray[np.float32]


class Plane:
    """A map that follows the vectors from frame to frame.

    The plane of each frame is spanned by the first two principal components of the directions of
    some films. Components may swap or turn over between one frame and the next though nothing much
    has moved, so each frame is turned (and mirrored) onto the one before by the orthogonal map that
    fits best (Schönemann 1966).

    Args:
        shown: the films that span it, int64 [n].
    """

    def __init__(self, shown: NDArray[np.int64]) -> None:
        self.shown = shown
        self.before: NDArray[np.float64] | None = None

    def place(
        self, people: NDArray[np.floating], films: NDArray[np.floating]
    ) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """Where everybody and every film is in this frame: float16 [n, 2] each.

        Args:
            people, films: vectors, float [n, dim].
        """
        films = normalize(np.asarray(films, np.float64))  # [n_films, dim]
        centre = films[self.shown].mean(axis=0)
        basis = _first_two(films[self.shown] - centre)  # [dim, 2]
        places = (films[self.shown] - centre) @ basis
        if self.before is not None:
            turn, _ = linalg.orthogonal_procrustes(places, self.before)
            basis, places = basis @ turn, places @ turn
        self.before = places
        people = normalize(np.asarray(people, np.float64))

        def placed(directions: NDArray[np.floating]) -> NDArray[np.float16]:
            where = ((directions - centre) @ basis).astype(np.float16)
            where[~directions.any(axis=1)] = np.nan
            return where

        return placed(people), placed(films)


def _first_two(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two principal axes of centred rows, [dim, 2]; zeros for one that there is not."""
    axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :2]  # eigh sorts ascending
    return np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))


def lists(
    split: Split, people: NDArray[np.float32], films: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32], float]:
    """Everybody's first films, their scores, and NDCG on validation; as `Frame` has them.

    What someone rated in the training part is no candidate; the held-out films are.
    """
    scorer = factor_scorer(people, films)
    report = evaluate(scorer, split, "validation", (TOP,))
    depth = report.top.shape[1]
    top = np.full((len(people), depth), -1, np.int32)
    measured = report.per_user.index.to_numpy()
    top[measured] = report.top
    others = np.setdiff1d(np.arange(len(people)), measured)
    if len(others):  # nothing of theirs is held out
        order = np.arange(len(films))
        top[others] = top_k(scorer(others), split.train[others], split.rated_movies(), depth, order)
    scores = np.einsum("ud,und->un", people, films[top]).astype(np.float32)
    return top, scores, report.mean()[NDCG]


# --- the training ---------------------------------------------------------------------------------


def replay(
    people: Crowd, config: TrainingConfig, before_step: Callable[[], None] | None = None
) -> Iterator[Frame]:
    """Train from a random start; a frame before the first epoch and after each.

    Args:
        before_step: as in `model_training.train`.

    Raises:
        ValueError: nothing is held out to measure on, nothing can be learned, or the loss is not
            finite any more.
    """
    split = people.split
    if not split.validation.nnz:
        raise ValueError("These data have too few ratings per person to hold some out.")
    learner = Learner(split.train, {}, config, before_step)
    losses = _Losses(split, people.ratings, config.seed)
    plane = Plane(people.best_known())
    for epoch in range(config.epochs + 1):
        loss = learner.run_epoch() if epoch else 0.0
        if not learner.is_finite(loss):
            raise ValueError(
                f"The loss was not finite any more in epoch {epoch}: lower the learning rate."
            )
        of_people, of_films = learner.propagation.forward(learner.e0.detach())
        top, scores, ndcg = lists(split, of_people.numpy(), of_films.numpy())
        measures = losses.measure(of_people, of_films)
        measures[f"{NDCG} {VALIDATION}"] = ndcg
        measures[f"{NDCG} {TRAIN}"] = _ndcg_on_train(split, of_people, of_films)
        yield Frame(epoch, measures, *plane.place(of_people.numpy(), of_films.numpy()), top, scores)


def _ndcg_on_train(split: Split, people: torch.Tensor, films: torch.Tensor) -> float:
    """How well the films that it learned from are ranked, over a sample of people."""
    nothing = sparse.csr_array(split.train.shape, dtype=np.float32)
    seen = Split(split.protocol, nothing, split.train, nothing)
    scorer = factor_scorer(people.numpy(), films.numpy())
    report = evaluate(scorer, seen, "validation", (TOP,), sample_users=_MEASURED_ON_TRAIN)
    return report.mean()[NDCG]


# --- layer by layer -------------------------------------------------------------------------------


def deepening(
    people: Crowd, split: Split, network: Network, user: int, check: Callable[[], None]
) -> Iterator[Frame]:
    """Layer 0 to `DEPTH` of a network, each alone; a frame holds one person alone.

    Args:
        split: of these people's ratings.
        network: of everybody; its E(0) is passed on among these people, over the training part.
        user: row of the one person.
        check: called after each layer; may raise `StopTraining`.

    Raises:
        ValueError: nothing is held out to measure on.
    """
    among = network.among(people.users, people.movies, split.train)
    plane = Plane(people.best_known())
    known, rankable = split.train[[user]], split.rated_movies()
    order = np.arange(len(people.movies))
    for last, mean, vectors in smoothing(split, among):
        person, films = vectors["user"][[user]], vectors["movie"]
        scores = person @ films.T  # [1, n_films]
        top = top_k(scores, known, rankable, min(TOP, len(order)), order)
        if not person.any():  # nothing has reached them yet, so there is no order
            top[:] = -1
        places = plane.place(person, films)
        measures = {
            f"{each.kind} {name}": getattr(each, name)
            for each in (last, mean)
            for name in ("users", "films", "ndcg")
        }
        yield Frame(last.layer, measures, *places, top, np.take_along_axis(scores, top, 1))
        check()


class _Losses:
    """BPR's loss, without the penalty, on the same pairs of films in every epoch."""

    def __init__(self, split: Split, ratings: sparse.csr_array, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        sampler = NegativeSampler(ratings, generator)  # a held-out film is no negative
        self.pairs = {}
        for part, stars in ((TRAIN, split.train), (VALIDATION, split.validation)):
            users, movies = stars.nonzero()
            usable = np.flatnonzero(np.diff(ratings.indptr)[users] < ratings.shape[1])
            pick = np.random.default_rng(seed).permutation(usable)[:_PAIRS]
            who = torch.from_numpy(users[pick].astype(np.int64))
            positive = torch.from_numpy(movies[pick].astype(np.int64))
            self.pairs[part] = (who, positive, sampler.sample(who, 1)[:, 0])

    def measure(self, people: torch.Tensor, films: torch.Tensor) -> dict[str, float]:
        """`loss training` and `loss validation`."""
        found = {}
        for part, (who, positive, negative) in self.pairs.items():
            margin = (people[who] * (films[positive] - films[negative])).sum(1)
            found[f"{LOSS} {part}"] = float(functional.softplus(-margin).mean())
        return found
