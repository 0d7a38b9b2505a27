"""Pictures for the lessons: the neighbourhood, strips of embeddings, reach and over-smoothing.

Colours carry sign or kind, opacity carries size, so that all of it reads on light and on dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data_preparation import MovieData
from explanation import Node
from plots import BLUE, GREY, ORANGE, VERMILLION, label
from teaching import LAST, MEAN, Reach, Smoothing

_MAX_NAMES = 20  # so many names fit beside each other
_ROLE = {
    ("user", 0): "user in the centre",
    ("movie", 0): "film in the centre",
    ("user", 1): "user, 1 hop away",
    ("movie", 1): "film, 1 hop away",
    ("user", 2): "user, 2 hops away",
    ("movie", 2): "film, 2 hops away",
}
_HOP_COLOURS = (VERMILLION, BLUE, ORANGE)
PICK = "pick"  # the name of the selection in `neighbourhood_chart`


def node_name(data: MovieData, node: Node) -> str:
    kind, inner = node
    return label(data, inner) if kind == "movie" else f"User {data.user_ids[inner]}"


# --- the neighbourhood ----------------------------------------------------------------------------


def layout(graph: nx.Graph) -> dict[Node, tuple[float, float]]:
    """Columns by hop, each as tall as the picture; few crossings: far nodes sit by their mean."""
    hop = dict(graph.nodes(data="hop"))
    far = {node for node in graph if hop[node] == 2}
    near = [node for node in graph if hop[node] == 1]
    height = {node: i for i, node in enumerate(near)}
    for _ in range(4):
        means = {
            node: float(np.mean([height[n] for n in graph[node] if n in height])) for node in far
        }
        near.sort(
            key=lambda n: float(np.mean([means[v] for v in graph[n] if v in far] or [height[n]]))
        )
        height = {node: i for i, node in enumerate(near)}
    ordered = nx.Graph()
    for node in [*(n for n in graph if hop[n] == 0), *near, *sorted(far, key=lambda n: means[n])]:
        ordered.add_node(node, hop=hop[node])
    place = nx.multipartite_layout(ordered, subset_key="hop", align="vertical")
    tallest = dict.fromkeys(hop.values(), 0.0)
    for node, (_, y) in place.items():
        tallest[hop[node]] = max(tallest[hop[node]], abs(y))
    return {
        node: (float(hop[node]), float(y) / (tallest[hop[node]] or 1.0))
        for node, (_, y) in place.items()
    }


def neighbourhood_chart(data: MovieData, graph: nx.Graph) -> alt.LayerChart:
    """Hover a node for title and degree, an edge for stars and arithmetic; click a node: `PICK`."""
    edges, nodes = _tables(data, graph)
    axes = {
        "x": alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.15, nodes["x"].max() + 0.15])),
        "y": alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-1.12, 1.12])),
    }
    roles = list(dict.fromkeys(nodes["role"]))
    pick = alt.selection_point(name=PICK, fields=["kind", "inner"], on="click", empty=False)
    near = alt.selection_point(name="near", fields=["id"], on="pointerover", empty=False)
    dots = (
        alt.Chart(nodes)
        .mark_circle(size=230 if len(nodes) <= 60 else 90, opacity=1, cursor="pointer")
        .encode(
            **axes,
            color=alt.Color(
                "role:N",
                title=None,
                scale=alt.Scale(domain=roles, range=list(_HOP_COLOURS)[: len(roles)]),
                legend=alt.Legend(orient="top", columns=1, labelLimit=300),
            ),
            tooltip=["name", "role", alt.Tooltip("degree", title="ratings (degree)")],
        )
        .add_params(pick, near)
    )
    tallest = int(nodes["x"].value_counts().max())
    return alt.layer(_lines(edges, axes), dots, _names(nodes, axes)).properties(
        height=max(520, 11 * tallest)
    )


def _lines(edges: pd.DataFrame, axes: Mapping[str, alt.X | alt.Y]) -> alt.Chart:
    """The edges; of many, faint ones, and the edges of the node under the pointer strong."""
    touched = "isValid(near.id) && (near.id[0] === datum.a || near.id[0] === datum.b)"
    faint = min(0.6, max(0.05, 60 / max(len(edges), 1)))
    return (
        alt.Chart(edges)
        .mark_rule()
        .encode(
            **axes,
            x2="x2:Q",
            y2="y2:Q",
            color=alt.condition(touched, alt.value(VERMILLION), alt.value(GREY)),
            # Those of the centre (x = 0 at one end) stay visible in any crowd.
            opacity=alt.when(touched)
            .then(alt.value(1))
            .when("min(datum.x, datum.x2) === 0")
            .then(alt.value(0.6))
            .otherwise(alt.value(faint)),
            strokeWidth=alt.StrokeWidth(
                "weight:Q", scale=alt.Scale(range=[0.5, 5], zero=False), legend=None
            ),
            tooltip=["edge", "stars", alt.Tooltip("arithmetic", title="weight")],
        )
    )


def _names(nodes: pd.DataFrame, axes: Mapping[str, alt.X | alt.Y]) -> alt.LayerChart:
    """Names above the dots; of a crowded column none, hovering tells them."""
    counts = nodes.groupby("x")["name"].transform("size")
    named = nodes[counts <= _MAX_NAMES]
    layers = []
    for x, align, dx in ((0, "left", -8), (1, "center", 0), (2, "right", 8)):
        layers.append(
            alt.Chart(named[named["x"] == x])
            .mark_text(
                dy=-15,
                dx=dx,
                align=align,
                fontSize=12,
                fontWeight="bold",
                limit=170,
                color=GREY,
            )
            .encode(**axes, text="name")
        )
    return alt.layer(*layers)


def _tables(data: MovieData, graph: nx.Graph) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The edges and the nodes with their places."""
    place, degree = layout(graph), dict(graph.nodes(data="degree"))
    edges = [
        {
            "x": place[a][0], "y": place[a][1], "x2": place[b][0], "y2": place[b][1],
            "edge": f"{node_name(data, a)} – {node_name(data, b)}",
            "a": f"{a[0]} {a[1]}", "b": f"{b[0]} {b[1]}",
            "stars": d["stars"],
            "weight": d["weight"],
            "arithmetic": f"1/√({degree[a]} · {degree[b]}) = {d['weight']:.4f}",
        }
        for a, b, d in graph.edges(data=True)
    ]  # fmt: skip
    nodes = [
        {
            "x": place[n][0], "y": place[n][1], "name": node_name(data, n),
            "role": _ROLE[n[0], d["hop"]], "degree": d["degree"], "kind": n[0], "inner": n[1],
            "id": f"{n[0]} {n[1]}",
        }
        for n, d in graph.nodes(data=True)
    ]  # fmt: skip
    columns = ["x", "y", "x2", "y2", "a", "b", "edge", "stars", "weight", "arithmetic"]
    return pd.DataFrame(edges, columns=columns), pd.DataFrame(nodes)


def neighbourhood_figure(data: MovieData, graph: nx.Graph) -> Figure:
    """The same picture as a static matplotlib figure, for download."""
    tallest = pd.Series(dict(graph.nodes(data="hop"))).value_counts().max()
    figure = Figure(figsize=(11, max(7, 0.22 * tallest)), layout="constrained", facecolor="white")
    axes = figure.subplots()
    place = layout(graph)
    weights = [d["weight"] for _, _, d in graph.edges(data=True)]
    widths = [0.5 + 4 * w / max(weights) for w in weights]
    nx.draw_networkx_edges(graph, place, ax=axes, width=widths, edge_color=GREY, alpha=0.6)
    colours = [_HOP_COLOURS[hop] for _, hop in graph.nodes(data="hop")]
    nx.draw_networkx_nodes(graph, place, ax=axes, node_size=120, node_color=colours)
    names = {node: node_name(data, node) for node in graph}
    lifted = {node: (x, y + 0.02) for node, (x, y) in place.items()}
    nx.draw_networkx_labels(
        graph, lifted, names, ax=axes, font_size=7, verticalalignment="bottom", clip_on=False
    )
    axes.set_axis_off()
    axes.margins(x=0.15)
    return figure


# --- embeddings as strips -------------------------------------------------------------------------


def strip_chart(rows: Mapping[str, NDArray[np.floating]]) -> alt.Chart:
    """One row of coloured cells per vector: colour is the sign, opacity the size."""
    table = pd.concat(
        [
            pd.DataFrame({"row": name, "dimension": np.arange(len(v)), "value": v.astype(float)})
            for name, v in rows.items()
        ]
    )
    largest = float(table["value"].abs().max()) or 1.0
    table["size"] = (table["value"].abs() / largest) ** 0.5  # or the small ones would vanish
    table["end"] = table["dimension"] + 1
    return (
        alt.Chart(table)
        .mark_rect()
        .encode(
            x=alt.X(
                "dimension:Q",
                title="dimension",
                scale=alt.Scale(domain=[0, int(table["end"].max())], nice=False),
                axis=alt.Axis(grid=False, tickMinStep=1),
            ),
            x2="end:Q",
            y=alt.Y(
                "row:N", sort=list(rows), title=None, axis=alt.Axis(labelLimit=150), scale=_GAPS
            ),
            color=alt.condition(alt.datum.value >= 0, alt.value(ORANGE), alt.value(BLUE)),
            opacity=alt.Opacity(
                "size:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 1]), legend=None
            ),
            tooltip=["row", "dimension", alt.Tooltip("value", format=".4f")],
        )
        .properties(height=alt.Step(30))
    )


_GAPS = alt.Scale(paddingInner=0.18)


# --- reach and over-smoothing ---------------------------------------------------------------------


def reach_chart(found: Sequence[Reach], n_users: int, n_films: int) -> alt.Chart:
    """Shares of all users and of all rated films within so many hops."""
    table = pd.DataFrame(
        [
            {"hops": f"{r.hops}", "kind": kind, "share": n / total, "reached": n, "of": total}
            for r in found
            for kind, n, total in (("users", r.users, n_users), ("films", r.films, n_films))
        ]
    )
    return (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("hops:N", title="within so many hops", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("kind:N", sort=["users", "films"]),
            y=alt.Y("share:Q", title="share reached", axis=alt.Axis(format="%")),
            color=_two_colours("kind", ["users", "films"], (ORANGE, BLUE)),
            tooltip=["hops", "kind", "reached", "of", alt.Tooltip("share", format=".1%")],
        )
        .properties(height=300)
    )


def smoothing_chart(results: Sequence[Smoothing], column: str, title: str, kept: int) -> alt.Chart:
    """A column of the results by layer, for the last layer alone and for the mean."""
    table = pd.DataFrame([vars(r) for r in results])
    curves = (
        alt.Chart(table)
        .mark_line(point=True)
        .encode(
            x=alt.X("layer:Q", title="layer k", axis=alt.Axis(tickMinStep=1, grid=False)),
            y=alt.Y(f"{column}:Q", title=title),
            color=_two_colours("kind", [LAST, MEAN], (VERMILLION, BLUE)),
            tooltip=["layer", "kind", alt.Tooltip(column, format=".4f")],
        )
    )
    rule = (
        alt.Chart(pd.DataFrame({"layer": [kept]}))
        .mark_rule(color=GREY, strokeDash=[4, 4])
        .encode(x="layer:Q")
    )
    return alt.layer(rule, curves).properties(height=340)


def _two_colours(column: str, domain: Sequence[str], colours: Sequence[str]) -> alt.Color:
    return alt.Color(
        f"{column}:N",
        title=None,
        scale=alt.Scale(domain=list(domain), range=list(colours)),
        legend=alt.Legend(orient="top"),
    )


def before_after_chart(table: pd.DataFrame, title: str) -> alt.Chart:
    """Two bars per name: columns name, when ("before" or "after"), value."""
    return (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=title),
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=150)),
            yOffset=alt.YOffset("when:N", sort=["before", "after"]),
            color=_two_colours("when", ["before", "after"], (GREY, VERMILLION)),
            tooltip=["name", "when", alt.Tooltip("value", format=".4f")],
        )
        .properties(height=alt.Step(22))
    )
