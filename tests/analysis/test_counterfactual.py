"""Ranks without some ratings are those of someone who never gave them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.counterfactual import (
    can_be_refitted,
    ranks_without,
    refitted_ranks,
    viewer_without,
    without_ratings,
)
from data_preparation import MovieData
from model.profiles import PROFILES, Profile
from model.splits import random_80_10_10
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
from model_training import refit, train
from prediction import Scores, score_all
from tests.small_training import hybrid_config

STARS = st.sampled_from([half / 2 for half in range(1, 11)])


def rank(
    scores: Scores, movie: int, removed: Collection[int], allowed: np.ndarray | None = None
) -> int:
    listed = scores.candidates.copy()
    listed[list(removed)] = False
    if allowed is not None:
        listed &= allowed
    return 1 + int((scores.final[listed] > scores.final[movie]).sum())


@st.composite
def profiles(draw: st.DrawFn) -> tuple[dict[int, float], int, list[int]]:
    """Ratings, a film that is not among them, and some of them."""
    stars = draw(st.dictionaries(st.integers(0, 46), STARS, min_size=1, max_size=9))
    movie = draw(st.integers(0, 47).filter(lambda film: film not in stars))
    removed = draw(st.lists(st.sampled_from(sorted(stars)), unique=True, max_size=len(stars)))
    return stars, movie, removed


@given(case=profiles(), profile=st.sampled_from(PROFILES), weight=st.sampled_from([0.0, 0.15, 0.7]))
@pytest.mark.parametrize("kind", ["hybrid", "model"])
def test_a_rank_is_that_of_someone_folded_in_without_the_ratings(
    planted_data: MovieData,
    request: pytest.FixtureRequest,
    kind: str,
    case: tuple[dict[int, float], int, list[int]],
    profile: Profile,
    weight: float,
) -> None:
    model: TrainedModel = request.getfixturevalue(kind)
    stars, movie, removed = case
    viewer = fold_in(planted_data, model, stars, profile)
    left = {film: value for film, value in stars.items() if film not in removed}
    scores = score_all(planted_data, model, fold_in(planted_data, model, left, profile), weight)
    allowed = np.arange(planted_data.n_movies) % 4 > 0
    for filters in (None, allowed):
        (found,) = ranks_without(
            planted_data, model, viewer, [(movie, removed)], weight, allowed=filters
        )
        # Films whose scores differ by rounding alone may change places.
        assert abs(found - rank(scores, movie, removed, filters)) <= _ties(scores, movie)


@given(case=profiles())
@pytest.mark.parametrize("kind", ["hybrid", "model"])
def test_a_viewer_without_some_ratings_is_folded_in_without_them(
    planted_data: MovieData,
    request: pytest.FixtureRequest,
    kind: str,
    case: tuple[dict[int, float], int, list[int]],
) -> None:
    model: TrainedModel = request.getfixturevalue(kind)
    stars, _, removed = case
    found = viewer_without(planted_data, model, fold_in(planted_data, model, stars), removed)
    left = {film: value for film, value in stars.items() if film not in removed}
    expected = fold_in(planted_data, model, left)
    for name in ("movies", "stars", "weights", "messages", "factor"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-5, atol=1e-6
        )


def _ties(scores: Scores, movie: int) -> int:
    return int((np.abs(scores.final - scores.final[movie]) < 1e-5).sum()) - 1


@pytest.mark.parametrize("profile", PROFILES)
def test_a_user_of_the_hybrid_is_ranked_as_a_visitor_with_the_ratings_that_are_left(
    planted_data: MovieData, hybrid: TrainedModel, profile: Profile
) -> None:
    for user in range(planted_data.n_users):
        viewer = user_viewer(planted_data, hybrid, user, profile)
        stars = dict(zip(viewer.movies.tolist(), viewer.stars.tolist(), strict=True))
        movie = int(np.setdiff1d(np.arange(planted_data.n_movies), viewer.movies)[user % 20])
        removed = list(stars)[: 1 + user % 4]
        for film in removed:
            del stars[film]
        scores = score_all(planted_data, hybrid, fold_in(planted_data, hybrid, stars, profile))
        (found,) = ranks_without(planted_data, hybrid, viewer, [(movie, removed)])
        assert abs(found - rank(scores, movie, removed)) <= _ties(scores, movie)


def test_a_user_of_the_papers_model_keeps_the_own_part(
    planted_data: MovieData, model: TrainedModel
) -> None:
    viewer = user_viewer(planted_data, model, 3)
    removed, movie = viewer.movies[:2].tolist(), int((~_rated(planted_data, viewer)).argmax())
    stays = viewer.movies[2:]
    weights = 1 / np.sqrt(len(stays) * planted_data.movie_degree[stays])
    factor = viewer.own + weights @ model.movie_messages[stays]
    graph = model.movie_factors @ factor
    expected = 1 + int((graph > graph[movie])[~_rated(planted_data, viewer)].sum())
    assert ranks_without(planted_data, model, viewer, [(movie, removed)], 0.0) == [expected]


def _rated(data: MovieData, viewer: Viewer) -> np.ndarray:
    rated = np.zeros(data.n_movies, bool)
    rated[viewer.movies] = True
    return rated


# --- fitted again ---------------------------------------------------------------------------------


def test_a_model_fitted_again_is_the_one_of_data_that_never_had_the_ratings(
    planted_data: MovieData,
) -> None:
    whole = refit(planted_data, train(planted_data, random_80_10_10(planted_data), hybrid_config()))
    viewer = user_viewer(planted_data, whole, 5)
    removed = viewer.movies[:3].tolist()
    movie = int((~_rated(planted_data, viewer)).argmax())
    seen: list[list[int]] = []
    ranks = refitted_ranks(
        planted_data, whole, viewer, [(movie, removed), (movie, [])], on_fit=seen.append
    )
    assert seen == [ranks[:1], ranks]
    # By hand: data without the three ratings, the same settings.
    pairs = np.zeros(planted_data.ratings.shape, np.float32)
    pairs[5, removed] = 1
    other_data = without_ratings(planted_data, type(planted_data.ratings)(pairs))
    assert other_data.n_ratings == planted_data.n_ratings - 3
    np.testing.assert_array_equal(other_data.rated_by(5), viewer.movies[3:])
    other = refit(other_data, _as_of(whole, other_data))
    scores = score_all(other_data, other, user_viewer(other_data, other, 5))
    assert ranks[0] == rank(scores, movie, removed)
    # And without taking anything out it is the model that serves.
    assert ranks[1] == rank(score_all(planted_data, whole, viewer), movie, [])


def _as_of(model: TrainedModel, data: MovieData) -> TrainedModel:
    return replace(model, fingerprint=data.fingerprint)


def test_a_model_of_the_train_part_is_fitted_again_to_the_train_part(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    viewer = user_viewer(planted_data, hybrid, 5)
    movie = int((~_rated(planted_data, viewer)).argmax())
    (found,) = refitted_ranks(planted_data, hybrid, viewer, [(movie, [])])
    assert found == rank(score_all(planted_data, hybrid, viewer), movie, [])


def test_only_a_closed_form_of_a_user_can_be_fitted_again(
    planted_data: MovieData, model: TrainedModel, hybrid: TrainedModel
) -> None:
    assert can_be_refitted(hybrid) and not can_be_refitted(model)
    visitor = fold_in(planted_data, hybrid, {1: 4.0})
    with pytest.raises(ValueError, match="a user's ratings"):
        refitted_ranks(planted_data, hybrid, visitor, [(2, [1])])
