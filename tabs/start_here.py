"""Start Here: the story of one user, from rows of ratings to an explained recommendation."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from data_preparation import MovieData
from model_training import TrainedModel
from tabs import lessons_graph, lessons_layers, lessons_learning, lessons_use, lessons_words
from tabs.lesson import CHAPTERS, FORMULAS, LEVELS, PLAIN, Lesson, go_to
from tabs.shared import pick_user

_CHAPTERS: dict[str, Callable[[Lesson], None]] = dict(
    zip(
        CHAPTERS,
        (
            lessons_words.tour,
            lessons_graph.rows,
            lessons_graph.neighbours,
            lessons_layers.messages,
            lessons_layers.reach,
            lessons_learning.render,
            lessons_use.recommendation,
            lessons_use.what_if,
            lessons_words.glossary,
        ),
        strict=True,
    )
)


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("How a graph neural network recommends films")
    st.markdown(
        "Follow one person through the whole model. Every number comes from the data and the "
        "model in use, and can be recomputed by hand."
    )
    person, words = st.columns([3, 2], vertical_alignment="bottom")
    with person:
        user = pick_user(data)
    level = words.segmented_control(
        "Told in",
        LEVELS,
        default=PLAIN,
        required=True,
        key="level",
        bind="query-params",
        persist_state="session",
        help="Plain words and pictures, or formulas and shapes. The numbers are the same.",
    )
    _chapter(Lesson(data, model, user, level == FORMULAS))


@st.fragment
def _chapter(lesson: Lesson) -> None:
    """The open chapter; only it is computed, and only it redraws when something in it moves."""
    chapter = st.segmented_control(
        "Chapter",
        CHAPTERS,
        default=CHAPTERS[0],
        required=True,
        key="chapter",
        wrap=True,
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
    )
    _CHAPTERS[chapter](lesson)
    place = CHAPTERS.index(chapter)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for step, icon, where in ((-1, "arrow_back", "left"), (1, "arrow_forward", "right")):
            if 0 <= place + step < len(CHAPTERS):
                other = CHAPTERS[place + step]
                st.button(
                    other,
                    key=f"turn_{step}",
                    icon=f":material/{icon}:",
                    icon_position=where,
                    on_click=go_to,
                    args=(other,),
                    help="Previous chapter" if step < 0 else "Next chapter",
                )
