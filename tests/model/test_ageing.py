"""How films age: the share that is left by hand, exact terms, and a taste that turns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.counterfactual import ranks_without, viewer_without
from data_preparation import MovieData
from model.ageing import ALWAYS, BEST_FOR_THE_NEXT_FILM, ages, share_left
from model.explanation import Walks, explain, through
from model.trained import TrainedModel, fitted_graph
from model.viewers import aged, fold_in, user_viewer
from prediction import recommend, score_all
from tests.dense import csr

HALF_LIVES = st.sampled_from([0.5, 1.0, 5.0, 100.0])


def test_the_age_of_a_film_is_the_number_of_later_ones() -> None:
    ratings = csr([[4.0, 0, 3.0, 5.0, 1.0], [0, 0, 0, 0, 0], [0, 2.0, 0, 2.5, 0]])
    when = np.array([30, 10, 20, 10, 7, 7])
    assert ages(ratings, when).tolist() == [0, 2, 1, 2, 0, 0]  # the same time, the same age
    left = share_left(ratings, when, 2.0)
    assert left == pytest.approx([1, 0.5, 0.5**0.5, 0.5, 1, 1])
    assert share_left(ratings, when, ALWAYS).tolist() == [1] * 6
    assert ages(csr([[0.0, 0.0]]), np.array([])).tolist() == []


@given(st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=4), HALF_LIVES)
def test_ages_are_what_counting_says(times: list[list[int]], half_life: float) -> None:
    table = np.zeros((len(times), 6))
    for row, when in zip(table, times, strict=True):
        row[: len(when)] = 3.0
    flat = np.array([moment for when in times for moment in when])
    counted = [sum(other > moment for other in when) for when in times for moment in when]
    assert ages(csr(table), flat).tolist() == counted
    expected = [0.5 ** min(age / half_life, 50) for age in counted]
    assert share_left(csr(table), flat, half_life) == pytest.approx(expected)


def test_a_half_life_of_nothing_is_refused() -> None:
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            share_left(csr([[1.0]]), np.array([0]), wrong)


def test_a_very_old_film_still_has_something_left_to_divide_by(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    viewer = user_viewer(planted_data, hybrid, 0)
    old = aged(viewer, planted_data.times_of(0), 1e-9)
    assert old.share_left.min() > 0
    reasons = explain(planted_data, hybrid, old, 1)
    assert np.isfinite(reasons.age_cost).all()


# --- a taste that turns ---------------------------------------------------------------------------


def groups_of_first(
    data: MovieData, model: TrainedModel, half_life: float, turned: bool = True
) -> list[int]:
    """The groups of the five films listed for someone who rated twelve films of group 0 and then,
    if they turned, four of group 1 (`planted_ratings` makes three groups)."""
    stars = {film: 4.0 for film in range(0, 36, 3)} | {film: 4.0 for film in range(1, 13, 3)}
    viewer = fold_in(data, model, stars)
    when = np.where(viewer.movies % 3 == int(turned), 100 + viewer.movies, viewer.movies)
    listed = recommend(model, score_all(data, model, aged(viewer, when, half_life), 0.0), 4)
    return [item.movie % 3 for item in listed]


@pytest.mark.parametrize("kind", ["hybrid", "model"])
def test_whose_taste_has_turned_gets_what_they_watch_these_days(
    planted_data: MovieData, request: pytest.FixtureRequest, kind: str
) -> None:
    model: TrainedModel = request.getfixturevalue(kind)
    assert groups_of_first(planted_data, model, ALWAYS).count(0) >= 3
    assert groups_of_first(planted_data, model, 2.0) == [1, 1, 1, 1]
    assert groups_of_first(planted_data, model, 2.0, turned=False).count(0) >= 3  # group 0 last


# --- exact sums -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hybrid", "model"])
def test_terms_add_up_and_say_what_age_cost(
    planted_data: MovieData, request: pytest.FixtureRequest, kind: str
) -> None:
    model: TrainedModel = request.getfixturevalue(kind)
    for user in (0, 7):
        always = user_viewer(planted_data, model, user)
        when = planted_data.times_of(user)
        these_days = aged(always, when, BEST_FOR_THE_NEXT_FILM)
        scores = score_all(planted_data, model, these_days)
        for movie in (2, 11):
            reasons = explain(planted_data, model, these_days, movie)
            assert reasons.graph_score == pytest.approx(float(scores.graph[movie]), abs=1e-5)
            before = explain(planted_data, model, always, movie)
            np.testing.assert_allclose(
                reasons.contributions + reasons.age_cost, before.contributions, atol=1e-9
            )
            newest = int(when.argmax())
            assert reasons.age_cost[newest] == 0 and before.age_cost.tolist() == [0] * len(when)
        assert np.abs(reasons.age_cost).max() > 0
    assert aged(always, when, ALWAYS) is always


def test_the_kinds_of_node_still_add_up(planted_data: MovieData, hybrid: TrainedModel) -> None:
    viewer = aged(user_viewer(planted_data, hybrid, 3), planted_data.times_of(3), 4.0)
    walks = Walks.of(fitted_graph(planted_data, hybrid), hybrid)
    parts = through(walks, hybrid, viewer, np.array([5]))
    terms = explain(planted_data, hybrid, viewer, 5).contributions
    np.testing.assert_allclose(sum(parts.values())[:, 0], terms, atol=1e-6)


@given(data=st.data(), half_life=HALF_LIVES)
@pytest.mark.parametrize("kind", ["hybrid", "model"])
def test_without_some_ratings_the_others_age_as_if_those_had_never_been(
    planted_data: MovieData,
    request: pytest.FixtureRequest,
    kind: str,
    data: st.DataObject,
    half_life: float,
) -> None:
    model: TrainedModel = request.getfixturevalue(kind)
    films = data.draw(st.lists(st.integers(0, 46), min_size=2, max_size=8, unique=True))
    when = {film: data.draw(st.integers(0, 3)) for film in films}
    removed = data.draw(st.sets(st.sampled_from(films), max_size=len(films) - 1))
    left = [film for film in films if film not in removed]

    def someone(rated: list[int]):
        viewer = fold_in(planted_data, model, {film: 1.0 + film % 5 for film in rated})
        return aged(viewer, np.array([when[film] for film in sorted(rated)]), half_life)

    whole, expected = someone(films), someone(left)
    found = viewer_without(planted_data, model, whole, removed)
    for name in ("movies", "weights", "factor", "share_left"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-5, atol=1e-6
        )
    scores = score_all(planted_data, model, expected)
    rivals = scores.candidates & ~np.isin(np.arange(planted_data.n_movies), films)
    close = int((np.abs(scores.final - scores.final[47]) < 1e-5).sum()) - 1
    rank = 1 + int((scores.final[rivals] > scores.final[47]).sum())
    (told,) = ranks_without(planted_data, model, whole, [(47, tuple(removed))])
    assert abs(told - rank) <= close
