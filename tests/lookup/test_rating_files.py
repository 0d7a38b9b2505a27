"""Rating files as people have them, each with its right value: one test per kind of fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_preparation import MovieData, load_movie_data
from lookup.ratings_import import ImportedRatings, TitleIndex, read_ratings_file
from settings import DEMO_DIR
from tests.conftest import REPOSITORY

CASES = REPOSITORY / "tests" / "data"


@pytest.fixture(scope="module")
def index(real_data: MovieData) -> TitleIndex:
    return TitleIndex.of(real_data)


def case(name: str, index: TitleIndex) -> ImportedRatings:
    return read_ratings_file((CASES / name).read_bytes(), index)


def raw_stars(imported: ImportedRatings, data: MovieData) -> dict[int, float]:
    """The stars by raw movie id."""
    return {int(data.movie_ids[movie]): stars for movie, stars in imported.stars.items()}


def test_the_export_of_movielens_org(real_data: MovieData, index: TitleIndex) -> None:
    found = case("movielens-org-export/movielens-ratings.csv", index)
    assert raw_stars(found, real_data) == {318: 5.0, 260: 4.5, 2571: 4.0, 6711: 3.5}


def test_the_columns_of_imdb_before_2017(real_data: MovieData, index: TitleIndex) -> None:
    found = case("imdb-before-2017/ratings.csv", index)
    assert raw_stars(found, real_data) == {1573: 3.5, 47: 4.5}
    assert [f"{day:%Y-%m-%d}" for day in found.dates.values()] == ["2015-01-03", "2015-01-04"]


def test_windows_1252(real_data: MovieData, index: TitleIndex) -> None:
    found = case("imdb-windows-1252/ratings.csv", index)
    assert raw_stars(found, real_data) == {4973: 4.5, 293: 4.0}
    assert found.rows["title"].tolist() == [
        "Le fabuleux destin d'Amélie Poulain (2001)",
        "Léon (1994)",
    ]
    assert any("Windows-1252" in note for note in found.notes)


def test_localised_titles_of_imdb_in_data_without_imdb_ids() -> None:
    data = load_movie_data(Path(DEMO_DIR))
    found = read_ratings_file((CASES / "imdb-localised-titles/ratings.csv").read_bytes(), data)
    assert [data.labels[movie] for movie in found.stars] == [
        *["Toy Story (1995)", "The Matrix (1999)", "The Godfather (1972)"]
    ]
    assert list(found.stars.values()) == [4.5, 4.0, 5.0]


def test_other_spellings_are_matched_or_one_click_away(
    real_data: MovieData, index: TitleIndex
) -> None:
    found = case("letterboxd-other-spellings/ratings.csv", index)
    stars = raw_stars(found, real_data)
    offered = {line.movies: line.stars for line in found.to_confirm}
    assert stars == {int(real_data.movie_ids[8695]): 4.0}
    assert offered == {(8683,): 3.5, (8693,): 4.0}


def test_one_candidate_is_one_click_away(real_data: MovieData, index: TitleIndex) -> None:
    found = case("letterboxd-one-candidate/ratings.csv", index)
    everything = found.stars | found.single_candidates
    assert {real_data.labels[movie]: stars for movie, stars in everything.items()} == {
        "Star Wars: Episode IV - A New Hope (1977)": 5.0,
        "Star Wars: Episode V - The Empire Strikes Back (1980)": 5.0,
        "Star Wars: Episode VI - Return of the Jedi (1983)": 4.0,
        "Moonlight": 4.5,
        "Ready Player One": 2.0,
        "Laputa: Castle in the Sky (1986)": 4.0,
    }


def test_twins_in_the_catalogue_count_as_the_copy_with_more_ratings(
    real_data: MovieData, index: TitleIndex
) -> None:
    found = case("letterboxd-catalogue-duplicates/ratings.csv", index)
    assert found.stars == {5931: 3.0, 650: 4.0, 4169: 3.5, real_data.inner_movie(2571): 4.0}


def test_a_year_off_never_replaces_the_exact_year(real_data: MovieData, index: TitleIndex) -> None:
    found = case("letterboxd-two-films-one-year-apart/ratings.csv", index)
    assert {real_data.labels[movie]: stars for movie, stars in found.stars.items()} == {
        "Titanic (1997)": 5.0,
        "Sherlock Holmes (2009)": 4.5,
    }
    assert found.rows["status"].tolist() == ["matched", "matched", "uncertain", "uncertain"]


def test_the_zip_of_letterboxd(real_data: MovieData, index: TitleIndex) -> None:
    found = case("letterboxd-zip/letterboxd-someone-2024-01-01.zip", index)
    assert raw_stars(found, real_data) == {6: 4.5}


@pytest.mark.parametrize(
    ("name", "stars"), [("ratings.csv", {6: 4.5, 608: 3.0}), ("unicode-text.txt", {6: 4.5})]
)
def test_what_spreadsheets_make_of_it(
    real_data: MovieData, index: TitleIndex, name: str, stars: dict[int, float]
) -> None:
    assert raw_stars(case(f"letterboxd-semicolons/{name}", index), real_data) == stars


def test_a_ten_point_file_is_converted_whole(real_data: MovieData, index: TitleIndex) -> None:
    found = case("ten-point-scale/my_ratings.csv", index)
    assert list(found.stars.values()) == [4.5, 5.0, 2.5, 2.0, 1.0, 1.5]
    assert any("out of 10" in note for note in found.notes)
