"""What the lessons of Start Here share: the worked user, two ways of saying it, quizzes, caches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from scipy import sparse

from analysis import layers as numbers
from charts.basics import label
from data_preparation import MovieData, normalised_adjacency
from model.trained import TrainedModel
from model.viewers import Viewer, user_viewer
from prediction import Recommendation, Scores, recommend, score_all
from tabs.shared import escape, no_model_yet

_SHOW = "Just show me"


@dataclass(frozen=True, eq=False)
class Lesson:
    """Whose story is told, with what, and in which words; `user` is an inner id."""

    data: MovieData
    model: TrainedModel | None
    user: int
    formulas: bool

    @property
    def name(self) -> str:
        return f"User {self.data.user_ids[self.user]}"

    @property
    def trained(self) -> TrainedModel:
        """The model, once `needs_model` has found it there."""
        assert self.model, "this part of the lesson waits for a model"
        return self.model

    def film(self, movie: int) -> str:
        """The film's title, safe inside Markdown."""
        return escape(label(self.data, movie))

    def say(self, plain: str, formulas: str) -> None:
        """The same fact for a beginner or for a practitioner."""
        st.markdown(formulas if self.formulas else plain)

    def key(self) -> str:
        """Of the caches that hold what the model computed."""
        return self.model.key if self.model else self.data.fingerprint


def needs_model(lesson: Lesson) -> bool:
    """Says so where a lesson has to wait for a model."""
    if lesson.model is None:
        no_model_yet("The numbers of this chapter", lesson.data)
    return lesson.model is None


def quiz(key: str, question: str, options: Sequence[str], right: int, why: str) -> bool:
    """Predict, then reveal; whether the reader has answered or asked to be shown."""
    with st.container(border=True):
        answer = st.radio(
            f"**Your guess first.** {question}", [*options, _SHOW], index=None, key=key
        )
        if answer is None:
            return False
        if answer == options[right]:
            st.success(f"Yes. {why}", icon=":material/check:")
        else:
            st.info(f"**{options[right]}.** {why}", icon=":material/lightbulb:")
    return True


def quiz_once(
    topic: str, key: str, question: str, options: Sequence[str], right: int, why: str
) -> bool:
    """A quiz that is over for the session once any of its kind was answered: then it says so."""
    if not revealed(topic, key):
        return quiz(key, question, options, right, why)
    if st.session_state.get(key) is None:  # answered for another user, or before leaving
        st.markdown(f"**{options[right]}.** {why}")
        return True
    st.session_state[_known(topic)] = True
    return quiz(key, question, options, right, why)


def revealed(topic: str, key: str) -> bool:
    """Whether a `quiz_once` is over: for what is drawn above it, which must not tell before."""
    state = st.session_state
    return bool(state.get(_known(topic))) or state.get(key) is not None


def _known(topic: str) -> str:
    return f"known_{topic}"


def go_to(chapter: str) -> None:
    """A callback: open another chapter."""
    st.session_state["chapter"] = chapter


# --- computed once --------------------------------------------------------------------------------


def adjacency(lesson: Lesson) -> sparse.csr_array:
    """Ê over all ratings."""
    return _adjacency(lesson.data, lesson.data.fingerprint)


def layers(lesson: Lesson) -> NDArray[np.float32]:
    """E(0) … E(K), float32 [K + 1, n_nodes, dim]; there must be a model."""
    return _layers(lesson, lesson.key())


def smoothing(lesson: Lesson) -> list[numbers.Smoothing]:
    return _smoothing(lesson, lesson.key())


def reach(lesson: Lesson) -> list[numbers.Reach]:
    return _reach(lesson, lesson.data.fingerprint, lesson.user)


def served(lesson: Lesson) -> tuple[Viewer, Scores, list[Recommendation]]:
    """The worked user, all scores, and the ten best films; there must be a model."""
    return _served(lesson, lesson.key(), lesson.user)


def what_if(lesson: Lesson, movie: int, stars: float | None) -> numbers.WhatIf:
    """The worked user after one rating was added (`stars`) or removed (None)."""
    return _what_if(lesson, lesson.key(), lesson.user, movie, stars)


@st.cache_resource(max_entries=3, show_spinner=False)  # each holds a whole model
def _what_if(
    _lesson: Lesson, key: str, user: int, movie: int, stars: float | None
) -> numbers.WhatIf:
    return numbers.what_if(_lesson.data, _lesson.trained, user, movie, stars)


@st.cache_resource(max_entries=2, show_spinner=False)
def _adjacency(_data: MovieData, fingerprint: str) -> sparse.csr_array:
    return normalised_adjacency(_data.ratings)


@st.cache_resource(max_entries=1, show_spinner=False)
def _layers(_lesson: Lesson, key: str) -> NDArray[np.float32]:
    return numbers.all_layers(adjacency(_lesson), _lesson.trained)


@st.cache_resource(max_entries=4, show_spinner="Propagating eight layers, ranking each time …")
def _smoothing(_lesson: Lesson, key: str) -> list[numbers.Smoothing]:
    return numbers.smoothing(_lesson.data, _lesson.trained)


@st.cache_data(max_entries=50, show_spinner=False)
def _reach(_lesson: Lesson, fingerprint: str, user: int) -> list[numbers.Reach]:
    return numbers.reach(_lesson.data, user)


@st.cache_resource(max_entries=50, show_spinner=False)
def _served(_lesson: Lesson, key: str, user: int) -> tuple[Viewer, Scores, list[Recommendation]]:
    viewer = user_viewer(_lesson.data, _lesson.trained, user)
    scores = score_all(_lesson.data, _lesson.trained, viewer)
    return viewer, scores, recommend(_lesson.trained, scores, 10)
