"""Start Here, model-free chapters: rows become a graph; who is near; what an edge weighs."""

from __future__ import annotations

import io

import networkx as nx
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.neighbourhood import Node, neighbourhood, subgraph
from charts.basics import label
from charts.html import Bar, bars
from charts.linked_views import linked_views
from charts.teaching import PICK, neighbourhood_chart, neighbourhood_figure, node_name
from tabs.shared import count, escape
from tabs.start_here.chapter import Lesson, quiz, quiz_once, revealed

_EXTREMES = 4  # so many of the heaviest and of the lightest edges are drawn


def rows(lesson: Lesson) -> None:
    """Chapter: lines of ratings.csv, the graph and the matrix are the same edges."""
    data = lesson.data
    st.subheader("From rows to a graph")
    lesson.say(
        "A line of `ratings.csv` says: this person rated this film. Draw a line between the two, "
        "do so for every row, and you have a **graph**. Put people down the side and films along "
        "the top instead, and you have a **matrix**. It is the same information three times. "
        "**Point at any row, line or cell** (or press Tab) to see it in the other two.",
        r"Ratings are the edges of a bipartite graph, or the non-zero entries of a sparse matrix "
        rf"$R \in \mathbb{{R}}^{{{data.n_users} \times {data.n_movies}}}$. The adjacency matrix is "
        r"$A = \begin{pmatrix} 0 & R \\ R^\top & 0 \end{pmatrix}$ with every rating counted as 1. "
        "**Point at any row, line or cell** (or press Tab) to see it in the other two.",
    )
    graph = subgraph(data, lesson.user, 4, 2)
    st.html(linked_views(data, graph))
    st.caption(
        "The ids in the file have gaps, so users and films are numbered anew from 0: these *inner "
        "ids* are the rows and columns of the matrix. A dot means “not rated”, not “zero stars”."
    )
    rated = int((data.movie_degree > 0).sum())
    density = data.n_ratings / (data.n_users * rated)
    quiz(
        "quiz_density",
        f"The full matrix has {data.n_users:,} × {rated:,} cells. How many of them are filled?",
        ["about half", "about a fifth", "fewer than one in ten"],
        0 if density > 0.35 else 1 if density >= 0.1 else 2,
        f"{data.n_ratings:,} of {data.n_users * rated:,} cells: {density:.1%}. Recommending means "
        "guessing which empty cells would be filled with joy.",
    )
    _all_edges(lesson)


def _all_edges(lesson: Lesson) -> None:
    data = lesson.data
    opened = st.expander(
        f"All {count(int(data.user_degree[lesson.user]), 'rating')} of {lesson.name}, as edges",
        key="all_edges",
        on_change="rerun",
    )
    if not opened.open:
        return
    movies = data.rated_by(lesson.user)
    opened.dataframe(
        pd.DataFrame(
            {
                "film": [label(data, movie) for movie in movies],
                "movieId": data.movie_ids[movies],
                "stars": data.stars_of(lesson.user),
                "→ edge": [f"user {lesson.user} – film {movie}" for movie in movies],
            }
        ),
        hide_index=True,
        height=240,
        alt="The worked user's ratings with raw ids and the inner ids of the edge",
    )


# --- the neighbourhood ----------------------------------------------------------------------------


def neighbours(lesson: Lesson) -> None:
    """Chapter: walk the graph around the worked user; what each edge weighs."""
    st.subheader("The neighbourhood")
    lesson.say(
        "Films that someone rated are **one step** away. Other people who rated those films are "
        "**two steps** away. The films of those people are what a recommendation can come from. "
        "Hover a dot or a line to read it; **click a dot to walk there**.",
        "Odd distances are films, even distances users: the graph is bipartite. Hover a node or an "
        "edge to read it; **click a node to walk there**.",
    )
    centre = _centre(lesson)
    graph = _walk(lesson, centre)
    weighted = _weights_known(lesson)
    _picture(lesson, centre, graph, weighted)
    _weights(lesson)


def _centre(lesson: Lesson) -> Node:
    """Where the reader stands; back at the worked user when another one is chosen."""
    state = st.session_state
    owner = (lesson.data.fingerprint, lesson.user)
    if state.get("walk_of") != owner:
        state["walk_of"], state["walk"] = owner, ("user", lesson.user)
    return state["walk"]


def _walk(lesson: Lesson, centre: Node) -> nx.Graph:
    """The controls, and the graph that they ask for."""
    data = lesson.data
    hops, near, far = st.columns([1, 1, 1], vertical_alignment="bottom")
    both = hops.segmented_control(
        "Hops", [1, 2], default=2, required=True, key="hops", persist_state="session"
    )
    first, second = ("Films", "Other users") if centre[0] == "user" else ("Users", "Other films")
    n_near = near.slider(first, 3, 50, 8, key="n_near", persist_state="session")
    n_far = far.slider(second, 0, 100, 12, key="n_far", persist_state="session", disabled=both == 1)
    graph = neighbourhood(data, centre, n_near, n_far if both == 2 else 0)
    others = [node for node in graph if node != centre]
    where, back = st.columns([3, 1], vertical_alignment="bottom")
    where.selectbox(
        "Walk to (or click a dot)",
        others,
        index=None,
        format_func=lambda node: f"{node_name(data, node)} · degree {graph.nodes[node]['degree']}",
        placeholder=f"You are at {node_name(data, centre)}",
        key=f"walk_to_{centre}",
        on_change=_walk_from_list,
        args=(centre,),
    )
    back.button(
        f"Back to {lesson.name}",
        icon=":material/home:",
        width="stretch",
        disabled=centre == ("user", lesson.user),
        on_click=_stand_at,
        args=(("user", lesson.user),),
    )
    return graph


def _stand_at(node: Node) -> None:
    st.session_state["walk"] = node


def _walk_from_list(centre: Node) -> None:
    node = st.session_state[f"walk_to_{centre}"]
    if node:
        _stand_at(tuple(node))


def _walk_from_chart(key: str) -> None:
    for point in st.session_state[key]["selection"][PICK]:
        _stand_at((point["kind"], int(point["inner"])))


def _picture(lesson: Lesson, centre: Node, graph: nx.Graph, weighted: bool) -> None:
    """The graph; its lines get their weights once the reader has guessed at them."""
    data = lesson.data
    key = f"neighbourhood_{centre}_{len(graph)}"  # a new picture has no old click
    st.vega_lite_chart(
        None,
        neighbourhood_chart(data, graph, weighted),
        key=key,
        on_select=lambda: _walk_from_chart(key),
        selection_mode=PICK,
        alt=f"Graph around {node_name(data, centre)}: {len(graph)} nodes, "
        f"{graph.number_of_edges()} edges; the table below lists them",
    )
    st.caption(
        f"{escape(node_name(data, centre))} has {graph.nodes[centre]['degree']:,} edges in all; "
        f"shown: {len(graph)} nodes, {graph.number_of_edges()} edges. Pointing at a dot brings "
        "out its lines. "
        + (
            "Thicker lines weigh more."
            if weighted
            else "The lines get their weights when the question below is answered."
        )
    )
    table = st.expander(
        "The same picture as a table, or to download", key="edge_table", on_change="rerun"
    )
    if not table.open:
        return
    with table:
        _edge_table(lesson, graph, weighted)
        name = node_name(data, centre)
        st.download_button(
            "Download as a picture",
            lambda: _png(lesson, graph, weighted),
            f"{'_'.join(name.split()).replace('/', '_')}_neighbourhood.png",
            "image/png",
            on_click="ignore",
        )


def _png(lesson: Lesson, graph: nx.Graph, weighted: bool) -> bytes:
    picture = io.BytesIO()
    neighbourhood_figure(lesson.data, graph, weighted).savefig(picture, format="png", dpi=150)
    return picture.getvalue()


def _edge_table(lesson: Lesson, graph: nx.Graph, weighted: bool) -> None:
    data, found = lesson.data, []
    for a, b, edge in graph.edges(data=True):
        user, film = (a, b) if a[0] == "user" else (b, a)
        degrees = graph.nodes[user]["degree"], graph.nodes[film]["degree"]
        found.append(
            {
                "user": node_name(data, user),
                "film": node_name(data, film),
                "stars": edge["stars"],
                "arithmetic": f"1/√({degrees[0]} · {degrees[1]})",
                "weight": edge["weight"],
            }
        )
    table = pd.DataFrame(found)
    st.dataframe(
        table if weighted else table.drop(columns=["arithmetic", "weight"], errors="ignore"),
        hide_index=True,
        height=240,
        column_config={"weight": st.column_config.NumberColumn(format="%.4f")},
        alt="Every edge of the picture with stars and weight",
    )


# --- what an edge weighs --------------------------------------------------------------------------


def _weights(lesson: Lesson) -> None:
    """The quiz; then the rule, the extremes, and every edge on demand."""
    data = lesson.data
    st.subheader("What an edge weighs")
    extremes = _rarest_and_commonest(lesson)
    if extremes and not _weight_quiz(lesson, *extremes):
        return
    degree = int(data.user_degree[lesson.user])
    st.latex(r"w_{ui} = \frac{1}{\sqrt{d_u \cdot d_i}}")
    lesson.say(
        f"{lesson.name} rated {count(degree, 'film')}, so each one gets a share of the attention. "
        "A film that everybody saw says little about anybody; one that few saw says much. The "
        "square root softens it: a film with 100 times the viewers weighs a tenth, not a "
        "hundredth.",
        rf"$d_u = {degree}$. The symmetric norm $D^{{-1/2}} A D^{{-1/2}}$ keeps the largest "
        "eigenvalue at 1, so that no layer explodes. Stars "
        "play no part in it (He et al. 2020, eq. 3).",
    )
    order = np.argsort(-data.edge_weights(lesson.user), kind="stable")
    _extreme_bars(lesson, order)
    _weights_table(lesson, order)


def _rarest_and_commonest(lesson: Lesson) -> tuple[int, int] | None:
    """The user's film with the heaviest edge and the one with the lightest; None if all equal."""
    data = lesson.data
    movies = data.rated_by(lesson.user)
    order = np.argsort(-data.edge_weights(lesson.user), kind="stable")
    rare, common = int(movies[order[0]]), int(movies[order[-1]])
    return (rare, common) if data.movie_degree[rare] != data.movie_degree[common] else None


def _weights_known(lesson: Lesson) -> bool:
    """Whether the picture may show the weights: the quiz is over, or there is none."""
    return _rarest_and_commonest(lesson) is None or revealed("weights", _quiz_key(lesson))


def _quiz_key(lesson: Lesson) -> str:
    return f"quiz_weight_{lesson.user}"


def _weight_quiz(lesson: Lesson, rare: int, common: int) -> bool:
    data = lesson.data
    films = sorted((rare, common))
    d = {film: int(data.movie_degree[film]) for film in films}
    ratio = (d[common] / d[rare]) ** 0.5
    return quiz_once(
        "weights",
        _quiz_key(lesson),
        f"Of the films that {escape(lesson.name)} rated, which sends the louder message?",
        [f"{lesson.film(film)}, {count(d[film], 'rating')}" for film in films],
        films.index(rare),
        f"Its edge weighs {ratio:.1f} times as much: √({d[common]:,} / {d[rare]:,}).",
    )


def _extreme_bars(lesson: Lesson, order: NDArray[np.int64]) -> None:
    """The heaviest and the lightest edges with their arithmetic."""
    data = lesson.data
    movies, weights = data.rated_by(lesson.user), data.edge_weights(lesson.user)
    chosen = order if len(order) <= 2 * _EXTREMES else [*order[:_EXTREMES], *order[-_EXTREMES:]]
    if len(order) > len(chosen):
        st.markdown(f"The {_EXTREMES} heaviest and the {_EXTREMES} lightest of {len(order):,}:")
    degree = len(movies)
    st.html(
        bars(
            [
                Bar(
                    label(data, movies[n]),
                    weights[n],
                    f"{weights[n]:.4f}",
                    note=f"1/√({degree:,} · {data.movie_degree[movies[n]]:,})",
                )
                for n in chosen
            ],
            f"The heaviest and the lightest edges of {lesson.name}",
        )
    )


def _weights_table(lesson: Lesson, order: NDArray[np.int64]) -> None:
    """Every edge of the user, once the reader asks for them: there may be thousands."""
    data, degree = lesson.data, len(order)
    movies = data.rated_by(lesson.user)[order]
    opened = st.expander(f"All {count(degree, 'edge')}", key="all_weights", on_change="rerun")
    if not opened.open:
        return
    opened.dataframe(
        pd.DataFrame(
            {
                "film": [label(data, movie) for movie in movies],
                "stars": data.stars_of(lesson.user)[order],
                "film's ratings d_i": data.movie_degree[movies],
                "arithmetic": [f"1/√({degree} · {d})" for d in data.movie_degree[movies]],
                "weight": data.edge_weights(lesson.user)[order],
            }
        ),
        hide_index=True,
        height=280,
        column_config={"weight": st.column_config.NumberColumn(format="%.4f")},
        alt="The worked user's films with degrees, arithmetic and weight of the edge",
    )
