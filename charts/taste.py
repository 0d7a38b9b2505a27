"""How a taste moved: genres from period to period, and the path over the map of films."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts.basics import BLUE, GREY, LABEL_COLOURS, PALETTE, VERMILLION, by_theme

OTHERS = "other genres"


def genre_chart(table: pd.DataFrame) -> alt.Chart:
    """Stacked bars, one for each period: columns period, genre, share (0 to 1).

    Periods and genres come in the order of the table; `OTHERS` is grey.
    """
    genres = table["genre"].unique().tolist()
    colours = [
        GREY if g == OTHERS else PALETTE[n % (len(PALETTE) - 1)] for n, g in enumerate(genres)
    ]
    order = {genre: number for number, genre in enumerate(genres)}
    return (
        alt.Chart(table.assign(order=table["genre"].map(order)))
        .mark_bar()
        .encode(
            x=alt.X(
                "share:Q",
                title="share of the weight of the films",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%"),
            ),
            y=alt.Y(
                "period:N",
                sort=table["period"].unique().tolist(),
                title=None,
                axis=alt.Axis(labelLimit=150, labelOverlap=False),
            ),
            color=alt.Color(
                "genre:N",
                scale=alt.Scale(domain=genres, range=colours),
                legend=alt.Legend(orient="top", title=None, columns=2, symbolLimit=0),
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("period:N"),
                alt.Tooltip("genre:N"),
                alt.Tooltip("share:Q", format=".0%"),
            ],
        )
        .properties(height=alt.Step(24))
    )


def path_chart(films: pd.DataFrame, path: pd.DataFrame) -> alt.LayerChart:
    """The way of a profile over the map of films.

    Args:
        films: columns x, y: dots in the background.
        path: columns x, y, period, number, in order.
    """
    plain = alt.Axis(labels=False, ticks=False, grid=False)
    low, high = path[["x", "y"]].min(), path[["x", "y"]].max()
    room = {axis: max(high[axis] - low[axis], 0.05) for axis in ("x", "y")}

    def around(axis: str) -> alt.Scale:
        return alt.Scale(
            domain=[low[axis] - 0.6 * room[axis], high[axis] + 0.6 * room[axis]], clamp=False
        )

    x = alt.X(
        "x:Q", title="place on the map of films (first component)", axis=plain, scale=around("x")
    )
    y = alt.Y("y:Q", title="second component", axis=plain, scale=around("y"))
    dots = (
        alt.Chart(films).mark_circle(color=GREY, size=14, opacity=0.5, clip=True).encode(x=x, y=y)
    )
    line = (
        alt.Chart(path)
        .mark_line(color=BLUE, strokeWidth=2)
        .encode(x=x, y=y, order=alt.Order("number:Q"))
    )
    stops = (
        alt.Chart(path)
        .mark_point(color=VERMILLION, filled=True, size=70, opacity=1)
        .encode(x=x, y=y, tooltip=[alt.Tooltip("period:N", title="up to")])
    )
    ends = path.iloc[sorted({0, len(path) - 1})]
    names = (
        alt.Chart(ends)
        .mark_text(align="center", dy=-12, fontSize=12, color=alt.expr(by_theme(LABEL_COLOURS)))
        .encode(x=x, y=y, text="period:N")
    )
    return alt.LayerChart(layer=[dots, line, stops, names]).properties(height=340)
