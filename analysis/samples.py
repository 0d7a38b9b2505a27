"""A part of the data that an analysis is made on where the whole would take too long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from data_preparation import MovieData
from model.splits import drawn_people


def some_people(data: MovieData, most_ratings: int, seed: int = 0) -> MovieData:
    """The data themselves, or people drawn at random with about so many ratings; all films stay."""
    if data.n_ratings <= most_ratings:
        return data
    drawn = np.zeros(data.n_users, bool)
    drawn[drawn_people(data.user_degree, most_ratings, seed)] = True
    theirs = np.repeat(drawn, data.user_degree)
    begins = np.concatenate([[0], data.user_degree[drawn].cumsum()]).astype(np.int32)
    return replace(
        data,
        ratings=sparse.csr_array(
            (data.ratings.data[theirs], data.ratings.indices[theirs], begins),
            shape=(int(drawn.sum()), data.n_movies),
        ),
        timestamps=data.timestamps[theirs],
        user_ids=data.user_ids[drawn],
        fingerprint=f"{data.fingerprint} of {most_ratings} seed {seed}",
        user_names={},
    )
