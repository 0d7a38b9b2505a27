"""Rows, graph and matrix as one piece of HTML: three views of the same edges, lit up together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import networkx as nx
import numpy as np

from data_preparation import MovieData

_SPAN = 110  # pixels between the users' column and the films' column


def linked_views(data: MovieData, graph: nx.Graph) -> str:
    """HTML: the edges as lines of the file, as a graph and as a matrix.

    Every edge has one class in all three, and a rule lights up all of them while one is pointed at
    or has the keyboard focus: CSS alone, so nothing is sent to the server.
    """
    users, films, edges = _parts(graph)
    names = {u: data.user_name(u) for u in users}
    rules = "".join(
        f".lv:has(.e{n}:hover) .e{n},.lv:has(.e{n}:focus) .e{n}{{--on:1}}"
        for n in range(len(edges))
    )
    return (
        f"<style>{_LINKED_CSS}{rules}</style><div class='lv'>"
        f"<section><h4>Lines of ratings.csv</h4>{_file_lines(data, edges)}</section>"
        f"<section><h4>Graph</h4>{_drawing(data, names, films, edges)}</section>"
        f"<section><h4>Matrix</h4>{_matrix(data, users, films, edges)}</section></div>"
    )


def drawing(data: MovieData, graph: nx.Graph) -> str:
    """HTML: the graph alone, the users by the ids of the file."""
    users, films, edges = _parts(graph)
    names = {u: data.user_name(u) for u in users}
    picture = _drawing(data, names, films, edges)
    return f"<style>{_LINKED_CSS}</style><div class='lv'>{picture}</div>"


def _parts(graph: nx.Graph) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """The inner ids of the users and of the films, and the edges between them."""
    users = sorted(inner for kind, inner in graph if kind == "user")
    films = sorted(inner for kind, inner in graph if kind == "movie")
    return (
        users,
        films,
        [(u, i) for u in users for i in films if graph.has_edge(("user", u), ("movie", i))],
    )


_LINKED_CSS = """
.lv{display:flex;flex-wrap:wrap;gap:1.2rem 2rem;font-size:.85rem}
.lv section{flex:1 1 300px;min-width:0;overflow-x:auto}
.lv h4{font-size:.95rem;margin:0 0 .4rem;padding:0}
.lv table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.lv th,.lv td{padding:.22rem .4rem;text-align:right;border:1px solid rgba(138,143,152,.35)}
.lv th{font-weight:600;opacity:.8}
.lv th{white-space:nowrap}
.lv th small{font-size:.72rem;font-weight:400}
.lv th .t{display:block;max-width:3.5rem;margin-left:auto;overflow:hidden;text-overflow:ellipsis}
.lv [class^=e]{cursor:pointer;outline-offset:-2px}
.lv tr[class^=e]>td,.lv td[class^=e]{background:rgba(213,94,0,calc(var(--on,0)*.35))}
.lv .g{position:relative;overflow:hidden;flex:1}
.lv .g i{position:absolute;left:68px;height:16px;transform-origin:0 50%;padding:0;
background:linear-gradient(color-mix(in srgb,#d55e00 calc(var(--on,0)*100%),#8a8f98),
color-mix(in srgb,#d55e00 calc(var(--on,0)*100%),#8a8f98)) no-repeat 0 50%;
background-size:100% calc(2px + var(--on,0)*4px)}
.lv .g b{position:absolute;width:18px;height:18px;border-radius:9px}
.lv .g b.u{left:59px;background:#e69f00}
.lv .g b.f{left:169px;background:#3b8bd0}
.lv .g span{position:absolute;line-height:20px;font-size:.8rem}
.lv .g span.u{left:0;width:56px;text-align:right;white-space:nowrap}
.lv .g span.f{left:194px;right:0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
"""


def _file_lines(data: MovieData, edges: Sequence[tuple[int, int]]) -> str:
    rows = "".join(
        f"<tr class='e{n}' tabindex='0'><td>{data.user_ids[u]}</td><td>{data.movie_ids[i]}</td>"
        f"<td>{data.ratings[u, i]:g}</td><td>{u}</td><td>{i}</td></tr>"
        for n, (u, i) in enumerate(edges)
    )
    return (
        "<table><thead><tr><th>userId</th><th>movieId</th><th>rating</th><th>→ row</th>"
        f"<th>→ column</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _drawing(
    data: MovieData,
    users: Mapping[int, str],
    films: Sequence[int],
    edges: Sequence[tuple[int, int]],
) -> str:
    """The graph out of boxes, because Streamlit takes SVG out of HTML."""
    height = 54 * max(len(users), len(films))
    left = {u: (n + 0.5) * height / len(users) for n, u in enumerate(users)}
    right = {i: (n + 0.5) * height / len(films) for n, i in enumerate(films)}
    parts = []
    for n, (u, i) in enumerate(edges):
        rise = right[i] - left[u]
        length, angle = np.hypot(_SPAN, rise), np.arctan2(rise, _SPAN)
        parts.append(
            f"<i class='e{n}' style='top:{left[u] - 8:.0f}px;width:{length:.0f}px;"
            f"transform:rotate({angle:.4f}rad)'></i>"
        )
    for u, y in left.items():
        parts.append(f"<b class='u' style='top:{y - 9:.0f}px'></b>")
        parts.append(f"<span class='u' style='top:{y - 10:.0f}px'>{users[u]}</span>")
    for i, y in right.items():
        parts.append(f"<b class='f' style='top:{y - 9:.0f}px'></b>")
        name = escape(data.labels[i])
        parts.append(f"<span class='f' style='top:{y - 10:.0f}px'>{name}</span>")
    return f"<div class='g' style='height:{height}px'>{''.join(parts)}</div>"


def _matrix(
    data: MovieData, users: Sequence[int], films: Sequence[int], edges: Sequence[tuple[int, int]]
) -> str:
    number = {edge: n for n, edge in enumerate(edges)}
    heads = "".join(
        f"<th title='{escape(data.labels[i], quote=True)}'><span class='t'>"
        f"{escape(data.labels[i])}</span><small>col. {i}</small></th>"
        for i in films
    )
    rows = "".join(
        f"<tr><th>{escape(data.user_name(u))}<br><small>row {u}</small></th>"
        + "".join(
            f"<td class='e{number[u, i]}' tabindex='0'>{data.ratings[u, i]:g} ★</td>"
            if (u, i) in number
            else "<td style='opacity:.4'>·</td>"
            for i in films
        )
        + "</tr>"
        for u in users
    )
    return f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table>"
