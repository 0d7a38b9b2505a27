"""What the chapters of Start Here compute, once for all of them and for every visitor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from analysis.attended import measured_attention as measured_in_units
from analysis.attended import with_attention
from analysis.bpr_step import Couplings, couplings
from analysis.layers import Reach
from analysis.layers import reach as reach_of
from analysis.neighbourhood import Node
from analysis.network import Network, lesson_network
from analysis.replay import Crowd, crowd
from analysis.what_if import WhatIf
from analysis.what_if import what_if as what_if_rated
from model.attention import Attention
from model.explanation import Walks, through
from model.splits import PROTOCOLS, Split
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
from prediction import Recommendation, Scores, recommend, score_all
from serving.once import once
from serving.prepared import walks_by_and_by
from tabs.start_here.story import Story


def network(story: Story) -> Network:
    """The network that is taken apart layer by layer (`lesson_network`); there must be a model.

    The visitor has a place in it; its scale is the one for everybody.
    """
    shared = once(
        story.trained, "lesson network", lambda: lesson_network(story.served, story.trained)
    )
    if not story.followed.visitor:
        return shared
    return _with_visitor(shared, story, story.key())


def scores(story: Story) -> NDArray[np.float32]:
    """The scores of that network for the worked user, float32 [n_movies]."""
    return _scores(story, story.key(), story.user)


def pushes(story: Story, films: tuple[int, ...]) -> Couplings:
    """What a step on the worked user and two of these films needs: the user first, then they."""
    return _pushes(story, story.key(), story.user, films)


def parts_through(story: Story, movie: int) -> dict[str, NDArray[np.float64]] | None:
    """What each rated film adds to the graph score, by kind of node (`explanation.through`).

    Each float64 [n_rated], in the order of the viewer's films. None while the graph is made.
    """
    paths = walks_by_and_by(story.served, story.trained)
    if paths is None:
        return None
    return _parts_through(story, paths, story.key(), story.user, movie)


def people(story: Story) -> tuple[Crowd, Split]:
    """All people, of large data some, with the worked user; and a split of their ratings."""
    return _people(story, story.key(), story.user)


def reach(story: Story) -> list[Reach]:
    return _reach(story, story.data.fingerprint, story.user)


def served(story: Story) -> tuple[Viewer, Scores, list[Recommendation]]:
    """The worked user, all scores, and the ten best films; there must be a model."""
    return _served(story, story.key(), story.user)


@dataclass(frozen=True, eq=False)
class Served:
    """The worked user as a hybrid with some attention, or with none, sees them."""

    model: TrainedModel
    viewer: Viewer
    best: list[Recommendation]


def served_with(story: Story, attention: Attention | None) -> Served:
    """The worked user and the ten best films with this attention; there must be a hybrid."""
    told = replace(story, model=with_attention(story.trained, attention))
    viewer = _viewer(told)
    scores = score_all(told.served, told.trained, viewer)
    return Served(told.trained, viewer, recommend(told.trained, scores, 10))


def measured_attention(story: Story) -> Attention:
    """`analysis.attended.measured_attention` for the model in use."""
    return once(
        story.trained,
        "measured attention",
        lambda: measured_in_units(story.served, story.trained),
    )


def what_if(story: Story, movie: int, stars: float | None) -> WhatIf:
    """The worked user after one rating was added (`stars`) or removed (None)."""
    return _what_if(story, story.key(), story.user, movie, stars)


def _viewer(story: Story) -> Viewer:
    """Who is followed, as the model that serves sees them."""
    if story.followed.visitor:
        rated = zip(story.data.rated_by(story.user), story.data.stars_of(story.user), strict=True)
        stars = {int(movie): float(given) for movie, given in rated}
        return fold_in(story.served, story.trained, stars)
    return user_viewer(story.served, story.trained, story.user)


@st.cache_resource(max_entries=1, show_spinner=False)
def _with_visitor(_shared: Network, _story: Story, key: str) -> Network:
    return _shared.over(_story.data.ratings)


@st.cache_data(max_entries=20, show_spinner=False)
def _scores(_story: Story, key: str, user: int) -> NDArray[np.float32]:
    return network(_story).scores(user)


@st.cache_resource(max_entries=20, show_spinner=False)
def _pushes(_story: Story, key: str, user: int, films: tuple[int, ...]) -> Couplings:
    nodes: list[Node] = [("user", user), *(("movie", film) for film in films)]
    return couplings(network(_story), nodes, films_alone=_story.trained.is_hybrid)


@st.cache_data(max_entries=100, show_spinner=False)
def _parts_through(
    _story: Story, _paths: Walks, key: str, user: int, movie: int
) -> dict[str, NDArray[np.float64]]:
    viewer = served(_story)[0]
    parts = through(_paths, _story.trained, viewer, np.array([movie]))
    return {kind: part[:, 0] for kind, part in parts.items()}


@st.cache_resource(max_entries=3, show_spinner=False)  # each may hold a whole model
def _what_if(_story: Story, key: str, user: int, movie: int, stars: float | None) -> WhatIf:
    viewer = served(_story)[0]
    return what_if_rated(_story.served, _story.trained, viewer, movie, stars)


@st.cache_resource(max_entries=2, show_spinner=False)
def _people(_story: Story, key: str, user: int) -> tuple[Crowd, Split]:
    found = crowd(_story.data, user)
    return found, PROTOCOLS[_story.trained.protocol](found)


@st.cache_data(max_entries=50, show_spinner=False)
def _reach(_story: Story, fingerprint: str, user: int) -> list[Reach]:
    return reach_of(_story.data, user)


@st.cache_resource(max_entries=50, show_spinner=False)
def _served(_story: Story, key: str, user: int) -> tuple[Viewer, Scores, list[Recommendation]]:
    viewer = _viewer(_story)
    scores = score_all(_story.served, _story.trained, viewer)
    return viewer, scores, recommend(_story.trained, scores, 10)
