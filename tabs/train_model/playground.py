"""The playground: a small training from a random start, watched while it learns and played back."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from analysis.people import with_visitor
from analysis.replay import (
    LOSS,
    NDCG,
    TRAIN,
    VALIDATION,
    Crowd,
    crowd,
    is_sampled,
    playground_config,
    replay,
)
from charts.basics import BLUE, ORANGE
from charts.replay import Curve, Played, player_data
from data_preparation import MovieData
from model.config import TrainingConfig
from serving.replays import Replay
from settings import training_allowed
from tabs.links import (
    MAX_SEED,
    PLAY_DEFAULTS,
    PLAY_DIMS,
    PLAY_EPOCHS,
    PLAY_LAYERS,
    PLAY_RATES,
)
from tabs.shared import count, my_stars, pick_user
from tabs.watching import watch

_LINES = ((TRAIN, ORANGE), (VALIDATION, BLUE))
_CURVES = (
    Curve("BPR loss", tuple((part, colour, f"{LOSS} {part}") for part, colour in _LINES)),
    Curve(NDCG, tuple((part, colour, f"{NDCG} {part}") for part, colour in _LINES)),
)


def render(data: MovieData) -> None:
    st.markdown(
        "LightGCN as its paper has it, learning **from random numbers**: from epoch to epoch the "
        "map of films, the list and the curves change together. Play, pause, step, or drag the "
        "slider through the whole training. It is a model to watch; it serves nobody."
    )
    data, user = _followed(data)
    people = _crowd(data, data.fingerprint, user if is_sampled(data) else 0)
    if training_allowed():
        settings = _settings()
    else:
        settings = dict(PLAY_DEFAULTS)
        st.caption("This server trains nothing for its visitors; this one training is played back.")
    if people.sampled:
        st.caption(
            f"The data have {data.n_users:,} people; this learns from {len(people.users):,} of "
            f"them, chosen at random, with {people.ratings.nnz:,} ratings."
        )
    config = playground_config(people, **settings)
    watch(
        (data.fingerprint, people.extra, config),
        config.epochs + 1,
        partial(replay, people, config),
        lambda found: player_data(
            data, people, found.frames, _played(data, people, config, user, found)
        ),
        "playground",
    )


def _followed(data: MovieData) -> tuple[MovieData, int]:
    """The data with whoever is followed in them, and their inner id; a visitor is one more user."""
    stars = my_stars(data)
    if stars and st.toggle(f"Follow me, with {count(len(stars), 'rating')} of mine", key="play_me"):
        joined = _with_visitor(data, data.fingerprint, tuple(sorted(stars.items())))
        return joined, data.n_users
    return data, pick_user(data)


@st.cache_resource(max_entries=2, show_spinner=False)
def _with_visitor(
    _data: MovieData, fingerprint: str, stars: tuple[tuple[int, float], ...]
) -> MovieData:
    return with_visitor(_data, dict(stars))


@st.cache_resource(max_entries=4, show_spinner=False)
def _crowd(_data: MovieData, fingerprint: str, user: int) -> Crowd:
    return crowd(_data, user)


def _settings() -> dict[str, Any]:
    """What the controls are set to; a change begins another training."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        return {
            "layers": st.segmented_control(
                "Layers K", PLAY_LAYERS, default=PLAY_DEFAULTS["layers"], required=True,
                key="play_layers", bind="query-params", persist_state="session",
                help="Hops that a message travels. 0: no graph, each vector for itself.",
            ),
            "dim": st.segmented_control(
                "Embedding size", PLAY_DIMS, default=PLAY_DEFAULTS["dim"], required=True,
                key="play_dim", bind="query-params", persist_state="session",
                help="Numbers per person and film.",
            ),
            "learning_rate": st.select_slider(
                "Learning rate", PLAY_RATES, PLAY_DEFAULTS["learning_rate"],
                key="play_rate", bind="query-params", persist_state="session", width=200,
                help="Step size of Adam.",
            ),
            "epochs": st.select_slider(
                "Epochs", PLAY_EPOCHS, PLAY_DEFAULTS["epochs"],
                key="play_epochs", bind="query-params", persist_state="session", width=160,
                help="Passes over the training ratings.",
            ),
            "seed": st.number_input(
                "Seed", 0, MAX_SEED, PLAY_DEFAULTS["seed"],
                key="play_seed", bind="query-params", persist_state="session", width=140,
                help="Of the random start; the same settings and seed give the same training.",
            ),
        }  # fmt: skip


def _played(
    data: MovieData, people: Crowd, config: TrainingConfig, user: int, found: Replay
) -> Played:
    row = people.row_of(user)
    return Played(
        id=f"{data.fingerprint} {config} {people.extra}",
        unit="epoch",
        total=found.total,
        running=found.status == "running",
        title="Where the best-known films point",
        curves=_CURVES,
        user=row,
        who=data.user_name(user),
        known=people.split.train[[row]].indices,
        held_out=people.split.hidden()[[row]].indices,
    )
