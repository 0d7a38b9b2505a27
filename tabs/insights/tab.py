"""Insights: what the model learned, in sections of which only the open one is computed."""

from __future__ import annotations

import numpy as np
import streamlit as st

from analysis.tag_evaluation import saw_tags
from data_preparation import MovieData
from model.trained import TrainedModel
from tabs import duel
from tabs.insights import health, later_times, movie_map, overview, suggestions, tags, taste
from tabs.links import DUEL, LATER, SECTIONS, TABS, TASTE
from tabs.shared import count
from tabs.steps import arrive, asked, leave


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("What the model learned")
    st.markdown(_summary(data, model))
    arrive("section", asked("section", SECTIONS, SECTIONS[0]))
    section = st.segmented_control(
        "Section",
        SECTIONS,
        required=True,
        key="section",
        persist_state="session",
        label_visibility="collapsed",
    )
    leave(section=section, tab=st.session_state.get("tab", TABS[3]))
    if section == SECTIONS[0]:
        movie_map.render(data, model)
    elif section == SECTIONS[1]:
        tags.render(data, model)
    elif section == SECTIONS[2]:
        suggestions.render(data, model)
    elif section == SECTIONS[3]:
        health.render(data, model)
    elif section == DUEL:
        duel.render(data, model)
    elif section == TASTE:
        taste.render(data, model)
    elif section == LATER:
        later_times.render()
    else:
        overview.render(data)


def _summary(data: MovieData, model: TrainedModel | None) -> str:
    """One line on what there is to look at."""
    rated = int((data.movie_degree > 0).sum())
    tagged = int(np.count_nonzero(np.diff(data.tag_counts.indptr)))
    if model:
        known = int(np.count_nonzero(model.directions.any(axis=1)))
        what = (
            f"The model knows **{known:,}** films as points in **{count(model.dim, 'dimension')}**."
        )
    else:
        what = f"These data hold **{rated:,}** rated films."
    if not data.tag_names:
        return f"{what} They hold no tag to compare with."
    tags = f"**{len(data.tag_names):,}** distinct tags describe {count(tagged, 'film')}"
    if model is None:
        return f"{what} {tags}."
    role = (
        "they are nodes of its graph, too, so what they say of it is measured without them."
        if saw_tags(model)
        else "the model never saw them, so they are a check on what it learned."
    )
    return f"{what} {tags}; {role}"
