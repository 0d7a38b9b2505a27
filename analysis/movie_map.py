"""The map of films: their directions in embedding space, in two dimensions and with neighbours.

A direction is an embedding scaled to length 1. Neighbours are compared by cosine, and the length
mostly follows popularity, so everything here looks at directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE

from data_preparation import MovieData
from model.trained import TrainedModel
from prediction import similar_movies

N_COMPONENTS = 10
N_CLUSTERS = 8  # as many as the palette has colours that are easy to tell apart
_TSNE_DIMENSIONS = 50  # t-SNE is fitted to that many principal components (van der Maaten 2008)
_TSNE_PERPLEXITY = 30


@dataclass(frozen=True, eq=False)
class MovieMap:
    """Films in the plane.

    Attributes:
        points: one row per rated film: movie (inner), x, y, name, year, decade, genre (the first),
            mean_stars, ratings, cluster (number and its most typical genres).
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
    directions = model.directions[movies].astype(np.float64)  # [n_rated, dim]
    components, explained = principal_components(directions, N_COMPONENTS)
    table = data.movies.iloc[movies]
    points = pd.DataFrame(
        {
            "movie": movies,
            "x": components[:, 0],
            "y": components[:, 1] if components.shape[1] > 1 else 0.0,
            "name": table["name"].to_numpy(),
            "year": table["year"].astype("Float64").to_numpy(float, na_value=np.nan),
            "decade": decades(table["year"]),
            "genre": [genres[0] if genres else "none" for genres in table["genres"]],
            "mean_stars": data.mean_stars[movies],
            "ratings": data.movie_degree[movies],
            "cluster": cluster_names(table["genres"].tolist(), clusters(directions)),
        }
    )
    return MovieMap(points, components, explained)


def principal_components(
    rows: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """PCA by the eigenvectors of the covariance; exact, and the same on every run.

    Args:
        rows: float [n_rows, dim].
        n: at most so many components.

    Returns:
        Scores float [n_rows, min(n, dim)] and each component's share of the variance. The sign is
        such that the largest loading is positive.
    """
    centred = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)  # ascending
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1][:, :n]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    shares = values / max(values.sum(), 1e-300)
    return centred @ vectors, tuple(shares[:n].tolist())


def clusters(directions: NDArray[np.float64], n: int = N_CLUSTERS) -> NDArray[np.int32]:
    """k-means of the directions; cluster 0 is the largest. Int [n_rated]."""
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
    directions = model.directions[movies].astype(np.float64)
    reduced, _ = principal_components(directions, _TSNE_DIMENSIONS)
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
