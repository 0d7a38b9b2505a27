"""Films by what someone types: exact names, words, other titles, misspellings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_preparation import MovieData, load_movie_data
from lookup.title_search import TitleSearch
from settings import DEMO_DIR
from tests.conftest import write_dataset

DEMO = load_movie_data(DEMO_DIR)
SEARCH = TitleSearch.of(DEMO)


def search(folder: Path, titles: list[str]) -> tuple[MovieData, TitleSearch]:
    """Films 0, 1, …; film n has n + 1 ratings, so that the last is the most rated."""
    movies = [(n, title, "Drama") for n, title in enumerate(titles)]
    ratings = [(u, n, 4.0, 1) for n in range(len(titles)) for u in range(n + 1)]
    data = load_movie_data(write_dataset(folder, ratings=ratings, movies=movies, tags=(), links=()))
    return data, TitleSearch.of(data)


def test_an_exact_name_leads_then_words_that_begin_so_then_the_rest(tmp_path: Path) -> None:
    _, titles = search(
        tmp_path, ["Heat (1995)", "Body Heat (1981)", "Heathers (1989)", "Cheats (2002)"]
    )
    assert titles.find("heat", 8) == ([0, 2, 1, 3], True)
    assert titles.find("HEAT body", 8) == ([1], True)
    assert titles.find("heat 1981", 8) == ([1], True)
    assert titles.find("heat", 2) == ([0, 2], True)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("amelie", "Amélie (Fabuleux destin d'Amélie Poulain, Le) (2001)"),
        ("Fabuleux Destin", "Amélie (Fabuleux destin d'Amélie Poulain, Le) (2001)"),
        ("fabuleux destin damelie", "Amélie (Fabuleux destin d'Amélie Poulain, Le) (2001)"),
        ("wall-e", "WALL·E (2008)"),
        ("walle", "WALL·E (2008)"),
        ("the matrix", "Matrix, The (1999)"),
        ("matrix the", "Matrix, The (1999)"),
        ("se7en", "Seven (a.k.a. Se7en) (1995)"),
        ("starwars", "Star Wars: Episode IV - A New Hope (1977)"),
        ("8½", "8 1/2 (8½) (1963)"),
        ("its a wonderful", "It's a Wonderful Life (1946)"),
        ("it’s a wonderful", "It's a Wonderful Life (1946)"),
    ],
)
def test_signs_accents_articles_and_other_titles_do_not_matter(
    tmp_path: Path, typed: str, title: str
) -> None:
    _, titles = search(tmp_path, [title, "Something Else (1990)"])
    assert titles.find(typed, 8) == ([0], True)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("forest gump", "Forrest Gump (1994)"),
        ("the matirx", "Matrix, The (1999)"),
        ("shawshenk", "Shawshank Redemption, The (1994)"),
        ("lion king 1997", "Lion King, The (1994)"),
    ],
)
def test_a_misspelt_title_is_found_and_said_to_be_similar_only(
    tmp_path: Path, typed: str, title: str
) -> None:
    _, titles = search(tmp_path, [title, "Casablanca (1942)", "Psycho (1960)"])
    assert titles.find(typed, 8) == ([0], False)


@pytest.mark.parametrize("typed", ["qwerty asdf", "$", "(.*", "★", "\0", "()[]\\"])
def test_nothing_is_found_for_what_no_title_is_like(typed: str) -> None:
    assert SEARCH.find(typed, 8) == ([], False)


@pytest.mark.parametrize("typed", ["", "  "])
def test_no_text_finds_the_most_rated(typed: str) -> None:
    found, have_it = SEARCH.find(typed, 20)
    assert have_it
    assert found == np.argsort(-DEMO.movie_degree, kind="stable")[:20].tolist()


def test_every_film_is_found_by_its_label() -> None:
    for movie, label in enumerate(DEMO.labels):
        found, have_it = SEARCH.find(label, 8)
        assert have_it and movie in found, label


@given(st.text(max_size=40), st.integers(1, 12))
def test_whatever_is_typed_gives_films_without_repetition(typed: str, limit: int) -> None:
    found, have_it = SEARCH.find(typed, limit)
    assert len(found) == len(set(found)) <= limit
    assert set(found) <= set(range(DEMO.n_movies))
    assert found or not have_it


def test_on_movielens_the_film_meant_comes_first(real_data: MovieData) -> None:
    titles = TitleSearch.of(real_data)
    for typed, label in {
        "it": "It (2017)",
        "léon": "Léon: The Professional (1994)",
        "lord rings return": "The Lord of the Rings: The Return of the King (2003)",
        "godfater": "The Godfather (1972)",
        "spirted away": "Spirited Away (2001)",
        "1994 pulp": "Pulp Fiction (1994)",
    }.items():
        assert real_data.labels[titles.find(typed, 3)[0][0]] == label
