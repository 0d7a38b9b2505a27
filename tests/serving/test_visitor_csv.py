"""A visitor's films as a file: what is exported is read back equal."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_preparation import MovieData, load_movie_data
from lookup.ratings_import import ImportedRatings, TitleIndex, read_ratings_file
from serving.visitor_csv import own_films_csv
from settings import DEMO_DIR
from tests.conftest import write_dataset

DEMO = load_movie_data(DEMO_DIR)
INDEX = TitleIndex.of(DEMO)
COUNTING = [int(movie) for movie in np.unique(DEMO.canonical)]  # of twins, the copy that is offered
MOVIES = st.sampled_from(COUNTING)
DAYS = st.dates(date(1900, 1, 1), date(2999, 12, 31)).map(lambda day: day.isoformat())
STARS = st.integers(1, 10).map(lambda halves: halves / 2)


def as_text(days: dict[int, date]) -> dict[int, str]:
    return {movie: day.isoformat() for movie, day in days.items()}


def everything(found: ImportedRatings) -> tuple[dict, ...]:
    lists = (found.dates, found.shortlist, found.not_interested)
    return (found.stars, *map(as_text, lists))


@given(
    st.dictionaries(MOVIES, st.tuples(STARS, st.none() | DAYS), max_size=20),
    st.dictionaries(MOVIES, DAYS, max_size=8),
    st.dictionaries(MOVIES, DAYS, max_size=8),
)
def test_what_is_exported_is_read_back_equal(
    ratings: dict[int, tuple[float, str | None]],
    shortlist: dict[int, str],
    unwanted: dict[int, str],
) -> None:
    stars = {movie: value for movie, (value, _) in ratings.items()}
    dates = {movie: day for movie, (_, day) in ratings.items() if day}
    content = own_films_csv(DEMO, stars, dates, shortlist, unwanted)
    if stars or shortlist or unwanted:
        found = read_ratings_file(content, INDEX)
        assert everything(found) == (stars, dates, shortlist, unwanted)
        assert found.format == "this app"
        assert set(found.counts) <= {"matched", "on a list"}


def test_titles_that_spreadsheets_would_run_come_back(tmp_path: Path) -> None:
    titles = ("=1+1 (1999)", "+1 (2000)", "-Me, the (2001)", "@ (2002)", "'Til (1997)", 'A "b", c')
    data = load_movie_data(
        write_dataset(
            tmp_path / "odd",
            ratings=[(1, 1 + n, 4.0, n) for n in range(6)],
            movies=[(1 + n, title, "Drama") for n, title in enumerate(titles)],
            tags=None,
            links=None,
        )
    )
    stars = {movie: 0.5 + movie / 2 for movie in range(6)}
    found = read_ratings_file(own_films_csv(data, stars, {}, {0: "2024-02-29"}, {}), data)
    assert found.stars == stars
    assert as_text(found.shortlist) == {0: "2024-02-29"}


@pytest.mark.parametrize("listed", ["shortlist since", "not interested since"])
def test_a_film_that_is_only_on_a_list_is_no_rating(toy_data: MovieData, listed: str) -> None:
    days = ({0: "2024-01-31"}, {}) if listed.startswith("short") else ({}, {0: "2024-01-31"})
    found = read_ratings_file(own_films_csv(toy_data, {}, {}, *days), toy_data)
    assert found.summary == "Matched 0 of 1 line (this app); 1 on a list."
    assert found.stars == {}
    assert everything(found)[2:] == days
