"""Hybrid scores, top-K, similar films, tag suggestions."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import normalize

import prediction
from data_preparation import MovieData, load_movie_data
from model.as_of import model_of
from model.checkpoints import save_checkpoint
from model.config import PRESETS
from model.explanation import explain
from model.splits import random_80_10_10, temporal_leave_one_out
from model.trained import TrainedModel, with_trend
from model.trend import TrendChoice
from model.viewers import aged, fold_in, user_vectors, user_viewer
from model_training import train
from prediction import (
    FEWEST_RATINGS,
    Scores,
    blend,
    film_filter,
    main,
    often_and_well_rated,
    recommend,
    score_all,
    similar_movies,
    suggest_tags,
    tagged_neighbours,
    why_in_words,
)
from settings import DEMO_DIR, checkpoint_path
from tests.conftest import (
    REPOSITORY,
    TOY_RATINGS,
    assert_one_sentence,
    write_dataset,
    write_planted,
)
from tests.small_training import config, hybrid_config

UNUSED_MODEL = None
"""Without diversity, `recommend` never looks at the model."""


@pytest.fixture(params=["hybrid", "paper"])
def toy_model(request: pytest.FixtureRequest, toy_data: MovieData) -> TrainedModel:
    settings = hybrid_config(dim=4) if request.param == "hybrid" else config(dim=4, epochs=3)
    return train(toy_data, temporal_leave_one_out(toy_data), settings)


def scores_of(data: MovieData, model: TrainedModel, user: int, **options: float) -> Scores:
    return score_all(data, model, user_viewer(data, model, user), **options)


def plain_scores(graph: np.ndarray, rated: np.ndarray) -> Scores:
    """Scores that consist of a graph part only."""
    nothing = np.zeros(len(graph), np.float32)
    return Scores(graph, nothing, graph, nothing, nothing, nothing, rated, ~rated, ~rated | rated)


def test_the_graph_score_is_the_dot_product(toy_data: MovieData, toy_model: TrainedModel) -> None:
    for user in range(toy_data.n_users):
        scores = scores_of(toy_data, toy_model, user)
        for movie in range(toy_data.n_movies):
            by_hand = float(
                user_vectors(toy_data, toy_model, np.array([user]))[0]
                @ toy_model.movie_factors[movie]
            )
            assert scores.graph[movie] == pytest.approx(by_hand, rel=1e-6, abs=1e-6)


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
    graph_part, tag_part = blend(graph, tags, np.array([True, True, False]), 0.25)
    np.testing.assert_allclose(graph_part[:2], [0.75, 0.375])
    np.testing.assert_allclose(tag_part[:2], [0.125, 0.25])


def test_blend_of_a_batch_equals_blend_of_each_row() -> None:
    rng = np.random.default_rng(0)
    graph = rng.normal(size=(4, 7)).astype(np.float32)
    tags = rng.random((4, 7)).astype(np.float32)
    candidates = rng.random((4, 7)) < 0.7
    together = blend(graph, tags, candidates, 0.4)
    for row in range(4):
        for part, alone in zip(
            together, blend(graph[row], tags[row], candidates[row], 0.4), strict=True
        ):
            np.testing.assert_allclose(part[row], alone)


def test_hand_worked_blend_where_no_score_is_positive() -> None:
    # The largest size of a candidate is the scale, so parts keep their sign and their zero.
    graph = np.array([-2.0, -0.5, -8.0, 0.0], np.float32)
    candidates = np.array([True, True, False, True])
    graph_part, tag_part = blend(graph, np.zeros(4, np.float32), candidates, 0.25)
    np.testing.assert_allclose(graph_part, [-0.75, -0.1875, -3.0, 0.0])
    assert not tag_part.any()
    # One positive candidate sets the scale again; what is far below 0 may be below −1.
    graph[1] = 0.5
    np.testing.assert_allclose(blend(graph, graph, candidates, 0.25)[0], [-3.0, 0.75, -12.0, 0.0])


def test_without_a_candidate_nothing_has_a_scale() -> None:
    ones = np.ones(2, np.float32)
    for part in blend(ones, ones, np.zeros(2, bool), 0.5):
        assert part.tolist() == [0, 0]


@given(
    st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=8),
    st.floats(0, 1),
    st.data(),
)
def test_the_best_candidate_has_the_whole_weight(
    values: list[float], weight: float, data: st.DataObject
) -> None:
    n = len(values)
    candidates = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    scores = np.array(values, np.float32)
    part, _ = blend(scores, scores, candidates, weight)
    assert np.isfinite(part).all() and (np.sign(part) * np.sign(scores) >= 0).all()
    if candidates.any() and np.abs(scores[candidates]).max() > 1e-30:
        best, size = part[candidates].max(), np.abs(part[candidates]).max()
        reached = best if scores[candidates].max() > 0 else size
        assert reached == pytest.approx(1 - weight, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_tag_weight_outside_0_to_1_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="tag weight must be from 0 to 1"):
        blend(np.ones(2, np.float32), np.ones(2, np.float32), np.ones(2, bool), weight)


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


def test_the_popularity_part_is_a_weight_times_the_popularity(
    planted_data: MovieData, planted_model: TrainedModel
) -> None:
    known = planted_data.movie_degree >= FEWEST_RATINGS
    popularity = np.log1p(planted_data.movie_degree) / np.log1p(planted_data.movie_degree.max())
    for novelty in (-1.0, -0.3, 0.0, 0.5, 1.0):
        scores = scores_of(planted_data, planted_model, 0, novelty=novelty)
        part = scores.popularity_part
        weight = part[known] / popularity[known]
        np.testing.assert_allclose(weight, weight[0], rtol=1e-5)
        assert np.sign(weight[0]) == -np.sign(novelty)
        for item in recommend(planted_model, scores, 3):
            assert item.score == pytest.approx(float(scores.final[item.movie]))
    with pytest.raises(ValueError, match="novelty must be from -1 to 1"):
        scores_of(planted_data, planted_model, 0, novelty=1.5)


def test_each_fifth_of_novelty_and_of_diversity_replaces_about_as_many_films() -> None:
    """Of the first ten, over 50 users, within a factor of two; and no film that is hardly known."""
    data = load_movie_data(DEMO_DIR)
    model = train(data, random_80_10_10(data), PRESETS["fast"])
    users = np.random.default_rng(0).choice(data.n_users, 50, replace=False).tolist()
    settings = (
        lambda viewer, share: (score_all(data, model, viewer, novelty=share), 0.0),
        lambda viewer, share: (score_all(data, model, viewer, novelty=-share), 0.0),
        lambda viewer, share: (score_all(data, model, viewer), share),
    )
    for setting in settings:
        replaced = np.zeros(5)
        for user in users:
            viewer = user_viewer(data, model, user)
            lists = []
            for fifth in range(6):
                scores, diversity = setting(viewer, fifth / 5)
                found = recommend(model, scores, 10, diversity=diversity)
                lists.append({item.movie for item in found})
            replaced += [len(b - a) for a, b in pairwise(lists)]
            assert all(
                data.movie_degree[m] >= FEWEST_RATINGS for m in set().union(*lists) - lists[0]
            )
            assert len(lists[1] - lists[0]) <= 3
        assert replaced.max() <= 2 * replaced.min(), replaced / 50
    asked = [
        item.movie
        for viewer in (user_viewer(data, model, user) for user in users)
        for item in recommend(model, score_all(data, model, viewer, novelty=1.0, fewest=2), 10)
    ]
    assert data.movie_degree[asked].min() in range(2, FEWEST_RATINGS)  # no fewer than asked for


def test_diversity_is_maximal_marginal_relevance_with_some_weight(
    planted_data: MovieData, planted_model: TrainedModel
) -> None:
    scores = scores_of(planted_data, planted_model, 0)
    factors = planted_model.movie_factors.astype(float)
    norms = np.linalg.norm(factors, axis=1)
    cosine = factors @ factors.T / np.maximum(np.outer(norms, norms), 1e-12)
    left_most = []
    for diversity in (0.0, 0.3, 0.7, 1.0):
        picked = [r.movie for r in recommend(planted_model, scores, 4, None, diversity)]
        low, high = 0.0, np.inf  # weights with which each pick is the best of those left
        closest = np.zeros(planted_data.n_movies)
        left = scores.candidates & scores.known
        for choice in picked:
            ahead = scores.final[choice] - scores.final[left]
            closer = closest[choice] - closest[left]  # weight · closer ≤ ahead
            high = min(high, *(ahead[closer > 1e-6] / closer[closer > 1e-6]), np.inf)
            low = max(low, *(ahead[closer < -1e-6] / closer[closer < -1e-6]), 0.0)
            left[choice] = False
            closest = np.maximum(closest, cosine[choice])
        assert low <= high * (1 + 1e-3) + 1e-5
        left_most.append(low)
    assert left_most == sorted(left_most) and left_most[-1] > 0


def test_filters_by_hand(toy_data: MovieData) -> None:
    def allowed(**options: object) -> set[int]:
        return set(toy_data.movie_ids[film_filter(toy_data, **options)].tolist())

    assert allowed() == set(toy_data.movie_ids.tolist())
    assert allowed(include=["Crime", "Romance"]) == {20, 50, 90}
    assert allowed(include=["Crime"], exclude=["Action"]) == {90}
    assert allowed(years=(1995, 1999)) == {10, 20, 35, 90}  # Babylon 5 has no year
    assert allowed(min_ratings=3) == {10, 20}
    assert allowed(include=["No such genre"]) == set()
    means = toy_data.mean_stars
    liked = set(toy_data.movie_ids[np.nan_to_num(means) >= 3.5].tolist())
    assert allowed(min_stars=3.5) == liked and 0 < len(liked) < toy_data.n_movies


def test_folding_in_a_users_own_films_gives_nearly_their_own_list(
    planted_data: MovieData, planted_model: TrainedModel
) -> None:
    overlaps = []
    for user in range(planted_data.n_users):
        own = user_viewer(planted_data, planted_model, user)
        stars = dict(zip(own.movies.tolist(), own.stars.tolist(), strict=True))
        visitor = fold_in(
            planted_data, planted_model, stars, movie_degree=planted_data.movie_degree
        )
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


@pytest.mark.parametrize("kind", ["planted_model", "fitted"])
def test_a_visitor_gets_films_of_the_group_that_they_rated(
    planted_data: MovieData, request: pytest.FixtureRequest, kind: str
) -> None:
    planted_model: TrainedModel = request.getfixturevalue(kind)
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
    """The paper's model, whose visitors are folded in by a map."""
    return train(planted_data, random_80_10_10(planted_data), config(epochs=8))


@pytest.fixture(scope="module")
def fitted(planted_data: MovieData) -> TrainedModel:
    settings = hybrid_config(dim=6, ridge=0.3, taste=0.02)
    return train(planted_data, random_80_10_10(planted_data), settings)


def test_similar_movies_are_the_highest_cosines(
    toy_data: MovieData, toy_model: TrainedModel
) -> None:
    nearest, cosine = similar_movies(toy_model, 0, 3)
    factors = toy_model.movie_factors.astype(float)
    by_hand = {
        m: factors[0] @ factors[m] / np.linalg.norm(factors[0]) / np.linalg.norm(factors[m])
        for m in range(1, toy_data.n_movies)
        if factors[m].any()
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
    model = SimpleNamespace(
        movie_factors=factors,
        directions=normalize(factors),
        has_direction=factors.any(axis=1),
    )
    nearest, cosine = tagged_neighbours(toy_data, model, 4, 2)
    assert set(nearest.tolist()) == {0, 2}
    np.testing.assert_allclose(cosine, [0.5**0.5] * 2, rtol=1e-6)
    found = {s.tag: s for s in suggest_tags(toy_data, model, 4, n_neighbours=3)}
    assert found["time travel"].score == pytest.approx(1)
    assert found["sci fi"].score == pytest.approx(0.5)  # 0.5 of 0.5 + 0.5; Alien's cosine is 0
    assert set(found["sci fi"].neighbours) == {0, 6}


# --- who liked nothing yet ------------------------------------------------------------------------


def test_rated_films_are_no_candidates_and_all_others_are(
    planted_data: MovieData, fitted: TrainedModel
) -> None:
    for user in range(planted_data.n_users):
        scores = scores_of(planted_data, fitted, user)
        assert np.flatnonzero(scores.rated).tolist() == planted_data.rated_by(user).tolist()
        assert (scores.candidates == ~scores.rated).all()


def test_often_and_well_rated_by_hand(load: Callable[..., MovieData]) -> None:
    # 12 films: film 12 has 4 ratings, film 11 has 4 as well, film 10 three, all others one.
    ratings = [(user, 12, 5.0, 1) for user in range(1, 5)]
    ratings += [(user, 11, 1.0, 1) for user in range(1, 5)]
    ratings += [(user, 10, 5.0, 1) for user in range(1, 4)]
    ratings += [(1, film, 3.0, 1) for film in range(1, 10)]
    films = [(film, f"F{film} (2000)", "Drama") for film in range(1, 14)]  # nobody rated film 13
    data = load(ratings=ratings, movies=films, tags=None, links=None)
    # The upper tenth of 12 rated films begins at 4 ratings or a little below: 11 and 12 are rated
    # often, and only 12 is above the mean of all.
    assert data.movie_ids[often_and_well_rated(data)].tolist() == [12]


def test_with_equal_stars_everywhere_only_how_often_decides(load: Callable[..., MovieData]) -> None:
    data = load(ratings=[(user, film, 4.0, at) for user, film, _, at in TOY_RATINGS])
    chosen = often_and_well_rated(data)
    assert chosen.any() and data.movie_degree[chosen].min() >= data.movie_degree[~chosen].max()


def test_who_liked_nothing_gets_the_films_least_like_what_they_disliked(
    planted_data: MovieData, fitted: TrainedModel
) -> None:
    eligible = often_and_well_rated(planted_data)
    assert 2 <= eligible.sum() < 10
    disliked = [0, 3, 6, 9, 12]
    viewer = fold_in(planted_data, fitted, dict.fromkeys(disliked, 0.5))
    scores = score_all(planted_data, fitted, viewer)
    assert viewer.only_averse
    expected = eligible.copy()
    expected[disliked] = False
    assert (scores.candidates == expected).all()
    listed = [item.movie for item in recommend(fitted, scores, 10)]
    assert set(listed) == set(np.flatnonzero(expected).tolist())
    assert scores.graph[listed].tolist() == sorted(scores.graph[listed], reverse=True)
    liking = score_all(planted_data, fitted, fold_in(planted_data, fitted, {0: 0.5, 3: 5.0}))
    assert liking.candidates.sum() == 46  # one liked film is enough for a list of all


def test_five_disliked_films_keep_their_nearest_away(
    planted_data: MovieData, fitted: TrainedModel
) -> None:
    # Films of group 0 are 0, 3, 6 …: whoever disliked five of them finds others first.
    viewer = fold_in(planted_data, fitted, dict.fromkeys([0, 3, 6, 9, 12], 0.5))
    first = recommend(fitted, score_all(planted_data, fitted, viewer), 1)[0].movie
    near = {int(m) for d in viewer.movies for m in similar_movies(fitted, int(d), 5)[0]}
    assert first % 3 != 0 and first not in near


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(params=["hybrid", "paper"])
def command(
    request: pytest.FixtureRequest,
    planted_data: MovieData,
    fitted: TrainedModel,
    planted_model: TrainedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> TrainedModel:
    """A saved model and its data, where the command finds them; the model."""
    monkeypatch.setenv("MOVIELENS_DIR", str(write_planted(tmp_path / "planted")))
    monkeypatch.chdir(tmp_path)
    model = fitted if request.param == "hybrid" else planted_model
    save_checkpoint(model, tmp_path / "model.pth")
    return model


def run(*options: str) -> int:
    return main([*options, "--checkpoint", "model.pth"])


def test_the_command_prints_the_list_with_parts_that_add_up_and_reasons(
    command: TrainedModel, planted_data: MovieData, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = int(planted_data.user_ids[4])
    assert run("--user", str(raw), "-k", "7", "--tag-weight", "0.2", "--profile", "watch") == 0
    printed = capsys.readouterr().out
    viewer = user_viewer(planted_data, command, 4, "watch")
    chosen = recommend(command, score_all(planted_data, command, viewer, 0.2), 7)
    head, *lines = printed.splitlines()
    assert f"User {raw} rated {len(viewer.movies)} films" in head and "watch" in head
    assert len(lines) == 14
    number = r"(-?\d+\.\d+)"
    for place, item in enumerate(chosen):
        line, reason = lines[2 * place : 2 * place + 2]
        title = planted_data.labels[item.movie]
        found = re.fullmatch(
            rf" *{place + 1}\. {re.escape(title)}: {number} = {number} graph \+ {number} tags", line
        )
        assert found, line
        score, graph, tags = map(float, found.groups())
        assert score == pytest.approx(graph + tags, abs=0.0011)  # three numbers, rounded
        assert score == pytest.approx(item.score, abs=0.0006)
        contributions = explain(planted_data, command, viewer, item.movie).contributions
        best = viewer.movies[int(contributions.argmax())]
        if contributions.max() <= 0:  # in the paper's model the self term may carry it all
            assert reason.strip() == "No rated film speaks for it."
            continue
        assert f"{planted_data.labels[best]} (" in reason and "★" in reason
        share = re.search(r"(-?\d+)% of the graph score", reason)
        assert (int(share.group(1)) > 0) if item.graph_score > 0 else share is None


def test_the_command_lists_what_they_watch_these_days(
    command: TrainedModel, planted_data: MovieData, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--user", str(planted_data.user_ids[4]), "-k", "3", "--half-life", "1.5") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert "a film counts half after 1.5 later ones" in head
    viewer = user_viewer(planted_data, command, 4)
    viewer = aged(viewer, planted_data.times_of(4), 1.5)
    chosen = recommend(command, score_all(planted_data, command, viewer), 3)
    for line, item in zip(lines[::2], chosen, strict=True):
        assert f". {planted_data.labels[item.movie]}: " in line
    if command.is_hybrid:
        assert re.search(r"★, \d+% less for its age\)", "\n".join(lines))


def test_the_command_lets_it_count_what_is_popular_now(
    command: TrainedModel,
    planted_data: MovieData,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = ["--user", str(planted_data.user_ids[4]), "-k", "3", "--popular-now", "1"]
    assert run(*user) == 1  # not looked at when it was trained
    assert_one_sentence(capsys.readouterr().err.strip().replace("; ", ", "))
    if not command.is_hybrid:
        return
    choice = TrendChoice(0.1, {"watch": 0.0, "like": 0.4}, {"watch": (0, 0), "like": (0, 0)}, 9)
    model = with_trend(planted_data, command, choice)
    found = replace(prediction.served(checkpoint_path()), model=model)
    monkeypatch.setattr(prediction, "served", lambda *_: found)
    assert run(*user) == 0
    printed = capsys.readouterr().out
    viewer = user_viewer(planted_data, model, 4)
    scores = score_all(planted_data, model, viewer, popular_now=1.0)
    for item in recommend(model, scores, 3):
        sign = "+" if item.trend_part >= 0 else "-"
        assert re.search(rf"= .* graph .* tags {re.escape(sign)} 0\.\d+ now", printed)
        assert prediction.trend_of_film_in_words(model, item) in printed
    assert_sums_hold(printed)


def assert_sums_hold(printed: str) -> None:
    """`1.061 = 0.900 graph + 0.061 tags + 0.100 now` adds up as it stands."""
    lines = re.findall(
        r": (-?[\d.]+) = (-?[\d.]+) graph \+ ([\d.]+) tags ([+-]) ([\d.]+) now", printed
    )
    assert lines
    for whole, graph, tags, sign, now in lines:
        total = float(graph) + float(tags) + float(f"{sign}{now}")
        assert float(whole) == pytest.approx(total, abs=1e-9)


def test_the_command_lists_films_as_of_a_day(
    command: TrainedModel, planted_data: MovieData, capsys: pytest.CaptureFixture[str]
) -> None:
    user = ["--user", str(planted_data.user_ids[4]), "-k", "3"]
    if not command.is_hybrid:
        assert run(*user, "--as-of", "2001-01-01") == 1
        assert "cannot be fitted again" in capsys.readouterr().err
        return
    assert run(*user, "--as-of", "1970-01-01") == 0  # where all of these data lie
    head, *lines = capsys.readouterr().out.splitlines()
    assert "films by 1970-01-01;" in head
    fitted = model_of(planted_data, command)
    viewer = user_viewer(planted_data, fitted, 4)
    chosen = recommend(fitted, score_all(planted_data, fitted, viewer), 3)
    for line, item in zip(lines[::2], chosen, strict=True):
        assert f". {planted_data.labels[item.movie]}: " in line
    for impossible in ("1969-12-31", "9999-12-31"):
        assert run(*user, "--as-of", impossible) == 1
        assert_one_sentence(capsys.readouterr().err.strip())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--user", "2", "--half-life", "0"], "half-life must be above 0"),
        (["--user", "1"], "no user 1"),
        (["--user", str(10**30)], "no user"),
        (["--user", "2", "-k", "0"], "K must be at least 1"),
        (["--user", "2", "-k", "-3"], "K must be at least 1"),
        (["--user", "2", "--tag-weight", "1.5"], "tag weight"),
        (["--user", "2", "--tag-weight", "nan"], "tag weight"),
        (["--user", "2", "--popular-now", "1.5"], "Popular now must be from 0 to 1"),
        (["--all", "--popular-now", "0.5"], "--popular-now"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    command: TrainedModel, capsys: pytest.CaptureFixture[str], options: list[str], word: str
) -> None:
    assert run(*options) == 1
    printed = capsys.readouterr()
    assert word in printed.err and printed.out == ""
    assert_one_sentence(printed.err.strip().replace("; ", ", "))


def test_without_a_model_the_command_says_how_to_make_one(
    command: TrainedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--user", "2", "--checkpoint", "nowhere.pth"]) == 1
    printed = capsys.readouterr().err.strip()
    assert "nowhere.pth" in printed and "model_training.py" in printed
    assert_one_sentence(printed)


def test_a_damaged_model_or_one_of_other_data_is_one_sentence(
    command: TrainedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = (tmp_path / "model.pth").read_bytes()
    (tmp_path / "model.pth").write_bytes(content[:1000])
    assert run("--user", "2") == 1
    assert_one_sentence(capsys.readouterr().err.strip())
    (tmp_path / "model.pth").write_bytes(content)
    monkeypatch.setenv("MOVIELENS_DIR", str(write_dataset(tmp_path / "toy")))
    assert run("--user", "3") == 1
    printed = capsys.readouterr().err.strip()
    assert "other data" in printed
    assert_one_sentence(printed)


def test_a_folder_without_data_is_one_sentence(
    command: TrainedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", "nowhere")
    assert run("--user", "2") == 1
    assert_one_sentence(capsys.readouterr().err.strip())


def test_who_rated_everything_and_who_liked_nothing_are_told_why_the_list_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # User 1 rated every film. Users 2 and 9 gave half a star to one, among stars so high that no
    # other film is above the mean and rated often.
    ratings = [(1, film, 5.0, film) for film in range(1, 13)]
    ratings += [(user, film, 5.0, film) for user in (2, 3) for film in range(1, 12)]
    ratings += [(9, 12, 0.5, 12)]
    films = [(film, f"F{film} (2000)", "Drama") for film in range(1, 13)]
    folder = write_dataset(tmp_path / "data", ratings, films, tags=None, links=None)
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    data = load_movie_data(folder)
    save_checkpoint(train(data, random_80_10_10(data), hybrid_config()), tmp_path / "model.pth")
    monkeypatch.setattr(prediction, "often_and_well_rated", lambda data: np.zeros(12, bool))
    assert run("--user", "1") == 0
    assert "Every film is rated already" in capsys.readouterr().out
    assert run("--user", "9") == 0
    assert "rated often and well enough" in capsys.readouterr().out


def test_reasons_of_a_score_below_0_are_no_share_of_it(
    planted_data: MovieData, fitted: TrainedModel
) -> None:
    seen = set()
    for user in range(planted_data.n_users):
        viewer = user_viewer(planted_data, fitted, user)
        for movie in range(planted_data.n_movies):
            reasons = explain(planted_data, fitted, viewer, movie)
            text = why_in_words(planted_data, viewer, reasons)
            score = reasons.graph_score
            assert ("%" in text) <= (score > 0) and not re.search(r"-\d+%", text)
            seen.add("%" in text)
    assert seen == {True, False}


def test_the_file_runs_as_a_program(command: TrainedModel, tmp_path: Path) -> None:
    arguments = ["--user", "2", "-k", "3", "--checkpoint", str(tmp_path / "model.pth")]
    ended = subprocess.run(
        [sys.executable, "prediction.py", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("★") >= 3 and "  3. Film" in ended.stdout


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 45), st.data())
def test_the_best_are_those_of_a_full_sort_equals_by_id(
    values: list[int], k: int, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction, "_BLOCK", data.draw(st.integers(1, 5)))
        check_the_best(values, k, data)


def check_the_best(values: list[int], k: int, data: st.DataObject) -> None:
    final = np.array(values, np.float32)
    candidates = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(final), max_size=len(final)))
    )
    none = np.zeros_like(final)
    scores = Scores(final, none, final, none, none, none, ~candidates, candidates, candidates)
    expected = sorted(np.flatnonzero(candidates).tolist(), key=lambda i: (-values[i], i))[:k]
    assert [item.movie for item in recommend(UNUSED_MODEL, scores, k)] == expected
