"""The map of films as an interactive chart and as a static figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from plots import BLUE, GREEN, GREY, ORANGE, PALETTE, PURPLE, VERMILLION

SEQUENTIAL = (BLUE, PURPLE, ORANGE)  # low to high; all three are visible in both themes
_RAMP = LinearSegmentedColormap.from_list("low to high", SEQUENTIAL)
_OTHER = "other"
_HEIGHT = 540
_ZOOM = 0.12  # of the map's width and height, either side of the film

MAP_COLOURS = {
    "First genre": "genre",
    "Decade": "decade",
    "Mean stars": "mean_stars",
    "Number of ratings": "ratings",
    "Cluster": "cluster",
}
# What a mark on the map can stand for: its colour, its shape in Vega, in matplotlib and in text.
MARKS = {
    "chosen film": (VERMILLION, "circle", "o", "●"),
    "nearest films": (VERMILLION, "diamond", "D", "◆"),
    "rated by the user": (GREEN, "cross", "P", "✚"),
    "recommended to the user": (BLUE, "triangle-up", "^", "▲"),
}
_NAME = "#a83f00"  # a darker vermillion, readable on its white halo


@dataclass(frozen=True, eq=False)
class Colouring:
    """How the dots of a map are coloured.

    Attributes:
        column: of the points; of type number when `colours` is None.
        title: for the legend.
        values: what to colour by, one per point.
        colours: hex colour of each value, in the order of the legend; None for a colour ramp.
    """

    column: str
    title: str
    values: pd.Series
    colours: Mapping[str, str] | None


def colouring(points: pd.DataFrame, colour_by: str) -> Colouring:
    """The colours for a key of `MAP_COLOURS`; the rarest genres share "other"."""
    column = MAP_COLOURS[colour_by]
    values = points[column]
    if column in ("mean_stars", "ratings"):
        return Colouring(column, colour_by, values, None)
    if column == "decade":
        names = sorted(values[values != "unknown"].unique())
        ramp = _RAMP(np.linspace(0, 1, max(len(names), 2)))
        colours = {name: to_hex(colour) for name, colour in zip(names, ramp, strict=False)}
        if (values == "unknown").any():
            colours["unknown"] = GREY
        return Colouring(column, colour_by, values, colours)
    if column == "cluster":
        names = sorted(values.unique())
        return Colouring(column, colour_by, values, dict(zip(names, PALETTE, strict=False)))
    frequent = values.value_counts().index[: len(PALETTE) - 1].tolist()
    values = values.where(values.isin(frequent), _OTHER)
    names = [*frequent, _OTHER] if (values == _OTHER).any() else frequent
    colours = dict(zip(names, PALETTE, strict=False)) | ({_OTHER: GREY} if _OTHER in names else {})
    return Colouring(column, colour_by, values, colours)


def map_chart(
    points: pd.DataFrame,
    titles: tuple[str, str],
    colours: Colouring,
    marks: pd.DataFrame,
    centre: tuple[float, float] | None = None,
) -> alt.LayerChart:
    """Scatter of the films; drag to move, scroll to zoom, click to select ("picked").

    Args:
        points: columns x, y, movie, name, year, genre, mean_stars, ratings, cluster.
        titles: of the axes.
        marks: columns x, y, name, kind (a key of `MARKS`); films to point out.
        centre: zoom to this place; None shows the whole map.
    """
    view = _view(points, centre)
    position = {
        name: channel(
            f"{name}:Q",
            title=title,
            scale=alt.Scale(domain=view[name], nice=False, zero=False),
            axis=alt.Axis(tickCount=8),
        )
        for name, channel, title in zip("xy", (alt.X, alt.Y), titles, strict=True)
    }
    size = 70 if centre else 20
    dots = (
        alt.Chart(points.assign(colour=colours.values))
        .mark_circle(size=size, opacity=0.55 if marks.empty else 0.4, clip=True, cursor="pointer")
        .encode(**position, color=_vega_colour(colours), tooltip=_TOOLTIP)
        .add_params(
            alt.selection_point(name="picked", fields=["movie"], on="click", empty=False),
            alt.selection_interval(name="view", bind="scales"),
        )
    )
    return (
        alt.layer(dots, *_mark_layers(marks, position, view if centre else None))
        .resolve_scale(color="independent")
        .properties(height=_HEIGHT)
    )


def _view(
    points: pd.DataFrame, centre: tuple[float, float] | None
) -> dict[str, tuple[float, float]]:
    """What x and y run from and to: the whole map, or a piece around the centre."""
    view = {}
    for axis, name in enumerate("xy"):
        low, high = float(points[name].min()), float(points[name].max())
        margin = 0.03 * (high - low) or 1.0
        view[name] = (low - margin, high + margin)
        if centre:
            reach = _ZOOM * (high - low + 2 * margin)
            view[name] = (centre[axis] - reach, centre[axis] + reach)
    return view


_TOOLTIP = [
    alt.Tooltip("name:N", title="film"),
    alt.Tooltip("year:Q", format="d"),
    alt.Tooltip("genre:N", title="first genre"),
    alt.Tooltip("mean_stars:Q", title="mean stars", format=".2f"),
    alt.Tooltip("ratings:Q", format=","),
    alt.Tooltip("cluster:N"),
]


def _vega_colour(colours: Colouring) -> alt.Color:
    if colours.colours is not None:  # the page shows their legend as text that wraps
        scale = alt.Scale(domain=list(colours.colours), range=list(colours.colours.values()))
        return alt.Color("colour:N", scale=scale, legend=None)
    scale = alt.Scale(
        type="log" if colours.column == "ratings" else "linear", range=list(SEQUENTIAL)
    )
    legend = alt.Legend(orient="top", title=colours.title.lower(), gradientLength=180)
    return alt.Color("colour:Q", scale=scale, legend=legend)


def _mark_layers(
    marks: pd.DataFrame,
    position: Mapping[str, alt.X | alt.Y],
    zoomed: Mapping[str, tuple[float, float]] | None,
) -> list[alt.Chart]:
    """A layer of shapes and two of names; `zoomed` is the view where there is room for more."""
    if marks.empty:
        return []
    kinds = list(MARKS)
    shapes = alt.Scale(domain=kinds, range=[shape for _, shape, _, _ in MARKS.values()])
    colours = alt.Scale(domain=kinds, range=[colour for colour, *_ in MARKS.values()])
    layer = (
        alt.Chart(marks)
        .mark_point(size=85, filled=True, opacity=1, clip=True, stroke="white", strokeWidth=0.8)
        .encode(
            **position,
            shape=alt.Shape("kind:N", scale=shapes, legend=None),
            color=alt.Color("kind:N", scale=colours, legend=None),
            tooltip=[alt.Tooltip("name:N", title="film"), alt.Tooltip("kind:N", title="mark")],
        )
    )
    named_marks = alt.Chart(_readable_names(marks, zoomed))
    text = {"dy": -13, "fontWeight": "bold", "clip": True, "limit": 220}
    halo = named_marks.mark_text(color="white", stroke="white", strokeWidth=3, **text)
    names = named_marks.mark_text(color=_NAME, **text)
    return [layer, halo.encode(**position, text="name:N"), names.encode(**position, text="name:N")]


def _readable_names(
    marks: pd.DataFrame, zoomed: Mapping[str, tuple[float, float]] | None
) -> pd.DataFrame:
    """The chosen film and, in a zoomed view, those nearest films whose names do not collide."""
    chosen = marks[marks["kind"] == "chosen film"]
    if zoomed is None:
        return chosen
    width, height = (zoomed[axis][1] - zoomed[axis][0] for axis in "xy")
    kept = list(chosen.index)
    for near in marks.index[marks["kind"] == "nearest films"]:
        apart = (marks.loc[kept, ["x", "y"]] - marks.loc[near, ["x", "y"]]).astype(float).abs()
        if not ((apart["x"] < 0.2 * width) & (apart["y"] < 0.04 * height)).any():
            kept.append(near)
    return marks.loc[kept]


def map_figure(
    points: pd.DataFrame, titles: tuple[str, str], colours: Colouring, marks: pd.DataFrame
) -> Figure:
    """The same map as a static matplotlib figure, for download; the arguments of `map_chart`."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots()
    dots = {"s": 5, "alpha": 0.5, "linewidths": 0}
    if colours.colours is None:
        norm = LogNorm() if colours.column == "ratings" else None
        drawn = axes.scatter(
            points["x"], points["y"], c=colours.values, cmap=_RAMP, norm=norm, **dots
        )
        figure.colorbar(drawn, ax=axes, label=colours.title.lower(), shrink=0.7)
    else:
        for value, colour in colours.colours.items():
            of_value = points[colours.values.to_numpy() == value]
            axes.scatter(of_value["x"], of_value["y"], color=colour, label=value, **dots)
    for kind, (colour, _, shape, _) in MARKS.items():
        of_kind = marks[marks["kind"] == kind]
        if len(of_kind):
            look = {"color": colour, "marker": shape, "s": 42, "edgecolors": "white"}
            axes.scatter(of_kind["x"], of_kind["y"], label=kind, linewidths=0.6, **look)
    for row in marks[marks["kind"] == "chosen film"].itertuples():
        where = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center"}
        halo = [withStroke(linewidth=3, foreground="white")]
        axes.annotate(row.name, (row.x, row.y), color=_NAME, path_effects=halo, **where)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, markerscale=1.5)
    axes.set(xlabel=titles[0], ylabel=titles[1])
    return figure
