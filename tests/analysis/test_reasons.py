"""The lines of a graph score add up to it, whatever the model and the person."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.reasons import named_places, relation, score_lines, share_of_score
from data_preparation import MovieData
from model.explanation import Explanation, Walks, explain, through
from model.profiles import PROFILES, Profile
from model.trained import TrainedModel, fitted_graph
from model.viewers import fold_in, user_viewer

STARS = st.sampled_from([half / 2 for half in range(1, 11)])


@given(
    user=st.integers(0, 29),
    movie=st.integers(0, 47),
    shown=st.integers(0, 30),
    profile=st.sampled_from(PROFILES),
)
@pytest.mark.parametrize("kind", ["hybrid", "model"])
def test_the_lines_of_a_user_add_up_to_the_score_that_ranks(
    planted_data: MovieData,
    request: pytest.FixtureRequest,
    kind: str,
    user: int,
    movie: int,
    shown: int,
    profile: Profile,
) -> None:
    model: TrainedModel = request.getfixturevalue(kind)
    viewer = user_viewer(planted_data, model, user, profile)
    reasons = explain(planted_data, model, viewer, movie)
    lines = score_lines(reasons, shown)
    score = float(viewer.factor @ model.movie_factors[movie])
    assert sum(line.value for line in lines) == pytest.approx(score, abs=1e-5)
    films = [line for line in lines if line.kind == "film"]
    assert len(films) == min(shown, np.count_nonzero(reasons.contributions))
    assert sum(line.films for line in lines if line.kind != "own") == np.count_nonzero(
        reasons.contributions
    )
    values = [line.value for line in films]
    assert values == sorted(values, reverse=True)
    assert any(line.kind == "own" for line in lines) == bool(reasons.self_term)
    if kind == "hybrid":
        assert reasons.self_term == 0


@given(stars=st.dictionaries(st.integers(0, 47), STARS, min_size=1, max_size=9), data=st.data())
def test_the_lines_and_the_paths_of_a_visitor_add_up_to_the_score(
    planted_data: MovieData,
    hybrid: TrainedModel,
    stars: dict[int, float],
    data: st.DataObject,
) -> None:
    movie = data.draw(st.integers(0, 47))
    viewer = fold_in(planted_data, hybrid, stars, data.draw(st.sampled_from(PROFILES)))
    reasons = explain(planted_data, hybrid, viewer, movie)
    score = float(viewer.factor @ hybrid.movie_factors[movie])
    assert sum(line.value for line in score_lines(reasons)) == pytest.approx(score, abs=1e-5)
    paths = through(
        Walks.of(fitted_graph(planted_data, hybrid), hybrid), hybrid, viewer, np.array([movie])
    )
    terms = np.sum([values[:, 0] for values in paths.values()], axis=0)
    np.testing.assert_allclose(terms, reasons.contributions, atol=1e-5)


def _explanation(contributions: list[float], own: float = 0.0) -> Explanation:
    n = len(contributions)
    rated, terms = np.arange(n, dtype=np.int32), np.array(contributions)
    return Explanation(0, rated, np.ones(n), terms, np.zeros(n), np.ones(n), own, ())


def test_the_named_films_and_their_share_by_hand() -> None:
    reasons = _explanation([0.1, -0.4, 0.5, 0.0, 0.2], own=0.6)  # 1.0 in all
    assert named_places(reasons) == [2, 4, 0]
    assert share_of_score(reasons, [2, 4, 0]) == pytest.approx(0.8)
    assert named_places(_explanation([-1.0, 0.0])) == []
    assert share_of_score(_explanation([0.2, -0.3]), [0]) is None
    kinds = [(line.kind, line.place, line.films) for line in score_lines(reasons, 2)]
    assert kinds == [("own", -1, 1), ("film", 2, 1), ("film", 1, 1), ("for", -1, 2)]


def test_a_quarter_of_the_lines_is_for_either_side() -> None:
    reasons = _explanation([0.9, 0.8, 0.7, 0.6, 0.5, -0.3, 0.4, -0.1, -0.2])
    films = [line.place for line in score_lines(reasons, 4) if line.kind == "film"]
    assert films == [0, 1, 2, 5]
    films = [line.place for line in score_lines(reasons, 8) if line.kind == "film"]
    assert films == [0, 1, 2, 3, 4, 6, 8, 5]


@pytest.mark.parametrize(
    ("weight", "contribution", "expected"),
    [
        (1.0, 0.1, "pulls"),
        (1.0, -0.1, "pushes"),
        (-0.5, 0.1, "unlike"),
        (-0.5, -0.1, "disliked"),
        (0.0, 0.0, "nothing"),
    ],
)
def test_what_a_rated_film_does(weight: float, contribution: float, expected: str) -> None:
    assert relation(weight, contribution) == expected
