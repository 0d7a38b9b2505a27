"""What the chapters of Start Here share: the worked user, two ways of saying it, quizzes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from charts.basics import label
from data_preparation import MovieData
from model.trained import TrainedModel
from tabs.shared import escape, no_model_yet

_SHOW = "Just show me"


@dataclass(frozen=True, eq=False)
class Story:
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
        assert self.model, "this part of the story waits for a model"
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


def needs_model(story: Story) -> bool:
    """Says so where a chapter has to wait for a model."""
    if story.model is None:
        no_model_yet("The numbers of this chapter", story.data)
    return story.model is None


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
