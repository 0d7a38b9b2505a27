"""Addresses of a film at other sites."""

from __future__ import annotations

import pytest

from lookup.film_sites import film_pages


def test_the_ids_of_links_csv_give_the_pages() -> None:
    assert film_pages("0114709", "862") == {
        "IMDb": "https://www.imdb.com/title/tt0114709/",
        "TMDB": "https://www.themoviedb.org/movie/862",
    }
    assert film_pages("114709", "")["IMDb"].endswith("/tt0114709/")  # a spreadsheet ate the zero
    assert film_pages("10872600", "")["IMDb"].endswith("/tt10872600/")


@pytest.mark.parametrize("bad", ["", " ", "862)", "tt1", "8/6", "-1", "1.0", "١", "1" * 13])
def test_what_is_no_id_gives_no_link(bad: str) -> None:
    assert film_pages(bad, bad) == {}
