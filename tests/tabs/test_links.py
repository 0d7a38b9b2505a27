"""What a link may ask for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from data_preparation import MovieData
from tabs.links import read_link, year_range


def test_a_sound_link_has_no_problems(toy_data: MovieData) -> None:
    query = {
        "tab": ["Recommendations"],
        "who": ["Me"],
        "profile": ["What I will watch"],
        "user": ["20"],
        "k": ["7"],
        "tag_weight": ["0.25"],
        "novelty": ["-0.5"],
        "recent": ["Last 30 films"],
        "popular_now": ["0.5"],
        "genres": ["Action", "Sci-Fi"],
        "years": ["1979", "1999"],
        "utm_source": ["somewhere else"],
    }
    assert read_link(query, toy_data) == (query, [])
    assert year_range(toy_data) == (1979, 2009)


@pytest.mark.parametrize(("title", "years"), [("A (1999)", (1999, 1999)), ("A", (1900, 2100))])
def test_there_is_a_range_of_years_whatever_the_films(
    load: Callable[..., MovieData], title: str, years: tuple[int, int]
) -> None:
    film = [(10, title, "Drama")]
    data = load(movies=film, ratings=[(1, 10, 4.0, 1)], tags=None, links=None)
    assert year_range(data) == years  # of one year alone there is no slider


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", "0"),
        ("k", "51"),
        ("k", "many"),
        ("k", "nan"),
        ("tag_weight", "1.01"),
        ("novelty", "-2"),
        ("years", "1800"),
        ("user", "4"),
        ("user", "<script>"),
        ("genres", "Nonsense"),
        ("without", ""),
        ("tab", "Secret"),
        ("who", "You"),
        ("profile", "like"),
        ("recent", "5"),
        ("popular_now", "1.5"),
        ("chapter", "The end"),
        ("level", "Expert"),
        ("section", "Nowhere"),
    ],
)
def test_what_the_widgets_would_refuse_is_said_in_a_sentence(
    toy_data: MovieData, name: str, value: str
) -> None:
    (problem,) = read_link({name: [value]}, toy_data)[1]
    assert name in problem and f"“{value}”" in problem


def test_a_huge_value_is_cut_short(toy_data: MovieData) -> None:
    (problem,) = read_link({"k": ["9" * 5000]}, toy_data)[1]
    assert len(problem) < 200
