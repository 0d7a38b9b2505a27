"""The duel's lists are the ones that are measured, and its marks are what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from analysis.duel import (
    EASE,
    ITEM_KNN,
    NAMES,
    OURS,
    POPULARITY,
    Rivals,
    fit_rivals,
    memory_bytes,
    user_duel,
    viewer_duel,
)
from data_preparation import MovieData
from model import evaluation, memory
from model.baselines import ease, item_knn, popularity, tuned_ease
from model.evaluation import evaluate
from model.profiles import PROFILES, Profile
from model.splits import Split
from model.trained import TrainedModel, measured_scorer
from model.viewers import fold_in
from tests.conftest import assert_one_sentence


@pytest.fixture(scope="module")
def rivals(planted_data: MovieData, split: Split) -> Rivals:
    return fit_rivals(planted_data, split)


@pytest.mark.parametrize("which", ["model", "hybrid"])
def test_every_list_of_a_user_is_the_one_that_the_test_measures(
    which: str,
    planted_data: MovieData,
    split: Split,
    rivals: Rivals,
    request: pytest.FixtureRequest,
) -> None:
    model: TrainedModel = request.getfixturevalue(which)
    scorers = {
        OURS: measured_scorer(planted_data, model, split),
        EASE: tuned_ease(split)[0],
        ITEM_KNN: item_knn(split.train),
        POPULARITY: popularity(split.train),
    }
    reports = {name: evaluate(scorer, split, "test") for name, scorer in scorers.items()}
    for place, user in enumerate(reports[OURS].per_user.index):
        duel = user_duel(model, scorers[OURS], rivals, int(user), 10)
        assert tuple(listing.name for listing in duel.listings) == NAMES
        for listing in duel.listings:
            report = reports[listing.name]
            assert list(listing.movies) == report.top[place, :10].tolist(), listing.name
            assert [p.held_out for p in listing.places] == report.stars[place, :10].tolist()
            recall = listing.found / duel.held_out
            assert recall == pytest.approx(report.per_user["Recall@10"].iloc[place])
    for listing in duel.listings:
        assert listing.test["NDCG@20"] == pytest.approx(reports[listing.name].mean()["NDCG@20"])
        low, high = listing.intervals["NDCG@20"]
        assert low <= listing.test["NDCG@20"] <= high


def test_the_settings_of_ease_are_the_ones_of_the_measured_comparison(
    split: Split, rivals: Rivals
) -> None:
    said = {rival.name: rival.setting for rival in rivals.fitted}
    assert said == {
        EASE: f"λ = {tuned_ease(split)[1]:g}, chosen on validation",
        ITEM_KNN: "",
        POPULARITY: "",
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profile_decides_our_list_and_its_figures(
    planted_data: MovieData, split: Split, rivals: Rivals, hybrid: TrainedModel, profile: Profile
) -> None:
    ours = measured_scorer(planted_data, hybrid, split, profile)
    report = evaluate(ours, split, "test")
    hybrid = replace(hybrid, watch_metrics={"NDCG@20": 0.125}, test_metrics={"NDCG@20": 0.25})
    for place, user in enumerate(report.per_user.index[:6]):
        mine = user_duel(hybrid, ours, rivals, int(user), 10, profile).listings[0]
        assert list(mine.movies) == report.top[place, :10].tolist()
        assert mine.test == {"NDCG@20": 0.125 if profile == "watch" else 0.25}


def test_marks_count_the_lists_and_give_our_rank(
    planted_data: MovieData, split: Split, rivals: Rivals, hybrid: TrainedModel
) -> None:
    ours = measured_scorer(planted_data, hybrid, split)
    duel = user_duel(hybrid, ours, rivals, 4, 5)
    every = [movie for listing in duel.listings for movie in listing.movies]
    whole = user_duel(hybrid, ours, rivals, 4, planted_data.n_movies).listings[0].movies
    for listing in duel.listings:
        for place in listing.places:
            assert place.lists == every.count(place.movie)
            assert whole[place.ours - 1] == place.movie
    assert [place.ours for place in duel.listings[0].places] == [1, 2, 3, 4, 5]
    assert duel.in_all == sum(every.count(movie) == 4 for movie in set(every))


def test_a_visitor_gets_the_lists_of_models_of_all_ratings(
    planted_data: MovieData, rivals: Rivals, hybrid: TrainedModel
) -> None:
    """Someone with the ratings of a user has the lists of the baselines fitted to everything."""
    user = 6
    stars = dict(
        zip(
            planted_data.rated_by(user).tolist(),
            planted_data.stars_of(user).tolist(),
            strict=True,
        )
    )
    viewer = fold_in(planted_data, hybrid, stars)
    duel = viewer_duel(planted_data, hybrid, viewer, rivals, 8)
    known = planted_data.ratings[[user]].toarray()[0] > 0
    tuned = partial(ease, l2=tuned_ease(rivals.split)[1])
    makers: dict[str, Callable] = {EASE: tuned, ITEM_KNN: item_knn, POPULARITY: popularity}
    for name, make in makers.items():
        scores = make(planted_data.ratings)(np.array([user]))[0].astype(float)
        scores[known | (planted_data.movie_degree == 0)] = -np.inf
        listing = duel.listing(name)
        assert listing is not None and not set(listing.movies) & set(stars)
        found = scores[list(listing.movies)]
        np.testing.assert_allclose(found, np.sort(scores)[::-1][:8], atol=1e-4)
    assert duel.held_out == 0 and all(listing.found == 0 for listing in duel.listings)


def test_what_needs_too_much_memory_is_left_out_with_a_sentence(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = memory_bytes(planted_data)
    assert needed[POPULARITY] < min(needed[EASE], needed[ITEM_KNN])
    monkeypatch.setattr(memory, "machine_memory", lambda: 4 * needed[POPULARITY])
    few = fit_rivals(planted_data, split)
    assert [rival.name for rival in few.fitted] == [POPULARITY]
    assert len(few.left_out) == 2
    for sentence in few.left_out:
        assert_one_sentence(sentence)


def test_of_large_data_the_people_are_measured_whom_a_training_measures(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "_SCORES_MEASURED", 7 * planted_data.n_movies)
    popular = fit_rivals(planted_data, split).fitted[-1]
    report = evaluate(popularity(split.train), split, "test", sample_users=7)
    assert len(report.per_user) == 7
    assert popular.test["NDCG@20"] == pytest.approx(report.mean()["NDCG@20"])


def test_without_a_measured_model_the_others_still_compare(
    planted_data: MovieData, rivals: Rivals, hybrid: TrainedModel
) -> None:
    duel = user_duel(hybrid, None, rivals, 3, 5)
    assert [listing.name for listing in duel.listings] == list(NAMES[1:])
    assert all(place.ours is None for listing in duel.listings for place in listing.places)


def test_progress_is_reported_and_grows(planted_data: MovieData, split: Split) -> None:
    steps: list[tuple[str, float]] = []
    fit_rivals(planted_data, split, lambda what, share: steps.append((what, share)))
    shares = [share for _, share in steps]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] < 1
    assert {what.split(":")[0] for what, _ in steps} == set(NAMES[1:])
