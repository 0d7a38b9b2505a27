"""Insights, the tags: what cleaning did, which go together, where they lie, can they be told."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from data_preparation import MovieData
from insights import MovieMap
from model_training import TrainedModel
from plots_insights import (
    clean_tag_chart,
    co_occurrence_chart,
    component_chart,
    predictability_chart,
    raw_tag_chart,
)
from tabs.insights_shared import cached_map, csv_button, show
from tabs.shared import count, escape, no_model_yet
from tag_analysis import (
    co_occurrence,
    component_ends,
    raw_frequencies,
    removed_tags,
    tag_frequencies,
    tag_pairs,
)
from tag_evaluation import tag_predictability

_SHOWN = 20
_BEST, _WORST = 14, 6
_MIN_FILMS = 8  # fewer films with a tag are too few to measure it on


@st.cache_data(max_entries=4, show_spinner="Counting the tags …")
def _tables(_data: MovieData, fingerprint: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Frequencies as typed and cleaned, and the pairs of the heat map."""
    return raw_frequencies(_data), tag_frequencies(_data), co_occurrence(_data, _SHOWN)


@st.cache_data(max_entries=4, show_spinner="Looking for tags along the components …")
def _ends(_data: MovieData, _map: MovieMap, key: str) -> pd.DataFrame:
    movies = _map.points["movie"].to_numpy()
    return component_ends(_data, movies, _map.components, min_films=_MIN_FILMS)


@st.cache_data(max_entries=4, show_spinner="Predicting held-out tags …")
def _predictability(_data: MovieData, _model: TrainedModel, key: str) -> pd.DataFrame:
    return tag_predictability(_data, _model, _MIN_FILMS)


def render(data: MovieData, model: TrainedModel | None) -> None:
    if data.tags.empty:
        st.info(
            "These data hold no tags: put a tags.csv beside ratings.csv to see them here.",
            icon=":material/label_off:",
        )
    else:
        _cleaning(data)
        _together(data)
    if model is None:
        no_model_yet("The directions of the space and the prediction of tags")
        return
    _directions(data, model)
    if not data.tags.empty:
        _prediction(data, model)


def _cleaning(data: MovieData) -> None:
    st.subheader("Tags, as typed and cleaned")
    raw, cleaned, _ = _tables(data, data.fingerprint)
    kept = int((data.tags["status"] == "kept").sum())
    st.markdown(
        f"People wrote **{len(data.tags):,}** tags in **{len(raw):,}** spellings. Cleaning folds "
        f"case, punctuation and spacing, and keeps {kept:,} of them as **{len(data.tag_names):,}** "
        "distinct tags."
    )
    typed, merged = st.columns(2)
    with typed:
        st.markdown("**As typed**")
        show(
            raw_tag_chart(raw.head(_SHOWN)),
            f"The {_SHOWN} most frequent tags as typed",
            "The most frequent texts, letter by letter, coloured by what cleaning made of them.",
            raw,
        )
    with merged:
        st.markdown("**Cleaned**")
        if cleaned.empty:
            st.info("No tag is on two films or more, so none can say that two films are alike.")
        else:
            show(
                clean_tag_chart(cleaned.head(_SHOWN)),
                f"The {_SHOWN} most frequent tags after cleaning",
                "The most frequent kept tags; orange films were won by merging spellings.",
                cleaned,
            )
    removed = removed_tags(data)
    st.markdown("**What cleaning removed, and why**")
    if removed.empty:
        st.caption("Nothing: every tag was kept.")
        return
    removed = removed.drop(columns="status").rename(columns={"assignments": "times used"})
    st.dataframe(removed, hide_index=True, alt="Tags that cleaning removed, by reason")


def _together(data: MovieData) -> None:
    st.subheader("Tags that go together")
    table = _tables(data, data.fingerprint)[2]
    if table.empty:
        st.info("No two tags meet on a film in these data, so there is no pattern to show.")
        return
    best = tag_pairs(data, min_films=1).iloc[0]
    show(
        co_occurrence_chart(table),
        f"Heat map of the {table['first'].nunique()} tags that meet others most",
        "The stronger the blue, the more films carry both tags; tags of the same films stand side "
        f"by side. The most frequent pair is {escape(best['first'])} + {escape(best['second'])} on "
        f"{count(int(best['films']), 'film')}, {best['lift']:.1f} times as often as by chance.",
        table,
    )


def _directions(data: MovieData, model: TrainedModel) -> None:
    st.subheader("Which directions carry which tags and genres")
    key = model.key
    film_map = cached_map(data, model, key)
    ends = _ends(data, film_map, key)
    if ends.empty:
        st.info(f"No tag or genre is on {_MIN_FILMS} rated films or more, so none has a direction.")
        return
    shares = film_map.explained
    component = st.selectbox(
        "Principal component",
        range(1, len(shares) + 1),
        format_func=lambda number: f"{number}: {shares[number - 1]:.1%} of the variance",
        key="component",
        persist_state="session",
    )
    chosen = ends[ends["component"] == component]
    show(
        component_chart(chosen),
        f"Tags and genres at both ends of component {component}",
        "Films with these tags lie furthest out along the component, on average; 0 is the middle "
        f"of all films. Only tags and genres on {_MIN_FILMS} rated films or more are compared.",
        ends,
    )
    order = film_map.components[:, component - 1].argsort()
    names = data.labels
    movies = film_map.points["movie"].to_numpy()
    popular = [m for m in movies[order] if data.movie_degree[m] >= min(50, data.movie_degree.max())]
    low, high = popular[:3], popular[-3:][::-1]
    st.caption(
        "Much-rated films at the low end: "
        f"{escape(', '.join(names[m] for m in low))}; at the high end: "
        f"{escape(', '.join(names[m] for m in high))}."
    )


def _prediction(data: MovieData, model: TrainedModel) -> None:
    st.subheader("Do the embeddings alone tell the tags?")
    table = _predictability(data, model, model.key)
    if table.empty:
        st.info(
            f"No tag is on {_MIN_FILMS} rated films or more, which is too few to measure it.",
            icon=":material/label_off:",
        )
        return
    means = table.drop(columns="tag").mean()
    first, second, third = st.columns(3)
    first.metric("Mean AUC, held-out films", f"{means['auc']:.3f}", border=True)
    second.metric("Popularity alone", f"{means['popularity_auc']:.3f}", border=True)
    third.metric("A guess", "0.500", border=True)
    st.markdown(
        f"The AUC is the chance that a film with the tag ranks above one without it; here the mean "
        f"over {count(len(table), 'tag')} on {_MIN_FILMS} films or more. A ridge regression on the "
        "embeddings ranks each fifth of the tagged films after learning from the other four. Mean "
        "average precision: "
        f"{means['average_precision']:.3f}; popularity {means['popularity_precision']:.3f}, a "
        f"guess {means['prevalence']:.3f}."
    )
    shown = pd.concat([table.head(_BEST), table.iloc[_BEST:].tail(_WORST)])
    show(
        predictability_chart(shown),
        "How well embeddings and popularity tell each tag",
        f"The {min(_BEST, len(table))} tags that the embeddings tell best and the "
        f"{max(min(_WORST, len(table) - _BEST), 0)} that they tell worst; right of the dashed line "
        "is better than a guess.",
        table,
    )
    with st.expander(f"All {len(table)} tags"):
        st.dataframe(table.round(3), hide_index=True, alt="Every measured tag")
        csv_button(table, "Every measured tag")
