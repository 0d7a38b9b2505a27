"""The map of films: their directions in embedding space, in two dimensions and with neighbours.

A direction is a film's vector scaled to length 1; neighbours are compared by cosine, so everything
here looks at directions. A fitted model may have thousands of columns, ordered by strength, of
which the last ones tell every film from every other: the picture is made of the first.

Films that one person rated are the most unlike each other, and there are many: unweighted
components would tell these apart and leave all that people know in one heap. So each film counts
once per rating.
"""

from __future__ import annotations

from dataclasses import dataclass

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
MOST_FILMS = 10_000  # on the map; a browser reads and draws each of them
MOST_LAID_OUT = 5_000  # by t-SNE, whose time grows faster than its films; others go beside these
# Clusters and t-SNE are fitted to that many principal components (van der Maaten 2008).
_REDUCED = 50
_COLUMNS = 64  # of a fitted model that make the picture
_TSNE_PERPLEXITY = 30
_TSNE_ANGLE = 0.8  # a third less time than with 0.5, for the same divergence within half a percent
_BESIDE = 5  # films that say where one goes that was not laid out
_CHUNK = 1000  # films that are placed at a time


@dataclass(frozen=True, eq=False)
class MovieMap:
    """Films in the plane.

    Attributes:
        points: one row per film, the best known first: movie (inner), x, y, name, label (name and
            year), year, decade, genres (a tuple), genre (the first), mean_stars, ratings, cluster
            (number and its most typical genres).
        components: principal components of the directions, float [n_films, ≤ `N_COMPONENTS`];
            x and y are the first two.
        explained: share of the variance along each component, 0 to 1, each film counted once per
            rating.
        n_known: films that the model knows, of which the map holds the best known.
    """

    points: pd.DataFrame
    components: NDArray[np.float64]
    explained: tuple[float, ...]
    n_known: int


def movie_map(data: MovieData, model: TrainedModel) -> MovieMap:
    """The principal components of the directions of the best-known films, and their clusters."""
    known = np.flatnonzero(model.movie_factors.any(axis=1))
    movies = known[np.argsort(-data.movie_degree[known], kind="stable")][:MOST_FILMS]
    ratings = data.movie_degree[movies]
    reduced, shares = principal_components(pictured(model, movies), _REDUCED, ratings)
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
            "genres": table["genres"].tolist(),
            "genre": [genres[0] if genres else "none" for genres in table["genres"]],
            "mean_stars": data.mean_stars[movies],
            "ratings": ratings,
            "cluster": cluster_names(table["genres"].tolist(), clusters(reduced)),
        }
    )
    return MovieMap(points, components, explained, len(known))


def pictured_columns(model: TrainedModel) -> int:
    """So many of the model's columns make the picture."""
    return min(_COLUMNS, model.dim) if len(model.values) else model.dim


def pictured(model: TrainedModel, movies: NDArray[np.int64]) -> NDArray[np.float32]:
    """The directions of these films in the columns that make the picture, [n_movies, columns]."""
    return normalize(model.movie_factors[movies, : pictured_columns(model)])


def principal_components(
    rows: NDArray[np.floating], n: int, weights: NDArray[np.number]
) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """PCA by the eigenvectors of the covariance, the same on every run.

    Args:
        rows: float [n_rows, dim].
        n: at most so many components.
        weights: how often each row counts, [n_rows]; all equal where they sum to nothing.

    Returns:
        Scores float [n_rows, min(n, dim)] and each component's share of the variance. The sign is
        such that the largest loading is positive.
    """
    dim = rows.shape[1]
    shares = weights / weights.sum() if weights.sum() > 0 else np.full(len(rows), 1 / len(rows))
    rows = rows.astype(np.float64)
    centred = rows - shares @ rows
    covariance = (centred * shares[:, None]).T @ centred  # [dim, dim]
    n = min(n, dim)
    values, vectors = linalg.eigh(covariance, subset_by_index=(dim - n, dim - 1))  # ascending
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(n)])
    total = max(float(np.trace(covariance)), 1e-300)
    return centred @ vectors, tuple((values / total).tolist())


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


def tsne_map(
    data: MovieData, model: TrainedModel, movies: NDArray[np.int64]
) -> NDArray[np.float64]:
    """A second picture of the same directions, float [n_movies, 2]; some seconds.

    t-SNE keeps near films near; distances between far groups and axes mean nothing. Too few films
    for its neighbourhoods lower the perplexity.

    Args:
        movies: inner ids, the best known first. Those after the first `MOST_LAID_OUT` go to the
            middle of the five films that are nearest to them among these.
    """
    weights = data.movie_degree[movies]
    reduced, _ = principal_components(pictured(model, movies), _REDUCED, weights)
    first, rest = reduced[:MOST_LAID_OUT], reduced[MOST_LAID_OUT:]
    tsne = TSNE(
        2,
        init="pca" if reduced.shape[1] > 1 else "random",
        perplexity=min(_TSNE_PERPLEXITY, max((len(first) - 1) / 3, 0.5)),
        angle=_TSNE_ANGLE,
        max_iter=500,
        random_state=0,
    )
    place = tsne.fit_transform(first).astype(np.float64)
    beside = [_beside(rest[i : i + _CHUNK], first, place) for i in range(0, len(rest), _CHUNK)]
    return np.concatenate([place, *beside])


def _beside(
    rows: NDArray[np.float64], laid_out: NDArray[np.float64], place: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The middle (median) of the places of the nearest laid-out rows, float [n_rows, 2]."""
    closeness = 2 * rows @ laid_out.T - np.square(laid_out).sum(axis=1)  # [n_rows, n_laid_out]
    nearest = np.argpartition(-closeness, _BESIDE, axis=1)[:, :_BESIDE]
    return np.median(place[nearest], axis=1)


def tsne_bytes(n_films: int) -> int:
    """What `tsne_map` takes at its peak, in bytes."""
    return min(n_films, MOST_LAID_OUT) * _TSNE_ROW + n_films * 8 * 2 * _REDUCED


_TSNE_ROW = 24_000  # bytes for each laid-out film, measured: neighbours, affinities, the tree


def neighbour_table(data: MovieData, model: TrainedModel, movie: int, k: int = 10) -> pd.DataFrame:
    """The K nearest films and why they are near; empty for a film without ratings.

    movie (inner), cosine (in all dimensions), shared_viewers (people who rated both), ratings (of
    the neighbour), shared_tags and shared_genres (tuples, alphabetical).
    """
    nearest, cosine = similar_movies(model, movie, k)
    own_tags = set(data.tag_counts[[movie]].indices.tolist())
    genres = data.movies["genres"]
    return pd.DataFrame(
        {
            "movie": nearest,
            "cosine": cosine,
            "shared_viewers": shared_viewers(data, movie, nearest),
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


def shared_viewers(data: MovieData, movie: int, others: NDArray[np.integer]) -> NDArray[np.int64]:
    """How many people rated both the film and each of the others, int64 [n_others].

    One pass over the ratings, which are kept by person: columns would take a second table of them.
    """
    column = np.zeros(data.n_movies, np.int32)  # 0: not asked for
    column[others], column[movie] = np.arange(len(others)) + 2, 1
    asked = column[data.ratings.indices]
    places = np.flatnonzero(asked)
    asked, users = asked[places], np.searchsorted(data.ratings.indptr, places, "right") - 1
    rated_it = np.zeros(data.n_users, bool)
    rated_it[users[asked == 1]] = True
    return np.bincount(asked[rated_it[users]], minlength=len(others) + 2)[2:]


def decades(years: pd.Series) -> list[str]:
    """1994 → "1990s"; "unknown" where the year is missing."""
    return ["unknown" if pd.isna(year) else f"{int(year) // 10 * 10}s" for year in years]
