"""Rating files as people have them, each with its right value: one test per kind of fault."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from data_preparation import MovieData, load_movie_data
from lookup.ratings_import import (
    ImportedRatings,
    Points,
    RatingsFileError,
    ScaleError,
    TitleIndex,
    read_ratings_file,
)
from settings import DEMO_DIR
from tests.conftest import REPOSITORY, assert_one_sentence

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


# --- more of each kind ----------------------------------------------------------------------------

LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating"
HEAT, FARGO, MATRIX = 6, 608, 2571  # raw ids


def read(content: bytes | str, index: TitleIndex, points: Points | None = None) -> ImportedRatings:
    content = content.encode() if isinstance(content, str) else content
    return read_ratings_file(content, index, points)


def refusal(content: bytes | str, index: TitleIndex) -> str:
    with pytest.raises(RatingsFileError) as caught:
        read(content, index)
    assert_one_sentence(str(caught.value))
    return str(caught.value)


def zipped(packing: int = zipfile.ZIP_DEFLATED, **files: str | bytes) -> bytes:
    """An archive of these files; `__` in a name stands for a folder, `_csv` for the ending."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(
                name.replace("__", "/").replace("_csv", ".csv").replace("MAC", "__MACOSX"), content
            )
    return buffer.getvalue()


PERSON = f"{LETTERBOXD}\n2021-01-01,Heat,1995,u,4.5\n2021-01-02,Léon,1994,u,3\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PERSON.encode("utf-8-sig"), ""),
        (PERSON.encode("utf-16"), "UTF-16"),
        (PERSON.encode("utf-16-le"), "UTF-16"),
        (PERSON.encode("utf-16-be"), "UTF-16"),
        (b"\xfe\xff" + PERSON.encode("utf-16-be"), "UTF-16"),
        (PERSON.encode("utf-32"), "UTF-32"),
        (PERSON.encode("windows-1252"), "Windows-1252"),
        (PERSON.encode("mac_roman"), "Mac Roman"),
        (PERSON.replace("4.5", "４．５").replace(",3\n", ",３\n").encode(), ""),
        (PERSON.replace("\n", "\r").encode(), ""),
        (PERSON.replace(",", ";").replace("4.5", "4,5").encode("windows-1252"), "semicolons"),
        (PERSON.replace(",", "\t").encode("utf-16"), "tabs"),
        (PERSON.replace(",", "|").encode(), "vertical bars"),
        (("sep=;\r\n" + PERSON.replace(",", ";")).encode(), "semicolons"),
        (PERSON.replace("4.5", '"4,5"').encode(), ""),
        (PERSON.replace("\n", ",,,\n").encode(), ""),
        (PERSON.upper().replace("LÉON", "léon").encode(), ""),
    ],
)
def test_encodings_and_separators(
    real_data: MovieData, index: TitleIndex, content: bytes, says: str
) -> None:
    found = read(content, index)
    assert raw_stars(found, real_data) == {HEAT: 4.5, 293: 3.0}
    assert says in " ".join(found.notes) and bool(found.notes) == bool(says)
    for note in found.notes:
        assert_one_sentence(note)


def test_a_damaged_letter_does_not_turn_all_others_into_windows_1252(index: TitleIndex) -> None:
    found = read((PERSON + "2021-01-03,Amélie,2001,u,").encode() + b"\xff\n", index)
    assert len(found.stars) == 2 and "damaged" in found.notes[0]


@pytest.mark.parametrize(
    ("title", "encoding"),
    [
        ("Schindler’s List", "windows-1252"),
        ("Schindler’s List", "mac_roman"),
        ("Amélie", "windows-1252"),
        ("Amélie", "mac_roman"),
        ("Żółć and Œuvre…", "windows-1252"),
        ("Über Ängste", "windows-1252"),
        ("Über Ängste", "mac_roman"),
        ("¿Qué he hecho yo…?", "mac_roman"),
    ],
)
def test_one_byte_for_each_letter(index: TitleIndex, title: str, encoding: str) -> None:
    found = read(f"Title,Rating\n{title},4\n".encode(encoding, "ignore"), index)
    assert found.rows["title"].tolist() == [title.encode(encoding, "ignore").decode(encoding)]


def test_lines_are_counted_behind_the_separator_that_excel_tells(index: TitleIndex) -> None:
    assert read("sep=;\nTitle;Rating\nHeat;4", index).rows["line"].tolist() == [3]


TRAKT = (
    "rated_at,type,title,year,trakt_rating,trakt_id,imdb_id,tmdb_id,tvdb_id,url,released,"
    "season_number,episode_number,episode_title,episode_released,episode_trakt_rating,"
    "episode_trakt_id,episode_imdb_id,episode_tmdb_id,episode_tvdb_id,genres,rating\n"
    "2021-03-22T20:01:02Z,movie,Heat,1995,8.1,1,tt0113277,949,,u,1995-12-15,,,,,,,,,,crime,9\n"
    "2021-03-23T20:01:02Z,show,Fargo,2014,8.7,2,tt2802850,60622,,u,2014-04-15,,,,,,,,,,crime,8\n"
)
TRAKT_JSON = json.dumps(
    [
        {
            "rated_at": "2021-03-22T20:01:02.000Z",
            "rating": 9,
            "type": "movie",
            "movie": {"title": "Heat", "year": 1995, "ids": {"trakt": 1, "imdb": "tt0113277"}},
        },
        {
            "rated_at": "2021-03-23T20:01:02.000Z",
            "rating": 8,
            "type": "show",
            "show": {"title": "Fargo", "year": 2014, "ids": {"trakt": 2, "tmdb": 60622}},
        },
    ]
)
TMDB = (
    "TMDb ID,IMDb ID,Type,Name,Release Date,Season Number,Episode Number,Rating,Your Rating,"
    "Date Rated\n949,tt0113277,movie,Hitze,1995-12-15T00:00:00Z,,,7.9,9.0,2021-03-22T00:00:00Z\n"
    "603,,tv,Another,1999-01-01T00:00:00Z,,,8,10.0,2021-03-22T00:00:00Z\n"
)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TRAKT, "Trakt"),
        (TRAKT_JSON, "Trakt"),
        (zipped(**{"someone__ratings__ratings-movies.json": TRAKT_JSON, "a.json": "{}"}), "Trakt"),
        (TMDB, "TMDB"),
    ],
)
def test_trakt_and_tmdb(
    real_data: MovieData, index: TitleIndex, content: bytes | str, name: str
) -> None:
    found = read(content, index)
    assert found.format == name and not found.scale_open
    assert raw_stars(found, real_data) == {HEAT: 4.5}
    assert list(found.dates.values()) == [date(2021, 3, 22)]
    assert found.rows["note"].tolist()[1] in ("show", "tv")  # and no film of the same number


@pytest.mark.parametrize(
    "content",
    [
        "tmdb_id,rating\n949,4.5\n275,3",
        "TMDB ID;Rating\n949;4,5\n275.0;3",
        "imdb_id,rating\ntt0113277,9\ntt0116282,6",
        "imdb,score\n113277,9\nhttps://www.imdb.com/title/tt0116282/,6",
        "title,year,rating\nHeat,1995,4.5\nFargo,1996,3",
        "Title,Rating\nHeat (1995),4.4\nFargo (1996),2.8",
        "Film,Year,Stars\nHeat,1995,4.5\nFargo,1996,3",
        "LetterboxdURI,tmdbID,Title,Year,Rating10\nu,949,Hitze,1995,9\nu,275,,,6",
        "Title,Year,Rating10\nHeat,1995,9\nFargo,1996,6",
        "title,release date,my rating,rating\nHeat,1995-12-15,9,1\nFargo,08.03.1996,6,1",
    ],
)
def test_a_plain_file_with_ids_or_titles(
    real_data: MovieData, index: TitleIndex, content: str
) -> None:
    assert raw_stars(read(content, index), real_data) == {HEAT: 4.5, FARGO: 3.0}


def test_plain_decimals_are_rounded_and_said(real_data: MovieData, index: TitleIndex) -> None:
    found = read("title,year,rating\nHeat,1995,7.3\nFargo,1996,0\nThe Matrix,1999,10.5", index, 10)
    assert raw_stars(found, real_data) == {HEAT: 3.5, FARGO: 0.5}
    assert found.rows["note"].tolist() == [
        *["Rounded to 3.5 stars.", "Rounded to 0.5 stars.", "Allowed: 0 to 10."]
    ]


IN_ANOTHER = zipped(**{"letterboxd.zip": zipped(ratings_csv=PERSON), "read me.md": "x"})


@pytest.mark.parametrize(
    "content",
    [
        zipped(**{"letterboxd-x__ratings_csv": PERSON, "letterboxd-x__lists__a_csv": "a,b"}),
        zipped(ratings_csv=PERSON, diary_csv="x", deleted__ratings_csv="y"),
        zipped(**{"MAC__x__._ratings_csv": b"\0\5", "x__ratings_csv": PERSON}),
        zipped(diary_csv=PERSON, watched_csv="x", profile_csv="y", reviews_csv="z"),
        zipped(reviews_csv=PERSON, watched_csv="x"),
        zipped(zipfile.ZIP_STORED, **{"My ratings_csv": PERSON}),
        zipped(ratings_csv=PERSON.encode("utf-16")),
        IN_ANOTHER,
    ],
)
def test_the_ratings_in_an_archive_are_found(
    real_data: MovieData, index: TitleIndex, content: bytes
) -> None:
    found = read(content, index)
    assert raw_stars(found, real_data) == {HEAT: 4.5, 293: 3.0}
    assert "in the archive" in found.notes[0]


def tampered(content: bytes, name: bytes, other: bytes) -> bytes:
    assert len(name) == len(other)
    return content.replace(name, other)


WATCHED = "(watched.csv or another list) has no ratings; choose ratings.csv"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped(watched_csv="Date,Name,Year,Letterboxd URI\n2021-01-01,Heat,1995,u\n"), WATCHED),
        (zipped(photo_jpg=b"\xff"), "no file with ratings"),
        (zipped(), "no file with ratings"),
        (tampered(zipped(abratings_csv=PERSON), b"abratings", b"../rating"), "outside of itself"),
        (zipped(**{"__etc__ratings_csv": PERSON}), "outside of itself"),
        (zipped(**{"C:__ratings_csv": PERSON}), "outside of itself"),
        (tampered(zipped(abratings_csv=PERSON), b"abratings", b"..\\rating"), "outside of itself"),
        (zipped(ratings_csv=b"0" * 40_000_000), "200 times"),
        (zipped(zipfile.ZIP_BZIP2, ratings_csv=PERSON), "damaged or locked"),
        (zipped(**{f"a{n}.txt": b"" for n in range(2_001)}), "over 2,000 files"),
        (zipped(ratings_csv=PERSON)[:-30], "damaged or locked"),
        (b"PK\3\4" + b"\0" * 100, "damaged or locked"),
        (zipped(**{"a.zip": IN_ANOTHER}), "not plain text"),
        (zipped(**{"a.zip": PERSON, "b.zip": PERSON}), "no file with ratings"),
        (zipped(**{"[Content_Types].xml": b"<x/>"}), "spreadsheet"),
    ],
)
def test_archives_that_cannot_be_used(index: TitleIndex, content: bytes, says: str) -> None:
    assert says in refusal(content, index)


def test_a_locked_archive(index: TitleIndex) -> None:
    content = bytearray(zipped(ratings_csv=PERSON))
    content[6] |= 1  # the flag of encryption, in the member's header and in the directory
    content[content.index(b"PK\1\2") + 8] |= 1
    assert "locked" in refusal(bytes(content), index)


def test_a_bomb_costs_bounded_memory_and_time(index: TitleIndex) -> None:
    """Its header lies about its size, so that only the reading itself can stop it."""
    content = bytearray(zipped(ratings_csv=b"0" * 300_000_000))
    for place in (content.index(b"PK\3\4") + 22, content.index(b"PK\1\2") + 24):
        content[place : place + 4] = (1000).to_bytes(4, "little")
    assert len(content) < 400_000
    start = time.process_time()
    tracemalloc.start()
    try:
        refusal(bytes(content), index)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * 2**20
    assert time.process_time() - start < 2


def test_files_of_letterboxd_without_ratings_lead_to_the_right_one(index: TitleIndex) -> None:
    assert "ratings.csv" in refusal("Date,Name,Year,Letterboxd URI\n2021-01-01,Heat,1995,u", index)
    assert "ratings.csv" in refusal("Letterboxd list export v7\nDate,Name\n2021-01-01,x", index)


DIARY = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date"
REVIEWS = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Review,Tags,Watched Date"


def test_the_diary_and_the_reviews(real_data: MovieData, index: TitleIndex) -> None:
    diary = (
        f"{DIARY}\n2022-01-01,Heat,1995,u,4,Yes,,2021-12-31\n2022-01-01,Heat,1995,u,2,,,2001-05-05"
    )
    found = read(diary, index)
    assert raw_stars(found, real_data) == {HEAT: 4.0}
    assert list(found.dates.values()) == [date(2021, 12, 31)]
    assert found.rows["status"].tolist() == ["matched", "rated twice"]
    reviews = f'{REVIEWS}\n2022-01-01,Heat,1995,u,4,,"Good.\n\nVery, ""very"" good.",,2021-12-31'
    assert raw_stars(read(reviews, index), real_data) == {HEAT: 4.0}


def rated(*values: str, header: str = LETTERBOXD) -> str:
    films = ("Heat,1995", "Fargo,1996", "Casino,1995", "Grease,1978", "Jaws,1975", "Up,2009")
    lines = [f"2021-01-01,{f},u,{v}" for f, v in zip(films, values, strict=False)]
    return "\n".join([header, *lines])


def test_a_value_above_five_puts_the_whole_file_in_doubt(index: TitleIndex) -> None:
    assert list(read(rated("9", "5", "4", "7"), index).stars.values()) == [4.5, 2.5, 2.0, 3.5]
    for odd in ("55", "9" * 400):
        assert "Line 3 has the rating" in refusal(rated("4", odd, "5", "3"), index)
    lone = rated("4", "4.5", "5", "3", "7", "2.5")
    assert "Line 6 has the rating 7" in refusal(lone, index)
    assert list(read(lone, index, 10).stars.values()) == [2.0, 2.5, 2.5, 1.5, 3.5, 1.5]
    stars = read(lone, index, 5)
    assert list(stars.stars.values()) == [4.0, 4.5, 5.0, 3.0, 2.5]
    assert stars.counts["out of range"] == 1


@pytest.mark.parametrize(
    ("ratings", "stars", "points"),
    [
        (("85", "60", "100"), [4.5, 3.0, 5.0], 100),
        (("85%", "60 %", "9%"), [4.5, 3.0, 0.5], 100),
        (("8/10", "3/10", "7.5 / 10"), [4.0, 1.5, 4.0], 10),
        (("4/5", "3,5/5", "1/5"), [4.0, 3.5, 1.0], 5),
        (("★★★★½", "★★★☆☆", "½"), [4.5, 3.0, 0.5], 5),
    ],
)
def test_ratings_that_say_what_they_are_out_of(
    index: TitleIndex, ratings: tuple[str, ...], stars: list[float], points: Points
) -> None:
    films = ("Heat,1995", "Fargo,1996", "Casino,1995")
    lines = [f'{film},"{rating}"' for film, rating in zip(films, ratings, strict=True)]
    found = read_ratings_file("\n".join(["title,year,rating", *lines]).encode(), index)
    assert (list(found.stars.values()), found.points) == (stars, points)
    told = f"Read as ratings out of {points}: {points} gives 5 stars."
    assert (told in found.notes) == (points != 5)


@pytest.mark.parametrize("ratings", [("8/10", "4", "3"), ("8/10", "4/5", "3/5"), ("9", "8", "75")])
def test_ratings_that_are_out_of_several_numbers_are_not_guessed(
    index: TitleIndex, ratings: tuple[str, ...]
) -> None:
    lines = [f"Film {rating},1995,{rating}" for rating in ratings]
    content = "\n".join(["title,year,rating", *lines]).encode()
    with pytest.raises(ScaleError) as refused:
        read_ratings_file(content, index)
    assert_one_sentence(str(refused.value))
    assert len(read_ratings_file(content, index, 10).rows) == 3


@pytest.mark.parametrize(
    "header",
    [
        *("Titel;Jahr;Bewertung;Datum", "Titre;Année;Note;Date", "Título;Año;Puntuación;Fecha"),
        *("Titolo;Anno;Voto;Data", "Título;Ano;Avaliação;Data", "Titel;Jaar;Beoordeling;Datum"),
        *("Titel;År;Betyg;Datum", "Tytuł;Rok;Ocena;Data", "Название;Год;Оценка;Дата"),
    ],
)
def test_columns_may_be_named_in_other_languages(index: TitleIndex, header: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        found = read_ratings_file(f"{header}\nHeat;1995;4,5;31.12.2020\n".encode(encoding), index)
        assert list(found.stars.values()) == [4.5]
        assert list(found.dates.values()) == [date(2020, 12, 31)]


def test_the_english_name_of_a_column_comes_before_another_that_means_it(index: TitleIndex) -> None:
    """A "note" may be a remark."""
    found = read_ratings_file(b"title,year,rating,note\nHeat,1995,4,great\n", index)
    assert list(found.stars.values()) == [4.0]
    localised = b"Const,Ihre Bewertung,Bewertungsdatum,Titel,Jahr\ntt0113277,9,2024-03-15,Heat,1995"
    found = read_ratings_file(localised, index)
    assert (found.format, list(found.stars.values())) == ("IMDb", [4.5])


def test_ten_points_in_movielens_columns(index: TitleIndex) -> None:
    found = read("movieId,rating\n6,9\n608,8\n2571,4", index)
    assert list(found.stars.values()) == [4.5, 4.0, 2.0]
    assert found.notes == ("Read as ratings out of 10: 10 gives 5 stars.",)


def test_movie_ids_of_other_data_are_checked_by_title() -> None:
    """MovieLens' numbers mean other films, or none, in data with numbers of their own."""
    data = load_movie_data(Path(DEMO_DIR))
    content = (CASES / "movielens-org-export/movielens-ratings.csv").read_bytes()
    found = read_ratings_file(content, data)
    for movie, stars in found.stars.items():
        assert data.labels[movie] in (
            *("The Shawshank Redemption (1994)", "The Matrix (1999)"),
            *("Lost in Translation (2003)", "Star Wars (1977)"),
        )
        assert stars in (5.0, 4.0, 3.5)
    assert len(found.stars) >= 2


@pytest.mark.parametrize(
    ("title", "year", "film"),
    [
        ("Kill Bill: Volume I", 2003, "Kill Bill: Vol. 1 (2003)"),
        ("Gone in Sixty Seconds", 2000, "Gone in 60 Seconds (2000)"),
        ("John Wick: Chapter 2", 2017, "John Wick: Chapter Two (2017)"),
        ("Rocky 5", 1990, "Rocky V (1990)"),
        ("The Lord of the Rings: Return of the King", 2003, None),
        ("The Hunt (Jagten)", 2012, "The Hunt (2012)"),
        ("Hunt, The (Jagten)", 2012, "The Hunt (2012)"),
        ("V for Vendetta", 2005, "V for Vendetta (2006)"),
    ],
)
def test_spellings_that_decide(index: TitleIndex, title: str, year: int, film: str | None) -> None:
    match = index.find([title], year)
    film = film or "The Lord of the Rings: The Return of the King (2003)"
    assert match.sure and [index.films[movie] for movie in match.movies] == [film]


@pytest.mark.parametrize(
    ("title", "year", "films"),
    [
        ("Borat", 2006, ["Borat: Cultural Learnings"]),
        ("Dr. Strangelove", 1964, ["Dr. Strangelove or"]),
        ("Birdman", 2014, ["Birdman: Or"]),
        ("Nymphomaniac", 2013, ["Nymphomaniac: Volume I", "Nymphomaniac: Volume II"]),
        ("Heat: The Director's Cut", 1995, ["Heat (1995)"]),
        ("Iron Man", 2010, []),  # not its sequel of that year
        ("Part I", 2018, []),
        ("The", 2018, []),
    ],
)
def test_what_is_offered(index: TitleIndex, title: str, year: int, films: list[str]) -> None:
    match = index.find([title], year)
    assert not match.sure and len(match.movies) == len(films)
    for movie, film in zip(match.movies, films, strict=True):
        assert index.films[movie].startswith(film)


def test_two_films_a_year_off_on_both_sides_are_not_decided(index: TitleIndex) -> None:
    found = read(f"{LETTERBOXD}\n2021-01-01,Titanic,1996,u,1\n2021-01-01,Titanic,1998,u,5", index)
    assert found.stars == {} and found.counts == {"to confirm": 2}
    assert found.single_candidates == {}  # only one of them can be it


def test_an_original_title_decides_against_a_localised_one(load: Callable[..., MovieData]) -> None:
    films = [(10, "Passion (1999)", "Drama"), (20, "Leidenschaft (1999)", "Drama")]
    data = load(movies=films, ratings=[(1, 10, 4.0, 1)], tags=None, links=None)
    header = "Const,Your Rating,Title,Original Title,Year"
    found = read_ratings_file(f"{header}\ntt1,8,Leidenschaft,Passion,1999".encode(), data)
    assert found.to_confirm[0].movies == (0, 1)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2021-03-04", date(2021, 3, 4)),
        ("2021-03-04T23:59:59Z", date(2021, 3, 4)),
        ("04.03.2021", date(2021, 3, 4)),
        ("13/3/2021", date(2021, 3, 13)),
        ("3/13/2021", date(2021, 3, 13)),
        ("4/3/2021", None),  # the one or the other
        ("1614816000", date(2021, 3, 4)),
        ("Thu Mar  4 00:00:00 2021", date(2021, 3, 4)),
        ("04 Mar 2021", date(2021, 3, 4)),
        ("2021-13-45", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(index: TitleIndex, text: str, day: date | None) -> None:
    found = read(f"title,year,rating,date\nHeat,1995,4,{text}", index)
    assert len(found.stars) == 1
    assert list(found.dates.values()) == ([day] if day else [])


def test_every_twin_has_one_copy_that_counts(real_data: MovieData) -> None:
    canonical = real_data.canonical
    copies = np.flatnonzero(canonical != np.arange(real_data.n_movies))
    assert {real_data.labels[movie] for movie in copies} == {
        *("Emma (1996)", "War of the Worlds (2005)", "Confessions of a Dangerous Mind (2002)"),
        *("Eros (2004)", "Saturn 3 (1980)"),
    }
    assert (real_data.movie_degree[canonical[copies]] >= real_data.movie_degree[copies]).all()
    assert (canonical[canonical] == canonical).all() and not canonical.flags.writeable


def test_twins_by_id_and_never_by_a_title_without_year(load: Callable[..., MovieData]) -> None:
    titles = [
        "Emma (1996)",
        "EMMA (1996)",
        "Emma (2009)",
        "Saw",
        "Saw",
        "Ran (1985)",
        "Chaos (1985)",
    ]
    films = [(10 + n, title, "Drama") for n, title in enumerate(titles)]
    links = [(15, "089881", "11"), (16, "89881", "")]
    data = load(movies=films, ratings=[(1, 11, 4.0, 1), (1, 16, 4.0, 1)], tags=None, links=links)
    assert data.canonical.tolist() == [1, 1, 2, 3, 4, 6, 6]


def test_two_thousand_lines_take_less_than_two_seconds(real_data: MovieData) -> None:
    films = real_data.movies.sample(1000, random_state=0)
    lines = [f'2024-01-01,"{f.title[:-7]}",{f.title[-5:-1]},u,3.5' for f in films.itertuples()]
    lines += [f"2024-01-01,The Unknown {n}: Part II of it,{1950 + n % 75},u,4" for n in range(1000)]
    start = time.process_time()
    found = read("\n".join([LETTERBOXD, *lines]), TitleIndex.of(real_data))
    assert time.process_time() - start < 2
    assert len(found.stars) > 950 and found.newer > 50


def test_a_file_of_titles_that_share_parts_with_many_films_is_read_in_time(
    real_data: MovieData, index: TitleIndex
) -> None:
    parts = "movie: 2: dragon ball z: 1: batman: doctor who: star wars: babylon 5: love: heat"
    lines = [f"{parts} x{n},1999,4" for n in range(4000)]
    start = time.process_time()
    read("\n".join(["title,year,rating", *lines]), index)
    assert time.process_time() - start < 4
