"""Where scores come from, as bars: parts of final scores, terms of a graph score, shared tags.

Names stand above the bars, so that a phone has room for both. All numbers are rounded so that they
add up as they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.reasons import Line
from charts.basics import BLUE, GREY, ORANGE, PURPLE, VERMILLION
from charts.html import Bar, bars
from data_preparation import MovieData
from model.rounding import rounded_parts, rounded_sum
from model.runs import OURS
from prediction import Recommendation

GRAPH_LABEL, TAG_LABEL, POPULARITY_LABEL = f"graph ({OURS})", "tags and genres", "popularity"
KIND_NAMES = {
    "seen": "people who rated both",
    "taste": "the taste of these people: what they rated above or below their own mean",
    "genre": "the same genre",
    "tag": "the same tags",
    "year": "about the same year",
    "genre_decade": "the same genre in the same decade",
    "series": "titles that begin alike: a series",
    "rest": "what no kind accounts for: rounding, or what BPR learned",
}
DECIMALS = 3


def number(value: float, decimals: int = DECIMALS) -> str:
    """`−0.12`, with a real minus sign."""
    return f"{value:.{decimals}f}".replace("-", "−")


def parts_of(item: Recommendation) -> list[float]:
    """The parts of a final score; popularity only where it counts."""
    parts = [item.graph_part, item.tag_part]
    return [*parts, item.popularity_part] if item.popularity_part else parts


def score_bars(data: MovieData, recommendations: Sequence[Recommendation]) -> str:
    """The parts of each final score, end to end."""
    colours = {GRAPH_LABEL: BLUE, TAG_LABEL: ORANGE, POPULARITY_LABEL: PURPLE}
    if not any(item.popularity_part for item in recommendations):
        del colours[POPULARITY_LABEL]
    rows = [
        Bar(
            name=f"{rank}. {data.labels[item.movie]}",
            value=item.score,
            text=number(rounded_sum(parts_of(item), DECIMALS)),
            segments=tuple(zip(parts_of(item), colours.values(), strict=False)),
        )
        for rank, item in enumerate(recommendations, 1)
    ]
    return bars(rows, "Final scores as a sum of their parts", above=True, legend=colours)


def term_bars(names: Sequence[str], lines: Sequence[Line], decimals: int) -> str:
    """The lines of a graph score."""
    values = [line.value for line in lines]
    colours = [
        GREY if line.kind == "own" else BLUE if line.value >= 0 else VERMILLION for line in lines
    ]
    return _sum_bars(names, values, colours, "What each rated film adds to the score", decimals)


def kind_bars(kinds: Mapping[str, float], decimals: int) -> str:
    """A graph score by the kind of node that its walks go through."""
    names = [KIND_NAMES[kind] for kind in kinds]
    colours = [BLUE if value >= 0 else VERMILLION for value in kinds.values()]
    return _sum_bars(names, list(kinds.values()), colours, "What the score goes through", decimals)


def tag_bars(tags: Sequence[tuple[str, float]], decimals: int) -> str:
    """The shares of tags in a similarity."""
    names, values = [tag for tag, _ in tags], [share for _, share in tags]
    title = "Share of each tag in the similarity"
    return _sum_bars(names, values, [ORANGE] * len(tags), title, decimals)


def _sum_bars(
    names: Sequence[str],
    values: Sequence[float],
    colours: Sequence[str],
    title: str,
    decimals: int,
) -> str:
    shown = rounded_parts(values, decimals)
    rows = [
        Bar(name, value, number(as_shown, decimals), colour)
        for name, value, as_shown, colour in zip(names, values, shown, colours, strict=True)
    ]
    return bars(rows, title, above=True)
