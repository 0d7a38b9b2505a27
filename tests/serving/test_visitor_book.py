"""What a browser keeps: merging, and reading what anyone may have written there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_preparation import MovieData, load_movie_data
from lookup.ratings_import import MAX_ROWS
from serving import visitor_book
from serving.visitor_book import (
    KINDS,
    MAX_CHARS,
    Book,
    Entry,
    as_text,
    film_keys,
    merge,
    next_moment,
    read_stored,
    store_name,
)
from tests.conftest import TOY_MOVIES, write_dataset

STARS = st.one_of(st.none(), st.integers(1, 10).map(lambda halves: halves / 2))
DAYS = st.one_of(st.none(), st.dates().map(lambda day: day.isoformat()))
FILMS = st.sampled_from(["1.00ff", "2.abcd", "31.0000"])
MOMENTS = st.integers(0, 5)  # few, so that changes meet


def tables(values: st.SearchStrategy) -> st.SearchStrategy[dict[str, Entry]]:
    return st.dictionaries(FILMS, st.builds(Entry, values, MOMENTS))


BOOKS: st.SearchStrategy[Book] = st.fixed_dictionaries(
    {kind: tables(STARS if kind == "my_stars" else DAYS) for kind in KINDS}
)


@given(BOOKS, BOOKS, BOOKS)
def test_merging_minds_neither_order_nor_grouping_nor_repetition(
    one: Book, two: Book, three: Book
) -> None:
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, one) == one
    assert merge(merge(one, two), two) == merge(one, two)


@given(BOOKS, BOOKS)
def test_of_each_film_the_last_change_wins(one: Book, two: Book) -> None:
    merged = merge(one, two)
    for kind in KINDS:
        assert merged[kind].keys() == one[kind].keys() | two[kind].keys()
        for film, entry in merged[kind].items():
            rivals = [book[kind][film] for book in (one, two) if film in book[kind]]
            assert entry in rivals
            assert entry.at == max(rival.at for rival in rivals)


def test_a_removal_is_a_change_like_any_other() -> None:
    rated, removed = (
        {"my_stars": {"1.00ff": Entry(4.5, 10)}},
        {"my_stars": {"1.00ff": Entry(None, 11)}},
    )
    assert merge(rated, removed)["my_stars"] == {"1.00ff": Entry(None, 11)}
    again: Book = {"my_stars": {"1.00ff": Entry(2.0, 12)}}
    assert merge(removed, merge(again, rated))["my_stars"] == {"1.00ff": Entry(2.0, 12)}


def test_a_change_comes_after_what_a_clock_ahead_of_ours_wrote() -> None:
    assert next_moment(100, None) == 100
    assert next_moment(100, Entry(3.0, 40)) == 100
    assert next_moment(100, Entry(3.0, 900)) == 901


@given(BOOKS)
def test_a_stored_book_is_read_back_equal(book: Book) -> None:
    stored = read_stored(as_text(book))
    assert (stored.book, stored.unread) == (book, 0)


@given(st.text())
def test_any_text_is_read_as_something(text: str) -> None:
    assert not any(read_stored(text).book.values())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[" * 200_000,
        '{"version":1',
        "[1]",
        "null",
        '{"version":2,"my_stars":{"1.00ff":[4.5,1]}}',
        '{"version":1,"my_stars":[["1.00ff",4.5]]}',
        '{"version":1,"my_stars":"1.00ff"}',
        '{"version":1,"my_stars":{"1.00ff":[4.5,1]}}' + " " * MAX_CHARS,
    ],
)
def test_of_a_text_that_is_no_book_nothing_is_used(text: str) -> None:
    assert not any(read_stored(text).book.values())


@pytest.mark.parametrize(
    "entry",
    [
        *([4.7, 1], [0, 1], [5.5, 1], [True, 1], ["4.5", 1], [[4.5], 1], [{}, 1], [1e400, 1]),
        *([4.5], [4.5, 1, 1], 4.5, None, {"value": 4.5}, [4.5, -1], [4.5, 1.5], [4.5, "1"]),
        *([4.5, True], [4.5, 2**53 - 1], [4.5, 10**400], [float("nan"), 1], ["2024-01-01", 1]),
    ],
)
def test_an_entry_that_is_none_is_counted_and_spoils_no_other(entry: object) -> None:
    table = {"1.00ff": [4.5, 1], "2.abcd": entry}
    stored = read_stored(json.dumps({"version": 1, "my_stars": table}))
    assert stored.book["my_stars"] == {"1.00ff": Entry(4.5, 1)}
    assert stored.unread == 1


@pytest.mark.parametrize("day", ["2024-1-1", "2024-02-30", "20240101", "2024-W01-1", "", 20240101])
def test_a_day_is_an_iso_day(day: object) -> None:
    stored = read_stored(json.dumps({"version": 1, "shortlist": {"1.00ff": [day, 1]}}))
    assert (stored.book["shortlist"], stored.unread) == ({}, 1)


@pytest.mark.parametrize(
    "film", ["", "1", "1.ff", "1.00FF", "-1.00ff", "٧.00ff", "__proto__", "x" * 99]
)
def test_a_film_is_a_number_and_a_check(film: str) -> None:
    stored = read_stored(json.dumps({"version": 1, "my_stars": {film: [4.5, 1]}}))
    assert (stored.book["my_stars"], stored.unread) == ({}, 1)


def test_of_too_many_entries_the_newest_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_book, "MAX_ROWS", 2)
    entries = {f"{n}.0000": [4.5, at] for n, at in enumerate((5, 1, 9))}
    stored = read_stored(json.dumps({"version": 1, "my_stars": entries}))
    assert stored.book["my_stars"] == {"0.0000": Entry(4.5, 5), "2.0000": Entry(4.5, 9)}
    assert stored.unread == 1


def test_as_many_ratings_as_a_file_may_have_fit_into_the_storage() -> None:
    table = {f"{200_000 + n}.0000": Entry(4.5, 1_795_626_231_723) for n in range(MAX_ROWS)}
    days = {film: Entry("2024-01-31", entry.at) for film, entry in table.items()}
    assert len(as_text({"my_stars": table, "rated_on": days})) < MAX_CHARS


def test_a_film_key_holds_the_raw_id_and_tells_other_data_apart(
    toy_data: MovieData, tmp_path: Path
) -> None:
    keys = film_keys(toy_data)
    assert [key.split(".")[0] for key in keys] == [str(movie) for movie, _, _ in TOY_MOVIES]
    others = [(movie, f"{title} II", genres) for movie, title, genres in TOY_MOVIES[1:]]
    other = load_movie_data(write_dataset(tmp_path / "other", movies=[TOY_MOVIES[0], *others]))
    assert set(film_keys(other)) & set(keys) == {keys[0]}


def test_a_data_set_is_told_by_its_folder_so_that_it_may_grow(
    toy_data: MovieData, tmp_path: Path
) -> None:
    grown = [*TOY_MOVIES, (300, "New (2024)", "Drama")]
    again = load_movie_data(write_dataset(tmp_path / "elsewhere" / "toy", movies=grown))
    assert again.fingerprint != toy_data.fingerprint
    assert store_name(again) == store_name(toy_data)
    other = load_movie_data(write_dataset(tmp_path / "other"))
    assert store_name(other) != store_name(toy_data)
    assert "toy" not in store_name(toy_data)
