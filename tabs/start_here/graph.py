"""Start Here, model-free chapters: rows become a graph; who is near; what an edge weighs."""

from __future__ import annotations

import io

import networkx as nx
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.model_health import rank_correlation
from analysis.neighbourhood import Node, neighbourhood, subgraph
from analysis.network import message_sizes
from charts.html import Bar, bars
from charts.linked_views import linked_views
from charts.neighbourhood import PICK, neighbourhood_chart, neighbourhood_figure, node_name
from tabs.shared import count, escape
from tabs.start_here import computed
from tabs.start_here.story import Story, quiz, quiz_once, revealed, say_which_network

_EXTREMES = 4  # so many of the heaviest and of the lightest edges are drawn


def rows(story: Story) -> None:
    """Chapter: lines of ratings.csv, the graph and the matrix are the same edges."""
    data = story.data
    st.subheader("From rows to a graph")
    story.say(
        "A line of `ratings.csv` says: this person rated this film. Draw a line between the two, "
        "do so for every row, and you have a **graph**. Put people down the side and films along "
        "the top instead, and you have a **matrix**. It is the same information three times. "
        "**Point at any row, line or cell** (or press Tab) to see it in the other two.",
        r"Ratings are the edges of a bipartite graph, or the non-zero entries of a sparse matrix "
        rf"$R \in \mathbb{{R}}^{{{data.n_users} \times {data.n_movies}}}$. The adjacency matrix is "
        r"$A = \begin{pmatrix} 0 & R \\ R^\top & 0 \end{pmatrix}$ with every rating counted as 1. "
        "**Point at any row, line or cell** (or press Tab) to see it in the other two.",
    )
    graph = subgraph(data, story.user, 4, 2)
    st.html(linked_views(data, graph))
    st.caption(
        "The ids in the file have gaps, so users and films are numbered anew from 0: these numbers "
        "are the rows and columns of the matrix. A dot means “not rated”, not “zero stars”."
    )
    rated = int((data.movie_degree > 0).sum())
    density = data.n_ratings / (data.n_users * rated)
    quiz(
        "quiz_density",
        f"The full matrix has {data.n_users:,} × {rated:,} cells. How many of them are filled?",
        ["about half", "about a fifth", "fewer than one in ten"],
        0 if density > 0.35 else 1 if density >= 0.1 else 2,
        f"{data.n_ratings:,} of {data.n_users * rated:,} cells: {density:.1%}. Recommending means "
        "guessing which of the empty cells would be filled, and with many stars.",
    )
    _all_edges(story)


def _all_edges(story: Story) -> None:
    data = story.data
    opened = st.expander(
        f"All {count(int(data.user_degree[story.user]), 'rating')} of {story.whom}, as edges",
        key="all_edges",
        on_change="rerun",
    )
    if not opened.open:
        return
    movies = data.rated_by(story.user)
    opened.dataframe(
        pd.DataFrame(
            {
                "film": [data.labels[movie] for movie in movies],
                "movieId": data.movie_ids[movies],
                "stars": data.stars_of(story.user),
                "→ row": story.user,
                "→ column": movies,
            }
        ),
        hide_index=True,
        height=240,
        alt="The worked user's ratings with the ids of the file and row and column in the matrix",
    )


# --- the neighbourhood ----------------------------------------------------------------------------


def neighbours(story: Story) -> None:
    """Chapter: walk the graph around the worked user; what each edge weighs."""
    st.subheader("The neighbourhood")
    story.say(
        "Films that someone rated are **one step** away. Other people who rated those films are "
        "**two steps** away, and their other films three: that is how a film that the person has "
        "not seen comes near. Hover a dot or a line to read it; **click a dot to walk there**.",
        "Odd distances are films, even distances users: the graph is bipartite. Hover a node or an "
        "edge to read it; **click a node to walk there**.",
    )
    centre = _centre(story)
    graph = _walk(story, centre)
    weighted = _weights_known(story)
    _picture(story, centre, graph, weighted)
    _weights(story)


def _centre(story: Story) -> Node:
    """Where the reader stands; back at the worked user when another one is chosen."""
    state = st.session_state
    owner = (story.data.fingerprint, story.user)
    if state.get("walk_of") != owner:
        state["walk_of"], state["walk"] = owner, ("user", story.user)
    return state["walk"]


def _walk(story: Story, centre: Node) -> nx.Graph:
    """The controls, and the graph that they ask for."""
    data = story.data
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
        format_func=lambda node: (
            f"{node_name(data, node)} · {count(graph.nodes[node]['degree'], 'rating')}"
        ),
        placeholder=f"You are at {node_name(data, centre)}",
        key=f"walk_to_{centre}",
        on_change=_walk_from_list,
        args=(centre,),
    )
    back.button(
        f"Back to {story.whom}",
        icon=":material/home:",
        width="stretch",
        disabled=centre == ("user", story.user),
        on_click=_stand_at,
        args=(("user", story.user),),
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


def _picture(story: Story, centre: Node, graph: nx.Graph, weighted: bool) -> None:
    """The graph; its lines get their weights once the reader has guessed at them."""
    data = story.data
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
        _edge_table(story, graph, weighted)
        name = node_name(data, centre)
        st.download_button(
            "Download as a picture",
            lambda: _png(story, graph, weighted),
            f"{'_'.join(name.split()).replace('/', '_')}_neighbourhood.png",
            "image/png",
            on_click="ignore",
        )


def _png(story: Story, graph: nx.Graph, weighted: bool) -> bytes:
    picture = io.BytesIO()
    neighbourhood_figure(story.data, graph, weighted).savefig(picture, format="png", dpi=150)
    return picture.getvalue()


def _edge_table(story: Story, graph: nx.Graph, weighted: bool) -> None:
    data, found = story.data, []
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


def _weights(story: Story) -> None:
    """The quiz; then the rule, the extremes, and every edge on demand."""
    data = story.data
    st.subheader("What an edge weighs")
    extremes = _rarest_and_commonest(story)
    if extremes and not _weight_quiz(story, *extremes):
        return
    degree = int(data.user_degree[story.user])
    if story.formulas:
        st.latex(r"w_{ui} = \frac{1}{\sqrt{d_u \cdot d_i}}")
    story.say(
        "In LightGCN a line weighs **1 / √(ratings by the person · ratings of the film)**. "
        f"{story.name} rated {count(degree, 'film')}: the more ratings, the lighter each of a "
        "person's lines; and of these the line to the film with the fewest ratings is the "
        "heaviest. The square root softens it: with 100 times the ratings a line weighs a tenth, "
        "not a hundredth.",
        rf"$d_u = {degree}$. The symmetric norm $D^{{-1/2}} A D^{{-1/2}}$ keeps the largest "
        "eigenvalue at 1, so that no layer explodes. Stars "
        "play no part in it (He et al. 2020, eq. 3).",
    )
    order = np.argsort(-data.edge_weights(story.user), kind="stable")
    _extreme_bars(story, order)
    _is_heavy_loud(story)
    _weights_table(story, order)


def _rarest_and_commonest(story: Story) -> tuple[int, int] | None:
    """The user's film with the heaviest edge and the one with the lightest; None if all equal."""
    data = story.data
    movies = data.rated_by(story.user)
    order = np.argsort(-data.edge_weights(story.user), kind="stable")
    rare, common = int(movies[order[0]]), int(movies[order[-1]])
    return (rare, common) if data.movie_degree[rare] != data.movie_degree[common] else None


def _weights_known(story: Story) -> bool:
    """Whether the picture may show the weights: the quiz is over, or there is none."""
    return _rarest_and_commonest(story) is None or revealed("weights", _quiz_key(story))


def _quiz_key(story: Story) -> str:
    return f"quiz_weight_{story.user}"


def _weight_quiz(story: Story, rare: int, common: int) -> bool:
    data = story.data
    films = sorted((rare, common))
    d = {film: int(data.movie_degree[film]) for film in films}
    ratio = (d[common] / d[rare]) ** 0.5
    return quiz_once(
        "weights",
        _quiz_key(story),
        f"Of the lines from {escape(story.whom)} to these two films, which one weighs more?",
        [f"{story.film(film)}, {count(d[film], 'rating')}" for film in films],
        films.index(rare),
        f"The line to the film with fewer ratings: {ratio:.1f} times as much, "
        f"√({d[common]:,} / {d[rare]:,}).",
    )


def _is_heavy_loud(story: Story) -> None:
    """Whether the messages along heavy lines are large: by this person's own numbers."""
    if story.model is None:
        return
    network, data = computed.network(story), story.data
    movies, weights = data.rated_by(story.user), data.edge_weights(story.user)
    if not network.layers or len(np.unique(weights)) < 2:
        return
    sizes = message_sizes(network, story.user)
    heavy, light = int(np.argmax(weights)), int(np.argmin(weights))
    how = rank_correlation(pd.Series(weights), pd.Series(sizes))
    if np.isnan(how):
        trend = ""
    else:
        goes = (
            "go together" if how >= 0.2 else "go apart" if how <= -0.2 else "have little in common"
        )
        trend = f" Over all of the person's films the two {goes} (rank correlation {how:+.2f})."
    is_loud = sizes[heavy] > sizes[light]
    st.markdown(
        f"**Is a heavy line a loud message?** {'Here, yes' if is_loud else 'Not here'}. What is "
        "sent is the weight times the film's own list of numbers: along the heaviest line, to "
        f"*{story.film(movies[heavy])}*, a message of length {sizes[heavy]:.3f}; along the "
        f"lightest, to *{story.film(movies[light])}*, {sizes[light]:.3f}.{trend}"
    )
    say_which_network(story)


def _extreme_bars(story: Story, order: NDArray[np.int64]) -> None:
    """The heaviest and the lightest edges with their arithmetic."""
    data = story.data
    movies, weights = data.rated_by(story.user), data.edge_weights(story.user)
    chosen = order if len(order) <= 2 * _EXTREMES else [*order[:_EXTREMES], *order[-_EXTREMES:]]
    if len(order) > len(chosen):
        st.markdown(f"The {_EXTREMES} heaviest and the {_EXTREMES} lightest of {len(order):,}:")
    degree = len(movies)
    st.html(
        bars(
            [
                Bar(
                    data.labels[movies[n]],
                    weights[n],
                    f"{weights[n]:.4f}",
                    note=f"1/√({degree:,} · {data.movie_degree[movies[n]]:,})",
                )
                for n in chosen
            ],
            f"The heaviest and the lightest edges of {story.whom}",
        )
    )


def _weights_table(story: Story, order: NDArray[np.int64]) -> None:
    """Every edge of the user, once the reader asks for them: there may be thousands."""
    data, degree = story.data, len(order)
    movies = data.rated_by(story.user)[order]
    opened = st.expander(f"All {count(degree, 'edge')}", key="all_weights", on_change="rerun")
    if not opened.open:
        return
    opened.dataframe(
        pd.DataFrame(
            {
                "film": [data.labels[movie] for movie in movies],
                "stars": data.stars_of(story.user)[order],
                "film's ratings": data.movie_degree[movies],
                "arithmetic": [f"1/√({degree} · {d})" for d in data.movie_degree[movies]],
                "weight": data.edge_weights(story.user)[order],
            }
        ),
        hide_index=True,
        height=280,
        column_config={"weight": st.column_config.NumberColumn(format="%.4f")},
        alt="The worked user's films with degrees, arithmetic and weight of the edge",
    )
