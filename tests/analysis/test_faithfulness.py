"""Reasons with a known cause: taking the cause away moves the film, taking others away does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import faithfulness as faithful
from analysis.faithfulness import (
    CHOICES,
    LOWEST,
    POPULAR,
    RANDOM,
    REASONS,
    REMOVED,
    advantage,
    faithfulness,
    summary,
)
from data_preparation import MovieData
from model.explanation import explain
from model.profiles import profile_weights, strength
from model.trained import TrainedModel
from model.viewers import user_viewer
from prediction import recommend, score_all

RATED, UNSEEN = 12, 6  # films of each person, of the catalogue beyond


@pytest.fixture
def one_cause(
    load: Callable[..., MovieData], hybrid: TrainedModel
) -> tuple[MovieData, TrainedModel]:
    """Everyone rated the same twelve films and only the last speaks for the one that comes first.

    All other rated films speak, a little, for the film that comes second. Film 11 is the cause; the
    most rated are films 0 to 4, which somebody else rated as well.
    """
    ratings = [(user, film, 4.0, 1) for user in range(1, 31) for film in range(RATED)]
    ratings += [(31, film, 4.0, 1) for film in (0, 1, 2, 3, 4, *range(RATED, RATED + UNSEEN))]
    films = [(film, f"Film {film} (1999)", "(no genres listed)") for film in range(RATED + UNSEEN)]
    data = load(ratings=ratings, movies=films, tags=None, links=None)
    messages = np.zeros((RATED + UNSEEN, 2), np.float32)
    messages[RATED - 1, 0] = 1.0
    messages[: RATED - 1, 1] = 0.01
    met = np.zeros((RATED + UNSEEN, 2), np.float32)
    met[RATED, 0], met[RATED + 1, 1] = 1.0, 1.0
    model = replace(hybrid, movie_factors=met, movie_messages=messages, mean_stars=4.0)
    return data, model


def test_without_the_only_cause_the_film_falls_and_without_others_it_stays(
    one_cause: tuple[MovieData, TrainedModel],
) -> None:
    table = faithfulness(*one_cause)
    assert table["user"].nunique() == 31  # user 31 has eleven ratings
    with_cause = table[table["user"] < 30]
    means = with_cause.groupby(["choice", "removed"])["kept"].mean()
    for removed in REMOVED:
        assert means[REASONS, removed] == 0
        assert means[LOWEST, removed] == 1
        assert means[POPULAR, removed] == 1
        # The cause is among so many of twelve at random with probability removed/12.
        assert means[RANDOM, removed] == pytest.approx(1 - removed / RATED, abs=0.12)
        more, low, high = advantage(with_cause, removed)
        assert more == pytest.approx(means[RANDOM, removed]) and 0 < low <= more <= high
    ranks = with_cause[with_cause["choice"] == REASONS]["rank"]
    assert (ranks == 2).all()


def test_reasons_that_explain_nothing_are_missed_no_more_than_films_at_random(
    planted_data: MovieData, hybrid: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)

    def made_up(*arguments: object) -> object:
        true = explain(*arguments)  # type: ignore[arg-type]
        return replace(true, contributions=rng.permutation(true.contributions))

    true_advantage = advantage(faithfulness(planted_data, hybrid), 3)
    monkeypatch.setattr(faithful, "explain", made_up)
    _, low, high = advantage(faithfulness(planted_data, hybrid), 3)
    assert low <= 0 <= high
    assert true_advantage[1] > 0


@pytest.mark.parametrize("which", ["model", "hybrid"])
def test_ranks_are_those_of_a_list_made_without_the_ratings(
    which: str, planted_data: MovieData, request: pytest.FixtureRequest
) -> None:
    model: TrainedModel = request.getfixturevalue(which)
    table = faithfulness(planted_data, model, n_users=4, seed=2)
    assert set(table["choice"]) == set(CHOICES) and set(table["removed"]) == set(REMOVED)
    assert len(table) == 4 * len(CHOICES) * len(REMOVED)
    assert table["kept"].between(0, 1).all() and (table["rank"] >= 1).all()
    user = int(table["user"].iloc[0])
    viewer = user_viewer(planted_data, model, user)
    scores = score_all(planted_data, model, viewer)
    first = recommend(model, scores, 1)[0].movie
    terms = explain(planted_data, model, viewer, first).contributions
    loudest = int(viewer.movies[terms.argmax()])
    row = table[(table["user"] == user) & (table["choice"] == REASONS) & (table["removed"] == 1)]
    left = viewer.movies != loudest
    weights = viewer.weights[left]
    if model.is_hybrid:
        ratings = planted_data.ratings[[user]]
        ratings.data = np.where(ratings.indices == loudest, 0, ratings.data)
        ratings.eliminate_zeros()
        delta = strength(model.config, viewer.profile)
        weights = profile_weights(ratings, delta, model.mean_stars).data.astype(float)
    else:
        weights = weights * np.sqrt(len(viewer.movies) / left.sum())
    without = replace(
        viewer,
        movies=viewer.movies[left],
        stars=viewer.stars[left],
        weights=weights,
        messages=viewer.messages[left],
        factor=(viewer.own + weights @ viewer.messages[left]).astype(np.float32),
    )
    after = score_all(planted_data, model, without).final
    rivals = scores.candidates.copy()
    assert row["rank"].item() == 1 + (after[rivals] > after[first]).sum()


def test_a_sample_is_repeatable_and_of_people_with_enough_ratings(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    once, again = (faithfulness(planted_data, hybrid, n_users=5, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)
    assert once["user"].nunique() == 5
    assert (planted_data.user_degree[once["user"].unique()] >= 10).all()


def test_where_nobody_has_enough_ratings_the_table_is_empty(
    toy_data: MovieData, hybrid: TrainedModel
) -> None:
    assert faithfulness(toy_data, hybrid).empty


def test_the_summary_is_the_mean_and_the_median_within_their_intervals() -> None:
    table = pd.DataFrame(
        {
            "user": range(40),
            "choice": REASONS,
            "removed": 1,
            "kept": [0.0, 1.0] * 20,
            "rank": [1.0, 1.0, 1.0, 101.0] * 10,
        }
    )
    (row,) = summary(table).to_dict("records")
    assert row["kept"] == 0.5 and row["rank"] == 26 and row["median"] == 1
    for name in ("kept", "rank", "median"):
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    # The normal approximation of the interval of a share: ± 1.96 · √(0.25/40).
    half = 1.96 * np.sqrt(0.25 / 40)
    assert row["kept_low"] == pytest.approx(0.5 - half, abs=0.03)
    assert row["kept_high"] == pytest.approx(0.5 + half, abs=0.03)
