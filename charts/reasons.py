"""Where scores come from, as bars: parts of final scores, terms of a graph score, shared tags.

Names stand above the bars, so that a phone has room for both. All numbers are rounded so that they
add up as they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.reasons import Line
from charts.basics import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION
from charts.html import Bar, bars
from data_preparation import MovieData
from model.rounding import rounded_parts, rounded_sum
from model.runs import OURS
from prediction import Recommendation

# The parts of a final score: in the legend, and their colours.
_PARTS = {
    "graph": (f"graph ({OURS})", BLUE),
    "tags": ("tags and genres", ORANGE),
    "popularity": ("popularity", PURPLE),
    "now": ("popular now", GREEN),
}
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


def parts_of(item: Recommendation) -> dict[str, float]:
    """The parts of a final score by name; popularity, ever and now, only where it counts."""
    parts = {"graph": item.graph_part, "tags": item.tag_part}
    popularity = {"popularity": item.popularity_part, "now": item.trend_part}
    return parts | {name: part for name, part in popularity.items() if part}


def score_bars(data: MovieData, recommendations: Sequence[Recommendation]) -> str:
    """The parts of each final score, end to end."""
    every = [parts_of(item) for item in recommendations]
    rows = [
        Bar(
            name=f"{rank}. {data.labels[item.movie]}",
            value=item.score,
            text=number(rounded_sum(list(parts.values()), DECIMALS)),
            segments=tuple((part, _PARTS[name][1]) for name, part in parts.items()),
        )
        for rank, (item, parts) in enumerate(zip(recommendations, every, strict=True), 1)
    ]
    used = {name for parts in every for name in parts}
    legend = {label: colour for name, (label, colour) in _PARTS.items() if name in used}
    return bars(rows, "Final scores as a sum of their parts", above=True, legend=legend)


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
