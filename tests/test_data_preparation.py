"""MovieLens files in, one validated `MovieData` out: counts, ids, tags, graph, and bad files."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import sparse

from data_preparation import (
    MovieData,
    UnknownIdError,
    display_name,
    load_movie_data,
    normalised_adjacency,
)
from sources.movielens_files import DataError
from sources.tag_cleaning import normalise_tag
from tests.conftest import (
    HEADERS,
    TOY_LINKS,
    TOY_MOVIES,
    TOY_RATINGS,
    TOY_TAGS,
    as_csv,
    assert_one_sentence,
    write_dataset,
)

Load = Callable[..., MovieData]

RATINGS_CSV = as_csv("ratings", TOY_RATINGS)
MOVIES_CSV = as_csv("movies", TOY_MOVIES)
TAGS_CSV = as_csv("tags", TOY_TAGS)
LINKS_CSV = as_csv("links", TOY_LINKS)
NEXT_RATING = f"line {len(TOY_RATINGS) + 2}"  # of a line put after the toy ratings
NEXT_MOVIE = f"line {len(TOY_MOVIES) + 2}"
NEXT_TAG = f"line {len(TOY_TAGS) + 2}"


# --- the real data --------------------------------------------------------------------------------


def test_real_data_have_the_published_counts(real_data: MovieData) -> None:
    assert real_data.n_users == 610
    assert real_data.n_movies == 9742
    assert real_data.n_ratings == 100_836
    assert np.count_nonzero(real_data.movie_degree) == 9724
    assert len(real_data.tags) == 3683


def test_eight_real_films_have_no_tmdb_id(real_data: MovieData) -> None:
    assert (real_data.movies["tmdb_id"] == "").sum() == 8


def test_time_travel_is_one_kept_tag_of_the_real_data(real_data: MovieData) -> None:
    assert "time travel" in real_data.tag_names
    rows = real_data.tags[real_data.tags["tag"] == "time travel"]
    assert set(rows["status"]) == {"kept"}
    assert {"time", "travel", "timetravel"}.isdisjoint(real_data.tag_names)


def test_real_films_without_kept_tags_have_an_empty_row_and_the_others_length_1(
    real_data: MovieData,
) -> None:
    tagged = np.zeros(real_data.n_movies, bool)
    tagged[real_data.tags.loc[real_data.tags["status"] == "kept", "movie"]] = True
    entries = np.diff(real_data.tag_features.indptr)
    np.testing.assert_array_equal(entries > 0, tagged)
    lengths = np.sqrt(real_data.tag_features.power(2).sum(axis=1))
    np.testing.assert_allclose(lengths[tagged], 1.0, rtol=1e-5)


def test_real_ids_survive_the_round_trip_raw_inner_raw(real_data: MovieData) -> None:
    users = [real_data.inner_user(raw) for raw in real_data.user_ids]
    films = [real_data.inner_movie(raw) for raw in real_data.movie_ids]
    assert users == list(range(610))
    assert films == list(range(9742))
    np.testing.assert_array_equal(real_data.movies["movie_id"], real_data.movie_ids)


def test_real_ratings_lie_where_the_file_says(real_data: MovieData) -> None:
    # The first lines of ratings.csv, and the last.
    for user, movie, stars in ((1, 1, 4.0), (1, 3, 4.0), (610, 170875, 3.0)):
        inner = real_data.inner_user(user), real_data.inner_movie(movie)
        assert real_data.ratings[inner] == stars
    assert real_data.movies["name"][real_data.inner_movie(1)] == "Toy Story"


def test_no_real_film_has_an_empty_name(real_data: MovieData) -> None:
    assert real_data.movies["name"].str.strip().ne("").all()


# --- the shape of MovieData -----------------------------------------------------------------------


def test_inner_ids_follow_ascending_raw_ids_whatever_the_order_of_the_lines(load: Load) -> None:
    data = load(ratings=TOY_RATINGS[::-1], movies=TOY_MOVIES[3:] + TOY_MOVIES[:3])
    assert data.user_ids.tolist() == [3, 7, 20, 21, 105]
    assert data.movie_ids.tolist() == [10, 20, 35, 50, 70, 90, 110, 200]
    assert data.movies["name"][0] == "The Matrix"


def test_ratings_and_timestamps_lie_at_their_user_and_film(toy_data: MovieData) -> None:
    found = set()
    rows = np.repeat(toy_data.user_ids, toy_data.user_degree)
    for user, film, stars, at in zip(
        rows, toy_data.ratings.indices, toy_data.ratings.data, toy_data.timestamps, strict=True
    ):
        found.add((int(user), int(toy_data.movie_ids[film]), float(stars), int(at)))
    assert found == set(TOY_RATINGS)


def test_rated_by_and_stars_of_belong_together(toy_data: MovieData) -> None:
    user = toy_data.inner_user(105)
    assert toy_data.movie_ids[toy_data.rated_by(user)].tolist() == [20, 90, 110]
    assert toy_data.stars_of(user).tolist() == [3.0, 4.0, 4.5]


def test_degrees_and_mean_stars_of_the_toy_data(toy_data: MovieData) -> None:
    assert toy_data.user_degree.tolist() == [4, 3, 4, 1, 3]
    assert toy_data.movie_degree.tolist() == [3, 3, 2, 2, 2, 2, 1, 0]
    assert toy_data.mean_stars[0] == pytest.approx((4.0 + 4.5 + 2.5) / 3)
    assert np.isnan(toy_data.mean_stars[7])  # film 200 has no rating: unknown, not zero


def test_year_genres_and_ids_of_the_films(toy_data: MovieData) -> None:
    matrix, babylon = toy_data.movies.iloc[0], toy_data.movies.iloc[7]
    assert (matrix["year"], matrix["genres"]) == (1999, ("Action", "Sci-Fi"))
    assert (matrix["imdb_id"], matrix["tmdb_id"]) == ("010", "30")  # leading zero kept
    assert babylon["genres"] == () and babylon["tmdb_id"] == ""
    assert toy_data.movies["year"].isna().tolist() == [False] * 7 + [True]


def test_genre_features_have_length_1_and_no_row_for_a_film_without_genres(
    toy_data: MovieData,
) -> None:
    lengths = np.sqrt(toy_data.genre_features.power(2).sum(axis=1))
    np.testing.assert_allclose(lengths[:7], 1.0, rtol=1e-5)
    assert lengths[7] == 0.0
    up, jumanji, heat = (toy_data.genre_features[[i]] for i in (4, 2, 1))
    assert (up @ jumanji.T).toarray().item() == pytest.approx(1.0)  # both Adventure only
    assert (up @ heat.T).toarray().item() == 0.0


@pytest.mark.parametrize("raw", [4, 0, -1, 106, 2**70])
def test_an_unknown_user_is_refused_naming_the_id_and_the_range(
    toy_data: MovieData, raw: int
) -> None:
    with pytest.raises(UnknownIdError, match=rf"user {raw} .*from 3 to 105") as refusal:
        toy_data.inner_user(raw)
    assert_one_sentence(str(refusal.value))


def test_an_unknown_film_is_refused_naming_the_id_and_the_range(toy_data: MovieData) -> None:
    with pytest.raises(UnknownIdError, match=r"movie 11 .*from 10 to 200") as refusal:
        toy_data.inner_movie(11)
    assert_one_sentence(str(refusal.value))


@pytest.mark.parametrize(
    "name",
    [
        "timestamps",
        "user_ids",
        "movie_ids",
        "ratings",
        "tag_counts",
        "tag_features",
        "genre_features",
        *(
            pytest.param(
                name,
            )
            for name in ("user_degree", "movie_degree", "mean_stars")
        ),
    ],
)
def test_arrays_are_read_only(toy_data: MovieData, name: str) -> None:
    value = getattr(toy_data, name)
    parts = (value.data, value.indices, value.indptr) if sparse.issparse(value) else (value,)
    for part in parts:
        with pytest.raises(ValueError, match="read-only"):
            part[0] = part[0]


def test_without_tags_and_links_files_the_data_still_load(load: Load) -> None:
    data = load(tags=None, links=None)
    assert data.tag_names == () and data.tag_features.shape == (8, 0)
    assert set(data.movies["tmdb_id"]) == {""}


def test_tags_and_links_with_only_a_header_are_like_none(load: Load) -> None:
    data = load(tags=(), links=())
    assert data.tag_names == () and len(data.tags) == 0
    assert set(data.movies["imdb_id"]) == {""}


def test_films_without_any_genre_anywhere_load(load: Load) -> None:
    data = load(movies=[(movie, title, "(no genres listed)") for movie, title, _ in TOY_MOVIES])
    assert data.genre_names == () and data.genre_features.nnz == 0


# --- fingerprint ----------------------------------------------------------------------------------


def test_fingerprint_is_the_same_after_a_reload(load: Load) -> None:
    assert load().fingerprint == load().fingerprint


@pytest.mark.parametrize(
    "shuffled",
    [
        {"ratings": TOY_RATINGS[::-1]},
        {"movies": TOY_MOVIES[::-1]},
        {"links": TOY_LINKS[::-1]},
        pytest.param(
            {"tags": TOY_TAGS[::-1]},
        ),
    ],
    ids=lambda shuffled: next(iter(shuffled)),
)
def test_fingerprint_ignores_the_order_of_the_lines(load: Load, shuffled: dict) -> None:
    assert load(**shuffled).fingerprint == load().fingerprint


def test_fingerprint_changes_with_any_single_rating(load: Load) -> None:
    fingerprints = {load().fingerprint}
    for i, (user, movie, stars, at) in enumerate(TOY_RATINGS):
        other = (user, movie, 5.5 - stars, at)
        changed = load(ratings=[*TOY_RATINGS[:i], other, *TOY_RATINGS[i + 1 :]])
        fingerprints.add(changed.fingerprint)
    assert len(fingerprints) == 1 + len(TOY_RATINGS)


@pytest.mark.parametrize(
    "changed",
    [
        {"ratings": [*TOY_RATINGS, (21, 20, 4.0, 600)]},
        {"ratings": TOY_RATINGS[:-1]},
        {"ratings": [(*TOY_RATINGS[0][:3], 101), *TOY_RATINGS[1:]]},  # the temporal split uses it
        {"ratings": [(4 if row[0] == 3 else row[0], *row[1:]) for row in TOY_RATINGS]},
        {"tags": TOY_TAGS[1:]},
        {"tags": [*TOY_TAGS, (3, 35, "sci fi", 9)]},
        {"tags": [(8, *TOY_TAGS[0][1:]), *TOY_TAGS[1:]]},
        {"tags": [(3, 20, *TOY_TAGS[0][2:]), *TOY_TAGS[1:]]},
        {"tags": [(3, 10, "Sci Fi", 1), *TOY_TAGS[1:]]},
        {"movies": [*TOY_MOVIES, (300, "New (2020)", "Drama")]},
        {"movies": [*TOY_MOVIES[:-1], (201, *TOY_MOVIES[-1][1:])], "links": None},
    ],
    ids=[
        "rating added",
        "rating removed",
        "timestamp",
        "other raw user",
        "tag removed",
        "tag added",
        "other tagger",
        "tag on other film",
        "other spelling",
        "film added",
        "other raw film",
    ],
)
def test_fingerprint_changes_with_the_data(load: Load, changed: dict) -> None:
    before = load(links=None) if "links" in changed else load()
    assert load(**changed).fingerprint != before.fingerprint


# --- bad files ------------------------------------------------------------------------------------

GARBAGE = bytes(range(256)) * 8


def a_rating(line: str) -> dict[str, str]:
    return {"ratings": f"{RATINGS_CSV}{line}\n"}


BAD_FILES: dict[str, tuple[dict, tuple[str, ...]]] = {
    # what is wrong: (the files, what the sentence must name)
    "no ratings": ({"ratings": None}, ("ratings.csv", "missing")),
    "no movies": ({"movies": None}, ("movies.csv", "missing")),
    "ratings without a column": (
        {"ratings": "userId,movieId,timestamp\n3,10,100\n"},
        ("ratings.csv", "'rating'"),
    ),
    "ratings with a renamed column": (
        {"ratings": RATINGS_CSV.replace("rating,", "stars,")},
        ("ratings.csv", "'rating'", "'stars'"),
    ),
    "movies with a renamed column": (
        {"movies": MOVIES_CSV.replace("genres\n", "genre\n", 1)},
        ("movies.csv", "'genres'"),
    ),
    "tags with a renamed column": (
        {"tags": TAGS_CSV.replace("tag,", "label,", 1)},
        ("tags.csv", "'tag'"),
    ),
    "links with a renamed column": (
        {"links": LINKS_CSV.replace("tmdbId", "tmdb")},
        ("links.csv", "'tmdbId'"),
    ),
    "letters in a rating": (a_rating("21,20,good,1"), ("ratings.csv", NEXT_RATING, "'good'")),
    "an empty rating": (a_rating("21,20,,1"), ("ratings.csv", NEXT_RATING)),
    "letters in a user": (a_rating("Ann,20,4.0,1"), ("ratings.csv", NEXT_RATING, "'Ann'")),
    "half a user": (a_rating("1.5,20,4.0,1"), ("ratings.csv", NEXT_RATING, "'1.5'")),
    "letters in a tag's film": (
        {"tags": TAGS_CSV + "3,x,funny,1\n"},
        ("tags.csv", NEXT_TAG, "'x'"),
    ),
    **{
        f"{stars} stars": (a_rating(f"21,20,{stars},1"), ("ratings.csv", NEXT_RATING, stars))
        for stars in ("5.5", "4.75", "0.25", "0", "-1", "nan", "inf", "-inf", "45")
    },
    "stars too large for a float": (a_rating("21,20,1e400,1"), ("ratings.csv", NEXT_RATING)),
    "a negative user": (a_rating("-5,20,4.0,1"), ("ratings.csv", "userId")),
    "a negative film": (
        {"movies": MOVIES_CSV + "-1,New (2020),Drama\n"},
        ("movies.csv", "movieId"),
    ),
    "empty ratings": ({"ratings": ""}, ("ratings.csv", "empty")),
    "empty movies": ({"movies": ""}, ("movies.csv", "empty")),
    "empty tags": ({"tags": ""}, ("tags.csv", "empty")),
    "blank lines only": ({"ratings": "\n\n\n"}, ("ratings.csv",)),
    "ratings of a header only": ({"ratings": ()}, ("ratings.csv",)),
    "movies of a header only": ({"movies": ()}, ("movies.csv",)),
    "a rating twice": (
        a_rating("7,50,3.0,999"),
        ("ratings.csv", NEXT_RATING, "user 7", "movie 50"),
    ),
    "a film twice": ({"movies": MOVIES_CSV + "35,Again (2020),Drama\n"}, ("movies.csv", "35")),
    "a film's links twice": ({"links": LINKS_CSV + "35,1,2\n"}, ("links.csv",)),
    "a film without title": (
        {"movies": MOVIES_CSV + "300, ,Drama\n"},
        ("movies.csv", NEXT_MOVIE, "title"),
    ),
    "a rating of an unknown film": (
        a_rating("21,999,4.0,1"),
        ("ratings.csv", NEXT_RATING, "movieId 999"),
    ),
    "a tag on an unknown film": (
        {"tags": TAGS_CSV + "3,999,funny,1\n"},
        ("tags.csv", NEXT_TAG, "movieId 999"),
    ),
    "links of an unknown film": ({"links": LINKS_CSV + "999,1,2\n"}, ("links.csv", "movieId 999")),
    "garbage for ratings": ({"ratings": GARBAGE}, ("ratings.csv",)),
    "garbage for movies": ({"movies": GARBAGE}, ("movies.csv",)),
    "garbage for tags": ({"tags": GARBAGE}, ("tags.csv",)),
    "zeros after the ratings": ({"ratings": RATINGS_CSV + "\0" * 50}, ("ratings.csv",)),
    "latin-1": ({"movies": MOVIES_CSV.replace("Up", "Amélie").encode("latin-1")}, ("movies.csv",)),
    "utf-16": ({"ratings": RATINGS_CSV.encode("utf-16")}, ("ratings.csv",)),
    "last line cut after the user": ({"ratings": RATINGS_CSV + "21"}, ("ratings.csv", NEXT_RATING)),
    "last line cut after the film": (
        {"ratings": RATINGS_CSV + "21,20"},
        ("ratings.csv", NEXT_RATING),
    ),
    "last line cut after the stars": (
        {"ratings": RATINGS_CSV + "21,20,4.0"},
        ("ratings.csv", NEXT_RATING),
    ),
    "last line cut within quotes": ({"movies": MOVIES_CSV + '300,"New, T'}, ("movies.csv",)),
    "a huge film id": (
        a_rating("21,99999999999999999999,4.0,1"),
        ("ratings.csv", NEXT_RATING, "99999999999999999999"),
    ),
    "a huge timestamp": (
        a_rating("21,20,4.0,99999999999999999999"),
        ("ratings.csv", NEXT_RATING, "99999999999999999999"),
    ),
    "a rating with too many fields": (a_rating("21,20,4.0,1,9"), ("ratings.csv", NEXT_RATING)),
    "a decimal comma": (a_rating("21,20,4,0,1"), ("ratings.csv", NEXT_RATING)),
    "a film with too many fields": (
        {"movies": MOVIES_CSV + "300,New, The (2020),Drama\n"},
        ("movies.csv", NEXT_MOVIE),
    ),
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_bad_files_end_in_one_sentence_that_names_the_place(tmp_path: Path, fault: str) -> None:
    contents, named = BAD_FILES[fault]
    folder = write_dataset(tmp_path / "data", **contents)
    with pytest.raises(DataError) as refusal:
        load_movie_data(folder)
    message = str(refusal.value)
    assert_one_sentence(message)
    for words in named:
        assert words in message


def test_a_missing_folder_ends_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ratings\.csv is missing from") as refusal:
        load_movie_data(tmp_path / "nowhere")
    assert_one_sentence(str(refusal.value))


def test_a_folder_in_the_place_of_a_file_ends_in_one_sentence(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data", ratings=None)
    (folder / "ratings.csv").mkdir()
    with pytest.raises(DataError, match=r"ratings\.csv") as refusal:
        load_movie_data(folder)
    assert_one_sentence(str(refusal.value))


@pytest.mark.parametrize(
    "contents",
    [
        {"ratings": f"{HEADERS['ratings']}\n3,10,4,0,100\n7,20,3,5,200\n"},  # read as 3 stars
        {"ratings": f"{HEADERS['ratings']}\n3,10,4.0,100,9\n7,20,3.5,200\n"},
    ],
    ids=["decimal commas throughout", "only the first row"],
)
def test_too_many_fields_from_the_first_row_on_are_refused(load: Load, contents: dict) -> None:
    with pytest.raises(DataError, match=r"ratings\.csv"):
        load(**contents)


@pytest.mark.parametrize(
    "contents",
    [{"movies": MOVIES_CSV + "300,New Fil"}, {"links": LINKS_CSV.removesuffix(",\n")}],
    ids=["movies", "links"],
)
def test_a_last_line_cut_within_text_is_refused(load: Load, contents: dict) -> None:
    with pytest.raises(DataError, match=rf"{next(iter(contents))}\.csv"):
        load(**contents)


def test_the_line_number_counts_blank_lines(load: Load) -> None:
    with pytest.raises(DataError, match=r"line 5\b"):
        load(ratings=f"{HEADERS['ratings']}\n\n\n3,10,4.0,100\n7,20,9,200\n")


def test_a_full_width_digit_is_named_with_its_line(load: Load) -> None:
    with pytest.raises(DataError, match=NEXT_RATING):
        load(**a_rating("21,20,４,1"))  # now: "holds a number that is too large"


def test_a_title_with_a_year_in_other_digits_loads(load: Load) -> None:
    data = load(movies=[*TOY_MOVIES, (300, "فيلم (١٩٩٩)", "Drama")])
    assert data.n_movies == 9


@pytest.mark.parametrize(
    "accepted",
    [
        {"ratings": b"\xef\xbb\xbf" + RATINGS_CSV.encode()},
        {"ratings": RATINGS_CSV.replace("\n", "\r\n"), "movies": MOVIES_CSV.replace("\n", "\r\n")},
        {"ratings": RATINGS_CSV.removesuffix("\n")},
        {"ratings": RATINGS_CSV + "\n\n"},
        {"movies": MOVIES_CSV.replace("(no genres listed)", "")},
    ],
    ids=["byte order mark", "CRLF", "no final newline", "blank lines at the end", "no genres"],
)
def test_harmless_differences_give_the_same_data(load: Load, accepted: dict) -> None:
    assert load(**accepted).fingerprint == load().fingerprint


def test_columns_are_found_by_name_and_unknown_ones_ignored(load: Load) -> None:
    rows = "".join(f"{at},x,{stars},{film},{user}\n" for user, film, stars, at in TOY_RATINGS)
    data = load(ratings=f"timestamp,note,rating,movieId,userId\n{rows}")
    assert data.fingerprint == load().fingerprint


FUZZ_ALPHABET = "0123456789.,-+eE\"'\n\r\t \0#xnaif½é"


def loads_or_refuses(**contents: str | bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            data = load_movie_data(write_dataset(Path(folder), **contents))
        except DataError as error:
            assert_one_sentence(str(error))
        else:
            assert data.ratings.shape == (len(data.user_ids), len(data.movie_ids))
            assert ((data.ratings.data >= 0.5) & (data.ratings.data <= 5)).all()


@settings(max_examples=100)
@given(
    st.integers(0, len(RATINGS_CSV)),
    st.integers(0, 12),
    st.text(FUZZ_ALPHABET, max_size=12),
)
@example(0, len(RATINGS_CSV), "")
def test_ratings_with_any_stretch_overwritten_load_or_raise_a_data_error(
    at: int, removed: int, put: str
) -> None:
    loads_or_refuses(ratings=RATINGS_CSV[:at] + put + RATINGS_CSV[at + removed :])


@settings(max_examples=50)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_after_the_ratings_header_load_or_raise_a_data_error(tail: bytes) -> None:
    loads_or_refuses(ratings=HEADERS["ratings"].encode() + b"\n" + tail)


@settings(max_examples=50)
@given(
    st.integers(0, len(MOVIES_CSV)),
    st.integers(0, 12),
    st.text(FUZZ_ALPHABET + "()|", max_size=12),
)
def test_movies_with_any_stretch_overwritten_load_or_raise_a_data_error(
    at: int, removed: int, put: str
) -> None:
    loads_or_refuses(movies=MOVIES_CSV[:at] + put + MOVIES_CSV[at + removed :])


# --- tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Sci-Fi", "sci fi"),
        (" sci  fi! ", "sci fi"),
        ("time travel", "time travel"),
        ("Time_Travel", "time travel"),
        ("tumey's DVDs", "tumeys dvds"),
        ("it’s", "its"),
        ("Straße", "strasse"),
        ("AMÉLIE", "amélie"),
        ("Ame\u0301lie", "amélie"),  # the same letter in two code points
        ("ｆｕｎｎｙ", "funny"),
        ("70mm", "70mm"),
        ("!!!", ""),
        ("", ""),
        pytest.param(
            "Tumey´s",
            "tumeys",
        ),
    ],
)
def test_normalise_tag(raw: str, clean: str) -> None:
    assert normalise_tag(raw) == clean


@pytest.mark.parametrize("word", ["İstanbul", "हिन्दी"])
def test_a_mark_on_a_letter_does_not_split_the_word(word: str) -> None:
    assert " " not in normalise_tag(word)


@given(st.text())
def test_normalise_tag_is_idempotent(raw: str) -> None:
    assert normalise_tag(normalise_tag(raw)) == normalise_tag(raw)


def test_normalise_tag_is_idempotent_for_korean_letters_around_an_apostrophe() -> None:
    raw = "\u1100'\u1161"
    assert normalise_tag(normalise_tag(raw)) == normalise_tag(raw)


@given(st.text())
def test_normalise_tag_never_invents_or_reorders_letters(raw: str) -> None:
    available = iter(unicodedata.normalize("NFKC", raw).casefold())
    letters = normalise_tag(raw).replace(" ", "")
    assert all(letter in available for letter in letters)  # a subsequence


@given(st.text())
def test_a_normalised_tag_has_words_with_single_spaces_between(raw: str) -> None:
    clean = normalise_tag(raw)
    assert clean == " ".join(clean.split())
    categories = {unicodedata.category(letter)[0] for letter in clean.replace(" ", "")}
    assert categories.isdisjoint("PSZ")  # no punctuation, symbol or separator


def tag_rows(data: MovieData) -> dict[str, tuple[str, str]]:
    """Raw tag → (cleaned, status)."""
    rows = data.tags[["raw", "tag", "status"]].itertuples(index=False)
    return {raw: (tag, status) for raw, tag, status in rows}


def test_spellings_that_differ_in_spacing_become_the_most_frequent_form(load: Load) -> None:
    data = load(
        tags=[
            (3, 10, "Sci-Fi", 1),
            (7, 20, "sci fi", 2),
            (20, 35, "SciFi ", 3),
            (3, 50, "time travel", 4),
            (3, 70, "Time Travel", 5),
        ]
    )
    assert data.tag_names == ("sci fi", "time travel")
    assert {tag for tag, _ in tag_rows(data).values()} == {"sci fi", "time travel"}
    assert data.tag_counts[:, [0]].toarray().ravel().tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_every_status_of_a_tag(toy_data: MovieData) -> None:
    assert tag_rows(toy_data) == {
        "Sci-Fi": ("sci fi", "kept"),
        "sci fi": ("sci fi", "kept"),
        "time travel": ("time travel", "kept"),
        "Time Travel!": ("time travel", "kept"),
        "in netflix queue": ("in netflix queue", "noise"),
        "bleak": ("bleak", "rare"),  # on one film only
        "!!!": ("", "empty"),
    }
    assert toy_data.tag_names == ("sci fi", "time travel")


def test_noise_stays_noise_however_many_films_have_it(load: Load) -> None:
    data = load(tags=[(3, movie, "In Netflix queue", 1) for movie, _, _ in TOY_MOVIES])
    assert data.tag_names == ()
    assert set(data.tags["status"]) == {"noise"}


@pytest.mark.parametrize(
    "spelling",
    [
        "watch-list",
        "Netflix",
        "my DVDs",
        pytest.param(
            "BluRay",  # listed as "blu ray"
        ),
        pytest.param(
            "ToSee",
        ),
    ],
)
def test_noise_is_recognised_in_other_spellings(load: Load, spelling: str) -> None:
    data = load(tags=[(3, 10, spelling, 1), (7, 20, spelling, 2)])
    assert set(data.tags["status"]) == {"noise"}


def test_one_person_tagging_a_film_twice_counts_once(load: Load) -> None:
    tags = [(3, 10, "Sci-Fi", 1), (3, 10, "sci fi", 2), (7, 10, "scifi", 3), (3, 20, "sci fi", 4)]
    data = load(tags=tags)
    assert data.tag_counts.toarray()[:2, 0].tolist() == [2, 1]


def test_a_tag_twice_on_the_same_film_is_still_rare(load: Load) -> None:
    data = load(tags=[(3, 10, "bleak", 1), (7, 10, "bleak", 2)])
    assert set(data.tags["status"]) == {"rare"}


def test_tags_keep_the_raw_user_and_the_inner_film(toy_data: MovieData) -> None:
    last = toy_data.tags.iloc[-1]
    assert last["user_id"] == 300
    assert toy_data.movie_ids[last["movie"]] == 35


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Toy Story (1995)", "Toy Story"),
        ("Matrix, The (1999)", "The Matrix"),
        ("Fish Called Wanda, A (1988)", "A Fish Called Wanda"),
        ("Postman, The (Postino, Il) (1994)", "The Postman"),
        ("Seven (a.k.a. Se7en) (1995)", "Seven"),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)",
         "The City of Lost Children"),
        ("Avventura, L' (Adventure, The) (1960)", "L'Avventura"),
        ("Misérables, Les (1998)", "Les Misérables"),
        ("Good, the Bad and the Ugly, The (1966)", "The Good, the Bad and the Ugly"),
        ("(500) Days of Summer (2009)", "(500) Days of Summer"),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey"),
        ("Babylon 5", "Babylon 5"),
        ("Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto"),
        ("Heat (1995) ", "Heat"),
        pytest.param(
            "(1999)",
            "(1999)",
        ),
    ],
)  # fmt: skip
def test_display_name(title: str, name: str) -> None:
    assert display_name(title) == name


# --- the graph ------------------------------------------------------------------------------------

GRAPHS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=7))


def dense_normalised(edges: np.ndarray) -> np.ndarray:
    """D^-1/2 A D^-1/2 as the formula says, dense, in float64; isolated nodes have zero rows."""
    n_users, n_movies = edges.shape
    adjacency = np.zeros((n_users + n_movies,) * 2)
    adjacency[:n_users, n_users:] = edges
    adjacency[n_users:, :n_users] = edges.T
    degree = adjacency.sum(axis=1)
    root = np.diag([1 / np.sqrt(d) if d else 0.0 for d in degree])
    return root @ adjacency @ root


@given(GRAPHS)
@example(np.zeros((2, 3), bool))
@example(np.array([[True]]))
def test_normalised_adjacency_equals_the_dense_formula(edges: np.ndarray) -> None:
    result = normalised_adjacency(sparse.csr_array(edges.astype(np.float32)))
    np.testing.assert_allclose(result.toarray(), dense_normalised(edges), rtol=1e-6)


@given(GRAPHS)
def test_normalised_adjacency_is_symmetric_float32_with_int32_indices(edges: np.ndarray) -> None:
    result = normalised_adjacency(sparse.csr_array(edges.astype(np.float32)))
    np.testing.assert_array_equal(result.toarray(), result.toarray().T)
    assert result.shape == (sum(edges.shape),) * 2
    assert (result.dtype, result.indices.dtype, result.indptr.dtype) == (
        np.float32,
        np.int32,
        np.int32,
    )


@given(GRAPHS, st.integers(0, 1000))
def test_stars_play_no_part_in_the_graph(edges: np.ndarray, seed: int) -> None:
    stars = np.random.default_rng(seed).integers(1, 11, edges.shape) / 2
    with_stars = normalised_adjacency(sparse.csr_array((edges * stars).astype(np.float32)))
    without = normalised_adjacency(sparse.csr_array(edges.astype(np.float32)))
    np.testing.assert_array_equal(with_stars.toarray(), without.toarray())


def test_normalised_adjacency_puts_users_first(toy_data: MovieData) -> None:
    graph = normalised_adjacency(toy_data.ratings)
    user, film = toy_data.inner_user(105), toy_data.inner_movie(110)
    assert graph[user, toy_data.n_users + film] == pytest.approx(1 / np.sqrt(3 * 1))
    assert graph[[toy_data.n_users + 7]].nnz == 0  # film 200 has no rating


def test_every_stored_entry_is_an_edge_even_a_zero() -> None:
    stored = sparse.csr_array((np.array([0.0, 4.0], np.float32), [0, 1], [0, 2]), shape=(1, 2))
    assert normalised_adjacency(stored).nnz == 4


def test_a_fault_below_a_title_of_two_lines_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n1,"A\nFilm (2000)",Drama\n2,B (2000),Drama\n3, ,Drama\n'
    )
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,1\n")
    with pytest.raises(DataError, match=r"movies\.csv, line 5: the title is empty"):
        load_movie_data(tmp_path)
