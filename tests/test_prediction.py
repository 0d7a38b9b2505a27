"""Hybrid scores, top-K, similar films, tag suggestions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_preparation import MovieData
from model.config import TrainingConfig
from model.splits import random_80_10_10, temporal_leave_one_out
from model.trained import TrainedModel
from model.viewers import fold_in, user_viewer
from model_training import train
from prediction import (
    Scores,
    blend,
    film_filter,
    recommend,
    score_all,
    similar_movies,
    suggest_tags,
    tagged_neighbours,
)

UNUSED_MODEL = None
"""Without diversity, `recommend` never looks at the model."""


@pytest.fixture
def toy_model(toy_data: MovieData) -> TrainedModel:
    return train(toy_data, temporal_leave_one_out(toy_data), TrainingConfig(dim=4, epochs=3))


def scores_of(data: MovieData, model: TrainedModel, user: int, **options: float) -> Scores:
    return score_all(data, model, user_viewer(data, model, user), **options)


def plain_scores(graph: np.ndarray, rated: np.ndarray) -> Scores:
    """Scores that consist of a graph part only."""
    nothing = np.zeros(len(graph), np.float32)
    return Scores(graph, nothing, graph, nothing, nothing, rated)


def test_the_graph_score_is_the_dot_product(toy_data: MovieData, toy_model: TrainedModel) -> None:
    for user in range(toy_data.n_users):
        scores = scores_of(toy_data, toy_model, user)
        for movie in range(toy_data.n_movies):
            by_hand = float(toy_model.user_factors[user] @ toy_model.movie_factors[movie])
            assert scores.graph[movie] == pytest.approx(by_hand, abs=1e-6)


def test_a_film_without_ratings_has_graph_score_0(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    unrated = toy_data.inner_movie(200)
    assert scores_of(toy_data, toy_model, 0).graph[unrated] == 0


def test_tag_similarity_is_the_cosine_of_profile_and_film(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    user = toy_data.inner_user(3)  # rated Heat, The Matrix, Jumanji and Up
    features = toy_data.content_features.toarray()
    liking = np.maximum(toy_data.stars_of(user) - 2.5, 0)
    profile = liking @ features[toy_data.rated_by(user)]
    expected = features @ profile / np.linalg.norm(profile)
    np.testing.assert_allclose(scores_of(toy_data, toy_model, user).tags, expected, atol=1e-6)


def test_a_film_without_tags_has_its_genres_as_content(toy_data: MovieData) -> None:
    jumanji, up = toy_data.inner_movie(35), toy_data.inner_movie(70)  # Adventure, without tags
    content = toy_data.content_features.toarray()
    assert content[jumanji] @ content[up] == pytest.approx(1, rel=0.5)
    assert content[up, toy_data.content_names.index("genre Adventure")] == pytest.approx(1)


def test_someone_who_liked_nothing_tagged_has_tag_similarity_0(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    scores = scores_of(toy_data, toy_model, toy_data.inner_user(21), tag_weight=1.0)
    assert not scores.tags.any()  # the only film, rated 2.5
    assert len(recommend(toy_model, scores, 3)) == 3  # still a list, never NaN
    assert np.isfinite(scores.tag_part).all()


def test_hand_worked_blend() -> None:
    # candidates: films 0 and 1; film 2 is rated, so its higher scores do not set the scale
    graph = np.array([2.0, 1.0, 8.0], np.float32)
    tags = np.array([0.1, 0.2, 0.9], np.float32)
    graph_part, tag_part = blend(graph, tags, np.array([False, False, True]), 0.25)
    np.testing.assert_allclose(graph_part[:2], [0.75, 0.375])
    np.testing.assert_allclose(tag_part[:2], [0.125, 0.25])


def test_blend_of_a_batch_equals_blend_of_each_row() -> None:
    rng = np.random.default_rng(0)
    graph = rng.normal(size=(4, 7)).astype(np.float32)
    tags = rng.random((4, 7)).astype(np.float32)
    rated = rng.random((4, 7)) < 0.3
    together = blend(graph, tags, rated, 0.4)
    for row in range(4):
        for part, alone in zip(
            together, blend(graph[row], tags[row], rated[row], 0.4), strict=True
        ):
            np.testing.assert_allclose(part[row], alone)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_tag_weight_outside_0_to_1_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="tag weight must be from 0 to 1"):
        blend(np.ones(2, np.float32), np.ones(2, np.float32), np.zeros(2, bool), weight)


@given(
    finals=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=12),
    data=st.data(),
    k=st.integers(1, 15),
)
def test_top_k_is_sorted_unrated_allowed_and_complete(
    finals: list[float], data: st.DataObject, k: int
) -> None:
    n = len(finals)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    rated, allowed = np.array(data.draw(flags)), np.array(data.draw(flags))
    graph = np.array(finals, np.float32)
    found = recommend(UNUSED_MODEL, plain_scores(graph, rated), k, allowed)
    eligible = {i for i in range(n) if allowed[i] and not rated[i]}
    assert len(found) == min(k, len(eligible))
    assert {r.movie for r in found} <= eligible
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)
    left_out = eligible - {r.movie for r in found}
    assert all(graph[i] <= found[-1].score for i in left_out) if found else not eligible


def test_k_below_1_is_refused(toy_data: MovieData, toy_model: TrainedModel) -> None:
    with pytest.raises(ValueError, match="K must be at least 1"):
        recommend(toy_model, scores_of(toy_data, toy_model, 0), 0)


def test_novelty_1_subtracts_the_popularity_and_minus_1_adds_it(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    popularity = np.log(1 + toy_data.movie_degree) / np.log(1 + toy_data.movie_degree.max())
    for novelty in (-1.0, 0.0, 0.5, 1.0):
        scores = scores_of(toy_data, toy_model, 0, novelty=novelty)
        np.testing.assert_allclose(scores.popularity_part, -novelty * popularity, atol=1e-6)
        item = recommend(toy_model, scores, 1)[0]
        assert item.score == pytest.approx(float(scores.final[item.movie]))
    with pytest.raises(ValueError, match="novelty must be from -1 to 1"):
        scores_of(toy_data, toy_model, 0, novelty=1.5)


def test_diversity_is_maximal_marginal_relevance(toy_model: TrainedModel) -> None:
    # An independent greedy reference on the model's own cosines.
    final = np.array([1.0, 0.95, 0.9, 0.8, 0.5, 0.4, 0.3, 0.2], np.float32)
    factors = toy_model.movie_factors.astype(float)
    norms = np.linalg.norm(factors, axis=1)
    cosine = factors @ factors.T / np.maximum(np.outer(norms, norms), 1e-12)
    for diversity in (0.3, 0.7, 1.0):
        picked: list[int] = []
        while len(picked) < 4:
            left = [m for m in range(8) if m not in picked]
            value = {
                m: (1 - diversity) * final[m]
                - diversity * max([0.0, *(cosine[m, p] for p in picked)])
                for m in left
            }
            picked.append(max(left, key=value.get))
        found = recommend(toy_model, plain_scores(final, np.zeros(8, bool)), 4, None, diversity)
        assert [r.movie for r in found] == picked


def test_filters_by_hand(toy_data: MovieData) -> None:
    def allowed(**options: object) -> set[int]:
        return set(toy_data.movie_ids[film_filter(toy_data, **options)].tolist())

    assert allowed() == set(toy_data.movie_ids.tolist())
    assert allowed(include=["Crime", "Romance"]) == {20, 50, 90}
    assert allowed(include=["Crime"], exclude=["Action"]) == {90}
    assert allowed(years=(1995, 1999)) == {10, 20, 35, 90}  # Babylon 5 has no year
    assert allowed(min_ratings=3) == {10, 20}
    assert allowed(include=["No such genre"]) == set()


def test_folding_in_a_users_own_films_gives_nearly_their_own_list(
    planted_data: MovieData, planted_model: TrainedModel
) -> None:
    overlaps = []
    for user in range(planted_data.n_users):
        own = user_viewer(planted_data, planted_model, user)
        stars = dict(zip(own.movies.tolist(), own.stars.tolist(), strict=True))
        visitor = fold_in(planted_data, planted_model, stars, planted_data.movie_degree)
        np.testing.assert_allclose(visitor.weights, own.weights)
        lists = [
            {r.movie for r in recommend(planted_model, score, 10)}
            for score in (
                score_all(planted_data, planted_model, own, 0.0),
                score_all(planted_data, planted_model, visitor, 0.0),
            )
        ]
        overlaps.append(len(lists[0] & lists[1]) / 10)
    assert np.mean(overlaps) > 0.8


def test_a_visitor_gets_films_of_the_group_that_they_rated(
    planted_data: MovieData, planted_model: TrainedModel
) -> None:
    # Films of group 1 of the checkerboard are 1, 4, 7 …; the visitor rated four of them.
    visitor = fold_in(planted_data, planted_model, {1: 5.0, 4: 4.0, 7: 4.5, 10: 5.0})
    found = recommend(planted_model, score_all(planted_data, planted_model, visitor), 8)
    assert sum(r.movie % 3 == 1 for r in found) >= 7
    assert not {1, 4, 7, 10} & {r.movie for r in found}


def test_a_visitor_who_rated_nothing_or_an_unrated_film_gets_finite_scores(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    for stars in ({}, {toy_data.inner_movie(200): 5.0}):
        scores = score_all(toy_data, toy_model, fold_in(toy_data, toy_model, stars))
        assert np.isfinite(scores.final).all()


@pytest.fixture(scope="module")
def planted_model(planted_data: MovieData) -> TrainedModel:
    config = TrainingConfig(dim=8, layers=2, epochs=5)
    return train(planted_data, random_80_10_10(planted_data), config)


def test_similar_movies_are_the_highest_cosines(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    nearest, cosine = similar_movies(toy_model, 0, 3)
    factors = toy_model.movie_factors.astype(float)
    by_hand = {
        m: factors[0] @ factors[m] / np.linalg.norm(factors[0]) / np.linalg.norm(factors[m])
        for m in range(1, toy_data.n_movies)
        if toy_data.movie_degree[m]
    }
    best = sorted(by_hand, key=by_hand.get, reverse=True)[:3]
    assert nearest.tolist() == best
    np.testing.assert_allclose(cosine, [by_hand[m] for m in best], atol=1e-5)


def test_a_film_without_ratings_has_no_neighbours_and_no_suggestions(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    unrated = toy_data.inner_movie(200)
    nearest, cosine = similar_movies(toy_model, unrated, 3)
    assert len(nearest) == len(cosine) == 0
    assert suggest_tags(toy_data, toy_model, unrated) == []


def test_suggested_tags_come_from_neighbours_and_are_new_to_the_film(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    heat = toy_data.inner_movie(20)
    for suggestion in suggest_tags(toy_data, toy_model, heat):
        column = toy_data.tag_names.index(suggestion.tag)
        assert not toy_data.tag_counts[heat, column]
        assert all(toy_data.tag_counts[m, column] for m in suggestion.neighbours)
        assert 0 < suggestion.score <= 1 + 1e-6


def test_suggestions_come_from_the_nearest_tagged_films_by_hand(toy_data: MovieData) -> None:
    # The Matrix carries sci fi and time travel, Alien both, Jumanji time travel (inner 0, 6, 2).
    # Of Up (inner 4) the nearest film is Heat, which has no tag and is passed over.
    factors = np.zeros((toy_data.n_movies, 2), np.float32)
    factors[4], factors[1] = (1, 0), (1, 0.1)
    factors[0], factors[6], factors[2] = (1, 1), (0, 1), (1, -1)
    model = SimpleNamespace(movie_factors=factors)
    nearest, cosine = tagged_neighbours(toy_data, model, 4, 2)
    assert set(nearest.tolist()) == {0, 2}
    np.testing.assert_allclose(cosine, [0.5**0.5] * 2, rtol=1e-6)
    found = {s.tag: s for s in suggest_tags(toy_data, model, 4, n_neighbours=3)}
    assert found["time travel"].score == pytest.approx(1)
    assert found["sci fi"].score == pytest.approx(0.5)  # 0.5 of 0.5 + 0.5; Alien's cosine is 0
    assert set(found["sci fi"].neighbours) == {0, 6}
