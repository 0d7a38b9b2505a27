"""A taste over time: periods, what moved it, and lists of the past that know nothing later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.as_of import list_before
from analysis.taste import MOST_PERIODS, Period, periods, taste_over_time
from data_preparation import MovieData, load_movie_data
from model.as_of import data_before, end_of, end_within, model_of
from model.profiles import PROFILES
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
from tests.conftest import assert_one_sentence, write_dataset

TAGS = [
    (2, 5, "space", 100),
    (5, 12, "space", 700),
    (2, 12, "dark", 50),
    (8, 19, "Space", 60),
    (5, 5, "dark", 40),
]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def names(*days: str) -> list[str]:
    return [name for name, _ in periods(np.array([at(day) for day in days]))]


def test_periods_are_the_finest_that_are_few() -> None:
    assert names("2003-02-01", "2001-05-05", "2003-02-01") == ["5 May 2001", "1 February 2003"]
    years = [f"{year}-{month:02}-03" for year in (1999, 2000, 2004) for month in range(1, 13)]
    assert names(*years) == ["1999", "2000", "2004"]
    many = [f"{year}-01-01" for year in range(1990, 2010)]
    assert len(names(*many)) == 20 > MOST_PERIODS  # years are never divided further
    months = [f"2003-{month:02}-{day:02}" for month in (3, 4) for day in range(1, 15)]
    assert names(*months) == ["March 2003", "April 2003"]
    one_day = [f"2003-03-03T10:{minute:02}" for minute in range(23)]
    assert names(*one_day) == ["films 1 to 6", "films 7 to 12", "films 13 to 18", "films 19 to 23"]
    assert names(*one_day[:4]) == ["films 1 to 4"]
    assert periods(np.array([])) == []


@given(st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=40))
def test_every_rating_is_in_one_period_and_they_come_in_order(seconds: list[int]) -> None:
    when = np.array(seconds)
    found = [places for _, places in periods(when)]
    assert sorted(np.concatenate(found).tolist()) == list(range(len(when)))
    for one, other in pairwise(found):
        assert when[one].max() <= when[other].min()


def turning(data: MovieData, model: TrainedModel) -> tuple[Viewer, np.ndarray]:
    """Someone who rated films of group 0 in 2001 and 2002, then of group 1 in 2003."""
    stars = {film: 4.0 for film in range(0, 36, 3)} | {film: 4.0 for film in range(1, 13, 3)}
    viewer = fold_in(data, model, stars)
    year = np.where(viewer.movies % 3 == 1, 2003, 2001 + (viewer.movies >= 18))
    days = [f"{each}-{1 + place % 12:02}-07" for place, each in enumerate(year.tolist())]
    return viewer, np.array([at(day) for day in days])


def test_where_a_taste_turns_it_moves_and_the_new_films_moved_it(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    viewer, when = turning(planted_data, hybrid)
    first, second, third = taste_over_time(planted_data, viewer, when)
    assert (first.name, second.name, third.name) == ("2001", "2002", "2003")
    assert np.isnan(first.moved) and second.moved > 0 and third.moved > 0
    unseen = hybrid.movie_messages[13::3].mean(axis=0)  # of group 1

    def towards(period: Period) -> float:
        return float(period.profile @ unseen / np.linalg.norm(period.profile))

    assert towards(third) - towards(second) > 3 * abs(towards(second) - towards(first))
    assert set((viewer.movies[third.places] % 3).tolist()) == {1}
    assert (third.pulls > 0).all()
    assert third.genres.sum() == pytest.approx(1)


def assert_exact(viewer: Viewer, found: list[Period]) -> None:
    """The films' parts add up to the moves, and the last profile is that of all films."""
    for period in found:
        assert period.pulls.sum() == pytest.approx(period.length, abs=1e-9)
    whole = viewer.weights @ viewer.messages.astype(float) / np.abs(viewer.weights).sum()
    np.testing.assert_allclose(found[-1].profile, whole, atol=1e-9)


def test_what_moved_a_taste_adds_up(planted_data: MovieData, hybrid: TrainedModel) -> None:
    for user in range(0, planted_data.n_users, 5):
        viewer = user_viewer(planted_data, hybrid, user)
        assert_exact(viewer, taste_over_time(planted_data, viewer, planted_data.times_of(user)))
    averse = fold_in(planted_data, hybrid, {1: 0.5, 2: 0.5})  # weights below 0
    assert averse.only_averse
    assert_exact(averse, taste_over_time(planted_data, averse, np.array([1e9, 1.1e9])))
    nobody = fold_in(planted_data, hybrid, {})
    assert taste_over_time(planted_data, nobody, np.array([])) == []


# --- as of a day ----------------------------------------------------------------------------------


def tagged(
    tmp_path_factory: pytest.TempPathFactory, planted_data: MovieData, seed: int
) -> MovieData:
    """The planted data with tags, and everything from second 300 on made anew by the seed."""
    rng = np.random.default_rng(seed)
    users, films = planted_data.ratings.nonzero()
    rows = []
    for user, film, stars, second in zip(
        *(users, films, planted_data.ratings.data, planted_data.timestamps), strict=True
    ):
        if second >= 300 and seed:
            if rng.random() < 0.3:
                continue
            stars = rng.integers(1, 11) / 2
            second = rng.integers(300, 2000)
        raw = (planted_data.user_ids[user], planted_data.movie_ids[film])
        rows.append((*raw, float(stars), int(second)))
    movies = [
        (int(raw), f"Film {n} (1999)", "Drama") for n, raw in enumerate(planted_data.movie_ids)
    ]
    tags = TAGS if not seed else [*(t for t in TAGS if t[3] < 300), (8, 26, "dark", 400)]
    folder = write_dataset(tmp_path_factory.mktemp("later"), rows, movies, tags, None)
    return load_movie_data(folder)


def test_a_list_of_the_past_is_the_same_whatever_came_later(
    tmp_path_factory: pytest.TempPathFactory, planted_data: MovieData, hybrid: TrainedModel
) -> None:
    one, *others = (tagged(tmp_path_factory, planted_data, seed) for seed in range(4))
    for profile in PROFILES:
        for user in (0, 4):
            before = list_before(one, hybrid, 300, profile, 8, user)
            assert before.known == (one.times_of(user) < 300).sum() and before.films
            assert before.ratings == 300  # one a second (`planted_ratings`)
            for other in others:
                assert list_before(other, hybrid, 300, profile, 8, user) == before
    stars = {3: 4.5, 6: 3.0}
    assert list_before(one, hybrid, 300, "like", 8, stars=stars) == list_before(
        others[0], hybrid, 300, "like", 8, stars=stars
    )


def test_data_before_hold_nothing_later(
    tmp_path_factory: pytest.TempPathFactory, planted_data: MovieData
) -> None:
    data = tagged(tmp_path_factory, planted_data, 0)
    then = data_before(data, 100)
    assert then.timestamps.max() < 100 and then.n_ratings == 100
    assert then.tags["timestamp"].max() < 100
    assert then.tag_names == ("space",) or "dark" in then.tag_names  # tags on two films by then
    assert data_before(data, 61).tag_names == ("dark",)  # "space" was on one film alone
    assert then.n_movies == data.n_movies and then.n_users == data.n_users
    everything = data_before(data, 10_000)
    assert everything.tag_names == data.tag_names
    assert (everything.ratings != data.ratings).nnz == 0


def test_a_day_ends_at_midnight_utc() -> None:
    assert end_of(date(2000, 1, 1)) == 946_771_200
    assert end_of(date.max) == 253_402_300_800


def test_a_day_must_lie_between_the_first_rating_and_today(
    tmp_path_factory: pytest.TempPathFactory, planted_data: MovieData
) -> None:
    data = tagged(tmp_path_factory, planted_data, 0)
    tags = data.tags.assign(timestamp=np.arange(len(data.tags)) * 86_400)
    later = replace(data, tags=tags)  # the last tag comes days after the last rating
    first = date(1970, 1, 1)
    assert end_within(later, first) == end_of(first)
    assert end_within(data, date(2001, 1, 1)) == end_of(first)
    assert end_within(later, date(2001, 1, 1)) == 86_400 * len(tags)
    for day, says in ((date(1969, 12, 31), "by 1969-12-31"), (date.max, "yet to come")):
        with pytest.raises(ValueError, match=says) as refusal:
            end_within(later, day)
        assert_one_sentence(str(refusal.value))


def test_only_a_closed_form_can_be_fitted_to_the_past(
    planted_data: MovieData, hybrid: TrainedModel, model: TrainedModel
) -> None:
    with pytest.raises(ValueError, match="step by step"):
        model_of(planted_data, model)
    with pytest.raises(ValueError, match="by then"):
        list_before(planted_data, hybrid, 0, "like", 5, 0)
