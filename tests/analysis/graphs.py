"""The graph of some data in dense matrices, to compare the sparse ones with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data_preparation import MovieData


def dense_adjacency(rated: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Ê of a dense bool [n_users, n_movies]."""
    n_users, n_movies = rated.shape
    degrees = np.outer(rated.sum(axis=1), rated.sum(axis=0))
    block = np.divide(rated, np.sqrt(degrees), out=np.zeros(rated.shape), where=rated)
    matrix = np.zeros((n_users + n_movies,) * 2)
    matrix[:n_users, n_users:], matrix[n_users:, :n_users] = block, block.T
    return matrix


def rated_cells(data: MovieData) -> NDArray[np.bool_]:
    return data.ratings.toarray() > 0
