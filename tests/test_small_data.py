"""Data that are too few, too alike or written otherwise: every tab says what is the matter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from serving import state
from tabs.links import TABS
from tests.conftest import REPOSITORY, write_dataset

FILMS = [(n, f"Film {n} ({1990 + n})", "Drama|Comedy" if n % 2 else "Drama") for n in range(1, 13)]

Open = Callable[[Iterable[tuple], Iterable[tuple]], dict[str, AppTest]]


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Every tab on data of these ratings and films, after the first training has ended."""
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "model.pth"))
    monkeypatch.delenv("TMDB_API_KEY", raising=False)
    st.cache_resource.clear()
    monkeypatch.setattr(state, "_server", state.ServerState())

    def visit(ratings: Iterable[tuple], films: Iterable[tuple]) -> dict[str, AppTest]:
        write_dataset(tmp_path / "data", ratings, films, None, None)
        open_tab(TABS[0])
        for thread in threading.enumerate():
            if thread.name == "training":
                thread.join(timeout=60)
        return {tab: open_tab(tab) for tab in TABS}

    yield visit
    st.cache_resource.clear()


def open_tab(tab: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.query_params["tab"] = tab
    app.run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def rated(users: int, films: Iterable[int]) -> list[tuple]:
    return [
        (user, film, 1 + (user * 3 + film) % 9 / 2, 100 * user + film)
        for user in range(1, users + 1)
        for film in films
    ]


@pytest.mark.parametrize("users", [1, 2], ids=["one person", "two friends"])
def test_few_people_have_a_model_in_every_tab(pages: Open, users: int) -> None:
    for tab, app in pages(rated(users, range(1, 9)), FILMS).items():
        assert not app.error and not app.warning, tab


def test_films_of_one_year_have_a_list_and_no_years_to_choose(pages: Open) -> None:
    films = [(n, f"Film {n} (1999)", "Drama") for n in range(1, 13)]
    app = pages(rated(4, range(1, 9)), films)["Recommendations"]
    assert "Years" not in [slider.label for slider in app.slider]
    assert app.get("dataframe") or app.button


def test_one_rating_each_says_in_every_tab_why_there_is_no_model(pages: Open) -> None:
    ratings = [(user, 1 + user % 12, 4.0, user) for user in range(1, 20)]
    for tab, app in pages(ratings, FILMS).items():
        (error,) = app.error
        assert "No model could be trained" in error.value and "three or more" in error.value, tab
        assert "being trained now" not in " ".join(each.value for each in app.info)


def test_everything_rated_says_that_nothing_is_left(pages: Open) -> None:
    app = pages(rated(5, range(1, 13)), FILMS)["Recommendations"]
    assert not app.error
    assert any("Every film of the data is rated" in each.value for each in app.info)


def test_another_encoding_says_which_to_save_in(pages: Open, tmp_path: Path) -> None:
    pages(rated(3, range(1, 9)), FILMS)
    movies = "movieId,title,genres\n1,Amélie (2001),Drama\n".encode("latin-1")
    (tmp_path / "data" / "movies.csv").write_bytes(movies)
    (error,) = open_tab("Start Here").error
    assert "movies\\.csv is not UTF\\-8 text; save it as UTF\\-8" in error.value
