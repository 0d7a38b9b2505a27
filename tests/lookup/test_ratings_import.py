"""Own ratings from a file: what matches, what is reported, and files that cannot be used."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data_preparation import MovieData, load_movie_data
from lookup.ratings_import import (
    MAX_BYTES,
    MAX_ROWS,
    STATUSES,
    ImportedRatings,
    RatingsFileError,
    TitleIndex,
    read_ratings_file,
    title_key,
)
from tests.conftest import TOY_MOVIES, assert_one_sentence, write_dataset

LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating"
IMDB = "Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Year"
MOVIELENS = "userId,movieId,rating,timestamp"
Load = Callable[..., MovieData]


@pytest.fixture(scope="module")
def toy_index(tmp_path_factory: pytest.TempPathFactory) -> TitleIndex:
    return TitleIndex.of(load_movie_data(write_dataset(tmp_path_factory.mktemp("toy"))))


@pytest.fixture(scope="module")
def real_index(real_data: MovieData) -> TitleIndex:
    return TitleIndex.of(real_data)


def read(data: MovieData | TitleIndex, *lines: str) -> ImportedRatings:
    return read_ratings_file("\n".join(lines).encode(), data)


def letterboxd(data: MovieData | TitleIndex, *films: tuple[str, int | str]) -> ImportedRatings:
    lines = [f'2024-01-01,"{name}",{year},https://boxd.it/x,3.5' for name, year in films]
    return read(data, LETTERBOXD, *lines)


def statuses(imported: ImportedRatings) -> list[str]:
    return imported.rows["status"].tolist()


def refusal(content: bytes, index: TitleIndex) -> str:
    with pytest.raises(RatingsFileError) as caught:
        read_ratings_file(content, index)
    assert_one_sentence(str(caught.value))
    return str(caught.value)


# --- the three formats ----------------------------------------------------------------------------


def test_a_letterboxd_file_gives_stars_and_a_report(toy_data: MovieData) -> None:
    imported = read(
        toy_data,
        LETTERBOXD,
        "2024-01-01,The Matrix,1999,https://boxd.it/a,4.5",
        '2024-01-02,"Nowhere, a Film",2001,https://boxd.it/b,3',
        "2024-01-03,Up,2009,https://boxd.it/c,",
    )
    assert imported.format == "Letterboxd"
    assert imported.stars == {0: 4.5}
    expected = pd.DataFrame(
        [
            (2, "The Matrix (1999)", "4.5", "matched", "The Matrix (1999)", ""),
            (3, "Nowhere, a Film (2001)", "3", "not in the catalogue", "", ""),
            (4, "Up (2009)", "", "not rated", "Up (2009)", ""),
        ],
        columns=["line", "title", "rating", "status", "film", "note"],
    )
    pd.testing.assert_frame_equal(imported.rows, expected)
    assert imported.summary == (
        "Matched 1 of 3 lines (Letterboxd); 1 not in the catalogue, 1 not rated."
    )


def test_a_movielens_file_goes_by_raw_ids(toy_data: MovieData) -> None:
    imported = read(toy_data, "movieId,rating", "90,0.5", "200,5.0", "91,3", "3,4")
    assert imported.format == "MovieLens"
    assert imported.stars == {5: 0.5, 7: 5.0}
    assert imported.rows["film"].tolist() == ["Seven (1995)", "Babylon 5", "", ""]
    assert imported.rows["title"].tolist()[2] == "movieId 91"
    assert imported.summary == "Matched 2 of 4 lines (MovieLens); 2 not in the catalogue."


def test_imdb_ids_are_compared_as_numbers_and_ten_points_are_five_stars(load: Load) -> None:
    links = [(movie, f"{movie:07d}", "") for movie, _, _ in TOY_MOVIES]
    imported = read(
        load(links=links),
        IMDB,
        "tt0000020,7,2024-01-01,Hitze,Heat,u,Movie,8.3,1995",
        "tt00000070,10,2024-01-01,Up,Up,u,movie,8.3,2009",
        "tt9999999,1,2024-01-01,Heat,Heat,u,TV Series,8.3,1995",
    )
    assert imported.format == "IMDb"
    assert imported.stars == {1: 3.5, 4: 5.0}
    assert imported.rows["title"].tolist()[0] == "Hitze (1995)"
    assert imported.rows.loc[2, ["status", "note"]].tolist() == [
        "not in the catalogue",
        "TV Series",
    ]


def test_an_unknown_imdb_id_is_not_overruled_by_the_title(toy_data: MovieData) -> None:
    imported = read(toy_data, IMDB, "tt9999999,8,2024-01-01,Heat,Heat,u,Movie,8.3,1995")
    assert statuses(imported) == ["not in the catalogue"]


def test_without_imdb_ids_in_the_data_title_and_year_decide(load: Load) -> None:
    imported = read(
        load(links=None),
        IMDB,
        "tt0113277,8,2024-01-01,Heat,Heat,u,Movie,8.3,1995",
        "tt0113278,8,2024-01-01,Up,Up,u,TV Series,8.3,2009",
    )
    assert imported.stars == {1: 4.0}
    assert statuses(imported) == ["matched", "not in the catalogue"]
    bare = read(load(links=None), "Const,Your Rating", "tt0113277,8")
    assert bare.rows.loc[0, ["title", "status"]].tolist() == [
        "IMDb 113277",
        "not in the catalogue",
    ]


def test_a_film_without_an_imdb_id_among_others_with_one_goes_by_title(load: Load) -> None:
    data = load(links=[(10, "0000010", "")])
    rows = ["tt9,8,2024-01-01,Heat,,u,Movie,8,1995", "tt9,8,2024-01-01,The Matrix,,u,Movie,8,1999"]
    assert statuses(read(data, IMDB, *rows)) == ["matched", "not in the catalogue"]


# --- titles and years -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Matrix, The", "the matrix"),
        ("Haine, La", "La Haine"),
        ("Amélie", "AMELIE"),
        ("WALL·E", "Wall-E"),
        ("8½", "8 1/2"),
        ("Alien³", "Alien 3"),
        ("Thelma & Louise", "Thelma and Louise"),
        ("Intouchables", "The Intouchables"),
        ("Straße", "STRASSE"),
        ("Spider-Man: Homecoming", "Spider‑Man – Homecoming"),
    ],
)
def test_spellings_of_a_title_have_one_key(one: str, other: str) -> None:
    assert title_key(one) == title_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alien", "Aliens"),
        ("The", "A"),
        ("$", "!"),
        ("A", ""),
        ("Die Hard", "Hard"),
        ("七人", "人"),
    ],
)
def test_different_titles_have_different_keys(one: str, other: str) -> None:
    assert title_key(one) != title_key(other)


def test_titles_in_brackets_count(toy_index: TitleIndex) -> None:
    imported = letterboxd(
        toy_index,
        *[("Se7en", 1995), ("Il Postino", 1994), ("The Postman", 1994), ("1995", 1995)],
        ("Postman, The (Postino, Il)", 1994),
    )
    assert statuses(imported) == [
        *["matched", "rated twice", "rated twice", "not in the catalogue", "matched"]
    ]


def test_the_year_may_be_one_off_and_no_more(toy_index: TitleIndex) -> None:
    imported = letterboxd(toy_index, ("Up", 2010), ("Alien", 1978), ("Heat", 1997), ("Heat", 1993))
    assert statuses(imported) == ["matched"] * 2 + ["not in the catalogue"] * 2
    assert imported.stars == {4: 3.5, 6: 3.5}


def test_what_may_be_another_film_is_for_people_to_confirm(load: Load) -> None:
    titles = ["Emma (1996)", "Emma (1996)", "Saw (2003)", "Saw (2005)", "Moonlight", "Emma (2009)"]
    titles.append("Star Wars: Episode IV - A New Hope (1977)")
    films = [(10 + film, title, "Drama") for film, title in enumerate(titles)]
    data = load(movies=films, ratings=[(1, 10, 4.0, 1)], tags=None, links=None)
    imported = letterboxd(
        data,
        *[("Emma", 1996), ("Emma", 2009), ("Emma", 2010), ("Emma", 2003)],
        *[("Saw", 2004), ("Saw", 2005), ("Moonlight", 2016), ("Saw", ""), ("Star Wars", 1977)],
        *[("Star Wars", 1978), ("A New Hope", 1977)],
    )
    assert dict(zip(imported.rows["line"], statuses(imported), strict=True)) == {
        2: "matched",  # twins: one film
        3: "matched",
        4: "uncertain",  # a year off the one that line 3 rates
        5: "not in the catalogue",
        6: "to confirm",  # a year off both
        7: "matched",
        8: "to confirm",  # the data do not give its year
        9: "to confirm",  # the file does not give its year
        10: "to confirm",  # a part of the title
        11: "to confirm",  # and a year off
        12: "to confirm",
    }
    notes = imported.rows.set_index("line")["note"]
    assert notes[4] == "A year off Emma (2009), which line 3 rates; left out."
    assert notes[6] == "Saw (2003) or Saw (2005)?"
    assert notes[10] == "Star Wars: Episode IV - A New Hope (1977)?"
    assert imported.stars == {0: 3.5, 5: 3.5, 3: 3.5}
    assert [line.movies for line in imported.to_confirm] == [(2, 3), (4,), (2, 3), (6,), (6,), (6,)]
    assert imported.single_candidates == {4: 3.5}  # the three of Star Wars rival each other


# --- lines that do not count ----------------------------------------------------------------------


@pytest.mark.parametrize("rating", ["0", "-1", "3.7", "0.25"])
def test_a_rating_out_of_range_is_reported_and_the_others_count(
    toy_index: TitleIndex, rating: str
) -> None:
    imported = read(toy_index, "movieId,rating", "10,4", f"20,{rating}", "35,3")
    assert imported.stars == {0: 4.0, 2: 3.0}
    assert imported.rows.loc[1].tolist() == [
        *[3, "movieId 20", rating, "out of range", "Heat (1995)"],
        "Allowed: 0.5 to 5 in steps of 0.5.",
    ]


@pytest.mark.parametrize("rating", ["0", "0.5", "7.5", "11"])
def test_imdb_ratings_are_whole_from_1_to_10(toy_index: TitleIndex, rating: str) -> None:
    imported = read(toy_index, "Const,Your Rating", f"tt020,{rating}", "tt035,1")
    assert statuses(imported) == ["out of range", "matched"]
    assert imported.rows["note"][0] == "Allowed: 1 to 10 in steps of 1."
    assert imported.stars == {2: 0.5}


@pytest.mark.parametrize(
    "line",
    [
        *["10,four", "10,nan", "10,1e0", "10,٣", '10,"4,5,0"', "x,4", "10.0,4", ",4", "-10,4"],
        *["9" * 5000 + ",4", "10", "10,4,4", "tt10,4"],
    ],
)
def test_an_unreadable_line_is_reported_with_a_reason(toy_index: TitleIndex, line: str) -> None:
    imported = read(toy_index, "movieId,rating", line, "20,3")
    assert statuses(imported) == ["unreadable", "matched"]
    assert_one_sentence(imported.rows["note"][0])
    assert imported.stars == {1: 3.0}


def test_a_film_rated_twice_counts_as_last_dated(toy_index: TitleIndex) -> None:
    imported = read(
        toy_index,
        LETTERBOXD,
        "2024-03-01,Heat,1995,u,4",
        "2023-12-31,Heat,1995,u,1",
        "2024-01-01,Up,2009,u,2",
        "2024-01-01,Up,2009,u,5",
        "2025-01-01,Heat,1995,u,",  # watched again, not rated: it takes nothing away
        "2025-01-01,Heat,1995,u,0",
    )
    assert imported.stars == {1: 4.0, 4: 5.0}
    assert statuses(imported) == [
        *["matched", "rated twice", "rated twice", "matched", "not rated", "out of range"]
    ]
    assert imported.rows["note"][1] == "Line 2 counts instead."
    assert imported.rows["film"][1] == "Heat (1995)"


def test_timestamps_compare_as_numbers_and_undated_lines_by_position(toy_index: TitleIndex) -> None:
    rows = ["1,10,1,1000", "1,10,2,999", "1,20,1,", "1,20,5,"]
    assert read(toy_index, MOVIELENS, *rows).stars == {0: 1.0, 1: 5.0}


def test_lines_are_counted_as_an_editor_does(toy_index: TitleIndex) -> None:
    content = '\ufeffmovieId,rating,note\r\n10,4,"two\r\nlines"\r\n\r\n20,3,x\r\n'.encode()
    imported = read_ratings_file(content, toy_index)
    assert imported.rows["line"].tolist() == [2, 5]


def test_html_and_formulas_are_text(toy_index: TitleIndex) -> None:
    names = ['=HYPERLINK("http://x")', "<script>alert(1)</script>", "@SUM(1+1)"]
    imported = letterboxd(toy_index, *[(name.replace('"', '""'), 1999) for name in names])
    assert imported.rows["title"].tolist() == [f"{name} (1999)" for name in names]
    assert set(statuses(imported)) == {"not in the catalogue"}


# --- files that cannot be used --------------------------------------------------------------------


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ratings.csv", LETTERBOXD)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n \n", "is empty"),
        (LETTERBOXD.encode(), "Letterboxd file has no ratings"),
        (b"movieId,rating\n\n,\n", "MovieLens file has no ratings"),
        (b"x" * (MAX_BYTES + 1), "larger than 5 MiB"),
        (b"movieId,rating\n" + b"10,4\n" * (MAX_ROWS + 1), "over 20,000 ratings"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not plain text"),
        (zipped(), "Letterboxd file has no ratings"),
        (b"Date,Name,Year,Letterboxd URI\n2024-01-01,Up,2009,u", "choose ratings.csv"),
        (b"Const,Title\ntt1,Up", "column Your Rating"),
        (b"movieId,rating,rating\n10,4,5", "column rating once"),
        (b"just some words", "no export of IMDb, Letterboxd, MovieLens, TMDB or Trakt"),
        (b"title,rating", "CSV file has no ratings"),
        (b'movieId,rating\n10,4\n"20,3\n35,2\n', "Line 3"),
        (b"movieId,rating\n10," + b"4" * 200_000, "Line 2"),
        (b"userId,movieId,rating\n1,10,4\n2,10,4", "several people"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(
    toy_index: TitleIndex, content: bytes, says: str
) -> None:
    assert says in refusal(content, toy_index)


def test_the_largest_file_allowed_is_read(toy_index: TitleIndex) -> None:
    imported = read(toy_index, "movieId,rating", *["10,4"] * MAX_ROWS)
    assert imported.stars == {0: 4.0}
    assert imported.summary == "Matched 1 of 20,000 lines (MovieLens); 19,999 rated twice."


def test_a_torn_line_does_not_pass_for_a_second_person(toy_index: TitleIndex) -> None:
    assert read(toy_index, MOVIELENS, "1,10,4,5", "garbage", ",20,3,5").stars == {0: 4.0, 1: 3.0}


def test_long_runs_of_accents_take_no_time(toy_index: TitleIndex) -> None:
    start = time.process_time()
    imported = letterboxd(toy_index, ("a" + "\u0301\u0316" * 30_000, 1999))
    assert statuses(imported) == ["not in the catalogue"]
    assert time.process_time() - start < 1  # normalising the whole takes several seconds


NAMES = st.sampled_from(["Heat", "The Matrix", "Up", "Se7en", "", "'", '"', "=1", "\u2028", "x,y"])
CELLS = NAMES | st.sampled_from(
    ["10", "4", "4.5", "tt020", "1995", "2024-01-01", "nan", "\r", "\0"]
)
HEADERS = st.sampled_from([LETTERBOXD, IMDB, MOVIELENS, "movieId,rating", "Const,Your Rating"])


def check_any(content: bytes, index: TitleIndex) -> None:
    """Either one sentence, or a report whose matched lines are exactly the stars."""
    try:
        imported = read_ratings_file(content, index)
    except RatingsFileError as error:
        assert_one_sentence(str(error))
        return
    assert set(statuses(imported)) <= set(STATUSES)
    matched = imported.rows[imported.rows["status"] == "matched"]
    assert matched["film"].tolist() == [index.films[movie] for movie in imported.stars]
    assert all(stars in np.arange(1, 11) / 2 for stars in imported.stars.values())
    assert all(0 <= movie < len(index.films) for movie in imported.stars)
    assert imported.rows["line"].is_monotonic_increasing and imported.rows["line"].is_unique
    assert_one_sentence(imported.summary)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
@example(content=b"\xef\xbb\xbf")
def test_any_bytes_give_a_report_or_a_sentence(toy_index: TitleIndex, content: bytes) -> None:
    check_any(content, toy_index)
    check_any(b"Name,Year,Rating\n" + content, toy_index)


@given(header=HEADERS, rows=st.lists(st.lists(CELLS | st.text(max_size=8), max_size=9), max_size=9))
def test_any_csv_like_text_gives_a_report_or_a_sentence(
    toy_index: TitleIndex, header: str, rows: list[list[str]]
) -> None:
    content = "\n".join([header, *(",".join(row) for row in rows)])
    check_any(content.encode("utf-8", "surrogatepass"), toy_index)


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["10", "20", "35", "99", "x"]),
            st.sampled_from(["4", "0.5", "0.7", "", "?"]),
            st.sampled_from(["1", "2", "30", ""]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_line_is_in_the_report_and_counts_once(
    toy_index: TitleIndex, rows: list[tuple[str, str, str]]
) -> None:
    imported = read(toy_index, "movieId,rating,timestamp", *map(",".join, rows))
    assert imported.rows["line"].tolist() == list(range(2, len(rows) + 2))
    good = [row for row in rows if row[0] in ("10", "20", "35") and row[1] in ("4", "0.5")]
    oldest_first = sorted(good, key=lambda row: int(row[2] or -1))
    expected = {toy_index.found["raw", int(row[0])][0]: float(row[1]) for row in oldest_first}
    assert imported.stars == expected
    counted = imported.rows["status"].isin(["matched", "rated twice"])
    assert counted.sum() == len(good)


# --- the real data --------------------------------------------------------------------------------

# As Letterboxd writes them, with the movieId where MovieLens has the film.
LETTERBOXD_FILMS = (
    ("Amélie", 2001, 4973),
    ("Se7en", 1995, 47),
    ("The Lord of the Rings: The Fellowship of the Ring", 2001, 4993),
    ("WALL·E", 2008, 60069),
    ("Léon: The Professional", 1994, 293),
    ("8½", 1963, 1251),
    ("M*A*S*H", 1970, 5060),
    ("La Haine", 1995, 97),
    ("The City of Lost Children", 1995, 29),
    ("La Cité des enfants perdus", 1995, 29),
    ("Harry Potter and the Philosopher's Stone", 2001, 4896),
    ("Birdman or (The Unexpected Virtue of Ignorance)", 2014, 112183),
    ("The Intouchables", 2011, 92259),
    ("Memento", 2001, 4226),  # 2000 in MovieLens
)


def test_letterboxd_titles_find_their_real_films(
    real_data: MovieData, real_index: TitleIndex
) -> None:
    for name, year, raw in LETTERBOXD_FILMS:
        assert list(letterboxd(real_index, (name, year)).stars) == [real_data.inner_movie(raw)], (
            name
        )


def test_real_films_that_are_not_there_or_not_certain(real_index: TitleIndex) -> None:
    imported = letterboxd(
        real_index,
        *[("Spider-Man: Into the Spider-Verse", 2018), ("Parasite", 2019), ("Star Wars", 1977)],
        *[("Return of the Jedi", 1983), ("Moonlight", 2016), ("Emma", 2005)],
    )
    assert statuses(imported) == [
        *["not in the catalogue"] * 2,
        *["to confirm"] * 3,
        "not in the catalogue",
    ]
    assert imported.rows["note"][1] == "The catalogue ends with 2018."
    assert (imported.last_year, imported.newer) == (2018, 1)
    assert imported.rows["note"][2] == "Star Wars: Episode IV - A New Hope (1977)?"


def test_each_real_film_is_found_by_its_own_name_and_year(
    real_data: MovieData, real_index: TitleIndex
) -> None:
    wrong, undecided = [], []
    for film, (name, year) in enumerate(
        zip(real_data.movies["name"], real_index.years, strict=True)
    ):
        match = real_index.find([name], year if year > 0 else None)
        assert real_index.canonical[film] in match.movies, name
        if not match.sure:
            undecided.append(real_index.films[film])
        elif match.movies != (real_index.canonical[film],):
            wrong.append(real_index.films[film])
    assert wrong == []
    assert len(undecided) == 12  # those without a year


def test_each_real_imdb_id_is_found(real_data: MovieData, real_index: TitleIndex) -> None:
    ids = real_data.movies["imdb_id"].sample(2000, random_state=0)
    start = time.process_time()
    imported = read(real_index, "Const,Your Rating", *(f"tt{imdb_id},9" for imdb_id in ids))
    seconds = time.process_time() - start
    expected = [real_index.canonical[film] for film in ids.index]
    assert imported.stars == dict.fromkeys(expected, 4.5)
    assert imported.summary == "Matched 2,000 of 2,000 lines (IMDb)."
    assert seconds < 1


def test_a_real_persons_movielens_ratings_come_back(
    real_data: MovieData, real_index: TitleIndex
) -> None:
    user = int(real_data.user_degree.argmax())
    films, stars = real_data.rated_by(user), real_data.stars_of(user)
    lines = [f"{real_data.movie_ids[f]},{s}" for f, s in zip(films, stars, strict=True)]
    imported = read(real_index, "movieId,rating", *lines)
    assert imported.stars == dict(zip(films.tolist(), stars.tolist(), strict=True))
    everyone = (real_data.directory / "ratings.csv").read_bytes()
    assert "over 20,000 ratings" in refusal(everyone, real_index)
