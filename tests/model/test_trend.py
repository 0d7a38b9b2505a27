"""What is popular now: by hand, chosen on data whose answer is known, exact sums, nothing later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import model_training
from analysis.counterfactual import ranks_without, refitted_ranks, viewer_without
from data_preparation import MovieData
from model.as_of import data_before, model_of
from model.bpr import StopTraining
from model.checkpoints import _digest, load_checkpoint, save_checkpoint
from model.explanation import explain
from model.splits import chosen
from model.trained import (
    TrainedModel,
    no_trend_in_words,
    trend_in_words,
    trend_strength,
    with_trend,
)
from model.trend import Trend, TrendChoice
from model.trend_choice import SHARES, STRENGTHS, best_of, choose_trend, only_proved, trends_before
from model.viewers import aged, fold_in, user_viewer
from model_training import RunInProgress, measured_run
from prediction import recommend, score_all, trend_of_film_in_words, trend_part
from tests.conftest import assert_one_sentence
from tests.small_training import hybrid_config

CHOICE = TrendChoice(0.1, {"watch": 0.0, "like": 0.4}, {"watch": (0.1, 0.1), "like": (0.1, 0.2)}, 9)


@pytest.fixture
def trendy(planted_data: MovieData, hybrid: TrainedModel) -> TrainedModel:
    return with_trend(planted_data, hybrid, CHOICE)


def test_a_trend_by_hand() -> None:
    # Film 0 has 6 of 10 ratings and 1 of the latest 3, film 1 has 3 and 2, film 2 has 1 and none.
    films = np.array([0, 0, 0, 0, 0, 1, 2, 0, 1, 1])
    when = np.array([1, 1, 2, 2, 3, 3, 4, 8, 9, 9])
    trend = Trend.of(films, when, 4, 0.2)
    assert trend.lately.tolist() == [1, 2, 0, 0] and (trend.since, trend.until) == (8, 9)
    assert trend.expected == pytest.approx([1.8, 0.9, 0.3, 0]) and trend.ratings == 3
    by_hand = np.log([2 / 2.8, 3 / 1.9, 1 / 1.3, 1])
    np.testing.assert_allclose(trend.log_ratio, by_hand, rtol=1e-6)
    assert not Trend.of(films, np.zeros(10, int), 4, 0.2).log_ratio.any()  # all at once


@given(st.integers(0, 2**32 - 1), st.sampled_from(SHARES))
def test_a_trend_does_not_depend_on_when_the_data_end_or_how_time_runs(
    seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    films, when = rng.integers(0, 9, 200), rng.integers(0, 50, 200)
    found = Trend.of(films, when, 9, share).log_ratio
    stretched = Trend.of(films, 3_600 * when + 10**9, 9, share).log_ratio
    np.testing.assert_array_equal(found, stretched)


# --- chosen on later ratings ----------------------------------------------------------------------


def fashions(shuffled: bool) -> list[tuple]:
    """60 people, each rating three films in each of 12 years, of the 12 that are in fashion then;
    shuffled, the years tell nothing."""
    rng = np.random.default_rng(0)
    rows: dict[tuple[int, int], int] = {}
    for year in range(12):
        for user in range(60):
            for film in rng.choice(12, 3, replace=False):
                rows.setdefault((user, int(film) + 6 * year), year)
    times = np.array(list(rows.values()))
    if shuffled:
        times = rng.permutation(times)
    return [
        (
            user + 1,
            film + 1,
            float(rng.integers(4, 11)) / 2,
            int(10_000_000 * time + rng.integers(9)),
        )
        for (user, film), time in zip(rows, times, strict=True)
    ]


@pytest.fixture
def fashion(load: Callable[..., MovieData]) -> Callable[[bool], MovieData]:
    films = [(film + 1, f"Film {film} (1999)", "Drama") for film in range(78)]
    return lambda shuffled: load(ratings=fashions(shuffled), movies=films, tags=None, links=None)


def test_where_fashions_come_and_go_what_is_popular_now_counts(
    fashion: Callable[[bool], MovieData],
) -> None:
    data = fashion(False)
    choice = choose_trend(data, hybrid_config())
    assert choice is not None and choice.people > 60
    for profile, (before, after) in choice.quality.items():
        assert choice.strengths[profile] > 0 and after > before + 0.05


def test_where_dates_tell_nothing_it_does_not_count(fashion: Callable[[bool], MovieData]) -> None:
    choice = choose_trend(fashion(True), hybrid_config())
    assert choice is not None and set(choice.strengths.values()) == {0.0}


def test_data_too_small_for_windows_have_a_choice_of_nothing(toy_data: MovieData) -> None:
    same = replace(toy_data, timestamps=np.zeros_like(toy_data.timestamps))
    choice = choose_trend(same, hybrid_config())
    assert choice is not None and set(choice.strengths.values()) == {0.0} and not choice.people


def test_a_stop_leaves_no_choice(planted_data: MovieData) -> None:
    def stop() -> None:
        raise StopTraining

    assert choose_trend(planted_data, hybrid_config(), stop) is None


def test_the_least_of_the_best_strengths_is_taken_where_windows_agree() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.01, 200)
    flat = {0.0: 0.1, 0.1: 0.2, 0.2: 0.3}  # from 0.2 on all are equal but for noise

    def value(strength: float, gain: float) -> np.ndarray:
        return flat.get(strength, 0.3 + gain) + noise * (1 + strength)

    window = {("watch", share, s): value(s, 0.0) for share in SHARES for s in STRENGTHS}
    window |= {("like", share, s): rng.normal(0.2, 0.1, 200) for share in SHARES for s in STRENGTHS}
    found = best_of([window])
    assert found.strengths["watch"] == 0.2 and found.people == 200
    once = only_proved(found, [window])
    assert set(once.strengths.values()) == {0.0}  # one window proves nothing
    assert only_proved(found, [window] * 3).strengths["watch"] == 0.2
    other = {key: -values for key, values in window.items()}
    assert only_proved(found, [window, other, window]).strengths["watch"] == 0.0


# --- as of a day, nothing later -------------------------------------------------------------------


@given(cut=st.integers(30, 400), seed=st.integers(0, 99))
def test_as_of_a_day_nothing_later_is_known(planted_data: MovieData, cut: int, seed: int) -> None:
    kept = planted_data.timestamps < cut
    later = np.where(kept, planted_data.timestamps, 10_000 + seed * planted_data.timestamps)
    other = replace(planted_data, timestamps=later)
    alone = replace(
        planted_data,
        ratings=chosen(planted_data.ratings, kept),
        timestamps=planted_data.timestamps[kept],
    )
    for share in SHARES:
        expected = Trend.of(alone.ratings.indices, alone.timestamps, 48, share).log_ratio
        for data in (planted_data, other):
            np.testing.assert_array_equal(trends_before(data, cut)[share].log_ratio, expected)


def test_the_model_of_a_day_has_the_trend_of_that_day(
    planted_data: MovieData, trendy: TrainedModel
) -> None:
    then = data_before(planted_data, 200)
    fitted = model_of(then, trendy)
    assert fitted.trend is not None and fitted.trend.until == 199
    assert trend_strength(fitted, "like") == 0.4
    scores = score_all(then, fitted, user_viewer(then, fitted, 0), popular_now=1.0)
    np.testing.assert_allclose(scores.trend_part, 0.4 * fitted.trend.log_ratio, rtol=1e-6)


# --- exact sums, and all that it meets ------------------------------------------------------------


@pytest.mark.parametrize("novelty", [-0.5, 0.0, 0.5])
def test_the_parts_add_up_and_the_films_own_term_is_the_same_for_everyone(
    planted_data: MovieData, trendy: TrainedModel, novelty: float
) -> None:
    own = []
    for user in (0, 7):
        viewer = user_viewer(planted_data, trendy, user)
        viewer = aged(viewer, planted_data.times_of(user), 3.0)
        plain = score_all(planted_data, trendy, viewer, novelty=novelty)
        scores = score_all(planted_data, trendy, viewer, novelty=novelty, popular_now=0.5)
        assert not plain.trend_part.any()
        np.testing.assert_array_equal(scores.graph_part, plain.graph_part)
        for item in recommend(trendy, scores, 5, diversity=0.3):
            parts = (item.graph_part, item.tag_part, item.popularity_part, item.trend_part)
            assert item.score == pytest.approx(sum(parts), abs=1e-12)
            reasons = explain(planted_data, trendy, viewer, item.movie)
            unit = plain.graph[0] / plain.graph_part[0]
            assert item.graph_part == pytest.approx(reasons.graph_score / unit, abs=1e-5)
            ratio = float(trendy.trend.log_ratio[item.movie]) if trendy.trend else 0.0
            assert item.trend_part == pytest.approx(0.5 * 0.4 * ratio, rel=1e-5)
            said = trend_of_film_in_words(trendy, item)
            assert bool(said) == bool(ratio)
            if said:
                assert_one_sentence(said)
                assert ("adds" in said) == (ratio > 0) and f"{abs(item.trend_part):.3f}" in said
        own.append(scores.trend_part)
    np.testing.assert_array_equal(*own)


def test_ranks_without_a_rating_count_it_as_well(
    planted_data: MovieData, trendy: TrainedModel
) -> None:
    viewer = user_viewer(planted_data, trendy, 4)
    movie = recommend(trendy, score_all(planted_data, trendy, viewer, popular_now=1.0), 3)[2].movie
    removed = viewer.movies[:2].tolist()
    left = viewer_without(planted_data, trendy, viewer, removed)
    scores = score_all(planted_data, trendy, left, popular_now=1.0)
    rivals = scores.candidates & ~np.isin(np.arange(48), removed)
    rank = 1 + int((scores.final[rivals] > scores.final[movie]).sum())
    cases = [(movie, ()), (movie, removed)]
    assert ranks_without(planted_data, trendy, viewer, cases, popular_now=1.0).tolist() == [3, rank]
    (again,) = refitted_ranks(planted_data, trendy, viewer, cases[1:], popular_now=1.0)
    assert 1 <= again <= 48


def test_a_visitor_and_someone_who_liked_nothing_get_it_too(
    planted_data: MovieData, trendy: TrainedModel
) -> None:
    for stars in ({1: 4.0}, {1: 0.5, 2: 0.5}):
        viewer = fold_in(planted_data, trendy, stars)
        scores = score_all(planted_data, trendy, viewer, popular_now=1.0)
        np.testing.assert_array_equal(scores.trend_part, trend_part(trendy, "like", 1.0))


def test_a_model_that_cannot_says_why(
    planted_data: MovieData, trendy: TrainedModel, hybrid: TrainedModel, model: TrainedModel
) -> None:
    viewer = user_viewer(planted_data, trendy, 0)
    at_once = replace(planted_data, timestamps=np.zeros_like(planted_data.timestamps))
    for other, words in (
        (model, "paper's"),
        (hybrid, "training it again"),
        (with_trend(at_once, hybrid, CHOICE), "No rating"),
    ):
        said = no_trend_in_words(other, "like")
        assert words in said
        assert_one_sentence(said)
        with pytest.raises(ValueError, match=words):
            score_all(planted_data, other, viewer, popular_now=0.5)
    assert (
        "No gain" in no_trend_in_words(trendy, "watch") and no_trend_in_words(trendy, "like") == ""
    )
    with pytest.raises(ValueError, match="from 0 to 1"):
        score_all(planted_data, trendy, viewer, popular_now=1.5)
    assert "like 0.1000 to 0.2000" in trend_in_words(trendy) and trend_in_words(hybrid) == ""


def test_a_checkpoint_keeps_the_choice_and_one_of_before_has_none(
    planted_data: MovieData, trendy: TrainedModel, hybrid: TrainedModel, tmp_path: Path
) -> None:
    path = tmp_path / "model.pth"
    save_checkpoint(trendy, path)
    loaded = load_checkpoint(planted_data, path)
    assert loaded.trend_choice == CHOICE and loaded.key == hybrid.key
    assert loaded.trend is not None and trendy.trend is not None
    np.testing.assert_array_equal(loaded.trend.log_ratio, trendy.trend.log_ratio)
    content = torch.load(path, weights_only=True)
    del content["trend_choice"]
    content["digest"] = _digest(content)
    torch.save(content, path)
    assert load_checkpoint(planted_data, path).trend_choice is None


def test_a_run_chooses_it_once_the_model_serves_and_saves_it_wherever_it_lies(
    planted_data: MovieData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_meanwhile = []

    def choose(data: MovieData, *_: object) -> TrendChoice:
        served_meanwhile.append(run.store.in_use(data).model)
        return CHOICE

    monkeypatch.setattr(model_training, "choose_trend", choose)
    run = RunInProgress(planted_data, "random_80_10_10", hybrid_config(), tmp_path / "model.pth")
    assert measured_run(run) and run.problem is None
    (before,) = served_meanwhile
    assert before is not None and before.trend_choice is None
    for path in (run.store.slot, run.store.promoted(planted_data.fingerprint)):
        assert load_checkpoint(planted_data, path).trend_choice == CHOICE
    assert run.model is not None and run.model.trend_choice == CHOICE
    (kept,) = run.store.kept(planted_data.fingerprint)
    assert kept.in_use
