"""The neighbourhood drawn: every node once, every edge with its weight."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.neighbourhood import Node, subgraph
from charts.neighbourhood import layout, neighbourhood_chart, neighbourhood_figure
from data_preparation import MovieData


def test_the_layout_places_every_node_once_by_hop(planted_data: MovieData) -> None:
    graph = subgraph(planted_data, 3, 10, 20)
    place = layout(graph)
    assert len(set(place.values())) == len(graph)
    assert all(place[node][0] == hop for node, hop in graph.nodes(data="hop"))
    assert len(neighbourhood_figure(planted_data, graph).axes[0].texts) == len(graph)


def test_the_chart_of_the_neighbourhood_tells_each_edge_its_weight_or_none_at_all(
    toy_data: MovieData,
) -> None:
    graph = subgraph(toy_data, toy_data.inner_user(3), 3, 2)
    for weighted in (True, False):
        lines, *names, dots = neighbourhood_chart(toy_data, graph, weighted)["layer"]
        edges, nodes = lines["data"]["values"], dots["data"]["values"]
        assert {node["id"] for node in nodes} == {f"{kind} {inner}" for kind, inner in graph}
        assert len(edges) == graph.number_of_edges()
        halos, texts = names[::2], names[1::2]  # a name lies on its halo, and both on the lines
        assert sum(len(name["data"]["values"]) for name in texts) == len(graph)
        for halo, text in zip(halos, texts, strict=True):
            assert halo["data"] == text["data"] and halo["encoding"] == text["encoding"]
            assert halo["mark"] == text["mark"] | {
                "stroke": {"expr": "background"},
                "strokeWidth": 5,
            }
        told = {field["field"] for field in lines["encoding"]["tooltip"]}
        assert ("arithmetic" in told) == weighted
        for edge in edges:
            assert ("weight" in edge) == weighted
            user, film = (tuple(edge[end].split()) for end in ("a", "b"))
            if user[0] == "movie":
                user, film = film, user
            assert toy_data.ratings[int(user[1]), int(film[1])] == edge["stars"]
            if weighted:
                degrees = toy_data.user_degree[int(user[1])] * toy_data.movie_degree[int(film[1])]
                assert edge["weight"] == pytest.approx(degrees**-0.5)


def test_the_layout_lets_fewer_lines_cross_than_any_order_would(planted_data: MovieData) -> None:
    rng = np.random.default_rng(0)
    for user in range(6):
        graph = subgraph(planted_data, user, 12, 20)
        place = layout(graph)
        outer = [(a, b) for a, b in graph.edges if {place[a][0], place[b][0]} == {1.0, 2.0}]

        def crossings(height: dict[Node, float], edges: list[tuple[Node, Node]] = outer) -> int:
            ends = np.array([[height[n] for n in sorted(edge)] for edge in edges])
            apart = ends[:, None, :] - ends[None, :, :]
            return int((apart[..., 0] * apart[..., 1] < 0).sum()) // 2

        columns = [[n for n in graph if place[n][0] == hop] for hop in (1.0, 2.0)]
        by_chance = []
        for _ in range(30):
            shuffled = [zip(c, rng.permutation(len(c)), strict=True) for c in columns]
            by_chance.append(crossings(dict(itertools.chain(*shuffled))))
        assert crossings({n: y for n, (_, y) in place.items()}) < min(by_chance)
