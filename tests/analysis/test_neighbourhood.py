"""The graph around a user or a film: real edges, with stars and weights."""

from __future__ import annotations

import pytest

from analysis.neighbourhood import neighbourhood, subgraph
from data_preparation import MovieData


def test_the_subgraph_holds_real_edges_with_stars_and_weights(toy_data: MovieData) -> None:
    graph = subgraph(toy_data, toy_data.inner_user(3), n_movies=3, n_users=2)
    hops = [hop for _, hop in graph.nodes(data="hop")]
    assert (hops.count(0), hops.count(1), hops.count(2)) == (1, 3, 2)
    for (kind_a, a), (kind_b, b), edge in graph.edges(data=True):
        user, movie = (a, b) if kind_a == "user" else (b, a)
        assert {kind_a, kind_b} == {"user", "movie"}
        assert toy_data.ratings[user, movie] == edge["stars"]
        degrees = toy_data.user_degree[user] * toy_data.movie_degree[movie]
        assert edge["weight"] == pytest.approx(degrees**-0.5)


def test_the_subgraph_of_someone_alone_has_no_other_viewers(toy_data: MovieData) -> None:
    graph = subgraph(toy_data, toy_data.inner_user(21), n_movies=5, n_users=0)
    assert len(graph) == 2


def test_a_films_neighbourhood_is_its_viewers_and_their_films(toy_data: MovieData) -> None:
    film = toy_data.inner_movie(10)
    graph = neighbourhood(toy_data, ("movie", film), 9, 9)
    viewers = {("user", toy_data.inner_user(raw)) for raw in (3, 7, 21)}
    hops = dict(graph.nodes(data="hop"))
    assert {node for node, hop in hops.items() if hop == 1} == viewers
    for node, hop in hops.items():
        if hop == 2:
            assert node[0] == "movie"
            assert any(toy_data.ratings[viewer, node[1]] for _, viewer in viewers)
    for a, b, edge in graph.edges(data=True):
        user, movie = (a[1], b[1]) if a[0] == "user" else (b[1], a[1])
        assert edge["stars"] == toy_data.ratings[user, movie]
