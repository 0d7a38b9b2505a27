"""The colours of all pictures: one palette for colour-blind readers (Okabe & Ito), both themes."""

from __future__ import annotations

from data_preparation import MovieData

BLUE, ORANGE, GREEN, VERMILLION = "#3b8bd0", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, GREY = "#cc79a7", "#56b4e9", "#8a8f98"
PALETTE = [BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, "#b8a600", "#7f5fc7", "#a0522d", GREY]


def label(data: MovieData, movie: int) -> str:
    """Display title with year: `The Matrix (1999)`."""
    return data.labels[movie]
