"""Films that the catalogue lists twice, brought to one copy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from data_preparation import MovieData


def twins(data: MovieData) -> NDArray[np.int64]:
    """For each film the copy of it that counts: the one with the most ratings, then lowest id.

    Two films are copies where title and year agree ("Emma (1996)", which MovieLens lists twice) or
    the TMDB or IMDb id does. A title without a year is none but its own: `twins(data)[movie] !=
    movie` only for the copies that do not count.

    Returns:
        int64 [n_movies], inner id → inner id, read-only.
    """
    movies = data.movies
    dated = movies["title"].str.casefold().where(movies["year"].notna())
    parts = [
        _linked(keys) for keys in (dated, _known(movies["tmdb_id"]), _known(movies["imdb_id"]))
    ]
    pairs = np.concatenate(parts)
    graph = sparse.coo_array(
        (np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), (data.n_movies,) * 2
    )
    count, group = connected_components(graph, directed=False)
    best_first = np.lexsort((np.arange(data.n_movies), -data.movie_degree))
    best = np.empty(count, dtype=np.int64)
    best[group[best_first[::-1]]] = best_first[::-1]  # the last that is written stays
    canonical = best[group]
    canonical.flags.writeable = False
    return canonical


def _known(ids: pd.Series) -> pd.Series:
    numbers = ids.str.lstrip("0")
    return numbers.where(numbers != "")


def _linked(keys: pd.Series) -> NDArray[np.int64]:
    """[n, 2]: each film that has a key of several, and the first film that has it."""
    several = keys[keys.notna() & keys.duplicated(keep=False)]
    first = several.index.to_series().groupby(several).transform("min")
    return np.column_stack([several.index.to_numpy(np.int64), first.to_numpy(np.int64)])
