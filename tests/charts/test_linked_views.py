"""Rows, graph and matrix show the same edges, and titles cannot become HTML."""

from __future__ import annotations

from analysis.neighbourhood import subgraph
from charts.linked_views import linked_views
from data_preparation import MovieData


def test_the_linked_views_show_each_edge_three_times(toy_data: MovieData) -> None:
    graph = subgraph(toy_data, toy_data.inner_user(3), 3, 2)
    html = linked_views(toy_data, graph)
    for n in range(graph.number_of_edges()):
        assert html.count(f"class='e{n}'") == 3
    assert f"class='e{graph.number_of_edges()}'" not in html
    assert "<tr class='e0' tabindex='0'><td>3</td>" in html


def test_titles_from_the_file_cannot_become_html(load) -> None:
    films = [(10, "<script>alert(1)</script> (1999)", "Drama"), (20, "B' onx='1 (2000)", "Drama")]
    ratings = [(1, 10, 4.0, 1), (1, 20, 4.5, 2), (2, 10, 3.0, 3)]
    data = load(ratings=ratings, movies=films, tags=None, links=None)
    html = linked_views(data, subgraph(data, 0, 4, 2))
    assert "<script" not in html
    assert "B' onx" not in html
