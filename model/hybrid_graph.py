"""The hybrid graph: films on one side; people and what films are made of on the other.

Every edge joins a film and a node of one of these kinds:

- `seen`: a person, to every film that they rated, with the weight n_u^-a;
- `taste`: the same person once more, to the same films, with the weight n_u^-a · (stars − μ_u):
  positive for what they liked more than usual, negative for what they liked less;
- `genre`, `tag`, `year`, `genre_decade`, `series`: what films have in common (`content_edges`).

The edges are the rows of a sparse matrix Y [n_nodes, n_movies]. Each kind is scaled so that its
edges weigh a given share of those of `seen` (the sum of squares, which is the trace of its part of
YᵀY), so a weight means the same on any data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData
from model.config import CONTENT_KINDS, TrainingConfig
from model.processes import ALONE, Processes
from sources.tag_cleaning import count_tags

SEEN, TASTE = "seen", "taste"

# A film has as much say in its content nodes as its ratings support: √(d/(d + 3)) of an edge.
# Thousands of films that one person rated would else drown out those that are known.
_SUPPORT = 3.0
_MEAN_SHRINKAGE = 20.0  # ratings at the overall mean that everyone is given when theirs is taken
_YEAR_WIDTH = 2.0  # standard deviation of the Gaussian around a year node, in years
_SERIES_FILMS = (2, 40)  # fewer are no series, more are a common word
_SMALL_WORDS = frozenset(
    "and are but for from her his into its not our out she the their them they this was who with "  # noqa: SIM905
    "you your aux dans der des die das del della ein eine les los las une und".split()
)

Content = Mapping[str, sparse.csr_array]
"""By kind: csr float32 [n_nodes of the kind, n_movies], the edges before any scaling."""


@dataclass(frozen=True, eq=False)
class HybridGraph:
    """The edges between films and all other nodes, scaled.

    Attributes:
        kinds: the kinds that have edges, in the order of the rows.
        starts: where the rows of each kind begin, with the end; int [n_kinds + 1].
        edges: Y, csr float32 [n_nodes, n_movies].
        processes: those that share the people; the rows are those of this one's people, and of
            what films are made of with the first.
    """

    kinds: tuple[str, ...]
    starts: tuple[int, ...]
    edges: sparse.csr_array
    processes: Processes = ALONE

    @cached_property
    def transposed(self) -> sparse.csr_array:
        """Yᵀ, csr float32 [n_movies, n_nodes]."""
        return self.edges.T.tocsr()

    def rows_of(self, kind: str) -> slice:
        """The rows of Y that belong to a kind."""
        place = self.kinds.index(kind)
        return slice(self.starts[place], self.starts[place + 1])


def build_graph(
    ratings: sparse.csr_array,
    content: Content,
    settings: TrainingConfig,
    processes: Processes = ALONE,
) -> HybridGraph:
    """The graph of these ratings and contents.

    Args:
        ratings: csr [n_users, n_movies], stars; equal stars everywhere make no taste.
        content: from `content_edges`; may be empty.
        processes: those that share the people; `ratings` are of this one's.

    Returns:
        Edges of `seen` and `taste` in the order of the ratings, one each, weight 0 included.
    """
    degree = film_degree(ratings, processes).astype(np.float64)
    films = np.maximum(degree, 1.0) ** -settings.film_exponent
    supported = films * np.sqrt(degree / (degree + _SUPPORT))
    people = people_edges(ratings, settings.user_exponent, overall_mean(ratings, processes))
    unit, scaled = 0.0, {}
    for kind in (SEEN, TASTE, *CONTENT_KINDS):
        share = 1.0 if kind == SEEN else getattr(settings, kind)
        if share <= 0 or (kind not in people and kind not in content):
            continue
        if kind in people:
            block = _weighted(people.pop(kind), films)
            weight = processes.total_of(_weight(block))
        else:
            block = _weighted(content[kind], supported)
            weight = _weight(block)
            block = block if processes.first else block[:0]
        unit = weight if kind == SEEN else unit
        # Rounding leaves a trace of taste where everybody gave the same stars everywhere.
        if weight > 1e-9 * unit or kind == SEEN:
            scaled[kind] = sparse.csr_array(
                block * np.sqrt(share * unit / weight), dtype=np.float32
            )
    rows = [block.shape[0] for block in scaled.values()]
    edges = sparse.csr_array(sparse.vstack(list(scaled.values()), format="csr"))
    return HybridGraph(tuple(scaled), tuple(np.cumsum([0, *rows]).tolist()), edges, processes)


def people_edges(
    ratings: sparse.csr_array, exponent: float, overall: float
) -> dict[str, sparse.csr_array]:
    """Both rows of every person, `seen` and `taste`, csr float64 [n_users, n_movies] each.

    Args:
        exponent: a; a person with n ratings weighs n^-a per edge.
        overall: the mean of all stars.
    """
    counts = np.diff(ratings.indptr)
    weight = np.repeat(np.maximum(counts, 1.0) ** -exponent, counts)
    liking = ratings.data - np.repeat(mean_stars(ratings, overall), counts)

    def edges(values: NDArray[np.float64]) -> sparse.csr_array:
        return sparse.csr_array((values, ratings.indices, ratings.indptr), shape=ratings.shape)

    return {SEEN: edges(weight), TASTE: edges(weight * liking)}


def film_degree(ratings: sparse.csr_array, processes: Processes = ALONE) -> NDArray[np.int64]:
    """Ratings of each film by everybody's people, int64 [n_movies]."""
    return processes.total(np.bincount(ratings.indices, minlength=ratings.shape[1]))


def overall_mean(ratings: sparse.csr_array, processes: Processes = ALONE) -> float:
    """The mean of all stars; 0 without any."""
    count = processes.total_of(ratings.nnz)
    return processes.total_of(float(ratings.data.sum(dtype=np.float64))) / count if count else 0.0


def mean_stars(ratings: sparse.csr_array, overall: float) -> NDArray[np.float64]:
    """μ_u = (Σ stars + 20·μ)/(n_u + 20), each person's mean, shrunk to the overall one.

    Args:
        overall: μ.

    Returns:
        float64 [n_users].
    """
    total = np.asarray(ratings.sum(axis=1), np.float64).ravel()
    return (total + _MEAN_SHRINKAGE * overall) / (np.diff(ratings.indptr) + _MEAN_SHRINKAGE)


def _weighted(block: sparse.csr_array, films: NDArray[np.float64]) -> sparse.csr_array:
    """The edges times a weight per film.

    A sparse product would drop edges of weight 0 and turn the order within a row round; BPR hides
    ratings by their place among the edges (`HybridPropagation.without`).
    """
    values = block.data * films[block.indices]
    return sparse.csr_array((values, block.indices, block.indptr), shape=block.shape)


def _weight(block: sparse.csr_array) -> float:
    """The sum of the squared edges."""
    return float(np.square(block.data, dtype=np.float64).sum())


# --- what films have in common --------------------------------------------------------------------


def content_edges(data: MovieData) -> dict[str, sparse.csr_array]:
    """The content nodes of the films, csr float32 [n_nodes, n_movies] by kind.

    genre: 1 for each genre of a film. tag: TF-IDF of the cleaned tags, of length 1 for a tagged
    film. year: a node per year, with a Gaussian of 2 years around it. genre_decade: a genre within
    a decade. series: films whose titles begin with the same two words.
    """
    return {
        "genre": _genres(data),
        "tag": data.tag_features.T.tocsr(),
        "year": _years(data),
        "genre_decade": _grouped(_genre_decades(data), data.n_movies),
        "series": _grouped(_series(data), data.n_movies, *_SERIES_FILMS),
    }


def _genres(data: MovieData) -> sparse.csr_array:
    return _grouped(data.movies["genres"].explode().dropna(), data.n_movies, 1)


def _years(data: MovieData) -> sparse.csr_array:
    year = data.movies["year"].astype("Float64").to_numpy(float, na_value=np.nan)
    known = np.flatnonzero(np.isfinite(year))
    nodes = np.unique(year[known])
    weight = np.exp(-0.5 * ((nodes[:, None] - year[known]) / _YEAR_WIDTH) ** 2)
    weight[weight < 1e-3] = 0.0
    row, film = np.nonzero(weight)
    return sparse.csr_array(
        (weight[row, film].astype(np.float32), (row, known[film])),
        shape=(len(nodes), data.n_movies),
    )


def _genre_decades(data: MovieData) -> pd.Series:
    table = data.movies[["genres", "year"]].explode("genres").dropna()
    return table["genres"] + " " + (table["year"].astype(int) // 10 * 10).astype(str)


def _series(data: MovieData) -> pd.Series:
    """The first two words of each title that say something; films without any are left out."""

    def beginning(title: str) -> str | None:
        words = re.findall(r"[^\W_]+", re.sub(r"\(\d{4}\)\s*$", "", title).lower())
        telling = [word for word in words if len(word) > 2 and word not in _SMALL_WORDS]
        return " ".join(telling[:2]) or None

    return data.movies["title"].map(beginning).dropna()


def _grouped(
    labels: pd.Series, n_movies: int, fewest: int = 2, most: int | None = None
) -> sparse.csr_array:
    """A node for every label that so many films carry; the index of `labels` is the film."""
    films = labels.groupby(labels).transform("size")
    kept = labels[films.between(fewest, most or np.inf)]
    codes, names = pd.factorize(kept, sort=True)
    return sparse.csr_array(
        (np.ones(len(kept), np.float32), (codes, kept.index.to_numpy(np.int64))),
        shape=(len(names), n_movies),
    )


# --- no leak --------------------------------------------------------------------------------------


def visible_content(
    data: MovieData, hidden: sparse.csr_array, processes: Processes = ALONE
) -> dict[str, sparse.csr_array]:
    """`content_edges` as if nobody had tagged a film that is hidden for them.

    A tag by user u on film i gives away that u saw i, so the tags of held-out pairs must not be
    edges while a model is fitted or chosen.

    Args:
        hidden: csr [n_users, n_movies]; a stored entry hides the pair.
        processes: those that share the people; `hidden` are of this one's.
    """
    return content_edges(without_tags(data, processes.any(tagged_pairs(data, hidden))))


def content_before(data: MovieData, second: int) -> dict[str, sparse.csr_array]:
    """`content_edges` as if no tag had been given from this Unix second on."""
    return content_edges(without_tags(data, (data.tags["timestamp"] >= second).to_numpy(bool)))


def tagged_pairs(data: MovieData, pairs: sparse.csr_array) -> NDArray[np.bool_]:
    """Which rows of `data.tags` are by a user on a film of these pairs, bool [n_tag_rows]."""
    user = np.searchsorted(data.user_ids, data.tags["user_id"].to_numpy())
    known = np.minimum(user, data.n_users - 1)
    is_user = data.user_ids[known] == data.tags["user_id"].to_numpy()
    film = data.tags["movie"].to_numpy()
    stored = pairs.tocoo()
    keys = stored.row.astype(np.int64) * data.n_movies + stored.col
    return is_user & np.isin(known.astype(np.int64) * data.n_movies + film, keys)


def without_tags(data: MovieData, dropped: NDArray[np.bool_]) -> MovieData:
    """The data without these rows of `data.tags`, bool [n_tag_rows]."""
    if not dropped.any():
        return data
    tags = data.tags[~dropped]
    names, counts = count_tags(tags, data.n_movies)
    return replace(data, tags=tags, tag_names=names, tag_counts=counts)
