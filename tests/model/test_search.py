"""The search for settings: repeatable, within its budget, and it finds what was planted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from data_preparation import MovieData
from model import search as search_module
from model.bpr import Learner, StopTraining
from model.config import SETTINGS, TrainingConfig
from model.fitted_start import spectrum
from model.hybrid_graph import Content, build_graph, content_edges
from model.search import SearchResult, Trial, search
from model.splits import Split
from model_training import train
from tests.small_training import hybrid_config

ENDLESS = 3600.0  # no budget cuts it short: repeatable


def searching(**changes: Any) -> TrainingConfig:
    return hybrid_config(**{"dim": 40, "search_seconds": ENDLESS} | changes)


def split_of(stars: np.ndarray, seed: int = 0) -> Split:
    """A fifth of each person's ratings for validation, a fifth for test."""
    rng = np.random.default_rng(seed)
    part = np.where(stars > 0, rng.choice(3, size=stars.shape, p=[0.6, 0.2, 0.2]), -1)
    return Split(
        "by hand", *(sparse.csr_array((stars * (part == n)).astype(np.float32)) for n in range(3))
    )


@pytest.fixture(autouse=True)
def one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second and the third are as the first, with shorter steps."""
    monkeypatch.setattr(search_module, "_SWEEPS", 1)


N_USERS, N_MOVIES, N_GROUPS = 200, 80, 4


def groups(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(N_GROUPS, size=N_USERS), rng.integers(N_GROUPS, size=N_MOVIES)


def watched(own: float, other: float, seed: int = 1) -> np.ndarray:
    """bool [N_USERS, N_MOVIES]: chances to see a film of one's own group and of another."""
    users, films = groups()
    chance = np.where(users[:, None] == films, own, other)
    return np.random.default_rng(seed).random(chance.shape) < chance


def content_of(labels: np.ndarray) -> Content:
    """A genre node per label."""
    rows = [(labels == label).astype(np.float32) for label in np.unique(labels)]
    return {"genre": sparse.csr_array(np.array(rows))}


def test_settings_that_only_disturb_lose_weight_and_those_that_help_gain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search_module, "_SWEEPS", 3)
    # People see films of their group; the genre is the group itself, or says nothing.
    split = split_of(watched(0.25, 0.02) * 4.0)
    noise = np.random.default_rng(5).integers(N_GROUPS, size=N_MOVIES)
    assert search(split, content_of(noise), searching(genre=5.0)).config.genre < 1.0
    assert search(split, content_of(groups()[1]), searching(genre=0.03)).config.genre > 0.1


def test_where_stars_carry_the_signal_taste_gains_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "_SWEEPS", 3)
    # Everybody sees films of all groups alike, likes those of their own, and sees more of these
    # later: in train nothing but the stars tells the groups apart.
    users, films = groups()
    own = users[:, None] == films
    rng = np.random.default_rng(2)
    seen = rng.random(own.shape) < 0.35
    stars = np.where(own, 5.0, 1.0) * seen
    later = own & ~seen & (rng.random(own.shape) < 0.6)
    half = rng.random(own.shape) < 0.5
    parts = (stars, 5.0 * (later & half), 5.0 * (later & ~half))
    split = Split("by hand", *(sparse.csr_array(part.astype(np.float32)) for part in parts))
    result = search(split, {}, searching(taste=0.1))
    assert result.config.taste > 0.5
    assert result.trials[-2].changed == "watch" and result.config.like > 0


def test_data_without_stars_are_searched_without_taste_and_strengths() -> None:
    split = split_of(watched(0.3, 0.05) * 1.0)
    result = search(split, {}, searching())
    assert not {"taste", "watch", "like"} & {trial.changed for trial in result.trials}
    assert (result.config.watch, result.config.like) == (0.2, 0.4)


@pytest.fixture(scope="module")
def result(planted_data: MovieData, split: Split) -> SearchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "_SWEEPS", 1)
        return search(split, content_edges(planted_data), searching())


def test_the_search_is_repeatable(
    planted_data: MovieData, split: Split, result: SearchResult
) -> None:
    np.random.seed(5)
    again = search(split, content_edges(planted_data), searching())
    assert again.config == result.config

    def kept(trials: tuple[Trial, ...]) -> list[str]:
        return [repr(replace(trial, seconds=0.0)) for trial in trials]

    assert kept(again.trials) == kept(result.trials)


def test_trials_tell_what_became_better_in_order(
    planted_data: MovieData, split: Split, result: SearchResult
) -> None:
    told: list[Trial] = []
    search(split, content_edges(planted_data), searching(), on_trial=told.append)
    asked = [trial for trial in result.trials if trial.changed not in ("watch", "like")]
    assert [trial.changed for trial in told] == [trial.changed for trial in asked]
    assert all(one.seconds <= other.seconds for one, other in pairwise(result.trials))
    assert [trial.changed for trial in result.trials[:2]] == ["start", "start"]
    assert {trial.changed for trial in result.trials} - {"start"} <= SETTINGS.keys()
    last_fit = max(i for i, trial in enumerate(asked) if trial.changed == "user_exponent")
    best = -1.0
    for trial in asked[:last_fit]:
        assert trial.better == (trial.score > best)
        best = max(best, trial.score)


def test_of_many_ratings_the_sweeps_see_some_people_and_the_model_is_fitted_to_all(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = search_module.some_people(split, split.train.nnz // 3, seed=0)
    assert 0 < few.train.nnz < split.train.nnz / 2
    assert few.validation.shape[0] == few.train.shape[0] < split.train.shape[0]
    assert search_module.some_people(split, split.train.nnz, seed=0) is split
    monkeypatch.setattr(search_module, "_SWEPT_RATINGS", split.train.nnz // 3)
    content = content_edges(planted_data)
    found = search(split, content, searching())
    assert found.fitted is not None
    whole = spectrum(build_graph(split.train, content, found.config), found.config.dim, 3)
    np.testing.assert_array_equal(found.fitted.vectors, whole.vectors)


def test_the_learner_takes_the_eigenpairs_that_the_search_ended_with(
    planted_data: MovieData, split: Split, result: SearchResult
) -> None:
    content = content_edges(planted_data)
    taken = Learner(split.train, content, result.config, fitted=result.fitted)
    anew = Learner(split.train, content, result.config)
    assert result.fitted is not None
    np.testing.assert_array_equal(taken.weights(), anew.weights())
    np.testing.assert_array_equal(taken.scale, anew.scale)


def test_what_it_does_not_choose_stays(result: SearchResult) -> None:
    assert result.config.search_seconds == 0
    for name in ("model", "dim", "layers", "epochs", "seed", "warm_start", "learning_rate"):
        assert getattr(result.config, name) == getattr(searching(), name)


def test_settings_that_were_found_give_the_score_that_they_were_chosen_by(
    planted_data: MovieData, split: Split
) -> None:
    searched = train(planted_data, split, searching())
    assert searched.trials and searched.config.search_seconds == 0
    again = train(planted_data, split, searched.config)
    assert again.trials == () and again.config == searched.config
    np.testing.assert_array_equal(again.e0, searched.e0)
    assert again.test_metrics == searched.test_metrics
    # The last two trials are the strengths, each chosen by its own metric on validation.
    watch, like = searched.trials[-2:]
    assert (watch.changed, like.changed) == ("watch", "like")
    assert (watch.value, like.value) == (searched.config.watch, searched.config.like)
    assert again.history[0].metrics["liked NDCG@20"] == pytest.approx(like.score)


def test_the_choice_never_looks_at_test(planted_data: MovieData, split: Split) -> None:
    # Other stars, and other pairs of the same films and people. No film of these is new to train,
    # so the same films compete.
    found = search(split, {}, searching())
    other = split.test.copy()
    other.data = 5.5 - other.data
    assert search(replace(split, test=other), {}, searching()).config == found.config
    known = (split.train + split.validation).toarray() > 0
    free = np.argwhere(~known & (np.diff(split.train.tocsc().indptr) > 0))
    chosen = free[np.random.default_rng(0).choice(len(free), 40, replace=False)]
    moved = np.zeros(split.train.shape, np.float32)
    moved[tuple(chosen.T)] = 4.0
    only = ~known.any(axis=0)  # films that compete because of their test ratings stay in test
    moved[:, only] = split.test.toarray()[:, only]
    moved_split = replace(split, test=sparse.csr_array(moved))
    assert (moved_split.rated_movies() == split.rated_movies()).all()
    assert search(moved_split, {}, searching()).config == found.config
    # It does look at validation.
    fewer = split.validation.copy()
    fewer.data = 5.5 - fewer.data
    scores = [t.score for t in search(replace(split, validation=fewer), {}, searching()).trials]
    assert scores != [trial.score for trial in found.trials]


def test_the_budget_is_kept_but_for_the_fits_that_every_search_makes(
    planted_data: MovieData, split: Split, result: SearchResult
) -> None:
    short = search(split, content_edges(planted_data), searching(search_seconds=1e-6))
    names = [trial.changed for trial in short.trials]
    assert names[:2] == ["start", "start"] and names[-2:] == ["watch", "like"]
    assert set(names[2:-2]) == {"ridge"}  # at the final rank, with eigenpairs that it has
    assert len(names) < len(result.trials)


def test_a_pause_costs_none_of_the_budget(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0

    def thread_time() -> int:  # a clock on which everything takes a moment and a pause an hour
        nonlocal now
        now += 1
        return now

    def pause() -> None:
        nonlocal now
        now += 3600

    monkeypatch.setattr(search_module, "time", SimpleNamespace(thread_time=thread_time))
    paused, not_paused = (
        len(search(split, {}, searching(search_seconds=50.0), before_fit=before).trials)
        for before in (pause, lambda: None)
    )
    assert paused == not_paused > 12


@pytest.mark.parametrize("at", [1, 2, 9])
@pytest.mark.parametrize("stop", [StopTraining, KeyboardInterrupt])
def test_a_stop_keeps_the_best_so_far(
    planted_data: MovieData, split: Split, result: SearchResult, at: int, stop: type
) -> None:
    fits = []

    def stops() -> None:
        fits.append(1)
        if len(fits) == at:
            raise stop

    found = search(split, content_edges(planted_data), searching(), before_fit=stops)
    assert len(found.trials) == at - 1
    assert [t.score for t in found.trials] == [t.score for t in result.trials[: at - 1]]
    expected = replace(searching(), search_seconds=0.0)
    for trial in found.trials[2:]:
        if trial.better:
            assert getattr(found.config, trial.changed) != getattr(expected, trial.changed)
    if at == 1:
        assert found.config == expected


def test_the_start_is_the_better_of_two_corners(planted_data: MovieData, split: Split) -> None:
    found = search(split, {}, searching(search_seconds=1e-6))
    first, second = found.trials[:2]
    sparse_corner = found.config.user_exponent == 0.5 and found.config.film_exponent == 0.4
    assert sparse_corner == (second.score > first.score)


def test_a_number_that_the_search_finds_is_always_in_range(result: SearchResult) -> None:
    for trial in result.trials:
        if trial.changed in SETTINGS:
            setting = SETTINGS[trial.changed]
            assert setting.low <= trial.value <= setting.high
            assert type(trial.value) is float and type(trial.score) is float
