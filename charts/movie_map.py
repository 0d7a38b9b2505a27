"""The map of films as an interactive chart and as a static figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from charts.basics import BLUE, GREEN, GREY, ORANGE, PALETTE, PURPLE, VERMILLION

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
RATED, RECOMMENDED = "rated by the user", "recommended to the user"
RATED_BY_YOU, RECOMMENDED_TO_YOU = "rated by you", "recommended to you"
# What a mark on the map can stand for: its colour, its shape in Vega, in matplotlib and in text.
MARKS = {
    "chosen film": (VERMILLION, "circle", "o", "●"),
    "nearest films": (VERMILLION, "diamond", "D", "◆"),
    RATED: (GREEN, "cross", "P", "✚"),
    RATED_BY_YOU: (GREEN, "cross", "P", "✚"),
    RECOMMENDED: (BLUE, "triangle-up", "^", "▲"),
    RECOMMENDED_TO_YOU: (BLUE, "triangle-up", "^", "▲"),
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


@dataclass(frozen=True)
class View:
    """What the axes run from and to; `centred` if only a piece around a film is shown."""

    x: tuple[float, float]
    y: tuple[float, float]
    centred: bool


def map_view(points: pd.DataFrame, centre: tuple[float, float] | None = None) -> View:
    """The whole map, or a piece around a place."""
    ends = []
    for axis, name in enumerate("xy"):
        low, high = float(points[name].min()), float(points[name].max())
        margin = 0.03 * (high - low) or 1.0
        low, high = low - margin, high + margin
        if centre:
            reach = _ZOOM * (high - low)
            low, high = centre[axis] - reach, centre[axis] + reach
        ends.append((low, high))
    return View(x=ends[0], y=ends[1], centred=centre is not None)


def map_chart(titles: tuple[str, str], colours: Colouring, view: View) -> alt.LayerChart:
    """Scatter of the films; drag to move, scroll to zoom ("view"), click to select ("picked").

    Its data are called "films" (`dots`), "marks" (columns x, y, name, kind of `MARKS`; the films to
    point out) and "names" (`readable_names`). A change of those leaves the chart as it is.

    Args:
        titles: of the axes.
        view: what is shown until the reader moves it.
    """
    position: dict[str, Any] = {
        name: channel(
            f"{name}:Q",
            title=title,
            scale=alt.Scale(domain=domain, nice=False, zero=False),
            axis=alt.Axis(tickCount=8),
        )
        for name, channel, title, domain in zip(
            "xy", (alt.X, alt.Y), titles, (view.x, view.y), strict=True
        )
    }
    # A description and a checked tooltip for every dot would take a tenth of the time to draw.
    quick: dict[str, Any] = {"aria": False, "tooltip": alt.expr("datum.about")}
    size = 70 if view.centred else 20
    films = (
        alt.Chart(alt.NamedData("films"))
        .mark_circle(size=size, opacity=0.45, clip=True, cursor="pointer", **quick)
        .encode(**position, color=_vega_colour(colours))
        .add_params(
            alt.selection_point(name="picked", fields=["movie"], on="click", empty=False),
            alt.selection_interval(name="view", bind="scales"),
        )
    )
    return (
        alt.layer(films, *_mark_layers(position))
        .resolve_scale(color="independent")
        .properties(height=_HEIGHT)
    )


def dots(points: pd.DataFrame, colours: Colouring) -> pd.DataFrame:
    """What the map is drawn from, in few and narrow columns, for the browser reads every cell.

    Args:
        points: columns x, y, movie, label, genre, mean_stars, ratings, cluster.

    Returns:
        movie, x, y, colour (the value, or its place among `colours.colours`), about (a sentence).
    """
    colour = colours.values
    if colours.colours is not None:
        places = {value: place for place, value in enumerate(colours.colours)}
        colour = colour.map(places)
    return pd.DataFrame(
        {
            "movie": points["movie"].astype(np.int32),
            "x": points["x"].astype(np.float32),
            "y": points["y"].astype(np.float32),
            "colour": colour.astype(np.float32),
            "about": [_about(film) for film in points.itertuples()],
        }
    )


def _about(film: Any) -> str:
    """`Heat (1995) · Action · 3.95 ★ from 102 ratings · cluster 3`."""
    ratings = f"{film.ratings:,} rating{'s' * (film.ratings != 1)}"
    return (
        f"{film.label} · {film.genre} · {film.mean_stars:.2f} ★ from {ratings} · "
        f"cluster {film.cluster.split()[0]}"
    )


def _vega_colour(colours: Colouring) -> alt.Color:
    if colours.colours is not None:  # the page shows their legend as text that wraps
        looks = list(colours.colours.values())
        scale = alt.Scale(domain=list(range(len(looks))), range=looks)
        return alt.Color("colour:N", scale=scale, legend=None)
    scale = alt.Scale(
        type="log" if colours.column == "ratings" else "linear", range=list(SEQUENTIAL)
    )
    legend = alt.Legend(orient="top", title=colours.title.lower(), gradientLength=180)
    return alt.Color("colour:Q", scale=scale, legend=legend)


def _mark_layers(position: Mapping[str, Any]) -> list[alt.Chart]:
    """A layer of shapes and two of names."""
    kinds = list(MARKS)
    shapes = alt.Scale(domain=kinds, range=[shape for _, shape, _, _ in MARKS.values()])
    colours = alt.Scale(domain=kinds, range=[colour for colour, *_ in MARKS.values()])
    marks = (
        alt.Chart(alt.NamedData("marks"))
        .mark_point(size=85, filled=True, opacity=1, clip=True, stroke="white", strokeWidth=0.8)
        .encode(
            **position,
            shape=alt.Shape("kind:N", scale=shapes, legend=None),
            color=alt.Color("kind:N", scale=colours, legend=None),
            tooltip=[alt.Tooltip("name:N", title="film"), alt.Tooltip("kind:N", title="mark")],
        )
    )
    named = alt.Chart(alt.NamedData("names")).encode(**position, text=alt.Text("name:N"))
    text: dict[str, Any] = {"dy": -13, "fontWeight": "bold", "clip": True, "limit": 220}
    halo = named.mark_text(color="white", stroke="white", strokeWidth=3, **text)
    return [marks, halo, named.mark_text(color=_NAME, **text)]


def readable_names(marks: pd.DataFrame, view: View) -> pd.DataFrame:
    """The chosen film and, in a centred view, those nearest films whose names do not collide."""
    chosen = marks[marks["kind"] == "chosen film"]
    if not view.centred:
        return chosen
    width, height = view.x[1] - view.x[0], view.y[1] - view.y[0]
    kept = list(chosen.index)
    for near in marks.index[marks["kind"] == "nearest films"]:
        apart = (marks.loc[kept, ["x", "y"]] - marks.loc[near, ["x", "y"]]).astype(float).abs()
        if not ((apart["x"] < 0.2 * width) & (apart["y"] < 0.04 * height)).any():
            kept.append(near)
    return marks.loc[kept]


def map_figure(
    points: pd.DataFrame, titles: tuple[str, str], colours: Colouring, marks: pd.DataFrame
) -> Figure:
    """The map as a static matplotlib figure, for download.

    Args:
        points: as for `dots`.
        titles, colours: as for `map_chart`.
        marks: columns x, y, name, kind (a key of `MARKS`).
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots()
    dots: dict[str, Any] = {"s": 5, "alpha": 0.5, "linewidths": 0}
    if colours.colours is None:
        norm = LogNorm() if colours.column == "ratings" else None
        drawn = axes.scatter(
            points["x"], points["y"], c=colours.values, cmap=_RAMP, norm=norm, **dots
        )
        figure.colorbar(drawn, ax=axes, label=colours.title.lower(), shrink=0.7)
    else:
        for value, colour in colours.colours.items():
            of_value = points[colours.values.to_numpy() == value]
            name = value.replace("$", r"\$")  # two of them would begin mathematics
            axes.scatter(of_value["x"], of_value["y"], color=colour, label=name, **dots)
    for kind, (colour, _, shape, _) in MARKS.items():
        of_kind = marks[marks["kind"] == kind]
        if len(of_kind):
            look: dict[str, Any] = {
                "color": colour,
                "marker": shape,
                "s": 42,
                "edgecolors": "white",
            }
            axes.scatter(of_kind["x"], of_kind["y"], label=kind, linewidths=0.6, **look)
    for row in marks[marks["kind"] == "chosen film"].itertuples():
        where: dict[str, Any] = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center"}
        halo = [withStroke(linewidth=3, foreground="white")]
        axes.annotate(
            row.name, (row.x, row.y), color=_NAME, path_effects=halo, parse_math=False, **where
        )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, markerscale=1.5)
    axes.set(xlabel=titles[0], ylabel=titles[1])
    return figure
