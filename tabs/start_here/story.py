"""What the chapters of Start Here share: the worked user, two ways of saying it, quizzes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from data_preparation import MovieData
from model.trained import TrainedModel
from tabs.shared import count, escape, no_model_yet
from tabs.start_here.who import Followed

_SHOW = "Just show me"


@dataclass(frozen=True, eq=False)
class Story:
    """Whose story is told, with what, and in which words.

    Attributes:
        served: the data that the model was trained on.
        followed: who is followed, and the data with them in it.
    """

    served: MovieData
    followed: Followed
    model: TrainedModel | None
    formulas: bool

    @property
    def data(self) -> MovieData:
        return self.followed.data

    @property
    def user(self) -> int:
        """An inner id of `data`."""
        return self.followed.user

    @property
    def name(self) -> str:
        return self.data.user_name(self.user)

    @property
    def whom(self) -> str:
        """The name within a sentence."""
        return "you" if self.followed.visitor else self.name

    @property
    def possessive(self) -> str:
        """At the beginning of a sentence."""
        return "Your" if self.followed.visitor else f"{self.name}'s"

    def verb(self, other: str, you: str) -> str:
        """The form of a verb after the name."""
        return you if self.followed.visitor else other

    @property
    def trained(self) -> TrainedModel:
        """The model, once `needs_model` has found it there."""
        assert self.model, "this part of the story waits for a model"
        return self.model

    def film(self, movie: int) -> str:
        """The film's title, safe inside Markdown."""
        return escape(self.data.labels[movie])

    def say(self, plain: str, formulas: str) -> None:
        """The same fact for a beginner or for a practitioner."""
        st.markdown(formulas if self.formulas else plain)

    def key(self) -> str:
        """Of the caches that hold what the model computed."""
        return f"{self.model.key if self.model else ''} {self.data.fingerprint}"


def say_which_network(story: Story) -> None:
    """Which network a chapter takes apart, and what the model that serves does differently."""
    model = story.trained
    if not model.is_hybrid:
        st.caption(
            "Taken apart here is the model that serves: LightGCN as its paper has it, with "
            f"{count(model.config.layers, 'layer')}."
            + " Nothing was learned about you yet: you start at zero."
            * story.followed.visitor
        )
        return
    st.caption(
        "Taken apart here is LightGCN as its paper has it, on the ratings alone, made of the "
        f"films of the model that serves: the strongest {min(64, model.dim)} numbers of each are "
        "its layer 0. **People start at zero and get everything from their films**, as in the "
        f"model that serves, which differs: {served_differs(story)}."
    )


def served_differs(story: Story) -> str:
    """What the hybrid that serves does that the network of the lessons does not."""
    config, data = story.trained.config, story.data
    kinds = {
        "genres": config.genre > 0 and bool(data.genre_names),
        "tags": config.tag > 0 and bool(data.tag_names),
        "years": config.year > 0 and bool(data.movies["year"].notna().any()),
    }
    named = [kind for kind, there in kinds.items() if there]
    graph = config.fitted or config.layers > 1
    says = []
    if graph and named:
        says.append(
            f"{', '.join(named[:-1])}{' and ' * (len(named) > 1)}{named[-1]} are nodes, too"
        )
    if config.fitted:
        refined = ", which BPR then refined" if story.trained.best_epoch else ""
        says.append(f"all layers are gone through at once, in a closed form{refined}")
    if config.like > 0:
        says.append("a film counts more the more stars the person gave it")
    if config.fitted:
        says.append("what a film would say for itself is taken out")
    return "; ".join(says) or "its people receive once, from their films"


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


def in_sum(value: float, decimals: int) -> str:
    """A number as it stands in a sum: a negative one in brackets."""
    text = f"{value:.{decimals}f}"
    return f"({text})" if value < 0 else text


def go_to(chapter: str) -> None:
    """A callback: open another chapter."""
    st.session_state["chapter"] = chapter
