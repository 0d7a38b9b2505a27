"""The colours of all pictures: one palette for colour-blind readers (Okabe & Ito), both themes."""

from __future__ import annotations

from data_preparation import MovieData

BLUE, ORANGE, GREEN, VERMILLION = "#3b8bd0", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, GREY = "#cc79a7", "#56b4e9", "#8a8f98"
PALETTE = [BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, "#b8a600", "#7f5fc7", "#a0522d", GREY]

# Of texts in charts, on the light theme's white and on the dark one: Streamlit's own grey has a
# contrast of 3.7 on white, orange one of 2.2; WCAG asks for 4.5.
LABEL_COLOURS = ("#5b5f6b", "#d5dae5")
ORANGE_TEXT = ("#8a5a00", ORANGE)


def by_theme(colours: tuple[str, str]) -> str:
    """A Vega expression: the first colour on the light theme, the second on the dark one.

    One chart serves both; its background, which the page sets, tells which one is on.
    """
    light, dark = colours
    return f"luminance(background) > 0.5 ? '{light}' : '{dark}'"


def label(data: MovieData, movie: int) -> str:
    """Display title with year: `The Matrix (1999)`."""
    return data.labels[movie]
