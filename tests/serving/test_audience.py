"""What is kept of the users of the data is what would be computed anew, and bounded."""

from __future__ import annotations

import numpy as np
import pytest

from data_preparation import MovieData
from model.stars import taste_of
from model.trained import TrainedModel
from model.viewers import user_viewer
from prediction import evidence
from serving import audience as module
from serving.audience import Audience, Known
from serving.prepared import star_model


@pytest.fixture
def audience(planted_data: MovieData, hybrid: TrainedModel) -> Audience:
    return Audience(star_model(planted_data, hybrid))


@pytest.mark.parametrize("profile", ["watch", "like"])
def test_what_is_kept_is_what_prediction_says(
    audience: Audience, planted_data: MovieData, hybrid: TrainedModel, profile: str
) -> None:
    viewer = user_viewer(planted_data, hybrid, 4, profile)  # type: ignore[arg-type]
    known = audience.find(planted_data, hybrid, 4, profile)  # type: ignore[arg-type]
    expected = evidence(planted_data, hybrid, viewer)
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(known.evidence, name), array)
    taste = taste_of(star_model(planted_data, hybrid), viewer.movies, viewer.stars)
    np.testing.assert_array_equal(known.taste.slope, taste.slope)
    assert audience.find(planted_data, hybrid, 4, profile) is known  # type: ignore[arg-type]


def test_nothing_is_made_ahead_until_someone_was_asked_for(
    audience: Audience, planted_data: MovieData, hybrid: TrainedModel
) -> None:
    assert not audience.make_ahead(planted_data, hybrid, 60)
    assert not audience.knows(0, "like")
    audience.find(planted_data, hybrid, 3, "like")
    assert audience.make_ahead(planted_data, hybrid, 0)  # no time: there is some left
    assert not audience.make_ahead(planted_data, hybrid, 60)
    assert all(audience.knows(user, "like") for user in range(planted_data.n_users))


def test_beyond_the_room_who_was_asked_for_longest_ago_gives_way(
    audience: Audience,
    planted_data: MovieData,
    hybrid: TrainedModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    each = audience.find(planted_data, hybrid, 0, "like").nbytes
    monkeypatch.setattr(module, "MOST_BYTES", 2 * each)
    for user in (1, 0, 2):
        audience.find(planted_data, hybrid, user, "like")
    assert [audience.knows(user, "like") for user in range(3)] == [True, False, True]
    assert not audience.make_ahead(planted_data, hybrid, 60)  # not all have room
    assert not audience.knows(3, "like")


def test_the_size_of_what_is_kept_counts_its_arrays(
    audience: Audience, planted_data: MovieData, hybrid: TrainedModel
) -> None:
    known: Known = audience.find(planted_data, hybrid, 1, "like")
    films, (rows, columns) = planted_data.n_movies, known.taste.factor.shape
    assert known.nbytes == (2 * 4 + 2) * films + 4 * rows * columns
