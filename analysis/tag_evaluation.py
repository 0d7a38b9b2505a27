"""What the embeddings know of tags, on held-out data: predicting tags, and suggesting them.

Embeddings that come from ratings alone never see a tag, so a tag that can be told from them is
evidence that people who rate alike also see alike. The hybrid has tags as nodes of its graph: what
is measured of it is the same fit without those nodes (`without_tag_nodes`), or nothing would be
held out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from analysis.samples import some_people
from analysis.tags import LEAST_FILMS, movie_tags
from data_preparation import MovieData
from model.splits import PROTOCOLS, drawn_people
from model.trained import TrainedModel
from model_training import train

N_NEIGHBOURS = 30  # that carry a tag, for suggestions
MEASURED_DIM = 256  # of the fit without tags
MEASURED_FILMS, MEASURED_TAGS = 10_000, 400  # whose tags are told from their directions
_MOST_RATINGS = 1_500_000  # that the fit without tags sees
_PAIRS = 60_000_000  # of a film asked for tags and a film or tag
_PAIRS_AT_ONCE = 8_000_000  # bounds the dense blocks to some tens of MiB each
_RIDGE = 10.0
_FOLDS = 5
_COLUMNS = (
    *("tag", "films", "auc", "average_precision", "popularity_auc"),
    *("popularity_precision", "prevalence"),
)


# --- a model that saw no tag ----------------------------------------------------------------------


def saw_tags(model: TrainedModel) -> bool:
    """Whether tags are nodes of the graph that the model's vectors come from."""
    config = model.config
    return model.is_hybrid and config.tag > 0 and (config.fitted or config.layers > 1)


def without_tag_nodes(data: MovieData, model: TrainedModel) -> TrainedModel:
    """The model itself, or where it saw tags the same closed-form fit with no tag in the graph.

    With at most 256 numbers per film; of large data, to the ratings of `witnesses` alone.
    """
    if not saw_tags(model):
        return model
    data = witnesses(data)
    fitted = replace(
        model.config,
        tag=0.0,
        dim=min(model.config.dim, MEASURED_DIM),
        layers=1,
        epochs=0,
        warm_start=True,
        search_seconds=0.0,
    )
    return train(data, PROTOCOLS[model.protocol](data), fitted)


def witnesses(data: MovieData) -> MovieData:
    """The people whose ratings such a fit sees: all, or a sample with 1.5 million ratings."""
    return some_people(data, _MOST_RATINGS)


def n_witnesses(data: MovieData) -> int:
    """So many people are `witnesses`, without taking their ratings out of the others'."""
    return len(drawn_people(data.user_degree, _MOST_RATINGS, 0))


# --- what it takes --------------------------------------------------------------------------------


def predictability_bytes(data: MovieData, dim: int) -> int:
    """Memory of `tag_predictability` with so many numbers per film, at most."""
    films, tags = _tagged(data)
    return 8 * min(films, MEASURED_FILMS) * (4 * dim + 8 * min(tags, MEASURED_TAGS))


def suggestions_bytes(data: MovieData) -> int:
    """Memory of `measure_suggestions`, at most: cosines of films, scores of tags."""
    films, tags = _tagged(data)
    at_once = min(films, _films_at_once(data))
    return at_once * (6 * 4 * data.n_movies + 8 * 8 * tags)


def _tagged(data: MovieData) -> tuple[int, int]:
    """How many films have a tag, and how many tags there are."""
    carries = movie_tags(data)
    return int((np.diff(carries.indptr) > 0).sum()), carries.shape[1]


# --- can the embeddings tell a tag? ---------------------------------------------------------------


def tag_predictability(
    data: MovieData, model: TrainedModel, min_films: int = LEAST_FILMS, seed: int = 0
) -> pd.DataFrame:
    """How well a film's direction tells its tags, on films that the predictor has not seen.

    For each tag on at least `min_films` films, ridge regression (λ = 10) on the directions of the
    tagged films ranks the films of each of five folds from the other four. The AUC is the chance
    that a film with the tag ranks above a film without it, 0.5 being a guess. Only tagged, rated
    films take part: of the others nobody knows whether the tag fits. At most `MEASURED_FILMS` of
    them, drawn at random, and the `MEASURED_TAGS` tags that most of those have.

    Returns:
        tag, films, auc, average_precision, popularity_auc and popularity_precision (films ranked
        by their number of ratings), prevalence (what a guess's average precision is); best AUC
        first.
    """
    carries = movie_tags(data)
    rated = model.directions.any(axis=1)
    movies = _drawn(np.flatnonzero((np.diff(carries.indptr) > 0) & rated), MEASURED_FILMS, seed)
    films_with = np.asarray(carries[movies].sum(axis=0)).ravel()
    most = np.sort(np.argsort(-films_with, kind="stable")[:MEASURED_TAGS])
    tags = most[(films_with[most] >= min_films) & (films_with[most] < len(movies))]
    if not len(tags) or len(movies) < 2 * _FOLDS:
        return pd.DataFrame(columns=list(_COLUMNS))
    truth = carries[movies][:, tags].toarray() > 0  # [n_films, n_tags]
    directions = model.directions[movies].astype(np.float64)
    scores = _held_out_scores(directions, truth, seed)
    popular = np.repeat(data.movie_degree[movies][:, None].astype(float), len(tags), axis=1)
    table = pd.DataFrame(
        {
            "tag": [data.tag_names[tag] for tag in tags],
            "films": films_with[tags],
            "auc": auc(truth, scores),
            "average_precision": average_precision(truth, scores),
            "popularity_auc": auc(truth, popular),
            "popularity_precision": average_precision(truth, popular),
            "prevalence": truth.mean(axis=0),
        },
        columns=list(_COLUMNS),
    )
    return table.sort_values(["auc", "tag"], ascending=[False, True], ignore_index=True)


def _drawn(movies: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """So many of the films at random, ascending; all of them if there are no more."""
    if len(movies) <= n:
        return movies
    return np.sort(np.random.default_rng(seed).choice(movies, n, replace=False))


def _held_out_scores(
    rows: NDArray[np.float64], truth: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """Out-of-fold ridge predictions, float [n_rows, n_targets]; the mean is not penalised."""
    fold = np.random.default_rng(seed).permutation(len(rows)) % _FOLDS
    scores = np.empty(truth.shape)
    for number in range(_FOLDS):
        known, held_out = rows[fold != number], rows[fold == number]
        target = truth[fold != number].astype(float)
        centre, base = known.mean(axis=0), target.mean(axis=0)
        centred = known - centre
        if len(known) < rows.shape[1]:  # the same weights by a system of the size of the rows
            gram = centred @ centred.T + _RIDGE * np.eye(len(known))
            weights = centred.T @ np.linalg.solve(gram, target - base)
        else:
            gram = centred.T @ centred + _RIDGE * np.eye(rows.shape[1])
            weights = np.linalg.solve(gram, centred.T @ (target - base))  # [dim, n_targets]
        scores[fold == number] = (held_out - centre) @ weights + base
    return scores


def auc(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the ROC curve of each column by ranks (ties count half), float [n_columns].

    Every column needs a True and a False.
    """
    positives = truth.sum(axis=0)
    ranks = (rankdata(scores, axis=0) * truth).sum(axis=0)
    return (ranks - positives * (positives + 1) / 2) / (positives * (len(truth) - positives))


def average_precision(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean precision at the rank of each True, per column; equal scores stay in row order."""
    order = np.argsort(-scores, axis=0, kind="stable")
    hit = np.take_along_axis(truth, order, axis=0)
    precision = hit.cumsum(axis=0) / np.arange(1, len(truth) + 1)[:, None]
    return (precision * hit).sum(axis=0) / hit.sum(axis=0)


# --- are the suggestions right? -------------------------------------------------------------------


@dataclass(frozen=True)
class SuggestionReport:
    """Precision@K of tag suggestions on hidden tags; each 0 to 1, a mean over films.

    Attributes:
        precision: of the K suggested tags, the share that was hidden.
        baseline: the same for the K most common tags that the film does not visibly have.
        ceiling: the best possible: most films hide fewer than K tags.
        recall, baseline_recall: of all hidden pairs, the share that was found.
        films: films with a hidden tag, counted once per fold.
        asked, tagged: the films whose tags were hidden, and all films that have one.
        hidden: (film, tag) pairs, each hidden once.
        without: share of `films` for which nothing is suggested.
    """

    k: int
    precision: float
    baseline: float
    ceiling: float
    recall: float
    baseline_recall: float
    films: int
    asked: int
    tagged: int
    hidden: int
    without: float


def measure_suggestions(
    data: MovieData,
    model: TrainedModel,
    k: int = 5,
    n_neighbours: int = N_NEIGHBOURS,
    seed: int = 0,
) -> SuggestionReport | None:
    """Hide every tag once, a fifth at a time, and ask `prediction.suggest_tags`'s rule for it.

    A hidden (film, tag) pair is hidden whole: nobody's assignment of it remains visible. None when
    fewer than five pairs on rated films exist. Of large data the films that are asked for are a
    sample; all others keep their tags.
    """
    carries = movie_tags(data)
    rows, columns = carries.nonzero()
    rated = np.any(model.directions != 0, axis=1)[rows]
    rows, columns = rows[rated], columns[rated]
    if len(rows) < _FOLDS:
        return None
    tagged = np.unique(rows)
    movies = _drawn(tagged, _PAIRS // sum(carries.shape), seed)
    asked = np.flatnonzero(np.isin(rows, movies))
    fold = np.full(len(rows), -1)
    fold[asked] = np.random.default_rng(seed).permutation(len(asked)) % _FOLDS
    visible = [
        sparse.coo_array(
            (np.ones((fold != number).sum()), (rows[fold != number], columns[fold != number])),
            shape=carries.shape,
        ).tocsr()
        for number in range(_FOLDS)
    ]
    parts = []
    for block in np.array_split(movies, math.ceil(len(movies) / _films_at_once(data))):
        cosine = movie_cosines(model, block)  # [n_block, n_movies]
        for number in range(_FOLDS):
            hidden = (fold == number) & np.isin(rows, block)
            wanted = np.zeros((len(block), carries.shape[1]), bool)
            wanted[np.searchsorted(block, rows[hidden]), columns[hidden]] = True
            tags = visible[number]
            weights = neighbour_weights(cosine, np.diff(tags.indptr) > 0, n_neighbours)
            parts.append(_fold_precision(tags, wanted, weights, block, k))
    precision, baseline, ceiling, nothing = np.concatenate(parts, axis=1)
    return SuggestionReport(
        k=k,
        precision=float(precision.mean()),
        baseline=float(baseline.mean()),
        ceiling=float(ceiling.mean()),
        recall=float(precision.sum() * k / len(asked)),
        baseline_recall=float(baseline.sum() * k / len(asked)),
        films=len(precision),
        asked=len(movies),
        tagged=len(tagged),
        hidden=len(asked),
        without=float(nothing.mean()),
    )


def _films_at_once(data: MovieData) -> int:
    return max(_PAIRS_AT_ONCE // max(sum(data.tag_counts.shape), 1), 1)


def _fold_precision(
    visible: sparse.csr_array,
    wanted: NDArray[np.bool_],
    weights: sparse.csr_array,
    movies: NDArray[np.int64],
    k: int,
) -> NDArray[np.float64]:
    """Precision, baseline, ceiling and "nothing suggested" of the films with a hidden tag, [4, n].

    Args:
        visible: csr [n_movies, n_tags], 1 where the film has the tag.
        wanted: bool [n_films, n_tags], the hidden tags.
        weights: csr [n_films, n_movies], `neighbour_weights`.
        movies: the inner ids of the rows of `wanted`.
    """
    scores = suggestion_scores(visible, weights)  # [n_films, n_tags]
    common = np.asarray(visible.sum(axis=0)).ravel()
    popular = np.repeat(common[None, :], len(movies), axis=0)
    own = visible[movies].toarray() > 0
    asked = wanted.any(axis=1)

    def precision(values: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.where(own, 0.0, values)[asked]
        best = np.argsort(-values, axis=1, kind="stable")[:, :k]
        hit = np.take_along_axis(wanted[asked], best, axis=1)
        return (hit & (np.take_along_axis(values, best, axis=1) > 0)).sum(axis=1) / k

    ceiling = np.minimum(wanted[asked].sum(axis=1), k) / k
    nothing = ~(np.where(own, 0.0, scores)[asked] > 0).any(axis=1)
    return np.stack([precision(scores), precision(popular), ceiling, nothing.astype(float)])


def movie_cosines(model: TrainedModel, movies: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cosines to every film, [n_films, n_movies]; −1 to itself and to films without ratings."""
    directions = model.directions
    cosine = directions[movies] @ directions.T
    cosine[np.arange(len(movies)), movies] = -1
    cosine[:, ~directions.any(axis=1)] = -1
    return cosine


def neighbour_weights(
    cosine: NDArray[np.float32], tagged: NDArray[np.bool_], n_neighbours: int
) -> sparse.csr_array:
    """What the nearest tagged films count: squared cosines, 0 where the cosine is negative.

    Thirty neighbours and the square were chosen on the tags of a random half of the films.

    Args:
        cosine: `movie_cosines`, [n_films, n_movies].
        tagged: the films that may be neighbours, bool [n_movies].

    Returns:
        csr float64 [n_films, n_movies].
    """
    candidates = np.flatnonzero(tagged)
    near = cosine[:, candidates]
    n_neighbours = min(n_neighbours, len(candidates))
    nearest = np.argpartition(-near, n_neighbours - 1, axis=1)[:, :n_neighbours]
    weight = np.take_along_axis(near, nearest, axis=1).clip(min=0).astype(np.float64) ** 2
    rows = np.repeat(np.arange(len(near)), n_neighbours)
    place = (rows, candidates[nearest].ravel())
    return sparse.coo_array((weight.ravel(), place), cosine.shape).tocsr()


def suggestion_scores(visible: sparse.csr_array, weights: sparse.csr_array) -> NDArray[np.float64]:
    """`prediction.suggest_tags` for many films at once, float [n_films, n_tags].

    The share of the neighbours' weight that carries the tag; 0 without neighbours. The film's own
    tags are not taken out.
    """
    total = np.asarray(weights.sum(axis=1)).ravel()
    return (weights @ visible).toarray() / np.where(total > 0, total, 1.0)[:, None]
