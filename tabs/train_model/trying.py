"""A model that only this visitor sees, in place of the one in use: their new one, or a kept one."""

from __future__ import annotations

from typing import Any

import streamlit as st

from data_preparation import MovieData
from model.checkpoints import CheckpointError
from model.store import compare
from model.trained import TrainedModel
from serving.state import ServerState
from serving.training_job import JobRefusedError
from settings import training_allowed
from tabs.shared import escape, kept, session_id


def model_tried(
    data: MovieData, server: ServerState, in_use: TrainedModel | None
) -> TrainedModel | None:
    """What this visitor tries, said above the tabs with a way to everybody and a way back.

    Who trained a model tries it from the moment when it is ready.
    """
    name = name_tried(data, server)
    if name is None or in_use is None:
        return None
    try:
        model = server.candidate(data, name, st.spinner)
    except CheckpointError as error:
        end_trying(data)
        st.warning(escape(f"The model in use is shown: {error}"), icon=":material/warning:")
        return None
    if model.key == in_use.key:  # it has been put in use meanwhile
        end_trying(data)
        return None
    compared = compare(model, in_use)
    st.info(
        f"**You are trying a model that only you see.** {escape(compared.sentence)}",
        icon=":material/visibility:",
    )
    with st.container(horizontal=True):
        if training_allowed():
            promote_button(data, server, name, "trying", primary=compared.better)
        if st.button("Back to the model in use", icon=":material/undo:"):
            end_trying(data)
            st.rerun()
    return model


def name_tried(data: MovieData, server: ServerState) -> str | None:
    """Of the kept model that this visitor tries."""
    state = _state(data)
    new = server.candidate_of(data, session_id())
    if new and state.get("offered") != new:
        state["offered"] = state["name"] = new
    return state.get("name")


def begin_trying(data: MovieData, name: str) -> None:
    _state(data)["name"] = name


def end_trying(data: MovieData) -> None:
    _state(data).pop("name", None)


def promote_button(
    data: MovieData, server: ServerState, name: str, key: str, primary: bool = False
) -> None:
    """Put a kept model in use for everybody by a click."""
    if st.button(
        "Use it for everybody",
        icon=":material/check:",
        key=f"promote_{key}",
        type="primary" if primary else "secondary",
        help="The model in use now stays among the kept ones, so you can go back.",
    ):
        try:
            server.promote(data, name)
        except (JobRefusedError, CheckpointError) as error:
            st.error(escape(str(error)))
        else:
            end_trying(data)
            st.rerun()


def _state(data: MovieData) -> dict[str, Any]:
    return kept("tried", data)
