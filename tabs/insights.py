"""Insights: the map of films, what people tag, and which tags a film lacks."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from data_preparation import MovieData
from insights import MovieMap, movie_map, tag_frequencies, tag_pairs
from model_training import TrainedModel
from plots import MAP_COLOURS, frequency_chart, label, map_chart
from prediction import similar_movies, suggest_tags
from tabs.shared import escape, no_model_yet


@st.cache_resource(max_entries=2, show_spinner="Drawing the map …")
def _cached_map(_data: MovieData, _model: TrainedModel, key: tuple[str, int]) -> MovieMap:
    """`key` is what the map depends on; the objects themselves are too large to hash."""
    return movie_map(_data, _model)


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("What the model learned")
    if model is None:
        no_model_yet("The map and the neighbours")
    else:
        _map_and_neighbours(data, model)
    _tags(data)


def _map_and_neighbours(data: MovieData, model: TrainedModel) -> None:
    chart = _cached_map(data, model, (data.fingerprint, hash(model.e0.tobytes())))
    st.subheader("Map of the films")
    movies = chart.points.sort_values("ratings", ascending=False)["movie"].tolist()
    choose, colour = st.columns([2, 1])
    movie = choose.selectbox(
        "Film",
        movies,
        format_func=lambda movie: label(data, movie),
        key="insights_film",
        persist_state="session",
        help="Type to search; the most rated films come first.",
    )
    colour_by = colour.selectbox(
        "Colour by", list(MAP_COLOURS), key="map_colour", persist_state="session"
    )
    nearest, cosine = similar_movies(model, movie, 10)
    chosen = chart.points[chart.points["movie"] == movie]
    st.altair_chart(
        map_chart(chart, colour_by, chosen),
        alt=f"Map of {len(movies):,} films by their embeddings, coloured by {colour_by.lower()}",
    )
    st.caption(
        "Principal components of the films' embedding directions. Two dimensions keep "
        f"{sum(chart.explained):.1%} of the variance, so neighbours below are measured in all "
        f"{model.config.dim}."
    )
    neighbours, suggestions = st.columns(2)
    with neighbours:
        st.markdown(f"**Nearest to {escape(label(data, movie))}**")
        st.dataframe(
            pd.DataFrame({"film": [label(data, m) for m in nearest], "cosine": cosine}),
            hide_index=True,
            column_config={"cosine": st.column_config.NumberColumn(format="%.3f")},
            alt="Nearest films by cosine",
        )
    with suggestions:
        _suggestions(data, model, movie)


def _suggestions(data: MovieData, model: TrainedModel, movie: int) -> None:
    st.markdown("**Tags that its neighbours suggest**")
    own = [data.tag_names[tag] for tag in data.tag_counts[[movie]].indices]
    st.caption(f"It has: {escape(', '.join(own))}" if own else "Nobody has tagged it usefully yet.")
    suggestions = suggest_tags(data, model, movie)
    if not suggestions:
        st.info("No neighbour of this film is tagged, so there is nothing to suggest.")
        return
    st.dataframe(
        pd.DataFrame(
            {
                "tag": [s.tag for s in suggestions],
                "score": [s.score for s in suggestions],
                "carried by": [
                    ", ".join(label(data, m) for m in s.neighbours) for s in suggestions
                ],
            }
        ),
        hide_index=True,
        column_config={"score": st.column_config.NumberColumn(format="%.2f")},
        alt="Suggested tags with the neighbours that carry them",
    )


def _tags(data: MovieData) -> None:
    st.subheader("Tags")
    if not data.tag_names:
        st.info("These data hold no tag on more than one film, so there is no pattern to show.")
        return
    status = data.tags["status"].value_counts()
    tagged = int((data.tag_counts.sum(axis=1) > 0).sum())
    st.markdown(
        f"People wrote **{len(data.tags):,}** tags. Cleaning keeps **{status.get('kept', 0):,}** "
        f"of them as **{len(data.tag_names):,}** distinct tags on {tagged:,} films; it drops "
        f"{status.get('rare', 0):,} that occur on a single film and {status.get('noise', 0):,} "
        "about the viewer rather than the film (such as “in Netflix queue”)."
    )
    frequent, together = st.columns(2)
    with frequent:
        st.markdown("**Most frequent**")
        st.altair_chart(
            frequency_chart(tag_frequencies(data).head(20), "tag", "films", "films with the tag"),
            alt="The twenty most frequent tags",
        )
    with together:
        st.markdown("**Found together**")
        pairs = tag_pairs(data).head(20)
        if pairs.empty:
            st.info("No two tags meet on three films or more.")
        else:
            table = pairs.assign(pair=pairs["first"] + " + " + pairs["second"])
            st.altair_chart(
                frequency_chart(
                    table[["pair", "films", "lift"]], "pair", "films", "films with both"
                ),
                alt="The twenty most frequent pairs of tags",
            )
