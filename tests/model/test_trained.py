"""What a training leaves behind: factors from all ratings, read-only."""

from __future__ import annotations

import numpy as np
import pytest

from data_preparation import MovieData
from model.splits import temporal_leave_one_out
from model.trained import TrainedModel
from model_training import train
from tests.dense import dense_layers
from tests.small_training import config


def test_factors_for_serving_come_from_all_ratings(
    planted_data: MovieData, model: TrainedModel
) -> None:
    expected = np.mean(dense_layers(planted_data.ratings.toarray() > 0, model.e0, 2), axis=0)
    expected[30:][planted_data.movie_degree == 0] = 0
    np.testing.assert_allclose(model.user_factors, expected[:30], atol=1e-5)
    np.testing.assert_allclose(model.movie_factors, expected[30:], atol=1e-5)


def test_movie_messages_and_e0_add_up_to_the_user_factors(
    planted_data: MovieData, model: TrainedModel
) -> None:
    # As the docstring says: f_u = e(0)_u/(K+1) + Σ_j movie_messages[j]/√(d_u·d_j), here K = 2.
    for user in range(30):
        films = planted_data.rated_by(user)
        weights = 1 / np.sqrt(len(films) * planted_data.movie_degree[films])
        expected = model.e0[user] / 3 + weights @ model.movie_messages[films]
        np.testing.assert_allclose(model.user_factors[user], expected, atol=1e-5)


def test_a_film_without_ratings_has_zero_factors(toy_data: MovieData) -> None:
    split = temporal_leave_one_out(toy_data)
    model = train(toy_data, split, config(epochs=1, dim=3))
    assert not model.movie_factors[7].any()
    assert model.movie_factors[:7].any(axis=1).all()


def test_arrays_of_a_model_are_read_only(model: TrainedModel) -> None:
    for array in (model.e0, model.user_factors, model.movie_factors, model.movie_messages):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0
