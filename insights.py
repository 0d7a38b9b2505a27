"""What the embeddings and tags say: the map of films, tag frequencies, tags that go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from data_preparation import MovieData
from model_training import TrainedModel


@dataclass(frozen=True, eq=False)
class MovieMap:
    """Films in the plane.

    Attributes:
        points: one row per rated film: movie (inner), x, y, name, year, decade, genre (the first),
            mean_stars, ratings.
        explained: share of the variance along x and y, each 0 to 1.
    """

    points: pd.DataFrame
    explained: tuple[float, float]


def movie_map(data: MovieData, model: TrainedModel) -> MovieMap:
    """The first two principal components of the films' directions (embeddings of length 1).

    Directions, because neighbours are compared by cosine: the length mostly follows popularity.
    """
    movies = np.flatnonzero(model.movie_factors.any(axis=1))
    directions = normalize(model.movie_factors[movies])  # [n_rated, dim]
    pca = PCA(n_components=2, svd_solver="randomized", random_state=0)
    plane = pca.fit_transform(directions)  # [n_rated, 2]
    table = data.movies.iloc[movies]
    points = pd.DataFrame(
        {
            "movie": movies,
            "x": plane[:, 0],
            "y": plane[:, 1],
            "name": table["name"].to_numpy(),
            "year": table["year"].astype("Float64").to_numpy(float, na_value=np.nan),
            "decade": decades(table["year"]),
            "genre": [genres[0] if genres else "none" for genres in table["genres"]],
            "mean_stars": data.mean_stars[movies],
            "ratings": data.movie_degree[movies],
        }
    )
    first, second = pca.explained_variance_ratio_
    return MovieMap(points, (float(first), float(second)))


def decades(years: pd.Series) -> list[str]:
    """1994 → "1990s"; "unknown" where the year is missing."""
    return ["unknown" if pd.isna(year) else f"{int(year) // 10 * 10}s" for year in years]


def tag_frequencies(data: MovieData) -> pd.DataFrame:
    """Kept tags by number of films: tag, films, uses, spellings (raw forms, most used first)."""
    kept = data.tags[data.tags["status"] == "kept"]
    table = kept.groupby("tag").agg(
        films=("movie", "nunique"),
        uses=("movie", "size"),
        spellings=("raw", lambda raw: ", ".join(raw.value_counts().index)),
    )
    return table.reset_index().sort_values(["films", "tag"], ascending=[False, True])


def tag_pairs(data: MovieData, min_films: int = 3) -> pd.DataFrame:
    """Tags that describe the same films: first, second, films (with both), lift.

    Lift is how many times more often the two meet than if they were independent; pairs that meet
    on fewer than `min_films` films are left out as chance.
    """
    carries = (data.tag_counts > 0).astype(np.int32).tocsr()  # [n_movies, n_tags]
    together = (carries.T @ carries).tocoo()
    upper = (together.row < together.col) & (together.data >= min_films)
    first, second, films = together.row[upper], together.col[upper], together.data[upper]
    films_with = np.asarray(carries.sum(axis=0)).ravel()
    n_tagged = int((np.diff(carries.indptr) > 0).sum())
    names = np.array(data.tag_names, dtype=object)
    table = pd.DataFrame(
        {
            "first": names[first],
            "second": names[second],
            "films": films,
            "lift": films * n_tagged / (films_with[first] * films_with[second]),
        }
    )
    return table.sort_values(["films", "lift"], ascending=False, ignore_index=True)
