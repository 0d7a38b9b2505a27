"""Insights, the tags: what cleaning did, which go together, where they lie, can they be told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from analysis.movie_map import MovieMap
from analysis.tag_evaluation import MEASURED_FILMS, MEASURED_TAGS
from analysis.tags import LEAST_FILMS, PAIRED_TAGS, TagTables
from charts.insights import (
    clean_tag_chart,
    co_occurrence_chart,
    component_chart,
    predictability_chart,
    raw_tag_chart,
)
from data_preparation import MovieData
from model.trained import TrainedModel
from serving.tables import ENDS, TAGS, TOLD_TAGS
from tabs.insights.shared import (
    Figure,
    cached_map,
    csv_button,
    make_figure,
    show_figure,
    without_tags_in_words,
)
from tabs.shared import count, escape, no_model_yet

_SHOWN = 20
_BEST, _WORST = 14, 6


@dataclass(frozen=True, eq=False)
class _Tags:
    """What needs no model. A figure is None where there is nothing to draw."""

    summary: str
    typed: Figure
    cleaned: Figure | None
    removed: pd.DataFrame
    together: Figure | None


@dataclass(frozen=True, eq=False)
class _Direction:
    """One principal component: tags and genres at its ends, and films there, in Markdown."""

    ends: Figure
    films: str


@dataclass(frozen=True, eq=False)
class _Prediction:
    """How well the embeddings tell tags: rounded metrics by name, a summary, the tags."""

    metrics: dict[str, str]
    summary: str
    chosen: Figure
    every: pd.DataFrame


@st.cache_resource(max_entries=2, show_spinner="Counting the tags …")
def _tags(_data: MovieData, fingerprint: str) -> _Tags:
    tables = TAGS.of(_data)
    kept = int((_data.tags["status"] == "kept").sum())
    summary = (
        f"People wrote **{len(_data.tags):,}** tags in **{len(tables.raw):,}** spellings. Cleaning "
        f"folds case, punctuation and spacing, and keeps {kept:,} of them as "
        f"**{len(_data.tag_names):,}** distinct tags."
    )
    removed = tables.removed.drop(columns="status")
    removed = removed.rename(columns={"assignments": "times used"})
    together = _together(_data, tables)
    return _Tags(summary, _typed(tables.raw), _cleaned(tables.cleaned), removed, together)


@st.cache_data(max_entries=2, show_spinner="Looking for tags along the components …")
def _ends(_data: MovieData, _model: TrainedModel, key: str) -> pd.DataFrame:
    return ENDS.of(_data, _model)


@st.cache_resource(max_entries=20, show_spinner=False)
def _direction(
    _data: MovieData, _map: MovieMap, _ends: pd.DataFrame, key: str, component: int
) -> _Direction:
    return _Direction(_component(_ends, component), _films_along(_data, _map, component))


@st.cache_resource(max_entries=2, show_spinner="Predicting held-out tags …")
def _prediction(_data: MovieData, _model: TrainedModel, key: str) -> _Prediction | None:
    """None where no tag is on enough films."""
    table = TOLD_TAGS.of(_data, _model)
    if table.empty:
        return None
    means = table.drop(columns="tag").mean()
    metrics = {
        "Mean AUC, held-out films": f"{means['auc']:.3f}",
        "Popularity alone": f"{means['popularity_auc']:.3f}",
        "A guess": "0.500",
    }
    words = f"{without_tags_in_words(_data, _model)}{_in_words(_data, table, means)}"
    return _Prediction(metrics, words, _predictability(table), table)


def render(data: MovieData, model: TrainedModel | None) -> None:
    if data.tags.empty:
        st.info(
            "These data hold no tags: put a tags.csv beside ratings.csv to see them here.",
            icon=":material/label_off:",
        )
    else:
        tags = _tags(data, data.fingerprint)
        _show_cleaning(tags)
        _show_together(tags.together)
    if model is None:
        no_model_yet("The directions of the space and the prediction of tags", data)
        return
    _show_directions(data, model)
    if not data.tags.empty:
        left_out = TOLD_TAGS.left_out(data, model)
        if left_out:
            st.info(left_out, icon=":material/memory_alt:")
        else:
            _show_prediction(_prediction(data, model, model.key))


def _show_cleaning(tags: _Tags) -> None:
    st.subheader("Tags, as typed and cleaned")
    st.markdown(tags.summary)
    typed, merged = st.columns(2)
    with typed:
        st.markdown("**As typed**")
        show_figure(tags.typed)
    with merged:
        st.markdown("**Cleaned**")
        if tags.cleaned is None:
            st.info("No tag is on two films or more, so none can say that two films are alike.")
        else:
            show_figure(tags.cleaned)
    st.markdown("**What cleaning removed, and why**")
    if tags.removed.empty:
        st.caption("Nothing: every tag was kept.")
    else:
        st.table(tags.removed, hide_index=True, alt="Tags that cleaning removed, by reason")


def _show_together(together: Figure | None) -> None:
    st.subheader("Tags that go together")
    if together is None:
        st.info("No two tags meet on a film in these data, so there is no pattern to show.")
    else:
        show_figure(together)


def _show_directions(data: MovieData, model: TrainedModel) -> None:
    st.subheader("Which directions carry which tags and genres")
    movies_map = cached_map(data, model, model.key)
    ends = _ends(data, model, model.key)
    if ends.empty:
        st.info(
            f"No tag or genre is on {LEAST_FILMS} rated films or more, so none has a direction."
        )
        return
    shares = movies_map.explained
    component = st.selectbox(
        "Principal component",
        range(1, len(shares) + 1),
        format_func=lambda number: f"{number}: {shares[number - 1]:.1%} of the variance",
        key="component",
        persist_state="session",
    )
    direction = _direction(data, movies_map, ends, model.key, component)
    show_figure(direction.ends)
    st.caption(direction.films)


def _show_prediction(prediction: _Prediction | None) -> None:
    st.subheader("Do the film vectors alone tell the tags?")
    if prediction is None:
        st.info(
            f"No tag is on {LEAST_FILMS} rated films or more, which is too few to measure it.",
            icon=":material/label_off:",
        )
        return
    metrics = prediction.metrics
    for column, (name, value) in zip(st.columns(len(metrics)), metrics.items(), strict=True):
        column.metric(name, value, border=True)
    st.markdown(prediction.summary)
    show_figure(prediction.chosen)
    every = prediction.every
    expander = st.expander(f"All {len(every)} tags", key="all_tags", on_change="rerun")
    if expander.open:  # a table is slow to draw, so not behind a closed door
        with expander:
            st.dataframe(every.round(3), hide_index=True, alt="Every measured tag")
            csv_button(every, "Every measured tag")


# --- what is computed once per data or model ------------------------------------------------------


def _typed(raw: pd.DataFrame) -> Figure:
    return make_figure(
        raw_tag_chart(raw.head(_SHOWN)),
        f"The {_SHOWN} most frequent tags as typed",
        "The most frequent texts, letter by letter, coloured by what cleaning made of them.",
        raw,
    )


def _cleaned(cleaned: pd.DataFrame) -> Figure | None:
    if cleaned.empty:
        return None
    return make_figure(
        clean_tag_chart(cleaned.head(_SHOWN)),
        f"The {_SHOWN} most frequent tags after cleaning",
        "The most frequent kept tags; orange films were won by merging spellings.",
        cleaned,
    )


def _together(data: MovieData, tables: TagTables) -> Figure | None:
    table = tables.together
    if table.empty:
        return None
    best = tables.best_pair.iloc[0]
    among = (
        f" Only the {PAIRED_TAGS:,} tags on most films are paired."
        if len(data.tag_names) > PAIRED_TAGS
        else ""
    )
    return make_figure(
        co_occurrence_chart(table),
        f"Heat map of the {table['first'].nunique()} tags that meet others most",
        "The stronger the blue, the more films carry both tags; tags of the same films stand side "
        f"by side. The most frequent pair is {escape(best['first'])} + {escape(best['second'])} on "
        f"{count(int(best['films']), 'film')}, {best['lift']:.1f} times as often as by chance."
        f"{among}",
        table,
    )


def _component(ends: pd.DataFrame, component: int) -> Figure:
    return make_figure(
        component_chart(ends[ends["component"] == component]),
        f"Tags and genres at both ends of component {component}",
        "Films with these tags lie furthest out along the component, on average; 0 is the middle "
        f"of all films. Only tags and genres on {LEAST_FILMS} rated films or more are compared.",
        ends,
    )


def _films_along(data: MovieData, movies_map: MovieMap, component: int) -> str:
    order = movies_map.components[:, component - 1].argsort()
    movies = movies_map.points["movie"].to_numpy()[order]
    popular = movies[data.movie_degree[movies] >= min(50, data.movie_degree.max())]
    low, high = (
        escape(", ".join(data.labels[movie] for movie in end))
        for end in (popular[:3], popular[-3:][::-1])
    )
    return f"Much-rated films at the low end: {low}; at the high end: {high}."


def _in_words(data: MovieData, table: pd.DataFrame, means: pd.Series) -> str:
    tagged = int((np.diff(data.tag_counts.indptr) > 0).sum())
    some = (
        f" of {MEASURED_FILMS:,} drawn from the {tagged:,} tagged ones"
        if tagged > MEASURED_FILMS
        else ""
    )
    most = ", the most frequent there" * (len(table) == MEASURED_TAGS)
    return (
        f"The AUC is the chance that a film with the tag ranks above one without it; here the mean "
        f"over {count(len(table), 'tag')} on {LEAST_FILMS} films or more{some}{most}. A ridge "
        "regression on the embeddings ranks each fifth of the tagged films after learning from the "
        f"other four. Mean average precision: {means['average_precision']:.3f}; popularity "
        f"{means['popularity_precision']:.3f}, a guess {means['prevalence']:.3f}."
    )


def _predictability(table: pd.DataFrame) -> Figure:
    shown = pd.concat([table.head(_BEST), table.iloc[_BEST:].tail(_WORST)])
    return make_figure(
        predictability_chart(shown),
        "How well embeddings and popularity tell each tag",
        f"The {min(_BEST, len(table))} tags that the embeddings tell best and the "
        f"{max(min(_WORST, len(table) - _BEST), 0)} that they tell worst; right of the dashed line "
        "is better than a guess.",
        table,
    )
