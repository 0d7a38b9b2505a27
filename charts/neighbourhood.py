"""The graph around a user or a film, as an interactive chart and as a static figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.neighbourhood import Node
from charts.basics import BLUE, GREY, ORANGE, VERMILLION
from charts.spec import READABLE
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
_NAME_MARK = {"type": "text", "fontSize": 12, "fontWeight": "bold", "limit": 170, "color": GREY}
# Drawn below a name in the colour of the page, it keeps the lines away from the letters.
_HALO = {"stroke": {"expr": "background"}, "strokeWidth": 5}
# Column, alignment and shift of the names: above the dots; users' names are short enough to stand
# beside the last ones, clear of the lines.
_NAME_PLACES = ((0, "left", -8, -15), (1, "center", 0, -15))
_NAMES_BESIDE, _NAMES_ABOVE = (2, "left", 13, 0), (2, "right", 8, -15)
_MARGIN_BESIDE = 0.42  # for the names beside, as a share of the distance of two columns
_ROUNDS = 4  # of ordering the columns
PICK = "pick"  # the name of the selection in `neighbourhood_chart`


def node_name(data: MovieData, node: Node) -> str:
    kind, inner = node
    return data.labels[inner] if kind == "movie" else data.user_name(inner)


def layout(graph: nx.Graph) -> dict[Node, tuple[float, float]]:
    """Columns by hop (x), each as tall as the picture (y from −1 to 1).

    Few lines cross, because nodes stand near the mean height of those that they touch in the next
    column (the barycentre method, in a few rounds).
    """
    hop = dict(graph.nodes(data="hop"))
    centre, near, far = ([node for node in graph if hop[node] == n] for n in range(3))
    height = {node: float(n) for n, node in enumerate(near)}
    pull: dict[Node, float] = {}
    for _ in range(_ROUNDS):
        pull = {node: _mean_height(graph[node], height, 0.0) for node in far}
        near.sort(key=lambda node: _mean_height(graph[node], pull, height[node]))
        height = {node: float(n) for n, node in enumerate(near)}
    far.sort(key=pull.__getitem__)
    return {
        node: (float(n), y)
        for n, column in enumerate((centre, near, far))
        for node, y in zip(column, _spread(len(column)), strict=True)
    }


def _mean_height(nodes: Iterable[Node], height: Mapping[Node, float], otherwise: float) -> float:
    """Of those nodes that have a height."""
    known = [height[node] for node in nodes if node in height]
    return float(np.mean(known)) if known else otherwise


def _spread(n: int) -> list[float]:
    """n even places from the top (1) to the bottom (−1); one alone stands in the middle."""
    return np.linspace(1, -1, n).tolist() if n > 1 else [0.0] * n


def neighbourhood_chart(data: MovieData, graph: nx.Graph, weighted: bool = True) -> dict[str, Any]:
    """Hover a node for title and degree, an edge for stars and arithmetic; click a node: `PICK`.

    A Vega-Lite specification, written out: Altair takes a third of a second to check one like it.

    Args:
        weighted: lines are as thick as their weight, and tell it; all alike otherwise.
    """
    edges, nodes = _edges_and_nodes(data, graph)
    columns = Counter(node["x"] for node in nodes)
    users_last = any(node["x"] == 2 and node["kind"] == "user" for node in nodes)
    right = max(columns) + (_MARGIN_BESIDE if users_last else 0.15)
    axes = {
        "x": _quantity("x", axis=None, scale={"domain": [-0.15, right]}),
        "y": _quantity("y", axis=None, scale={"domain": [-1.12, 1.12]}),
    }
    names = [
        {
            "data": {"values": [n for n in nodes if n["x"] == x and columns[x] <= _MAX_NAMES]},
            "mark": _NAME_MARK | {"align": align, "dx": dx, "dy": dy} | halo,
            "encoding": axes | {"text": {"field": "name"}},
        }
        for x, align, dx, dy in (
            *_NAME_PLACES,
            _NAMES_BESIDE if users_last else _NAMES_ABOVE,
        )
        for halo in (_HALO, {})
    ]
    return {
        "height": max(520, 11 * max(columns.values())),
        "layer": [_lines(edges, axes, weighted), *names, _dots(nodes, axes)],
        "config": READABLE,
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


def _edges_and_nodes(
    data: MovieData, graph: nx.Graph
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
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
