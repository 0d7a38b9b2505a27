"""The graph around a user or a film, as an interactive chart and as a static figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.neighbourhood import Node
from charts.basics import BLUE, GREY, ORANGE, VERMILLION, label
from data_preparation import MovieData

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


def neighbourhood_chart(data: MovieData, graph: nx.Graph, weighted: bool = True) -> dict[str, Any]:
    """Hover a node for title and degree, an edge for stars and arithmetic; click a node: `PICK`.

    A Vega-Lite specification, written out: Altair takes a third of a second to check one like it.

    Args:
        weighted: lines are as thick as their weight, and tell it; all alike otherwise.
    """
    edges, nodes = _tables(data, graph)
    columns = Counter(node["x"] for node in nodes)
    users_last = any(node["x"] == 2 and node["kind"] == "user" for node in nodes)
    right = max(columns) + (_MARGIN if users_last else 0.15)
    axes = {
        "x": _quantity("x", axis=None, scale={"domain": [-0.15, right]}),
        "y": _quantity("y", axis=None, scale={"domain": [-1.12, 1.12]}),
    }
    names = [
        {
            "data": {"values": [n for n in nodes if n["x"] == x and columns[x] <= _MAX_NAMES]},
            "mark": _NAME | {"align": align, "dx": dx, "dy": dy},
            "encoding": axes | {"text": {"field": "name"}},
        }
        for x, align, dx, dy in (*_PLACES, _BESIDE if users_last else _ABOVE)
    ]
    return {
        "height": max(520, 11 * max(columns.values())),
        "layer": [_lines(edges, axes, weighted), _dots(nodes, axes), *names],
    }


def _quantity(field: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative"} | more


def _told(**titles: str) -> list[dict[str, str]]:
    """A tooltip: what to call each field."""
    return [{"field": field, "title": title} for field, title in titles.items()]


def _dots(nodes: Sequence[Mapping[str, Any]], axes: Mapping[str, Any]) -> dict[str, Any]:
    roles = list(dict.fromkeys(node["role"] for node in nodes))
    return {
        "data": {"values": nodes},
        "mark": {
            "type": "circle",
            "size": 230 if len(nodes) <= 60 else 90,
            "opacity": 1,
            "cursor": "pointer",
        },
        "params": [
            {"name": PICK, "select": {"type": "point", "on": "click", "fields": ["kind", "inner"]}},
            {"name": "near", "select": {"type": "point", "on": "pointerover", "fields": ["id"]}},
        ],
        "encoding": {
            **axes,
            "color": {
                "field": "role",
                "type": "nominal",
                "title": None,
                "scale": {"domain": roles, "range": list(_HOP_COLOURS)[: len(roles)]},
                "legend": {"orient": "top", "columns": 1, "labelLimit": 300},
            },
            "tooltip": _told(name="name", role="role", degree="ratings (degree)"),
        },
    }


def _lines(
    edges: Sequence[Mapping[str, Any]], axes: Mapping[str, Any], weighted: bool
) -> dict[str, Any]:
    """The edges; of many, faint ones, and the edges of the node under the pointer strong."""
    touched = "isValid(near.id) && (near.id[0] === datum.a || near.id[0] === datum.b)"
    faint = min(0.6, max(0.05, 60 / max(len(edges), 1)))
    width = {"scale": {"range": [0.5, 5], "zero": False}, "legend": None}
    told = {"edge": "edge", "stars": "stars"} | ({"arithmetic": "weight"} if weighted else {})
    return {
        "data": {"values": edges if weighted else [_weightless(edge) for edge in edges]},
        "mark": {"type": "rule"},
        "encoding": {
            **axes,
            "x2": {"field": "x2"},
            "y2": {"field": "y2"},
            "color": {"condition": {"test": touched, "value": VERMILLION}, "value": GREY},
            "opacity": {
                "condition": [
                    {"test": touched, "value": 1},
                    # Those of the centre (x = 0 at one end) stay visible in any crowd.
                    {"test": "min(datum.x, datum.x2) === 0", "value": 0.6},
                ],
                "value": faint,
            },
            "strokeWidth": _quantity("weight", **width) if weighted else {"value": 1.5},
            "tooltip": _told(**told),
        },
    }


def _weightless(edge: Mapping[str, Any]) -> dict[str, Any]:
    return {name: edge[name] for name in edge if name not in ("weight", "arithmetic")}


_NAME = {"type": "text", "fontSize": 12, "fontWeight": "bold", "limit": 170, "color": GREY}
# Column, alignment and shift of the names: above the dots; users' names are short enough to stand
# beside the last ones, clear of the lines.
_PLACES = ((0, "left", -8, -15), (1, "center", 0, -15))
_BESIDE, _ABOVE = (2, "left", 13, 0), (2, "right", 8, -15)
_MARGIN = 0.42  # for the names beside, as a share of the distance of two columns


def _tables(data: MovieData, graph: nx.Graph) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The edges and the nodes with their places."""
    place, degree = layout(graph), dict(graph.nodes(data="degree"))
    edges = [
        {
            "x": place[a][0], "y": place[a][1], "x2": place[b][0], "y2": place[b][1],
            "edge": f"{node_name(data, a)} – {node_name(data, b)}",
            "a": f"{a[0]} {a[1]}", "b": f"{b[0]} {b[1]}",
            "stars": float(d["stars"]),
            "weight": float(d["weight"]),
            "arithmetic": f"1/√({degree[a]} · {degree[b]}) = {d['weight']:.4f}",
        }
        for a, b, d in graph.edges(data=True)
    ]  # fmt: skip
    nodes = [
        {
            "x": place[n][0], "y": place[n][1], "name": node_name(data, n),
            "role": _ROLE[n[0], d["hop"]], "degree": int(d["degree"]),
            "kind": n[0], "inner": int(n[1]),
            "id": f"{n[0]} {n[1]}",
        }
        for n, d in graph.nodes(data=True)
    ]  # fmt: skip
    return edges, nodes


def neighbourhood_figure(data: MovieData, graph: nx.Graph, weighted: bool = True) -> Figure:
    """The same picture as a static matplotlib figure, for download."""
    tallest = pd.Series(dict(graph.nodes(data="hop"))).value_counts().max()
    figure = Figure(figsize=(11, max(7, 0.22 * tallest)), layout="constrained", facecolor="white")
    axes = figure.subplots()
    place = layout(graph)
    weights = [d["weight"] for _, _, d in graph.edges(data=True)]
    widths = [0.5 + 4 * w / max(weights) if weighted else 1.5 for w in weights]
    nx.draw_networkx_edges(graph, place, ax=axes, width=widths, edge_color=GREY, alpha=0.6)
    colours = [_HOP_COLOURS[hop] for _, hop in graph.nodes(data="hop")]
    nx.draw_networkx_nodes(graph, place, ax=axes, node_size=120, node_color=colours)
    names = {node: node_name(data, node) for node in graph}
    lifted = {node: (x, y + 0.02) for node, (x, y) in place.items()}
    texts = nx.draw_networkx_labels(
        graph, lifted, names, ax=axes, font_size=7, verticalalignment="bottom", clip_on=False
    )
    for text in texts.values():
        text.set_parse_math(False)  # a title with two dollars is no mathematics
    axes.set_axis_off()
    axes.margins(x=0.15)
    return figure
