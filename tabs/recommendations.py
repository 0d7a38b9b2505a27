"""Recommendations: top-K for any user, each score split into its parts and reasons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from data_download import PROJECT_DIR
from data_preparation import MovieData
from explanation import explain
from model_training import TrainedModel
from plots import contribution_chart, label, score_chart
from prediction import DEFAULT_TAG_WEIGHT, Recommendation, Viewer, recommend, score_all, user_viewer
from tabs.shared import escape, no_model_yet, pick_user

_CARD_PIXELS = 168
_TERMS_SHOWN = 8


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("Recommendations")
    if model is None:
        no_model_yet("Recommendations")
        return
    who, how_many, blend = st.columns([2, 1, 1])
    with who:
        user = pick_user(data)
    k = how_many.slider("Number of films (K)", 1, 50, 10, key="k", bind="query-params")
    tag_weight = blend.slider(
        "Weight of the tags",
        0.0,
        1.0,
        DEFAULT_TAG_WEIGHT,
        0.05,
        key="tag_weight",
        bind="query-params",
        help="0 ranks by the graph alone, 1 by the tags alone.",
    )
    viewer = user_viewer(data, model, user)
    scores = score_all(data, model, viewer, tag_weight)
    recommendations = recommend(model, scores, k)
    if not recommendations:
        st.info("This user has rated every film in the data: there is nothing left to recommend.")
        return
    _cards(data, recommendations)
    _breakdown(data, recommendations)
    _reasons(data, model, viewer, recommendations)
    _rated(data, user)


def _cards(data: MovieData, recommendations: Sequence[Recommendation]) -> None:
    poster = str(PROJECT_DIR / "default.png")
    grid = st.container(horizontal=True, gap="small", key="cards")  # wraps from desk to phone
    for rank, item in enumerate(recommendations, 1):
        name = label(data, item.movie)
        with grid.container(border=True, width=_CARD_PIXELS, height="stretch"):
            st.image(poster, width="stretch", alt=f"No poster of {name}")
            st.markdown(f"**{rank}. {escape(name)}**")
            st.caption(escape(" · ".join(data.movies["genres"].iloc[item.movie])))
            st.markdown(
                f"**{item.score:.2f}** = :blue[{item.graph_part:.2f}] graph "
                f"+ :orange[{item.tag_part:.2f}] tags"
            )


def _breakdown(data: MovieData, recommendations: Sequence[Recommendation]) -> None:
    st.subheader("Where the scores come from")
    st.altair_chart(
        score_chart(data, recommendations), alt="Final scores as graph part plus tag part"
    )
    st.caption(
        "The graph score is the dot product of the LightGCN embeddings, the tag similarity a "
        "cosine from 0 to 1. Before they are added, each is divided by this user's best unrated "
        "film and multiplied by its weight, so the final score runs up to 1."
    )
    table = pd.DataFrame(
        {
            "film": [label(data, r.movie) for r in recommendations],
            "genres": [", ".join(data.movies["genres"].iloc[r.movie]) for r in recommendations],
            "graph score": [r.graph_score for r in recommendations],
            "tag similarity": [r.tag_similarity for r in recommendations],
            "graph part": [r.graph_part for r in recommendations],
            "tag part": [r.tag_part for r in recommendations],
            "final score": [r.score for r in recommendations],
            "ratings": [int(data.movie_degree[r.movie]) for r in recommendations],
            "mean stars": [float(data.mean_stars[r.movie]) for r in recommendations],
        }
    )
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            **dict.fromkeys(["graph score", "tag similarity", "graph part", "tag part"], number),
            "final score": number,
            "mean stars": st.column_config.NumberColumn(format="%.2f ★"),
        },
        alt="Scores of the recommended films",
    )


def _reasons(
    data: MovieData, model: TrainedModel, viewer: Viewer, recommendations: Sequence[Recommendation]
) -> None:
    st.subheader("Because this user rated …")
    movie = st.selectbox(
        "Explain the graph score of",
        [r.movie for r in recommendations],
        format_func=lambda movie: label(data, movie),
    )
    reasons = explain(data, model, viewer, movie)
    order = np.argsort(-np.abs(reasons.contributions), kind="stable")
    shown, rest = order[:_TERMS_SHOWN], order[_TERMS_SHOWN:]
    stars = viewer.stars
    terms = pd.DataFrame(
        {
            "term": [f"{label(data, reasons.rated[i])} · {stars[i]:g} ★" for i in shown],
            "contribution": reasons.contributions[shown],
        }
    ).sort_values("contribution", ascending=False)
    others = {
        f"{len(rest)} more rated films": reasons.contributions[rest].sum(),
        "learned about the user (self term)": reasons.self_term,
    }
    terms = pd.concat(
        [terms, pd.DataFrame({"term": others.keys(), "contribution": others.values()})]
    )
    st.altair_chart(contribution_chart(terms), alt="Contribution of each rated film to the score")
    st.caption(
        f"The bars add up to the graph score {reasons.graph_score:.4f} exactly: LightGCN is "
        "linear, so every rated film has a definite share. It explains the score, not the person."
    )


def _rated(data: MovieData, user: int) -> None:
    movies, stars = data.rated_by(user), data.stars_of(user)
    order = np.argsort(-stars, kind="stable")
    with st.expander(f"The {len(movies):,} films that this user rated"):
        st.dataframe(
            pd.DataFrame(
                {
                    "film": [label(data, movie) for movie in movies[order]],
                    "stars": stars[order],
                    "ratings": data.movie_degree[movies[order]],
                }
            ),
            hide_index=True,
            alt="Films rated by the user",
        )
