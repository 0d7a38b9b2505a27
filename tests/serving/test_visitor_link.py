"""A visitor's films in a link."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_preparation import MovieData, load_movie_data
from serving.visitor_link import MAX_CODE, LinkedFilms, LinkError, decode, encode
from settings import DEMO_DIR
from tests.conftest import TOY_MOVIES, assert_one_sentence, write_dataset

DEMO = load_movie_data(DEMO_DIR)
MOVIES = st.integers(0, DEMO.n_movies - 1)


@given(
    st.dictionaries(MOVIES, st.integers(1, 10).map(lambda halves: halves / 2), max_size=40),
    st.sets(MOVIES, max_size=9),
    st.sets(MOVIES, max_size=9),
)
def test_what_a_link_carries_is_read_back_equal(
    stars: dict[int, float], shortlist: set[int], unwanted: set[int]
) -> None:
    code = encode(DEMO, stars, shortlist, unwanted)
    assert set(code) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    found = decode(code, DEMO)
    assert (found.stars, set(found.shortlist), set(found.not_interested)) == (
        stars,
        shortlist,
        unwanted,
    )
    assert (found.size, found.elsewhere) == (len(stars) + len(shortlist) + len(unwanted), 0)


def test_the_letters_by_hand(toy_data: MovieData) -> None:
    # Film 10 with 4.5 stars: the version, the step 10, 12 bits of the title's check and 9 halves.
    check = zlib.crc32(toy_data.labels[0].encode()) & 0xFFF
    content = bytes([1, 10, check >> 4, (check & 0xF) << 4 | 9])
    content += zlib.crc32(content).to_bytes(4)
    code = base64.urlsafe_b64encode(content).decode().rstrip("=")
    assert encode(toy_data, {0: 4.5}, [], []) == code
    assert decode(code, toy_data) == LinkedFilms({0: 4.5})


def test_four_hundred_ratings_fit_into_a_link() -> None:
    every = range(0, DEMO.n_movies, max(1, DEMO.n_movies // 400))
    assert len(list(every)) >= 400
    assert len(encode(DEMO, dict.fromkeys(list(every)[:400], 3.5), [], [])) <= MAX_CODE


def test_in_other_data_the_same_number_is_no_film(toy_data: MovieData, tmp_path: Path) -> None:
    others = [(movie, f"{title} II", genres) for movie, title, genres in TOY_MOVIES[1:]]
    other = load_movie_data(write_dataset(tmp_path / "other", movies=[TOY_MOVIES[0], *others]))
    found = decode(encode(toy_data, {0: 4.0, 1: 3.0}, [2], []), other)
    assert found == LinkedFilms({0: 4.0}, elsewhere=2)


@given(st.integers(0, 25), st.integers(1, 255))
def test_a_damaged_link_is_refused_in_a_sentence(place: int, change: int) -> None:
    code = encode(DEMO, {3: 4.5, 70: 1.0, 200: 3.0}, [4], [9])
    content = bytearray(base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)))
    place %= len(content)
    content[place] ^= change
    with pytest.raises(LinkError) as told:
        decode(base64.urlsafe_b64encode(content).decode().rstrip("="), DEMO)
    assert_one_sentence(str(told.value))


def sealed(content: bytes) -> str:
    """Entries that someone made up, with the right version and checksum."""
    content = b"\1" + content
    return base64.urlsafe_b64encode(content + zlib.crc32(content).to_bytes(4)).decode().rstrip("=")


@given(st.text(max_size=60) | st.binary(max_size=60).map(sealed))
def test_anything_else_is_refused_or_read(code: str) -> None:
    try:
        assert isinstance(decode(code, DEMO), LinkedFilms)
    except LinkError as error:
        assert_one_sentence(str(error))


@pytest.mark.parametrize("length", range(0, 20, 3))
def test_a_link_that_was_cut_short_is_refused(length: int) -> None:
    with pytest.raises(LinkError):
        decode(encode(DEMO, {3: 4.5, 70: 1.0, 200: 3.0}, [4], [9])[:length], DEMO)


def test_a_link_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(LinkError, match=r"longer than 2,000 characters"):
        decode("A" * (MAX_CODE + 1), DEMO)
