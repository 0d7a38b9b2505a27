"""Start Here: how ratings become a graph, and what a message weighs."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import streamlit as st

from data_preparation import MovieData
from explanation import subgraph
from model_training import TrainedModel
from plots import label, subgraph_chart, subgraph_figure
from tabs.shared import pick_user


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("How a graph neural network recommends films")
    st.markdown(
        "Every rating links one person with one film. All of them together form a **graph**, and "
        "a graph neural network lets each node learn from its neighbours. Follow one user below; "
        "every number comes from the data and the model in use."
    )
    _graph_in_numbers(data)
    user = pick_user(data)
    _rows_to_edges(data, user)
    _subgraph(data, user)
    _messages(data, user)
    _propagation(data, user, model)


def _graph_in_numbers(data: MovieData) -> None:
    rated = int((data.movie_degree > 0).sum())
    density = data.n_ratings / (data.n_users * rated)
    figures = {
        "Users": (f"{data.n_users:,}", "one kind of node"),
        "Films with ratings": (f"{rated:,}", "the other kind of node"),
        "Ratings": (f"{data.n_ratings:,}", "the edges, always between a user and a film"),
        "Density": (f"{density:.1%}", "share of all possible user–film pairs that are rated"),
    }
    for column, (name, (value, help_text)) in zip(st.columns(4), figures.items(), strict=True):
        column.metric(name, value, help=help_text, border=True)


def _rows_to_edges(data: MovieData, user: int) -> None:
    st.subheader("1 · From rows to edges")
    movies, stars = data.rated_by(user), data.stars_of(user)
    newest = np.argsort(-stars, kind="stable")[:5]
    st.markdown(
        "A line of `ratings.csv` becomes an edge. The ids in the file have gaps, so users and "
        "films are numbered anew, 0, 1, 2 …: these *inner ids* are rows and columns of the matrix."
    )
    st.dataframe(
        pd.DataFrame(
            {
                "userId": int(data.user_ids[user]),
                "movieId": data.movie_ids[movies[newest]],
                "rating": stars[newest],
                "film": [label(data, movie) for movie in movies[newest]],
                "→ edge": [f"user {user} – film {movie}" for movie in movies[newest]],
            }
        ),
        hide_index=True,
        alt="Five ratings of the user with raw ids, stars and the inner ids of the edge",
    )


def _subgraph(data: MovieData, user: int) -> None:
    st.subheader("2 · The neighbourhood of one user")
    films, viewers = st.columns(2)
    n_movies = films.slider("Films shown", 3, 20, 8, key="subgraph_films")
    n_users = viewers.slider("Other viewers shown", 0, 40, 12, key="subgraph_viewers")
    graph = subgraph(data, user, n_movies, n_users)
    st.altair_chart(
        subgraph_chart(data, graph),
        alt=f"Graph of user {data.user_ids[user]}, films they rated, and other viewers of those",
    )
    st.caption(
        "Thicker lines carry more. Hover an edge for its stars and the arithmetic of its weight, "
        "a node for its degree. A recommendation travels user → film → viewer → another film."
    )
    picture = io.BytesIO()
    subgraph_figure(data, graph).savefig(picture, format="png", dpi=150)
    st.download_button(
        "Download as a picture",
        picture.getvalue(),
        f"user_{data.user_ids[user]}_subgraph.png",
        "image/png",
        on_click="ignore",
    )


def _messages(data: MovieData, user: int) -> None:
    st.subheader("3 · What a message weighs")
    st.latex(r"w_{ui} = \frac{1}{\sqrt{d_u \cdot d_i}}")
    degree = int(data.user_degree[user])
    movies, weights = data.rated_by(user), data.edge_weights(user)
    st.markdown(
        f"This user rated **{degree}** films, so $d_u = {degree}$. A film seen by everybody says "
        "little about anybody; a film seen by few says much. The root keeps a film with a thousand "
        "viewers from shouting down a film with ten."
    )
    order = np.argsort(-weights, kind="stable")
    table = pd.DataFrame(
        {
            "film": [label(data, movie) for movie in movies[order]],
            "stars": data.stars_of(user)[order],
            "film's ratings d_i": data.movie_degree[movies[order]],
            "arithmetic": [f"1/√({degree} · {d})" for d in data.movie_degree[movies[order]]],
            "weight": weights[order],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        height=280,
        column_config={
            "weight": st.column_config.ProgressColumn(
                format="%.4f", min_value=0, max_value=float(weights.max())
            )
        },
        alt="The user's films with degrees, arithmetic and weight of the edge",
    )


def _propagation(data: MovieData, user: int, model: TrainedModel | None) -> None:
    st.subheader("4 · One step of message passing, then the mean of all layers")
    st.latex(
        r"E^{(k+1)} = D^{-\frac12} A\, D^{-\frac12} E^{(k)}"
        r"\qquad F = \tfrac{1}{K+1}\textstyle\sum_{k=0}^{K} E^{(k)}"
        r"\qquad \mathrm{score}(u,i) = f_u \cdot f_i"
    )
    st.markdown(
        "Each node's next embedding is the weighted sum of its neighbours' embeddings: no "
        "activation, no weight matrix. The final embedding is the mean over the layers, and the "
        "score of a film is the dot product of the two final embeddings."
    )
    if model is None:
        st.info("The numbers of this step appear as soon as a model is trained.")
        return
    movies = data.rated_by(user)
    sent = data.edge_weights(user)[:, None] * model.movie_messages[movies]  # [n_rated, dim]
    own = model.e0[user] / (model.config.layers + 1)
    shown = min(6, model.config.dim)
    rows = {
        f"own start E⁽⁰⁾/(K+1), K = {model.config.layers}": own,
        f"+ messages of {len(movies)} films": sent.sum(axis=0),
        "= final embedding f_u": model.user_factors[user],
    }
    table = pd.DataFrame(rows, index=[f"[{i}]" for i in range(model.config.dim)]).T
    st.dataframe(table.iloc[:, :shown].style.format("{:.4f}"), alt="The sum in numbers")
    st.caption(f"The first {shown} of {model.config.dim} dimensions; the first two rows add up.")
