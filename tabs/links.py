"""Deep links: which parameters a link may carry, and what to say of the ones that are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data_preparation import MovieData
from tabs.insights import SECTIONS
from tabs.lesson import CHAPTERS, LEVELS

MAX_K = 50
MAX_MIN_RATINGS = 100
WHO = ("A user of the data", "Me")
TABS = ("Start Here", "Recommendations", "Train Model", "Insights")


def year_range(data: MovieData) -> tuple[int, int]:
    """First and last year of the films."""
    years = data.movies["year"].dropna()
    return (int(years.min()), int(years.max())) if len(years) else (1900, 2100)


def link_problems(query: Mapping[str, Sequence[str]], data: MovieData) -> list[str]:
    """A sentence for every parameter that the widgets will not accept and set to its default.

    Args:
        query: parameter name → values, as in the address.
    """
    first_year, last_year = year_range(data)
    ranges = {
        "k": (1, MAX_K),
        "tag_weight": (0, 1),
        "novelty": (-1, 1),
        "diversity": (0, 1),
        "min_ratings": (0, MAX_MIN_RATINGS),
        "years": (first_year, last_year),
    }
    choices = {
        "tab": TABS,
        "who": WHO,
        "chapter": CHAPTERS,
        "level": LEVELS,
        "section": SECTIONS,
        "genres": data.genre_names,
        "without": data.genre_names,
        "user": frozenset(map(str, data.user_ids.tolist())),
    }
    problems = []
    for name, values in query.items():
        for value in values:
            if name in ranges:
                low, high = ranges[name]
                if not _is_number_between(value, low, high):
                    problems.append(
                        f"The link asks for {name} = “{value[:40]}”, which is not a number from "
                        f"{low} to {high}; the default is used."
                    )
            elif name in choices and value not in choices[name]:
                problems.append(
                    f"The link asks for {name} = “{value[:40]}”, which does not exist here; "
                    "the default is used."
                )
    return problems


def _is_number_between(value: str, low: float, high: float) -> bool:
    try:
        return low <= float(value) <= high
    except ValueError:
        return False
