"""Each native format of MovieLens, by files as its README describes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_preparation import load_movie_data
from sources.delimited import DataError
from sources.movielens_files import data_files, read_tables
from tests.conftest import TOY_TAGS, assert_one_sentence, write_dataset

_FLAGS = {"Children": 4, "Comedy": 5, "Drama": 8}  # from "unknown", which is 0


def item(movie: int, title: str, *genres: str) -> str:
    flags = ["0"] * 19
    for genre in genres or ["unknown"]:
        flags[_FLAGS.get(genre, 0)] = "1"
    return "|".join([str(movie), title, "01-Jan-1995", "", "http://example.org/", *flags])


def write_100k(folder: Path, last: str = "") -> Path:
    """u.data with tabs, u.item with bars and in Latin-1."""
    (folder / "u.data").write_text(f"7\t2\t3\t881250949\n3\t1\t5\t891717742\n7\t1\t1\t9\n{last}")
    films = [item(1, "Cité, La (1995)", "Children", "Comedy"), item(2, '"Quoted", say (1996)')]
    (folder / "u.item").write_bytes(("\n".join(films) + "\n").encode("latin-1"))
    return folder


def write_dat(folder: Path, encoding: str, last: str = "") -> Path:
    """ratings.dat and its like with two colons between fields; 1M in Latin-1, 10M in UTF-8."""
    (folder / "ratings.dat").write_text(f"7::2::3::9\n3::1::4.5::8\n7::1::1::7\n{last}")
    films = "1::Cité: La (1995)::Children|Comedy\n2::Alien\x85s (1996)::Drama\n"
    (folder / "movies.dat").write_bytes(films.encode(encoding))
    (folder / "tags.dat").write_text('3::1::"so" sad::5\n7::2::So sad::6\n')
    return folder


def test_100k_is_read_with_its_flags_as_genres(tmp_path: Path) -> None:
    data = load_movie_data(write_100k(tmp_path))
    assert data.user_ids.tolist() == [3, 7] and data.movie_ids.tolist() == [1, 2]
    assert data.ratings.toarray().tolist() == [[5, 0], [1, 3]]
    assert data.timestamps.tolist() == [891717742, 9, 881250949]
    assert data.movies["title"].tolist() == ["Cité, La (1995)", '"Quoted", say (1996)']
    assert data.movies["genres"].tolist() == [("Children", "Comedy"), ()]
    assert data.tag_names == ()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_1m_and_10m_are_read_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    data = load_movie_data(write_dat(tmp_path, encoding))
    assert data.ratings.toarray().tolist() == [[4.5, 0], [1, 3]]
    assert data.movies["title"].tolist() == ["Cité: La (1995)", "Alien\x85s (1996)"]
    assert data.movies["genres"].tolist() == [("Children", "Comedy"), ("Drama",)]
    assert data.tags["raw"].tolist() == ['"so" sad', "So sad"]
    assert data.tag_names == ("so sad",)


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ("7::9::3::1\n", r"ratings\.dat, line 4: movieId 9 is not in movies\.dat"),
        ("7::2::3::1\n", r"ratings\.dat, line 4: user 7 rates movie 2 a second time"),
        ("7::2::3\n", r"ratings\.dat, line 4: it has 3 fields where a line has 4"),
        ("7:2::3::1\n", r"ratings\.dat, line 4: it has 3 fields"),
        ("\n7::2::x::1\n", r"ratings\.dat, line 5: 'x' in the column rating is not a number"),
        ("5::2::9::1", r"ratings\.dat, line 4: 9 is not a star rating"),
        ("0x5::2::4::1", r"ratings\.dat, line 4: '0x5' in the column userId"),
    ],
)
def test_a_fault_is_named_by_its_line_which_no_header_shifts(
    tmp_path: Path, last: str, says: str
) -> None:
    with pytest.raises(DataError, match=says) as refusal:
        read_tables(write_dat(tmp_path, "utf-8", last))
    assert_one_sentence(str(refusal.value))


def test_a_cut_off_line_of_100k_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"u\.data, line 4: it has 2 fields") as refusal:
        read_tables(write_100k(tmp_path, "7\t2"))
    assert_one_sentence(str(refusal.value))


def test_a_folder_of_none_of_the_formats_is_told_what_belongs_there(tmp_path: Path) -> None:
    (tmp_path / "ratings.json").write_text("{}")
    assert data_files(tmp_path) == ()
    with pytest.raises(DataError, match=r"ratings\.csv is missing") as refusal:
        read_tables(tmp_path)
    assert_one_sentence(str(refusal.value))


def test_a_number_in_hexadecimal_is_none_beside_texts_that_look_like_one(tmp_path: Path) -> None:
    sound = [*TOY_TAGS, (3, 10, "0x10", 9)]
    tables = read_tables(write_dataset(tmp_path / "sound", tags=sound))
    assert tables.tags["tag"].iloc[-1] == "0x10"
    with pytest.raises(DataError, match=r"tags\.csv, line 10: '0x10' in the column userId"):
        read_tables(write_dataset(tmp_path / "odd", tags=[*TOY_TAGS, ("0x10", 10, "x", 9)]))


# --- what the real archives hold that their READMEs do not say ------------------------------------


def test_100k_with_its_blank_line_its_film_without_a_date_and_no_last_newline(
    tmp_path: Path,
) -> None:
    (tmp_path / "u.data").write_text("196\t267\t3\t881250949\n22\t1682\t1\t878887116")
    nameless = "|".join(["267", "unknown", "", "", "", "1", *["0"] * 18])
    video = item(1412, "Land Before Time III (1995) (V)", "Children")
    films = [nameless, video, "", item(1682, "Schrei (Scream of Stone, é) (1991)", "Drama")]
    (tmp_path / "u.item").write_bytes("\n".join(films).encode("latin-1"))
    data = load_movie_data(tmp_path)
    assert data.movie_ids.tolist() == [267, 1412, 1682] and data.user_ids.tolist() == [22, 196]
    assert data.labels == ("unknown", "Land Before Time III (1995)", "Schrei (1991)")
    assert data.movies["genres"].tolist() == [(), ("Children",), ("Drama",)]


def test_10m_has_quotes_that_open_and_do_not_close_and_empty_tags(tmp_path: Path) -> None:
    write_dat(tmp_path, "utf-8")
    films = '51372::"Great Performances" Cats (1998)::Musical\n2::Half "quoted (1996)::Drama\n'
    (tmp_path / "movies.dat").write_text(f"1::A (1990)::(no genres listed)\n{films}")
    tags = ['33384::2::"underaged" = so::1181826527', "5::1::::9", "5::1::None::9", '5::2::"::9']
    (tmp_path / "tags.dat").write_text("\n".join(tags))
    data = load_movie_data(tmp_path)
    assert data.labels == ("A (1990)", 'Half "quoted (1996)', '"Great Performances" Cats (1998)')
    assert data.movies["genres"].tolist() == [(), ("Drama",), ("Musical",)]
    assert data.tags["raw"].tolist() == ['"underaged" = so', "", "None", '"']
    assert data.tags["status"].tolist() == ["rare", "empty", "rare", "empty"]


def test_the_csv_releases_have_ranges_of_years_missing_ids_and_tags_over_lines(
    tmp_path: Path,
) -> None:
    films = {
        10: ('"Big Bang Theory, The (2007-)"', "(no genres listed)", 2007),
        20: ("Diplomatic Immunity (2009– )", "Comedy", 2009),
        30: ('"Fawlty Towers (1975-1979)"', "Comedy", 1975),
        40: ("Doubly Closed (1983))", "Drama|IMAX", 1983),
        50: ("Babylon 5", "Sci-Fi", None),
    }
    files = {
        "movies.csv": ["movieId,title,genres", *(f"{i},{t},{g}" for i, (t, g, _) in films.items())],
        "links.csv": ["movieId,imdbId,tmdbId", "10,0898266,", "20,0114709,862", "40,,"],
        "ratings.csv": ["userId,movieId,rating,timestamp", "1,10,4.0,9", "1,50,0.5,8"],
        "tags.csv": ["userId,movieId,tag,timestamp", '1,10,"two\nlines ""x""",5', "1,20,NA,6"],
    }
    for name, lines in files.items():
        (tmp_path / name).write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    data = load_movie_data(tmp_path)
    years = [None if year != year else year for year in data.years.tolist()]
    assert years == [year for _, _, year in films.values()]
    assert data.movies["name"].iloc[0] == "The Big Bang Theory"
    assert data.movies["genres"].iloc[0] == () and "IMAX" in data.genre_names
    assert data.movies["tmdb_id"].tolist() == ["", "862", "", "", ""]
    assert data.movies["imdb_id"].tolist() == ["0898266", "0114709", "", "", ""]
    assert data.tags["raw"].tolist() == ['two\nlines "x"', "NA"]
