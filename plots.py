"""Data → chart. One palette for colour-blind readers (Okabe & Ito), both themes; no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import networkx as nx
import pandas as pd
from matplotlib.figure import Figure

from data_preparation import MovieData
from evaluation import Part
from insights import MovieMap
from model_training import EpochRecord
from prediction import Recommendation

BLUE, ORANGE, GREEN, VERMILLION = "#3b8bd0", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, GREY = "#cc79a7", "#56b4e9", "#8a8f98"
PALETTE = [BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, "#b8a600", "#7f5fc7", "#a0522d", GREY]

GRAPH_LABEL, TAG_LABEL, POPULARITY_LABEL = "graph (LightGCN)", "tags and genres", "popularity"


def label(data: MovieData, movie: int) -> str:
    """Display title with year: `The Matrix (1999)`."""
    row = data.movies.iloc[movie]
    return row["name"] if pd.isna(row["year"]) else f"{row['name']} ({row['year']})"


# --- the subgraph ---------------------------------------------------------------------------------


def _layout(graph: nx.Graph) -> dict[tuple[str, int], tuple[float, float]]:
    """Columns by hop: the user, the rated films, the other viewers; each as tall as the picture."""
    place = nx.multipartite_layout(graph, subset_key="hop", align="vertical")
    tallest = {
        hop: max(abs(place[node][1]) for node, h in graph.nodes(data="hop") if h == hop) or 1.0
        for _, hop in graph.nodes(data="hop")
    }
    return {node: (x, y / tallest[graph.nodes[node]["hop"]]) for node, (x, y) in place.items()}


def subgraph_chart(data: MovieData, graph: nx.Graph) -> alt.LayerChart:
    """Interactive user–film subgraph: hover for title, degree, stars and edge weight."""
    place = _layout(graph)
    edges = pd.DataFrame(
        [
            {
                "x": place[a][0], "y": place[a][1], "x2": place[b][0], "y2": place[b][1],
                "stars": d["stars"], "weight": d["weight"],
                "edge": f"{_node_name(data, a)} – {_node_name(data, b)}",
                "arithmetic": f"1/√({graph.nodes[a]['degree']} · {graph.nodes[b]['degree']})",
            }
            for a, b, d in graph.edges(data=True)
        ]
    )  # fmt: skip
    nodes = pd.DataFrame(
        [
            {
                "x": place[n][0], "y": place[n][1], "name": _node_name(data, n),
                "kind": _KIND[n[0], d["hop"]], "ratings": d["degree"],
            }
            for n, d in graph.nodes(data=True)
        ]
    )  # fmt: skip
    axis_free = {"axis": None, "scale": alt.Scale(zero=False, padding=24)}
    lines = (
        alt.Chart(edges)
        .mark_rule(color=GREY)
        .encode(
            x=alt.X("x:Q", **axis_free),
            y=alt.Y("y:Q", **axis_free),
            x2="x2:Q",
            y2="y2:Q",
            strokeWidth=alt.StrokeWidth(
                "weight:Q", title="edge weight", scale=alt.Scale(range=[0.6, 5]), legend=None
            ),
            opacity=alt.value(0.65),
            tooltip=[
                alt.Tooltip("edge", title="edge"),
                alt.Tooltip("stars", title="stars"),
                alt.Tooltip("arithmetic", title="weight ="),
                alt.Tooltip("weight", title="=", format=".4f"),
            ],
        )
    )
    dots = (
        alt.Chart(nodes)
        .mark_circle(size=230, opacity=1)
        .encode(
            x=alt.X("x:Q", **axis_free),
            y=alt.Y("y:Q", **axis_free),
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=list(_KIND.values()), range=[VERMILLION, BLUE, ORANGE]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["name", "kind", alt.Tooltip("ratings", title="ratings (degree)")],
        )
    )
    names = (
        alt.Chart(nodes[nodes["kind"] == _KIND["movie", 1]])
        .mark_text(dy=-16, fontSize=12, fontWeight="bold", limit=230, color=GREY)
        .encode(x=alt.X("x:Q", **axis_free), y=alt.Y("y:Q", **axis_free), text="name")
    )
    return (lines + dots + names).properties(height=520)


_KIND = {
    ("user", 0): "this user",
    ("movie", 1): "films the user rated (1 hop)",
    ("user", 2): "other viewers (2 hops)",
}


def _node_name(data: MovieData, node: tuple[str, int]) -> str:
    kind, inner = node
    return label(data, inner) if kind == "movie" else f"User {data.user_ids[inner]}"


def subgraph_figure(data: MovieData, graph: nx.Graph) -> Figure:
    """The same subgraph as a static matplotlib figure, for download."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots()
    place = _layout(graph)
    colours = {0: VERMILLION, 1: BLUE, 2: ORANGE}
    weights = [d["weight"] for _, _, d in graph.edges(data=True)]
    widths = [0.5 + 4 * w / max(weights) for w in weights]
    nx.draw_networkx_edges(graph, place, ax=axes, width=widths, edge_color=GREY, alpha=0.6)
    node_colours = [colours[hop] for _, hop in graph.nodes(data="hop")]
    nx.draw_networkx_nodes(graph, place, ax=axes, node_size=160, node_color=node_colours)
    names = {node: _node_name(data, node) for node in graph}
    lifted = {node: (x, y + 0.03) for node, (x, y) in place.items()}
    nx.draw_networkx_labels(
        graph, lifted, names, ax=axes, font_size=8, verticalalignment="bottom", clip_on=False
    )
    axes.set_axis_off()
    axes.margins(x=0.15)
    return figure


# --- recommendations ------------------------------------------------------------------------------


def score_chart(data: MovieData, recommendations: Sequence[Recommendation]) -> alt.Chart:
    """Stacked bars: the parts of each final score."""
    parts = {GRAPH_LABEL: "graph_part", TAG_LABEL: "tag_part", POPULARITY_LABEL: "popularity_part"}
    if not any(r.popularity_part for r in recommendations):
        del parts[POPULARITY_LABEL]
    rows = [
        {
            "film": f"{rank}. {label(data, r.movie)}",
            "part": part,
            "value": getattr(r, name),
            "order": rank,
        }
        for rank, r in enumerate(recommendations, 1)
        for part, name in parts.items()
    ]
    return (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title="final score = sum of the parts"),
            y=alt.Y("film:N", sort=alt.SortField("order"), title=None, axis=_WIDE_LABELS),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=list(parts), range=[BLUE, ORANGE, PURPLE][: len(parts)]),
                legend=alt.Legend(orient="top"),
            ),
            order=alt.Order("part:N"),
            tooltip=["film", "part", alt.Tooltip("value", format=".4f")],
        )
        .properties(height=alt.Step(22))
    )


_WIDE_LABELS = alt.Axis(labelLimit=260)


def contribution_chart(terms: pd.DataFrame) -> alt.Chart:
    """Bars of the terms of a graph score: columns term, contribution; largest first."""
    return (
        alt.Chart(terms)
        .mark_bar()
        .encode(
            x=alt.X("contribution:Q", title="contribution to the graph score"),
            y=alt.Y("term:N", sort=None, title=None, axis=_WIDE_LABELS),
            color=alt.condition(
                alt.datum.contribution >= 0, alt.value(BLUE), alt.value(VERMILLION)
            ),
            tooltip=["term", alt.Tooltip("contribution", format=".4f")],
        )
        .properties(height=alt.Step(22))
    )


def tag_share_chart(shares: pd.DataFrame) -> alt.Chart:
    """Bars of the tags' shares in a similarity: columns tag, share; largest first."""
    return (
        alt.Chart(shares)
        .mark_bar(color=ORANGE)
        .encode(
            x=alt.X("share:Q", title="share of the tag similarity"),
            y=alt.Y("tag:N", sort=None, title=None, axis=_WIDE_LABELS),
            tooltip=["tag", alt.Tooltip("share", format=".4f")],
        )
        .properties(height=alt.Step(22))
    )


# --- training -------------------------------------------------------------------------------------


def loss_chart(records: Sequence[EpochRecord]) -> alt.Chart:
    """Training loss by epoch."""
    table = pd.DataFrame([{"epoch": r.epoch, "loss": r.loss} for r in records if r.epoch])
    return _curve(table, "loss", "BPR training loss", VERMILLION).properties(height=240)


def metric_chart(
    records: Sequence[EpochRecord], metric: str, baseline: float | None, part: Part = "validation"
) -> alt.LayerChart:
    """A held-out metric by epoch, with the popularity baseline as a line to beat."""
    table = pd.DataFrame([{"epoch": r.epoch, metric: r.metrics[metric]} for r in records])
    chart = _curve(table, metric, f"{metric} on {part}", BLUE)
    if baseline is None:
        return alt.layer(chart).properties(height=240)
    line = pd.DataFrame({"value": [baseline], "name": [f"popularity {baseline:.4f}"]})
    rule = alt.Chart(line).mark_rule(color=ORANGE, strokeDash=[5, 4]).encode(y="value:Q")
    text = (
        alt.Chart(line)
        .mark_text(align="left", x=4, dy=-8, color=ORANGE)
        .encode(y="value:Q", text="name")
    )
    return (chart + rule + text).properties(height=240)


def _curve(table: pd.DataFrame, column: str, title: str, colour: str) -> alt.Chart:
    return (
        alt.Chart(table)
        .mark_line(point={"color": colour}, color=colour)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y(f"{column}:Q", title=title, scale=alt.Scale(zero=False)),
            tooltip=["epoch", alt.Tooltip(f"{column}:Q", format=".4f")],
        )
    )


# --- insights -------------------------------------------------------------------------------------


MAP_COLOURS = {
    "First genre": ("genre", "N"),
    "Decade": ("decade", "O"),
    "Mean stars": ("mean_stars", "Q"),
    "Number of ratings": ("ratings", "Q"),
}


def map_chart(movie_map: MovieMap, colour_by: str, chosen: pd.DataFrame) -> alt.LayerChart:
    """Scatter of the films; `chosen` are rows of the points to mark and name.

    Args:
        colour_by: a key of `MAP_COLOURS`.
    """
    column, kind = MAP_COLOURS[colour_by]
    points = movie_map.points
    if column == "genre":
        frequent = points["genre"].value_counts().index[: len(PALETTE) - 1]
        points = points.assign(genre=points["genre"].where(points["genre"].isin(frequent), "other"))
        scale = alt.Scale(domain=[*frequent, "other"], range=PALETTE)
    elif column == "ratings":
        scale = alt.Scale(type="log", scheme="viridis")
    else:
        scale = alt.Scale(scheme="viridis")
    first, second = movie_map.explained
    position = {
        "x": alt.X("x:Q", title=f"first component ({first:.1%} of the variance)"),
        "y": alt.Y("y:Q", title=f"second component ({second:.1%})"),
    }
    dots = (
        alt.Chart(points)
        .mark_circle(size=22, opacity=0.6)
        .encode(
            **position,
            color=alt.Color(f"{column}:{kind}", title=colour_by, scale=scale),
            tooltip=[
                "name",
                alt.Tooltip("year:Q", format="d"),
                "genre",
                alt.Tooltip("mean_stars:Q", title="mean stars", format=".2f"),
                "ratings",
            ],
        )
    )
    marks = alt.Chart(chosen).mark_point(size=140, color=VERMILLION, strokeWidth=2.5)
    names = alt.Chart(chosen).mark_text(dy=-13, fontWeight="bold", color=VERMILLION)
    return alt.layer(
        dots, marks.encode(**position), names.encode(**position, text="name:N")
    ).properties(height=560)


def frequency_chart(table: pd.DataFrame, name: str, count: str, title: str) -> alt.Chart:
    """Horizontal bars of a table that is already in order."""
    return (
        alt.Chart(table)
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X(f"{count}:Q", title=title),
            y=alt.Y(f"{name}:N", sort=None, title=None, axis=_WIDE_LABELS),
            tooltip=list(table.columns),
        )
        .properties(height=alt.Step(20))
    )
