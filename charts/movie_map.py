"""The map of films as an interactive chart and as a static figure.

Far out the best-known films and the density of all are to be seen; the rest, and the names for
which there is room, appear while the reader zooms in.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from charts.basics import (
    BLUE,
    GREEN,
    GREY,
    LABEL_COLOURS,
    ORANGE,
    PALETTE,
    PURPLE,
    VERMILLION,
    by_theme,
)

SEQUENTIAL = (BLUE, PURPLE, ORANGE)  # low to high; all three are visible in both themes
_RAMP = LinearSegmentedColormap.from_list("low to high", SEQUENTIAL)
_OTHER = "other"
_HEIGHT = 540  # pixels
FAR_OUT = 1500  # best-known films that are drawn on the whole map
_CELLS = (72, 40)  # of the density, across and up
_NAMED = 800  # best-known films that may have a name
# Widths of a drawing that names are laid out for, in pixels: they keep apart on any wider one.
_NARROW, _WIDE = 270, 640
_LETTER, _LINE, _GAP = 5.9, 12.0, 10.0  # of a name: width of a letter, height, space around
_LONGEST = 26  # letters of a name

MAP_COLOURS = {
    "Genre": "genre",
    "Decade": "decade",
    "Mean stars": "mean_stars",
    "Number of ratings": "ratings",
    "Cluster": "cluster",
}
RATED, RECOMMENDED = "rated by the user", "recommended to the user"
RATED_BY_YOU, RECOMMENDED_TO_YOU = "rated by you", "recommended to you"
CHOSEN, NEAREST = "chosen film", "nearest films"
# What a mark on the map can stand for: its colour, its shape in Vega, in matplotlib and in text.
MARKS = {
    CHOSEN: (VERMILLION, "circle", "o", "●"),
    NEAREST: (VERMILLION, "diamond", "D", "◆"),
    RATED: (GREEN, "cross", "P", "✚"),
    RATED_BY_YOU: (GREEN, "cross", "P", "✚"),
    RECOMMENDED: (BLUE, "triangle-up", "^", "▲"),
    RECOMMENDED_TO_YOU: (BLUE, "triangle-up", "^", "▲"),
}
_NAME = "#a83f00"  # a darker vermillion, readable on its white halo
_NAMES = (_NAME, "#ff9e6b")  # of the films that are pointed out
_HALO = ("#ffffff", "#0e1117")
_SHADE = ("#5b7fa6", "#8fb4dd")  # of the density


@dataclass(frozen=True, eq=False)
class Colouring:
    """How the dots of a map are coloured.

    Attributes:
        column: of the points; of type number when `colours` is None.
        title: for the legend.
        values: what to colour by, one per point.
        colours: hex colour of each value, in the order of the legend; None for a colour ramp.
        lit: bool [n_points]; the other films are faint.
    """

    column: str
    title: str
    values: pd.Series
    colours: Mapping[str, str] | None
    lit: NDArray[np.bool_]

    @property
    def hexes(self) -> NDArray[np.object_]:
        """The colour of each point, `#rrggbb`."""
        if self.colours is not None:
            return self.values.map(self.colours).to_numpy(object)
        numbers = self.values.to_numpy(float)
        scaled = np.log(numbers.clip(min=1)) if self.column == "ratings" else numbers
        low, high = float(scaled.min()), float(scaled.max())
        steps = ((scaled - low) / ((high - low) or 1.0) * 255).astype(int)
        ramp = [to_hex(colour) for colour in _RAMP(np.linspace(0, 1, 256))]
        return np.array(ramp, object)[steps]


def colouring(points: pd.DataFrame, colour_by: str, only: Collection[str] = ()) -> Colouring:
    """The colours for a key of `MAP_COLOURS`; the rarest genres share "other".

    Args:
        points: of `analysis.movie_map.MovieMap`.
        only: values that are lit; a film shows the first of these genres that it has. All films
            are lit where there is none.
    """
    column = MAP_COLOURS[colour_by]
    values = points[column]
    everything = np.ones(len(points), bool)
    if column in ("mean_stars", "ratings"):
        return Colouring(column, colour_by, values, None, everything)
    colours = _colours_of(points, column)
    if column == "genre" and only:
        return _by_lit_genre(points, colour_by, colours, only)
    if column == "genre":
        values = values.where(values.isin(list(colours)), _OTHER)
    lit = values.isin(list(only)).to_numpy() if set(only) & set(colours) else everything
    return Colouring(column, colour_by, values, colours, lit)


def _by_lit_genre(
    points: pd.DataFrame, title: str, colours: Mapping[str, str], only: Collection[str]
) -> Colouring:
    """Some genres apart from all others, each in its own colour or in one that is left."""
    wanted = [*(genre for genre in colours if genre in only), *sorted(set(only) - set(colours))]
    left = itertools.cycle([hex for hex in PALETTE if hex not in map(colours.get, wanted)])
    shown = {genre: colours.get(genre) or next(left) for genre in wanted}
    values = points["genres"].map(
        lambda genres: next((genre for genre in wanted if genre in genres), _OTHER)
    )
    lit = values.ne(_OTHER).to_numpy()
    return Colouring("genre", title, values, shown | {_OTHER: GREY}, lit)


def legend_values(points: pd.DataFrame, colour_by: str) -> dict[str, str]:
    """What `only` of `colouring` may hold, each with its colour or ""; empty for numbers.

    The genres that share a colour are told apart when they are asked for.
    """
    column = MAP_COLOURS[colour_by]
    if column in ("mean_stars", "ratings"):
        return {}
    colours = _colours_of(points, column)
    if column != "genre":
        return colours
    every = sorted({genre for genres in points["genres"] for genre in genres})
    coloured = [genre for genre in colours if genre in every]
    return {genre: colours.get(genre, "") for genre in dict.fromkeys([*coloured, *every])}


def _colours_of(points: pd.DataFrame, column: str) -> dict[str, str]:
    """The colour of each value of a column that holds names, in the order of the legend."""
    values = points[column]
    if column == "decade":
        names = sorted(values[values != "unknown"].unique())
        ramp = _RAMP(np.linspace(0, 1, max(len(names), 2)))
        colours = {name: to_hex(colour) for name, colour in zip(names, ramp, strict=False)}
        return colours | ({"unknown": GREY} if (values == "unknown").any() else {})
    if column == "cluster":
        return dict(zip(sorted(values.unique()), PALETTE, strict=False))
    frequent = values.value_counts().index[: len(PALETTE) - 1].tolist()
    colours = dict(zip(frequent, PALETTE, strict=False))
    return colours | ({} if values.isin(frequent).all() else {_OTHER: GREY})


@dataclass(frozen=True)
class View:
    """What the axes run from and to."""

    x: tuple[float, float]
    y: tuple[float, float]


def map_view(
    points: pd.DataFrame, centre: tuple[float, float] | None = None, zoom: float = 1.0
) -> View:
    """The whole map, or a piece around a place whose sides are a `zoom`-th of its sides."""
    ends = []
    for axis, name in enumerate("xy"):
        low, high = float(points[name].min()), float(points[name].max())
        margin = 0.06 * (high - low) or 1.0
        low, high = low - margin, high + margin
        if centre:
            reach = (high - low) / zoom / 2
            low, high = centre[axis] - reach, centre[axis] + reach
        ends.append((low, high))
    return View(x=ends[0], y=ends[1])


# --- the interactive chart ------------------------------------------------------------------------


def map_chart(titles: tuple[str, str], whole: View, view: View) -> alt.LayerChart:
    """Scatter of the films; drag to move, scroll to zoom ("view"), click to select ("picked").

    Its data are called "density" (`density`), "films" (`dots`), "marks" (columns x, y, name, kind
    of `MARKS`; the films to point out), "lines" (`lines_between`) and "names" (`names`). A change
    of those leaves the chart as it is.

    Args:
        titles: of the axes.
        whole: the view of all films, which has the zoom 1.
        view: what is shown until the reader moves it.
    """
    bare: dict[str, Any] = {"labels": False, "ticks": False, "grid": False, "domain": False}
    position: dict[str, Any] = {
        name: channel(
            f"{name}:Q",
            title=title,
            scale=alt.Scale(domain=domain, nice=False, zero=False),
            axis=alt.Axis(**bare),  # the numbers of these axes mean nothing
        )
        for name, channel, title, domain in zip(
            "xy", (alt.X, alt.Y), titles, (view.x, view.y), strict=True
        )
    }
    span = whole.x[1] - whole.x[0]
    zoom = alt.param(name="zoom", expr=f"{span} / (domain('x')[1] - domain('x')[0])")
    # Worked out once for all films, and not by each of them.
    growth = alt.param(name="growth", expr="min(sqrt(zoom), 3)")
    # A description and a checked tooltip for every dot would take a tenth of the time to draw.
    quick: dict[str, Any] = {"aria": False, "tooltip": alt.expr("datum.about")}
    size = "zoom >= datum.seen_from ? datum.area * growth : 0"
    films = (
        alt.Chart(alt.NamedData("films"))
        .transform_calculate(about=_ABOUT, area=_AREA)  # once, and not on every move
        .mark_circle(
            size=alt.expr(size),
            opacity=alt.expr("datum.lit ? 0.65 : 0.12"),
            fill=alt.expr("datum.colour"),
            clip=True,
            cursor="pointer",
            **quick,
        )
        .encode(**position)
        .add_params(
            alt.selection_point(name="picked", fields=["movie"], on="click", empty=False),
            alt.selection_interval(name="view", bind="scales"),
        )
    )
    return (
        alt.layer(_density_layer(position), films, *_mark_layers(position))
        .add_params(zoom, growth)
        .resolve_scale(color="independent")
        .properties(height=_HEIGHT)
        .configure_view(stroke=None)
    )


def dots(points: pd.DataFrame, colours: Colouring) -> pd.DataFrame:
    """What the map is drawn from, in few and narrow columns, for the browser reads every cell.

    Args:
        points: columns movie, x, y, label, genres, mean_stars, ratings; the best known first.

    Returns:
        movie, x, y, seen_from (the least zoom), lit, colour (hex), label, genres (one text), stars,
        ratings; the best known last, so that they lie on top, and all lit ones above others.
    """
    rank = np.arange(len(points))
    table = pd.DataFrame(
        {
            "movie": points["movie"].astype(np.int32),
            "x": points["x"].astype(np.float32),
            "y": points["y"].astype(np.float32),
            # As many more as the piece of the map is smaller.
            "seen_from": np.sqrt((rank + 1) / FAR_OUT).astype(np.float32),
            "lit": colours.lit,
            "colour": pd.Categorical(np.where(colours.lit, colours.hexes, GREY)),
            "label": points["label"].to_numpy(),
            "genres": pd.Categorical(
                [", ".join(genres) or "no genre" for genres in points["genres"]]
            ),
            "stars": points["mean_stars"].astype(np.float32),
            "ratings": points["ratings"].astype(np.int32),
        }
    )
    if not colours.lit.all():  # what was asked for is all there, however far out
        table.loc[colours.lit, "seen_from"] = 0
    return table.iloc[np.lexsort((-rank, colours.lit))]


_AREA = "min(8 + 4 * sqrt(datum.ratings), 110)"  # of a dot, square pixels
# `Heat (1995) · Action, Crime · 3.95 ★ of 102 ratings`
_ABOUT = (
    "datum.label + ' · ' + datum.genres + ' · ' + format(datum.stars, '.2f') + ' ★ of ' + "
    "format(datum.ratings, ',') + (datum.ratings == 1 ? ' rating' : ' ratings')"
)


def density(points: pd.DataFrame) -> pd.DataFrame:
    """How many films lie where: x, x2, y, y2 of the cells that are not empty, and share.

    share is of the fullest cell, as a square root: 0 to 1. Empty where every film is a dot anyway.
    """
    if len(points) <= FAR_OUT:
        return pd.DataFrame(columns=["x", "x2", "y", "y2", "share"], dtype=float)
    view = map_view(points)
    counts, across, up = np.histogram2d(
        points["x"], points["y"], bins=_CELLS, range=(view.x, view.y)
    )
    column, row = np.nonzero(counts)
    found = counts[column, row]
    return pd.DataFrame(
        {
            "x": across[column],
            "x2": across[column + 1],
            "y": up[row],
            "y2": up[row + 1],
            "share": np.sqrt(found / max(found.max(initial=0), 1)),
        }
    )


def _density_layer(position: Mapping[str, Any]) -> alt.Chart:
    """Shades that fade while the films behind them come out."""
    return (
        alt.Chart(alt.NamedData("density"))
        .mark_rect(
            fill=alt.expr(by_theme(_SHADE)),
            opacity=alt.expr("datum.share * 0.45 / zoom"),
            clip=True,
            aria=False,
        )
        .encode(**position, x2="x2", y2="y2")
    )


def _mark_layers(position: Mapping[str, Any]) -> list[alt.Chart]:
    """Lines to the nearest films, a layer of shapes, and two of names."""
    kinds = list(MARKS)
    shapes = alt.Scale(domain=kinds, range=[shape for _, shape, _, _ in MARKS.values()])
    colours = alt.Scale(domain=kinds, range=[colour for colour, *_ in MARKS.values()])
    lines = (
        alt.Chart(alt.NamedData("lines"))
        .mark_rule(color=VERMILLION, opacity=0.7, clip=True, aria=False)
        .encode(**position, x2="x2", y2="y2")
    )
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
    # A name that the edge would cut moves inwards if its film is pointed out; others make room.
    half, place = f"(length(datum.name) * {_LETTER / 2})", "scale('x', datum.x)"
    inwards = f"max({half} - {place}, 0) - max({place} + {half} - width, 0)"
    whole = f"(datum.marked || {place} >= {half} && {place} <= width - {half})"
    room = f"(width < {_WIDE} ? datum.narrow : datum.wide) <= zoom * 1.0001"
    shown = f"{room} && {whole} ? 1 : 0"
    text: dict[str, Any] = {
        "dx": alt.expr(f"datum.marked ? {inwards} : 0"),
        "dy": -10,
        "fontSize": 11,
        "fontWeight": alt.expr("datum.marked ? 'bold' : 'normal'"),
        "opacity": alt.expr(shown),
        "clip": True,
        "aria": False,
    }
    background = alt.expr(by_theme(_HALO))
    halo = named.mark_text(fill=background, stroke=background, strokeWidth=3, **text)
    ink = f"datum.marked ? ({by_theme(_NAMES)}) : ({by_theme(LABEL_COLOURS)})"
    return [lines, marks, halo, named.mark_text(fill=alt.expr(ink), **text)]


def lines_between(marks: pd.DataFrame) -> pd.DataFrame:
    """From the chosen film to each of the nearest ones: x, y, x2, y2."""
    near = marks[marks["kind"] == NEAREST]
    ends = near[["x", "y"]].rename(columns={"x": "x2", "y": "y2"})
    chosen = marks[marks["kind"] == CHOSEN]
    if chosen.empty:
        ends = ends.head(0)
    start = chosen[["x", "y"]].head(1) if len(chosen) else pd.DataFrame({"x": [0.0], "y": [0.0]})
    return start.merge(ends, how="cross").astype(float)


# --- which names there is room for ----------------------------------------------------------------


def names(points: pd.DataFrame, marks: pd.DataFrame) -> pd.DataFrame:
    """The names on the map: of the films that are pointed out, then of the best known.

    A name comes before those after it, and appears as soon as it touches none of them, so on any
    level of zoom no two names overlap.

    Args:
        points: columns movie, x, y, name; the best known first.
        marks: columns movie, x, y, name, kind.

    Returns:
        x, y, name, marked, and the zoom from which it is shown on a narrow and on a wide drawing.
    """
    first = marks[marks["kind"].isin((CHOSEN, NEAREST, RECOMMENDED, RECOMMENDED_TO_YOU))]
    order = first["kind"].map(list(MARKS).index)
    first = first.loc[order.sort_values(kind="stable").index].drop_duplicates("movie")
    known = points[~points["movie"].isin(first["movie"])].head(_NAMED)
    columns = ["x", "y", "name"]
    table = pd.concat([first[columns], known[columns]], ignore_index=True)
    short = table["name"].str.len() > _LONGEST
    table.loc[short, "name"] = table.loc[short, "name"].str[: _LONGEST - 1].str.rstrip() + "…"
    whole = map_view(points)
    for column, width in (("narrow", _NARROW), ("wide", _WIDE)):
        pixels = np.column_stack(
            [
                table["x"] * (width / (whole.x[1] - whole.x[0])),
                table["y"] * (_HEIGHT / (whole.y[1] - whole.y[0])),
            ]
        )
        table[column] = zoom_of_names(pixels, table["name"].str.len() * _LETTER)
    table["marked"] = np.arange(len(table)) < len(first)
    return table[np.isfinite(table["narrow"]) | np.isfinite(table["wide"])]


def zoom_of_names(
    places: NDArray[np.float64], widths: Sequence[float] | pd.Series
) -> NDArray[np.float32]:
    """From which zoom each name can be shown for good without touching an earlier one.

    Two names are apart from the zoom on at which they are apart in one direction; one that appears
    later than that never meets the other.

    Args:
        places: of their middles in pixels, at zoom 1, float [n, 2].
        widths: in pixels, [n].

    Returns:
        float [n]; at least 0, infinite for a name in the place of an earlier one.
    """
    reach = np.asarray(widths, np.float32) / 2
    x, y = places.astype(np.float32).T
    with np.errstate(divide="ignore"):
        beside = (reach[:, None] + reach + np.float32(_GAP)) / np.abs(x[:, None] - x)  # [n, n]
        above = np.float32(_LINE + _GAP / 2) / np.abs(y[:, None] - y)
    apart = np.minimum(beside, above)
    zooms = np.zeros(len(places), np.float32)
    for i in range(1, len(places)):
        met = apart[i, :i] > zooms[:i]
        zooms[i] = apart[i, :i].max(where=met, initial=0.0)
    return zooms


# --- the static figure ----------------------------------------------------------------------------


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
            faint = {"alpha": 0.12} if value == _OTHER and not colours.lit.all() else {}
            axes.scatter(of_value["x"], of_value["y"], color=colour, label=name, **dots | faint)
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
    halo = [withStroke(linewidth=3, foreground="white")]
    named = names(points, marks)
    for row in named[named["wide"] <= 1].itertuples():
        colour, weight = (_NAME, "bold") if row.marked else (LABEL_COLOURS[0], "normal")
        where: dict[str, Any] = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
        text: dict[str, Any] = {"color": colour, "weight": weight, "size": 8, "parse_math": False}
        axes.annotate(row.name, (row.x, row.y), path_effects=halo, clip_on=True, **where, **text)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, markerscale=1.5)
    axes.set(xlabel=titles[0], ylabel=titles[1])
    return figure
