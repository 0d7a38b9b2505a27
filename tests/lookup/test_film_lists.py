"""Lists without ratings: Letterboxd's two formats, IMDb's, titles as typed; every line told."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from data_preparation import MovieData, load_movie_data
from lookup.film_lists import (
    ABSENT,
    MATCHED,
    STATUSES,
    TO_CONFIRM,
    TWICE,
    UNREADABLE,
    FilmList,
    read_film_list,
)
from lookup.imports.files import RatingsFileError
from lookup.ratings_import import TitleIndex
from settings import DEMO_DIR
from tests.conftest import assert_one_sentence

WATCHLIST = (
    "Date,Name,Year,Letterboxd URI\n"
    "2024-01-01,The Matrix,1999,https://boxd.it/1\n"
    "2024-01-02,No Such Film,2031,https://boxd.it/2\n"
    "2024-01-03,Matrix,1999,https://boxd.it/1\n"
    "2024-01-04,Jaws,1975,https://boxd.it/3\n"
)
LIST = (
    "Letterboxd list export v7\n"
    "Date,Name,Tags,URL,Description\n"
    '2024-01-01,Rainy days,,https://boxd.it/a,"Two lines,\nof a description"\n'
    "\n"
    "Position,Name,Year,URL,Description\n"
    "1,Jaws,1975,https://boxd.it/3,\n"
    "2,The Matrix,1999,https://boxd.it/1,again\n"
)
IMDB = (
    "Position,Const,Created,Modified,Description,Title,Original Title,URL,Title Type,IMDb Rating,"
    "Runtime (mins),Year,Genres,Num Votes,Release Date,Directors\n"
    "1,tt0133093,2024-01-01,2024-01-01,,Die Matrix,The Matrix,https://www.imdb.com/title/tt0133093,"
    "Movie,8.7,136,1999,Action,2000000,1999-03-31,X\n"
    "2,tt0944947,2024-01-01,2024-01-01,,Jaws,Jaws,https://www.imdb.com/title/tt0944947,"
    "TV Series,9.2,57,1975,Drama,2000000,2011-04-17,Y\n"
)


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module")
def index(data: MovieData) -> TitleIndex:
    return TitleIndex.of(data)


def names(found: FilmList, index: TitleIndex) -> list[str]:
    return [index.films[movie] for movie in found.movies]


@pytest.mark.parametrize("text", [WATCHLIST, WATCHLIST.replace(",", ";")])
def test_a_watchlist_of_letterboxd(text: str, index: TitleIndex) -> None:
    found = read_film_list(text.encode(), index)
    assert names(found, index) == ["The Matrix (1999)", "Jaws (1975)"]
    assert found.rows["status"].tolist() == [MATCHED, ABSENT, TWICE, MATCHED]
    assert found.rows["line"].tolist() == [2, 3, 4, 5]
    assert found.rows["note"].tolist()[1:3] == [
        f"The catalogue ends with {index.last_year}.",
        "As line 2.",
    ]
    assert found.summary == "Found 2 of 4 lines; 1 not in the catalogue, 1 listed twice."


def test_a_list_of_letterboxd_below_its_header_lines(index: TitleIndex) -> None:
    found = read_film_list(LIST.encode(), index)
    assert names(found, index) == ["Jaws (1975)", "The Matrix (1999)"]
    assert found.rows["line"].tolist() == [7, 8]


def test_a_list_of_imdb_by_its_numbers_without_series(index: TitleIndex) -> None:
    found = read_film_list(IMDB.encode("windows-1252"), index)
    assert names(found, index) == ["The Matrix (1999)"]
    assert found.rows["status"].tolist() == [MATCHED, ABSENT]
    assert found.rows["note"].tolist() == ["", "TV Series"]


def test_the_watchlist_of_an_archive(index: TitleIndex) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("ratings.csv", "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,X,1,u,5")
        archive.writestr("watchlist.csv", WATCHLIST)
        archive.writestr("lists/rainy-days.csv", LIST)
    found = read_film_list(packed.getvalue(), index)
    assert names(found, index) == ["The Matrix (1999)", "Jaws (1975)"]
    assert found.notes == ("Read from watchlist.csv in the archive.",)


def test_titles_as_typed(index: TitleIndex) -> None:
    typed = "The Matrix (1999)\n\n- Jaws\n3. Good, the Bad and the Ugly\nnobody knows it\n"
    typed += "x" * 400
    found = read_film_list(typed, index)
    assert names(found, index)[:2] == ["The Matrix (1999)", "Jaws (1975)"]
    rows = found.rows.set_index("line")
    assert rows["status"].to_dict() == {
        1: MATCHED,
        3: MATCHED,
        4: MATCHED if "The Good, the Bad and the Ugly (1966)" in index.films else ABSENT,
        5: ABSENT,
        6: UNREADABLE,
    }
    assert rows.loc[3, "note"] == "The only film of that title."


def test_a_title_of_several_films_is_asked_about(real_data: MovieData) -> None:
    index = TitleIndex.of(real_data)
    found = read_film_list("King Kong\nKing Kong (1933)", index)
    assert names(found, index) == ["King Kong (1933)"]
    assert found.rows["status"].tolist() == [TO_CONFIRM, MATCHED]
    assert {index.years[movie] for movie in found.open[1]} == {1933, 1976, 2005}


@pytest.mark.parametrize(
    "content",
    [b"", b"\n \n", b"PK\3\4rubbish", b"\0\1\2" * 99, b"Letterboxd list export v7\nDate,Name\n"],
)
def test_what_is_no_list_is_refused_in_one_sentence(content: bytes, index: TitleIndex) -> None:
    with pytest.raises(RatingsFileError) as refused:
        read_film_list(content, index)
    assert_one_sentence(str(refused.value))


@settings(max_examples=60, deadline=None)
@given(some.text(max_size=200), some.booleans())
def test_any_text_accounts_for_every_line(index: TitleIndex, text: str, as_file: bool) -> None:
    try:
        found = read_film_list(text.encode() if as_file else text, index)
    except RatingsFileError as refused:
        assert_one_sentence(str(refused))
        return
    assert set(found.rows["status"]) <= set(STATUSES)
    assert (found.rows["status"] == MATCHED).sum() == len(found.movies)
    assert (found.rows["status"] == TO_CONFIRM).sum() == len(found.open)
