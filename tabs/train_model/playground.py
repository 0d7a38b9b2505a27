"""The playground: a small training from a random start, watched while it learns and played back."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

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
from serving.replays import Replay, ReplayBusyError, replay_board
from settings import training_allowed
from tabs.in_browser import show_in_browser
from tabs.links import (
    MAX_SEED,
    PLAY_DEFAULTS,
    PLAY_DIMS,
    PLAY_EPOCHS,
    PLAY_LAYERS,
    PLAY_RATES,
)
from tabs.shared import escape, pick_user
from tabs.train_model.progress import session_id

_LINES = ((TRAIN, ORANGE), (VALIDATION, BLUE))
_CURVES = (
    Curve("BPR loss", tuple((part, colour, f"{LOSS} {part}") for part, colour in _LINES)),
    Curve(NDCG, tuple((part, colour, f"{NDCG} {part}") for part, colour in _LINES)),
)
_EVERY = 0.7  # seconds between two looks at a training


def render(data: MovieData) -> None:
    st.markdown(
        "LightGCN as its paper has it, learning **from random numbers**: from epoch to epoch the "
        "map of films, the list and the curves change together. Play, pause, step, or drag the "
        "slider through the whole training. It is a model to watch; it serves nobody."
    )
    user = pick_user(data)
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
    _watch(data, people, playground_config(people, **settings), user)


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


def _watch(data: MovieData, people: Crowd, config: TrainingConfig, user: int) -> None:
    """Look at the training again and again, without touching the rest of the page."""
    key = (data.fingerprint, people.extra, config)
    train = partial(replay, people, config)

    def look() -> Replay | None:
        try:
            return replay_board().watch(key, config.epochs + 1, train, session_id())
        except ReplayBusyError as error:
            st.info(escape(str(error)), icon=":material/hourglass_top:")
            return None

    now = look()
    over = now is not None and now.status != "running"

    @st.fragment(run_every=None if over else _EVERY)
    def player() -> None:
        found = now if over else look()
        if found is None:
            return
        if found.problem:
            st.warning(escape(found.problem))
        if found.frames:
            played = _played(data, people, config, user, found)
            show_in_browser("player", player_data(data, people, found.frames, played), "playground")
        elif not found.problem:
            st.info("The random start is being measured …", icon=":material/hourglass_top:")
        if found.status != "running" and not over:
            st.rerun()  # to look no more

    player()


def _played(
    data: MovieData, people: Crowd, config: TrainingConfig, user: int, found: Replay
) -> Played:
    row = people.row_of(user)
    return Played(
        id=f"{data.fingerprint} {config} {people.extra}",
        unit="epoch",
        total=found.total,
        running=found.status == "running",
        title="Map of the best-known films: each is where its vector points",
        curves=_CURVES,
        user=row,
        who=data.user_name(user),
        known=people.split.train[[row]].indices,
        held_out=people.split.hidden()[[row]].indices,
    )
