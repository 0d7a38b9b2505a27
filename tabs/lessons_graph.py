"""Start Here, model-free chapters: rows become a graph; who is near; what an edge weighs."""

from __future__ import annotations

import io

import networkx as nx
import numpy as np
import pandas as pd
import streamlit as st

from explanation import Node, neighbourhood, subgraph
from linked_views import linked_views
from plots import label
from plots_teaching import (
    PICK,
    neighbourhood_chart,
    neighbourhood_figure,
    node_name,
)
from tabs.lesson import Lesson, quiz
from tabs.shared import escape


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
    st.markdown(f"**All {data.user_degree[lesson.user]:,} ratings of {lesson.name}, as edges**")
    movies = data.rated_by(lesson.user)
    st.dataframe(
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
        "Odd distances are films, even distances users: the graph is bipartite. Line width is "
        r"$\hat{E}_{ui} = 1/\sqrt{d_u d_i}$. Hover for the arithmetic; **click a node to walk**.",
    )
    centre = _centre(lesson)
    graph = _walk(lesson, centre)
    _picture(lesson, centre, graph)
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


def _picture(lesson: Lesson, centre: Node, graph: nx.Graph) -> None:
    data = lesson.data
    key = f"neighbourhood_{centre}_{len(graph)}"  # a new picture has no old click
    st.altair_chart(
        neighbourhood_chart(data, graph),
        key=key,
        on_select=lambda: _walk_from_chart(key),
        selection_mode=PICK,
        alt=f"Graph around {node_name(data, centre)}: {len(graph)} nodes, "
        f"{graph.number_of_edges()} edges; the table below lists them",
    )
    st.caption(
        f"{node_name(data, centre)} has {graph.nodes[centre]['degree']:,} edges in all; shown: "
        f"{len(graph)} nodes, {graph.number_of_edges()} edges. Thicker lines weigh more; pointing "
        "at a dot brings out its lines."
    )
    table = st.expander(
        "The same picture as a table, or to download", key="edge_table", on_change="rerun"
    )
    if not table.open:
        return
    with table:
        _edge_table(lesson, graph)
        name = node_name(data, centre)
        st.download_button(
            "Download as a picture",
            lambda: _png(lesson, graph),
            f"{'_'.join(name.split()).replace('/', '_')}_neighbourhood.png",
            "image/png",
            on_click="ignore",
        )


def _png(lesson: Lesson, graph: nx.Graph) -> bytes:
    picture = io.BytesIO()
    neighbourhood_figure(lesson.data, graph).savefig(picture, format="png", dpi=150)
    return picture.getvalue()


def _edge_table(lesson: Lesson, graph: nx.Graph) -> None:
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
    st.dataframe(
        pd.DataFrame(found),
        hide_index=True,
        height=240,
        column_config={"weight": st.column_config.NumberColumn(format="%.4f")},
        alt="Every edge of the picture with stars and weight",
    )


# --- what an edge weighs --------------------------------------------------------------------------


def _weights(lesson: Lesson) -> None:
    data = lesson.data
    st.subheader("What an edge weighs")
    degree = int(data.user_degree[lesson.user])
    movies, weights = data.rated_by(lesson.user), data.edge_weights(lesson.user)
    order = np.argsort(-weights, kind="stable")
    rare, common = movies[order[0]], movies[order[-1]]
    if len(order) > 1 and data.movie_degree[rare] != data.movie_degree[common]:
        _weight_quiz(lesson, rare, common)
    st.latex(r"w_{ui} = \frac{1}{\sqrt{d_u \cdot d_i}}")
    lesson.say(
        f"{lesson.name} rated {degree} films, so each one gets a share of the attention. A film "
        "that everybody saw says little about anybody; one that few saw says much. The square "
        "root softens it: a film with 100 times the viewers weighs a tenth, not a hundredth.",
        rf"$d_u = {degree}$. The symmetric norm $D^{{-1/2}} A D^{{-1/2}}$ keeps the largest "
        "eigenvalue at 1, so that no layer explodes. Stars "
        "play no part in it (He et al. 2020, eq. 3).",
    )
    st.dataframe(
        pd.DataFrame(
            {
                "film": [label(data, movie) for movie in movies[order]],
                "stars": data.stars_of(lesson.user)[order],
                "film's ratings d_i": data.movie_degree[movies[order]],
                "arithmetic": [f"1/√({degree} · {d})" for d in data.movie_degree[movies[order]]],
                "weight": weights[order],
            }
        ),
        hide_index=True,
        height=280,
        column_config={
            "weight": st.column_config.ProgressColumn(
                format="%.4f", min_value=0, max_value=float(weights.max())
            )
        },
        alt="The worked user's films with degrees, arithmetic and weight of the edge",
    )


def _weight_quiz(lesson: Lesson, rare: int, common: int) -> None:
    data = lesson.data
    films = sorted((rare, common))
    d = {film: int(data.movie_degree[film]) for film in films}
    ratio = (d[common] / d[rare]) ** 0.5
    quiz(
        f"quiz_weight_{lesson.user}",
        f"Of the films that {escape(lesson.name)} rated, which sends the louder message?",
        [f"{lesson.film(film)}, {d[film]:,} ratings" for film in films],
        films.index(rare),
        f"Its edge weighs {ratio:.1f} times as much: √({d[common]:,} / {d[rare]:,}).",
    )
