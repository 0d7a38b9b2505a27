"""The map of films: their directions in embedding space, in two dimensions and with neighbours.

A direction is a film's vector scaled to length 1; neighbours are compared by cosine, so everything
here looks at directions. A fitted model may have thousands of columns, ordered by strength, of
which the last ones tell every film from every other: the picture is made of the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from data_preparation import MovieData
from model.trained import TrainedModel
from prediction import similar_movies

N_COMPONENTS = 10
N_CLUSTERS = 8  # as many as the palette has colours that are easy to tell apart
# Clusters and t-SNE are fitted to that many principal components (van der Maaten 2008).
_REDUCED = 50
_COLUMNS = 64  # of a fitted model that make the picture
_EXACT_UP_TO = 300  # dimensions; the covariance of more is not solved whole
_EXTRA_COLUMNS, _ROUNDS = 14, 6  # of the block power iteration that takes its place
_TSNE_PERPLEXITY = 30


@dataclass(frozen=True, eq=False)
class MovieMap:
    """Films in the plane.

    Attributes:
        points: one row per rated film: movie (inner), x, y, name, label (name and year), year,
            decade, genre (the first), mean_stars, ratings, cluster (number and its most typical
            genres).
        components: principal components of the directions, float [n_rated, ≤ `N_COMPONENTS`];
            x and y are the first two.
        explained: share of the variance along each component, 0 to 1.
    """

    points: pd.DataFrame
    components: NDArray[np.float64]
    explained: tuple[float, ...]


def movie_map(data: MovieData, model: TrainedModel) -> MovieMap:
    """The principal components of the films' directions, and clusters of directions."""
    movies = np.flatnonzero(model.directions.any(axis=1))
    reduced, shares = principal_components(pictured(model, movies), _REDUCED)
    components, explained = reduced[:, :N_COMPONENTS], shares[:N_COMPONENTS]
    table = data.movies.iloc[movies]
    points = pd.DataFrame(
        {
            "movie": movies,
            "x": components[:, 0],
            "y": components[:, 1] if components.shape[1] > 1 else 0.0,
            "name": table["name"].to_numpy(),
            "label": [data.labels[movie] for movie in movies.tolist()],
            "year": table["year"].astype("Float64").to_numpy(float, na_value=np.nan),
            "decade": decades(table["year"]),
            "genre": [genres[0] if genres else "none" for genres in table["genres"]],
            "mean_stars": data.mean_stars[movies],
            "ratings": data.movie_degree[movies],
            "cluster": cluster_names(table["genres"].tolist(), clusters(reduced)),
        }
    )
    return MovieMap(points, components, explained)


def pictured_columns(model: TrainedModel) -> int:
    """So many of the model's columns make the picture."""
    return min(_COLUMNS, model.dim) if len(model.values) else model.dim


def pictured(model: TrainedModel, movies: NDArray[np.int64]) -> NDArray[np.float32]:
    """The directions of these films in the columns that make the picture, [n_movies, columns]."""
    columns = pictured_columns(model)
    if columns == model.dim:
        return model.directions[movies]
    return normalize(model.movie_factors[movies, :columns])


def principal_components(
    rows: NDArray[np.floating], n: int
) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """PCA by the eigenvectors of the covariance, the same on every run.

    Exact up to 300 dimensions; of more by block power iteration (Halko et al. 2011, alg. 4.4).

    Args:
        rows: float [n_rows, dim].
        n: at most so many components.

    Returns:
        Scores float [n_rows, min(n, dim)] and each component's share of the variance. The sign is
        such that the largest loading is positive.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    if rows.shape[1] <= _EXACT_UP_TO:
        centred = rows - mean
        values, vectors = np.linalg.eigh(centred.T @ centred)  # ascending
        total = values.clip(min=0).sum()
    else:
        values, vectors = _leading(rows, mean, n)
        total = float(np.square(rows, dtype=np.float64).sum() - len(rows) * (mean @ mean))
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1][:, :n]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    shares = values / max(total, 1e-300)
    scores = rows @ vectors.astype(rows.dtype) - mean @ vectors
    return scores.astype(np.float64), tuple(shares[:n].tolist())


def _leading(
    rows: NDArray[np.floating], mean: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest eigenpairs of the covariance times the number of rows, ascending.

    The centred rows are never made: there may be a gigabyte of them.
    """
    covariance = partial(_covariance_times, rows, mean)
    columns = min(n + _EXTRA_COLUMNS, rows.shape[1])
    block = np.random.default_rng(0).standard_normal((rows.shape[1], columns))
    for _ in range(_ROUNDS):
        block = linalg.qr(covariance(block), mode="economic", check_finite=False)[0]
    values, turn = np.linalg.eigh(block.T @ covariance(block))
    return values, block @ turn


def _covariance_times(
    rows: NDArray[np.floating], mean: NDArray[np.float64], block: NDArray[np.float64]
) -> NDArray[np.float64]:
    scores = rows @ block.astype(rows.dtype) - (mean @ block).astype(rows.dtype)
    product = (rows.T @ scores).astype(np.float64)
    return product - np.outer(mean, scores.sum(axis=0, dtype=np.float64))


def clusters(directions: NDArray[np.floating], n: int = N_CLUSTERS) -> NDArray[np.int32]:
    """k-means of the directions or of their principal components; cluster 0 is the largest.

    Int [n_rated].
    """
    n_distinct = len(np.unique(directions.round(9), axis=0))
    labels = KMeans(min(n, n_distinct), n_init=2, random_state=0).fit_predict(directions)
    by_size = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(by_size)[labels].astype(np.int32)


def cluster_names(genres: list[tuple[str, ...]], labels: NDArray[np.int32]) -> list[str]:
    """A name per film: its cluster's number and the two genres that are most typical of it.

    Typical: the share of the cluster's films with the genre, less the share among all films.
    """
    pairs = pd.DataFrame({"genre": genres, "cluster": labels}).explode("genre").dropna()
    if pairs.empty:
        return [f"{label + 1}" for label in labels]
    counts = pd.crosstab(pairs["cluster"], pairs["genre"])
    sizes = np.bincount(labels)
    excess = counts.div(sizes[counts.index], axis=0) - counts.sum() / len(labels)
    names = {
        number: f"{number + 1} {' & '.join(row.nlargest(2).index)}"
        for number, row in excess.iterrows()
    }
    return [names.get(label, f"{label + 1}") for label in labels.tolist()]


def tsne_map(model: TrainedModel, movies: NDArray[np.int64]) -> NDArray[np.float64]:
    """A second picture of the same directions, float [n_movies, 2]; a minute or two.

    t-SNE keeps near films near; distances between far groups and axes mean nothing. Too few films
    for its neighbourhoods lower the perplexity.
    """
    reduced, _ = principal_components(pictured(model, movies), _REDUCED)
    perplexity = min(_TSNE_PERPLEXITY, max((len(movies) - 1) / 3, 0.5))
    start = "pca" if reduced.shape[1] > 1 else "random"
    tsne = TSNE(2, init=start, perplexity=perplexity, max_iter=500, random_state=0)
    return tsne.fit_transform(reduced).astype(np.float64)


def neighbour_table(data: MovieData, model: TrainedModel, movie: int, k: int = 10) -> pd.DataFrame:
    """The K nearest films and why they are near; empty for a film without ratings.

    movie (inner), cosine (in all dimensions), shared_viewers (people who rated both), ratings (of
    the neighbour), shared_tags and shared_genres (tuples, alphabetical).
    """
    nearest, cosine = similar_movies(model, movie, k)
    rated = data.ratings.astype(bool).astype(np.int64).tocsc()  # [n_users, n_movies]
    shared = (rated[:, [movie]].T @ rated[:, nearest]).toarray().ravel()
    own_tags = set(data.tag_counts[[movie]].indices.tolist())
    genres = data.movies["genres"]
    return pd.DataFrame(
        {
            "movie": nearest,
            "cosine": cosine,
            "shared_viewers": shared,
            "ratings": data.movie_degree[nearest],
            "shared_tags": [
                tuple(
                    data.tag_names[tag]
                    for tag in sorted(own_tags.intersection(data.tag_counts[[near]].indices))
                )
                for near in nearest.tolist()
            ],
            "shared_genres": [
                tuple(sorted(set(genres.iloc[movie]) & set(genres.iloc[near])))
                for near in nearest.tolist()
            ],
        }
    )


def decades(years: pd.Series) -> list[str]:
    """1994 → "1990s"; "unknown" where the year is missing."""
    return ["unknown" if pd.isna(year) else f"{int(year) // 10 * 10}s" for year in years]
