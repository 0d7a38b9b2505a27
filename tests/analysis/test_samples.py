"""People drawn from the data: their ratings as they are, and all films."""

from __future__ import annotations

import numpy as np

from analysis.samples import some_people
from data_preparation import MovieData


def test_small_data_are_taken_whole(planted_data: MovieData) -> None:
    assert some_people(planted_data, planted_data.n_ratings) is planted_data


def test_whole_people_are_drawn_until_there_are_ratings_enough(planted_data: MovieData) -> None:
    wanted = planted_data.n_ratings // 3
    some = some_people(planted_data, wanted)
    assert wanted <= some.n_ratings < wanted + planted_data.user_degree.max()
    assert some.n_movies == planted_data.n_movies
    assert some.fingerprint != planted_data.fingerprint
    for place, raw in enumerate(some.user_ids.tolist()):
        user = planted_data.inner_user(raw)
        np.testing.assert_array_equal(some.rated_by(place), planted_data.rated_by(user))
        np.testing.assert_array_equal(some.stars_of(place), planted_data.stars_of(user))
        begin = planted_data.ratings.indptr[user]
        times = planted_data.timestamps[begin : begin + some.user_degree[place]]
        here = some.ratings.indptr[place]
        np.testing.assert_array_equal(some.timestamps[here : here + some.user_degree[place]], times)
